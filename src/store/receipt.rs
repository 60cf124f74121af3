//! What an append became.

use crate::{Position, Revision};
use std::fmt;

/// Bytes of a stream name that a receipt holds without allocating.
const INLINE_BYTES: usize = 46;

/// A stream name, short ones in place.
#[derive(Clone)]
pub(crate) enum Name {
    Inline(u8, [u8; INLINE_BYTES]),
    Boxed(Box<str>),
}

impl Name {
    #[inline]
    pub(crate) fn new(name: &str) -> Self {
        match name.len() {
            len @ ..=INLINE_BYTES => {
                let mut bytes = [0; INLINE_BYTES];
                bytes[..len].copy_from_slice(name.as_bytes());
                Self::Inline(len as u8, bytes)
            }
            _ => Self::Boxed(name.into()),
        }
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.as_bytes() == name.as_bytes()
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Self::Boxed(name) => name.as_bytes(),
        }
    }
}

/// Where the events of one append stand.
#[derive(Clone)]
#[non_exhaustive]
pub struct Receipt {
    position: Position,
    repeat: bool,
    first: (Name, Revision),
    more: Vec<(Name, Revision)>,
}

impl Receipt {
    /// For authors of stores: the last event stands at `position`, and has this revision in the first stream of the append.
    #[inline]
    pub fn new(position: Position, stream: &str, revision: Revision) -> Self {
        Self { position, repeat: false, first: (Name::new(stream), revision), more: Vec::new() }
    }

    /// For authors of stores: adds a further stream of the append, with the revision of its last event.
    #[must_use]
    pub fn with_stream(mut self, stream: &str, revision: Revision) -> Self {
        self.more.push((Name::new(stream), revision));
        self
    }

    /// For authors of stores: says that the events were there already.
    #[must_use]
    pub fn as_repeat(mut self) -> Self {
        self.repeat = true;
        self
    }

    /// `first` and `more` are the streams of the append in order, each with the revision of its last event.
    pub(crate) fn of_streams(
        position: Position,
        repeat: bool,
        first: (Name, Revision),
        more: Vec<(Name, Revision)>,
    ) -> Self {
        Self { position, repeat, first, more }
    }

    /// Of one event.
    #[inline]
    pub(crate) fn of_one(stream: &str, position: u64, revision: Revision) -> Self {
        Self::new(Position(position), stream, revision)
    }

    /// Position of the last event.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Revision of the last event in the first stream: what to expect of it next.
    pub fn revision(&self) -> Revision {
        self.first.1
    }

    /// Revision of the last event in a stream of the append; `None` if it has none in that stream.
    pub fn revision_of(&self, stream: &str) -> Option<Revision> {
        let all = std::iter::once(&self.first).chain(&self.more);
        all.filter(|(name, _)| name.is(stream)).map(|(_, revision)| *revision).next_back()
    }

    /// The events were there already, in this place: nothing was added.
    pub fn is_repeat(&self) -> bool {
        self.repeat
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("position", &self.position)
            .field("revision", &self.revision())
            .field("is_repeat", &self.repeat)
            .finish_non_exhaustive()
    }
}

/// The newest event of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// Its revision.
    pub revision: Revision,
    /// Its position.
    pub position: Position,
}

impl Head {
    /// For authors of stores.
    pub fn new(revision: Revision, position: Position) -> Self {
        Self { revision, position }
    }
}
