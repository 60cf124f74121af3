//! What a peer is: a store that holds events by stream and revision. Each stands in a file of its own below `peers/`.

use std::error::Error;
use std::path::Path;

/// What a peer answers; the bench ends at the first error.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// When a commit is written to the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// At the next `sync`, or when the peer likes.
    Unsynced,
    /// Before the append returns.
    Synced,
}

/// An event to append. All peers hold the same of it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    pub stream: &'a str,
    /// The caller knows it, as a service does that has read the stream.
    pub revision: u64,
    pub id: u128,
    pub payload: &'a [u8],
}

/// A store under measurement.
pub trait Peer: Sized {
    const NAME: &'static str;

    /// What a commit that was made in this mode survives.
    fn survives(mode: Mode) -> &'static str;

    /// Opens the store in this folder, and creates it if it isn't there; it will hold at most `bytes_max` of payload.
    fn open(dir: &Path, mode: Mode, bytes_max: u64) -> Outcome<Self>;

    /// Appends all events in one commit; events of one stream stand next to each other.
    fn append(&mut self, commit: &[Event<'_>]) -> Outcome<()>;

    /// Writes what was committed to the medium.
    fn sync(&mut self) -> Outcome<()>;

    /// What a reader sees, for as long as it holds it.
    type Snapshot<'a>
    where
        Self: 'a;

    /// Begins to read what is committed now.
    fn snapshot(&self) -> Outcome<Self::Snapshot<'_>>;

    /// Touches the payload of every event of a stream, in order, where it lies.
    fn read(snapshot: &Self::Snapshot<'_>, stream: &str, tally: &mut Tally) -> Outcome<()>;

    /// Ends it; all is on the medium afterwards.
    fn close(self) -> Outcome<()>;
}

/// What a reader has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub events: u64,
    pub sum: u64,
}

/// Bytes that a processor fetches at once.
const LINE_BYTES: usize = 64;

impl Tally {
    /// Reads a word of every cache line of a payload.
    #[inline]
    pub fn touch(&mut self, payload: &[u8]) {
        self.events += 1;
        for line in payload.chunks(LINE_BYTES) {
            let word = line.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
            self.sum = self.sum.wrapping_mul(31).wrapping_add(word);
        }
    }
}
