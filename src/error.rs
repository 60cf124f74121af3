//! The one error: opaque, its facts by accessor. A message says what, where, expected and found.

mod corruption;
mod undecoded;

use crate::{Expected, Position, Query, Revision};
pub use corruption::Corruption;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
pub use undecoded::{Undecoded, UndecodedReason};

/// Any error, of the user's code too.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The class of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A stream is not what the append expected, or an event matches its condition.
    Conflict,
    /// A reader goes on behind a position that the log doesn't have, or that isn't what the reader saw there.
    Ahead,
    /// Bytes that were acknowledged are damaged or missing, or a file is not what it should be.
    Corrupt,
    /// No room on the file system (`ENOSPC`, `EDQUOT`, `EFBIG`). Reading goes on; appending works again once there is room.
    DiskFull,
    /// Another failure of the operating system.
    Io,
    /// Another writer has the store open, or the consumer runs already.
    Locked,
    /// What was asked for has been removed by retention.
    Truncated,
    /// The file or value is of a later version than this program knows, or an event of a type that it doesn't.
    Unsupported,
    /// A bound of [`limits`](crate::limits) was reached.
    Limit,
    /// The store was closed.
    Closed,
    /// A sync failed: nothing more is written until the store is opened again.
    Poisoned,
    /// The request itself is wrong.
    Invalid,
    /// Anything else; see its source.
    Other,
}

/// A stream was not what an append expected; or an event stands where its condition wanted none: then
/// [`condition`](Conflict::condition) and [`matched`](Conflict::matched) are there, and the stream is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// The stream; empty if it was the condition that failed.
    pub stream: String,
    /// What the append expected of it.
    pub expected: Expected,
    /// Its newest revision, `None` if there is no such stream.
    pub actual: Option<Revision>,
    /// The condition that failed: no event after the position was to match the query.
    pub condition: Option<(Query, Position)>,
    /// Position of an event that matches it: the newest one, where the store knows that.
    pub matched: Option<Position>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, expected, actual, condition, matched } = self;
        if let (Some((query, after)), Some(matched)) = (condition, matched) {
            return write!(
                f,
                "conflict with a condition: expected no {query} after position {after}, found position {matched}"
            );
        }
        write!(f, "conflict in stream {stream:?}: expected {expected}, found ")?;
        match actual {
            Some(revision) => write!(f, "revision {revision}"),
            None => f.write_str("no stream"),
        }
    }
}

/// What any operation of the library fails with. Cheap to clone and one word wide.
#[derive(Clone)]
pub struct Error(Arc<Repr>);

#[derive(Debug)]
enum Repr {
    Conflict(Conflict),
    Ahead { what: String },
    Corrupt(Corruption),
    DiskFull { what: String, source: io::Error },
    Io { what: String, source: io::Error },
    Locked { dir: PathBuf, pid: Option<u32> },
    Taken { what: String },
    Truncated { what: String, first: Position },
    Unsupported { what: String },
    Limit { what: String, limit: u64, found: u64 },
    Closed,
    Poisoned { cause: Error },
    NotAStore { dir: PathBuf, why: String },
    IncompleteBackup { dir: PathBuf },
    Invalid { what: String },
    Undecoded(Undecoded),
    Other { what: String, source: Option<BoxError> },
}

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match &*self.0 {
            Repr::Conflict(_) => ErrorKind::Conflict,
            Repr::Ahead { .. } => ErrorKind::Ahead,
            Repr::Corrupt(_) => ErrorKind::Corrupt,
            Repr::DiskFull { .. } => ErrorKind::DiskFull,
            Repr::Io { .. } => ErrorKind::Io,
            Repr::Locked { .. } | Repr::Taken { .. } => ErrorKind::Locked,
            Repr::Truncated { .. } => ErrorKind::Truncated,
            Repr::Unsupported { .. } => ErrorKind::Unsupported,
            Repr::Limit { .. } => ErrorKind::Limit,
            Repr::Closed => ErrorKind::Closed,
            Repr::Poisoned { .. } => ErrorKind::Poisoned,
            Repr::NotAStore { .. } | Repr::IncompleteBackup { .. } | Repr::Invalid { .. } => {
                ErrorKind::Invalid
            }
            Repr::Undecoded(undecoded) => undecoded.kind(),
            Repr::Other { .. } => ErrorKind::Other,
        }
    }

    /// The facts of a conflict.
    pub fn conflict(&self) -> Option<&Conflict> {
        match &*self.0 {
            Repr::Conflict(conflict) => Some(conflict),
            _ => None,
        }
    }

    /// Where damage was found.
    pub fn corruption(&self) -> Option<&Corruption> {
        match &*self.0 {
            Repr::Corrupt(corruption) => Some(corruption),
            _ => None,
        }
    }

    /// Which event could not be decoded, and why.
    pub fn undecoded(&self) -> Option<&Undecoded> {
        match &*self.0 {
            Repr::Undecoded(undecoded) => Some(undecoded),
            _ => None,
        }
    }

    /// Process id of the writer that holds the store, if it could be read.
    pub fn holder(&self) -> Option<u32> {
        match &*self.0 {
            Repr::Locked { pid, .. } => *pid,
            _ => None,
        }
    }

    /// A stream was not what the append expected, or its condition failed; see [`Error::conflict`].
    pub fn is_conflict(&self) -> bool {
        self.kind() == ErrorKind::Conflict
    }
    /// Acknowledged data is damaged; see [`Error::corruption`].
    pub fn is_corrupt(&self) -> bool {
        self.kind() == ErrorKind::Corrupt
    }
    /// There is no room on the file system.
    pub fn is_disk_full(&self) -> bool {
        self.kind() == ErrorKind::DiskFull
    }
    /// Another writer has the store; see [`Error::holder`].
    pub fn is_locked(&self) -> bool {
        self.kind() == ErrorKind::Locked
    }
    /// The store was closed.
    pub fn is_closed(&self) -> bool {
        self.kind() == ErrorKind::Closed
    }
    /// An earlier sync failed; open the store again.
    pub fn is_poisoned(&self) -> bool {
        self.kind() == ErrorKind::Poisoned
    }
    /// Of what retention has removed: the first position that is there.
    pub fn first_position(&self) -> Option<Position> {
        match &*self.0 {
            Repr::Truncated { first, .. } => Some(*first),
            _ => None,
        }
    }

    /// Retention has removed what was asked for; see [`Error::first_position`].
    pub fn is_truncated(&self) -> bool {
        self.kind() == ErrorKind::Truncated
    }

    /// A reader goes on behind what the log doesn't have: it has seen what power loss has taken since.
    pub fn is_ahead(&self) -> bool {
        self.kind() == ErrorKind::Ahead
    }

    /// A later version wrote this, or it is an event of a type that isn't known.
    pub fn is_unsupported(&self) -> bool {
        self.kind() == ErrorKind::Unsupported
    }
    /// The directory is not a store.
    pub fn is_not_a_store(&self) -> bool {
        matches!(&*self.0, Repr::NotAStore { .. })
    }
    /// The directory is a backup that was interrupted: the next run of the same backup completes it.
    pub fn is_incomplete_backup(&self) -> bool {
        matches!(&*self.0, Repr::IncompleteBackup { .. })
    }
    /// The same call may succeed later without any change: no room, the store is held by another writer, or too many
    /// files are open or too little memory is there.
    pub fn is_retryable(&self) -> bool {
        match &*self.0 {
            Repr::DiskFull { .. } | Repr::Locked { .. } | Repr::Taken { .. } => true,
            Repr::Io { source, .. } => {
                matches!(
                    source.raw_os_error(),
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN | libc::EINTR)
                )
            }
            _ => false,
        }
    }

    /// For authors of stores: a conflict, with its facts.
    pub fn new_conflict(stream: impl Into<String>, expected: Expected, actual: Option<Revision>) -> Self {
        let (condition, matched) = (None, None);
        Repr::Conflict(Conflict { stream: stream.into(), expected, actual, condition, matched }).into()
    }

    /// For authors of stores: the conflict of a condition. An event after position `after` matches `query`: the one at
    /// `matched`, the newest if that is known.
    pub fn new_condition_conflict(query: Query, after: Position, matched: Position) -> Self {
        Repr::Conflict(Conflict {
            stream: String::new(),
            expected: Expected::Any,
            actual: None,
            condition: Some((query, after)),
            matched: Some(matched),
        })
        .into()
    }

    /// For authors of stores and codecs: anything else, with its cause.
    pub fn other(cause: impl Into<BoxError>) -> Self {
        Repr::Other { what: String::new(), source: Some(cause.into()) }.into()
    }

    /// The request is wrong: `what` says where, what was expected and what was found.
    pub fn invalid(what: impl Into<String>) -> Self {
        Repr::Invalid { what: what.into() }.into()
    }

    /// For authors of stores: the store can't do this, or a later version wrote it, or a feature is off.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Repr::Unsupported { what: what.into() }.into()
    }

    /// For authors of stores: there is more of something than its limit.
    pub fn limit(what: impl Into<String>, limit: u64, found: u64) -> Self {
        Repr::Limit { what: what.into(), limit, found }.into()
    }

    /// For authors of stores: the store was closed.
    pub fn closed() -> Self {
        Repr::Closed.into()
    }

    pub(crate) fn poisoned(cause: Error) -> Self {
        match &*cause.0 {
            Repr::Poisoned { .. } => cause,
            _ => Repr::Poisoned { cause }.into(),
        }
    }

    pub(crate) fn locked(dir: impl Into<PathBuf>, pid: Option<u32>) -> Self {
        Repr::Locked { dir: dir.into(), pid }.into()
    }

    /// For authors of stores: somebody else has what only one may have.
    pub fn taken(what: impl Into<String>) -> Self {
        Repr::Taken { what: what.into() }.into()
    }

    pub(crate) fn not_a_store(dir: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Repr::NotAStore { dir: dir.into(), why: why.into() }.into()
    }

    pub(crate) fn incomplete_backup(dir: impl Into<PathBuf>) -> Self {
        Repr::IncompleteBackup { dir: dir.into() }.into()
    }

    /// For authors of stores: what stands at or after `asked` was wanted, and retention has removed what stands before
    /// `first`.
    pub fn truncated(asked: Position, first: Position) -> Self {
        Repr::Truncated { what: format!("position {asked}"), first }.into()
    }

    /// For authors of stores: a stream was to be read from `asked` on, and retention has removed what stands before `first`.
    pub fn truncated_stream(stream: &str, asked: Revision, first: Position) -> Self {
        Repr::Truncated { what: format!("revision {asked} of stream {stream:?}"), first }.into()
    }

    pub(crate) fn not_decoded(undecoded: Undecoded) -> Self {
        Repr::Undecoded(undecoded).into()
    }

    /// For authors of stores: a reader goes on behind what the store doesn't have; `what` says what it saw and what is there.
    pub fn ahead(what: impl Into<String>) -> Self {
        Repr::Ahead { what: what.into() }.into()
    }

    pub(crate) fn corrupt(corruption: Corruption) -> Self {
        Repr::Corrupt(corruption).into()
    }

    /// A failed call: `what` says which, on which file.
    pub(crate) fn io(what: impl fmt::Display, path: &Path, source: io::Error) -> Self {
        let what = format!("{what} {}", path.display());
        match source.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG) => Repr::DiskFull { what, source }.into(),
            _ if source.kind() == io::ErrorKind::StorageFull => Repr::DiskFull { what, source }.into(),
            _ => Repr::Io { what, source }.into(),
        }
    }
}

impl From<Repr> for Error {
    fn from(repr: Repr) -> Self {
        Self(Arc::new(repr))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Repr::Conflict(conflict) => conflict.fmt(f),
            Repr::Ahead { what } => write!(f, "the reader is ahead of the log: {what}"),
            Repr::Corrupt(corruption) => corruption.fmt(f),
            Repr::DiskFull { what, source } => write!(f, "disk full: {what}: {source}"),
            Repr::Io { what, source } => write!(f, "{what}: {source}"),
            Repr::Locked { dir, pid } => {
                write!(f, "the store in {} is locked by another writer", dir.display())?;
                match pid {
                    Some(pid) => write!(f, ", process {pid}"),
                    None => Ok(()),
                }
            }
            Repr::Taken { what } => write!(f, "{what} runs already"),
            Repr::Truncated { what, first } => {
                write!(f, "{what} was removed by retention: the first position that is there is {first}")
            }
            Repr::Unsupported { what } => write!(f, "unsupported: {what}"),
            Repr::Limit { what, limit, found } => write!(f, "{what}: at most {limit}, found {found}"),
            Repr::Closed => f.write_str("the store is closed"),
            Repr::Poisoned { cause } => {
                let what = "the writer stopped after a failure and needs the store to be opened again";
                write!(f, "{what}: {cause}")
            }
            Repr::NotAStore { dir, why } => write!(f, "{} is not a store: {why}", dir.display()),
            Repr::IncompleteBackup { dir } => write!(
                f,
                "{} is a backup that was interrupted: run the same backup again to complete it",
                dir.display()
            ),
            Repr::Invalid { what } => f.write_str(what),
            Repr::Undecoded(undecoded) => undecoded.fmt(f),
            Repr::Other { what, source } => match source {
                Some(source) if what.is_empty() => source.fmt(f),
                Some(source) => write!(f, "{what}: {source}"),
                None => f.write_str(what),
            },
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            Repr::DiskFull { source, .. } | Repr::Io { source, .. } => Some(source),
            Repr::Poisoned { cause } => Some(cause),
            Repr::Undecoded(undecoded) => undecoded.source(),
            Repr::Other { source: Some(source), .. } => Some(&**source),
            _ => None,
        }
    }
}
