//! What every peer is given: streams of a hundred events of 256 bytes, written as a service writes them, some events here
//! and some there. The same on every run.

use crate::peer::Event;

/// Events that each stream is loaded with.
pub const EVENTS_A_STREAM: u64 = 100;
/// Events of a commit, where it isn't one.
pub const BATCH: usize = 100;
pub const PAYLOAD_BYTES: usize = 256;
pub const EVENT_TYPE: &str = "MeterReading";
/// Payloads that differ.
const PAYLOADS: u64 = 1_024;
const STREAMS_DEFAULT: u64 = 10_000;
const STREAMS_VARIABLE: &str = "ORCHESTRIX_PEER_STREAMS";
/// Before the number in a stream's name, which has as many bytes in every one.
const CATEGORY: &str = "meter-";

/// How many streams are asked for.
pub fn streams() -> u64 {
    let asked = std::env::var(STREAMS_VARIABLE).ok();
    asked.map_or(STREAMS_DEFAULT, |text| text.parse().expect("a number of streams")).max(1)
}

/// Names and payloads, made once.
pub struct Workload {
    names: Vec<String>,
    payloads: Vec<u8>,
}

impl Workload {
    pub fn new(streams: u64) -> Self {
        let mut random = Random(1);
        let bytes = PAYLOADS as usize * PAYLOAD_BYTES;
        let payloads = (0..bytes / 8).flat_map(|_| random.any().to_le_bytes()).collect();
        Self { names: (0..streams).map(|number| format!("{CATEGORY}{number:08}")).collect(), payloads }
    }

    pub fn streams(&self) -> u64 {
        self.names.len() as u64
    }

    /// Events that are loaded.
    pub fn events(&self) -> u64 {
        self.streams() * EVENTS_A_STREAM
    }

    /// Name of a stream.
    pub fn name(&self, number: u64) -> &str {
        &self.names[number as usize]
    }

    /// Number of the stream with this name.
    pub fn number(&self, name: &str) -> u64 {
        name[CATEGORY.len()..].parse().expect("a name of this workload")
    }

    #[inline]
    pub fn payload(&self, stream: u64, revision: u64) -> &[u8] {
        let at = (stream.wrapping_mul(61).wrapping_add(revision) % PAYLOADS) as usize * PAYLOAD_BYTES;
        &self.payloads[at..at + PAYLOAD_BYTES]
    }

    #[inline]
    pub fn event(&self, stream: u64, revision: u64) -> Event<'_> {
        // A UUID of version 7, as far as its fixed bits go.
        let id = 0x0197_0000_0000_7000_8000_0000_0000_0000_u128
            | u128::from(stream) << 32
            | u128::from(revision & u64::from(u32::MAX));
        Event { stream: self.name(stream), revision, id, payload: self.payload(stream, revision) }
    }

    /// Calls `commit` with the events of every commit of the load: each round has the next event of each stream, in an
    /// order of its own.
    pub fn load<E>(&self, mut commit: impl FnMut(&[Event<'_>]) -> Result<(), E>) -> Result<(), E> {
        let mut random = Random(2);
        let mut order: Vec<u64> = (0..self.streams()).collect();
        let mut events = Vec::with_capacity(BATCH);
        for revision in 0..EVENTS_A_STREAM {
            random.shuffle(&mut order);
            for streams in order.chunks(BATCH) {
                events.clear();
                events.extend(streams.iter().map(|stream| self.event(*stream, revision)));
                commit(&events)?;
            }
        }
        Ok(())
    }
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.any() % bound
    }

    fn shuffle(&mut self, order: &mut [u64]) {
        for place in (1..order.len()).rev() {
            order.swap(place, self.below(place as u64 + 1) as usize);
        }
    }
}
