//! What both processes know: who writes where, and what an event says, which all follows from its id.

use orchestrix::NewEvent;
use std::fmt;

pub(crate) const THREADS: u8 = 4;
/// Streams that one thread alone writes to, each.
const OWN: u16 = 8;
/// Streams that all threads write to.
const SHARED: u16 = 4;
pub(crate) const STREAMS: u16 = OWN * THREADS as u16 + SHARED;
const TYPES: [&str; 3] = ["opened", "changed", "closed"];
const DATA_BYTES_MAX: u64 = 400;

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The streams by number: those of the threads, then the shared ones.
pub(crate) fn name(stream: u16) -> String {
    match stream.checked_sub(OWN * u16::from(THREADS)) {
        None => format!("own{}-{}", stream / OWN, stream % OWN),
        Some(shared) => format!("shared-{shared}"),
    }
}

pub(crate) fn own(thread: u8, random: &mut Random) -> u16 {
    u16::from(thread) * OWN + random.below(OWN.into()) as u16
}

pub(crate) fn shared(random: &mut Random) -> u16 {
    u16::from(THREADS) * OWN + random.below(SHARED.into()) as u16
}

/// Tells an event from all others of all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub(crate) round: u32,
    pub(crate) thread: u8,
    pub(crate) number: u32,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.round, self.thread, self.number)
    }
}

impl Id {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (round, thread, number) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { round: round.parse().ok()?, thread: thread.parse().ok()?, number: number.parse().ok()? })
    }

    fn random(self) -> Random {
        Random(u64::from(self.round) << 40 | u64::from(self.thread) << 32 | u64::from(self.number))
    }

    pub(crate) fn event_type(self) -> &'static str {
        TYPES[self.number as usize % TYPES.len()]
    }

    pub(crate) fn data(self) -> Vec<u8> {
        let mut random = self.random();
        let bytes = random.below(DATA_BYTES_MAX) as usize;
        let mut data: Vec<u8> =
            std::iter::repeat_with(|| random.next().to_le_bytes()).take(bytes / 8 + 1).flatten().collect();
        data.truncate(bytes);
        data
    }

    pub(crate) fn event(self) -> NewEvent<'static> {
        NewEvent::raw(self.event_type(), self.data()).id(self.to_string())
    }
}
