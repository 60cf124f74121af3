//! Why an event could not be decoded: the facts of the error.

use super::{Error, ErrorKind};
use crate::{Position, Revision};
use std::fmt;

/// An event that could not be decoded, where it stands, and why. See [`Error::undecoded`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Undecoded {
    /// Its place in the whole log.
    pub position: Position,
    /// Its stream.
    pub stream: String,
    /// Its place in its stream.
    pub revision: Revision,
    /// Its type.
    pub event_type: String,
    /// What stands in the way.
    pub reason: UndecodedReason,
}

/// What stands in the way of decoding an event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum UndecodedReason {
    /// Its type is none of these.
    UnknownType {
        /// The types that were expected.
        expected: Vec<String>,
    },
    /// Its schema version is newer than the one that is known.
    NewerVersion {
        /// The newest version that is known.
        known: u32,
        /// The version that it has.
        found: u32,
    },
    /// Its data isn't what its type asks for.
    Data(Error),
}

impl Undecoded {
    pub(super) fn kind(&self) -> ErrorKind {
        match &self.reason {
            UndecodedReason::UnknownType { .. } | UndecodedReason::NewerVersion { .. } => {
                ErrorKind::Unsupported
            }
            UndecodedReason::Data(cause) => cause.kind(),
        }
    }

    pub(super) fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            UndecodedReason::Data(cause) => Some(cause),
            UndecodedReason::UnknownType { .. } | UndecodedReason::NewerVersion { .. } => None,
        }
    }
}

impl fmt::Display for Undecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, stream, revision, event_type, reason } = self;
        write!(f, "event {position}, revision {revision} of stream {stream:?}: ")?;
        match reason {
            UndecodedReason::UnknownType { expected } => {
                write!(f, "expected a type of {expected:?}, found {event_type:?}")
            }
            UndecodedReason::NewerVersion { known, found } => {
                write!(f, "expected type {event_type:?} in schema version {known} at most, found {found}")
            }
            UndecodedReason::Data(cause) => write!(f, "data of type {event_type:?}: {cause}"),
        }
    }
}
