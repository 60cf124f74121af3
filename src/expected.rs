//! What an append demands of its stream, what its `Ok` has survived, and what readers may see.

use crate::Revision;
use std::fmt;

/// What must be true of a stream for an append to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// Nothing. Never recognised as a repeat.
    Any,
    /// The stream has never had an event.
    NoStream,
    /// The stream has at least one event.
    StreamExists,
    /// The newest event of the stream has this revision.
    Exact(Revision),
}

impl Expected {
    /// Whether a stream whose newest revision is `head` (`None`: no such stream) meets this.
    pub fn is_met_by(self, head: Option<Revision>) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => head.is_none(),
            Self::StreamExists => head.is_some(),
            Self::Exact(revision) => head == Some(revision),
        }
    }
}

impl From<Revision> for Expected {
    fn from(revision: Revision) -> Self {
        Self::Exact(revision)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::NoStream => f.write_str("no stream"),
            Self::StreamExists => f.write_str("an existing stream"),
            Self::Exact(revision) => write!(f, "revision {revision}"),
        }
    }
}

/// What the `Ok` of an append has survived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// The death of the process, by `kill -9` too. Costs no system call.
    Process,
    /// Power loss: the commit is on stable storage.
    #[default]
    Power,
}

/// The position up to which a reader may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Watermark {
    /// Everything up to it survives power loss, so nothing that was read is ever lost. It follows the commits within the
    /// store's sync interval.
    #[default]
    Synced,
    /// Everything up to it is visible at once; power loss may take what isn't synced yet, and readers ahead of it.
    Committed,
}
