//! What opening a store found.

use std::fmt;

/// What opening found, and what it did. Opening never cuts in silence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Commits in the log.
    pub commits: u64,
    /// Events in the log.
    pub events: u64,
    /// Segments in the log.
    pub segments: u64,
    /// Position up to which something durable said that everything was synced.
    pub synced: u64,
    /// Bytes of frames past it: whole and valid, written again and synced by an open for writing.
    pub unsynced_bytes: u64,
    /// What a crash left behind the last whole commit, if anything. An open for writing has cut it off.
    pub tail: Option<TailCut>,
    /// Names in the store's directory that an unfinished creation left, and that an open for writing removed.
    pub removed: Vec<String>,
}

/// The torn end of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TailCut {
    /// Segment of the cut.
    pub segment: u64,
    /// Byte place of the cut in it.
    pub offset: u64,
    /// Bytes behind the cut, up to the last one that isn't zero, over all segments.
    pub bytes: u64,
    /// Intact headers behind the cut: commits that were begun after the one that is torn, never acknowledged.
    pub commits_after: u64,
    /// What stands at the cut.
    pub why: String,
}

impl RecoveryReport {
    /// Nothing was cut.
    pub fn is_clean(&self) -> bool {
        self.tail.is_none()
    }

    /// Bytes that were cut, or would be by an open for writing.
    pub fn tail_bytes(&self) -> u64 {
        self.tail.as_ref().map_or(0, |tail| tail.bytes)
    }
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events in {} commits, {} segments", self.events, self.commits, self.segments)?;
        match &self.tail {
            None => f.write_str(", nothing cut"),
            Some(tail) => write!(f, ", {tail}"),
        }
    }
}

impl fmt::Display for TailCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, offset, bytes, commits_after, why } = self;
        write!(
            f,
            "tail of {bytes} bytes in segment {segment} at byte {offset} ({why}; {commits_after} later headers intact)"
        )
    }
}
