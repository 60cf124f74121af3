//! What an index counts on from: the streams that have no event in the log any more.

use std::collections::HashMap;

/// Next revisions of streams without events.
#[derive(Debug, Default)]
pub(crate) struct Base {
    streams: HashMap<Box<[u8]>, u64>,
}

impl Base {
    /// The next revision of a stream, if it is one of these.
    pub(crate) fn next_revision(&self, stream: &[u8]) -> u64 {
        self.streams.get(stream).copied().unwrap_or(0)
    }

    /// Number of streams.
    pub(crate) fn streams(&self) -> u64 {
        self.streams.len() as u64
    }
}
