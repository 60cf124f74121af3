//! The input of every bench: 10,000 streams in a shuffled order, payloads of 256 bytes, ids.

use uuid::Uuid;

/// Streams of a store.
pub const STREAMS: usize = 10_000;
/// Bytes of data of an event.
pub const PAYLOAD_BYTES: usize = 256;
/// Events of a commit, where they come in batches.
pub const BATCH: usize = 100;
/// Type of every event, 12 bytes.
pub const EVENT_TYPE: &str = "MeterReading";

/// Different tags of each of the two kinds.
const TAGS: [u64; 2] = [100, 7];

/// Names, tags and payloads, made once.
pub struct Workload {
    names: Vec<String>,
    tags: [Vec<String>; 2],
    payloads: Vec<u8>,
}

impl Default for Workload {
    fn default() -> Self {
        Self::new()
    }
}

impl Workload {
    /// The same on every run.
    pub fn new() -> Self {
        let mut state = 0x0123_4567_89AB_CDEF;
        let mut names: Vec<String> = (0..STREAMS).map(|n| format!("meter-{n:04}")).collect();
        for place in (1..names.len()).rev() {
            names.swap(place, (random(&mut state) % (place as u64 + 1)) as usize);
        }
        let payloads =
            (0..BATCH * PAYLOAD_BYTES / 8).flat_map(|_| random(&mut state).to_le_bytes()).collect();
        let tags = [("room", TAGS[0]), ("shift", TAGS[1])];
        let tags = tags.map(|(kind, count)| (0..count).map(|n| format!("{kind}:{n}")).collect());
        Self { names, tags, payloads }
    }

    /// Names of all streams, shuffled.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Stream of the `n`-th commit: all of them in turn.
    #[inline]
    pub fn stream(&self, n: u64) -> &str {
        &self.names[(n % STREAMS as u64) as usize]
    }

    /// Two tags of the `n`-th event, where it has tags.
    #[inline]
    pub fn tags(&self, n: u64) -> [&str; 2] {
        [0, 1].map(|kind| self.tags[kind][(n % TAGS[kind]) as usize].as_str())
    }

    /// Data of the `n`-th event.
    #[inline]
    pub fn payload(&self, n: u64) -> &[u8] {
        let at = (n % BATCH as u64) as usize * PAYLOAD_BYTES;
        &self.payloads[at..at + PAYLOAD_BYTES]
    }

    /// Data of a hundred events, one after another.
    pub fn batch_payload(&self) -> &[u8] {
        &self.payloads
    }
}

/// Id of the `n`-th event, where ids are given.
#[inline]
pub fn id(n: u64) -> Uuid {
    Uuid::from_u64_pair(0x0197_0000_0000_7000, 0x8000_0000_0000_0000 | n)
}

/// SplitMix64: the next number after `state`.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
