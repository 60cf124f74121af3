//! What a run is made from: keys in the order of their hashes, with their postings.

use super::Damaged;
use crate::index::key::Key;
use std::io;

/// Why a run wasn't finished.
#[derive(Debug)]
pub(crate) enum Stop {
    Io(io::Error),
    /// A run that it is made from is damaged.
    Damaged(Damaged),
    /// The store is being closed.
    Interrupted,
    /// It would have more than the format holds.
    TooLarge,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Damaged> for Stop {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged)
    }
}

/// Gives the numbers of a key from one of them on.
pub(crate) type Numbers<'n> = dyn Fn(u32, &mut [u64]) -> Result<(), Stop> + 'n;

/// One key.
pub(crate) struct KeyInput<'k> {
    pub(crate) hash: u64,
    pub(crate) key: Key<'k>,
    /// Events of a stream before the run; 0 for other keys.
    pub(crate) earlier: u64,
    /// Postings in the run; at least one.
    pub(crate) count: u32,
    /// Gives the numbers (places, counted from the first segment of the run) from number `n` on.
    pub(crate) numbers: &'k Numbers<'k>,
}

/// Keys in ascending order of hash, kind and name. Walked twice: to measure, and to write.
pub(crate) trait Input {
    fn each(&self, visit: &mut dyn FnMut(&KeyInput<'_>) -> Result<(), Stop>) -> Result<(), Stop>;
}
