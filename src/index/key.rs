//! What a key is: a kind and a name. Two hashes find it: a fast one in memory, and a stable one in files.

use crate::event::layout::kind;
use twox_hash::XxHash3_64;

/// What a key is a name of. The numbers stand in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum KeyKind {
    Stream = kind::STREAM,
    Type = kind::TYPE,
    Tag = kind::TAG,
    CorrelationText = kind::CORRELATION_TEXT,
    CorrelationUuid = kind::CORRELATION_UUID,
    /// Of streams; never stands in a frame.
    Category = 0x80,
}

impl KeyKind {
    /// The kind of a name in a frame, as far as this version indexes it.
    #[inline]
    pub(crate) fn of_name(of_kind: u8) -> Option<Self> {
        Some(match of_kind {
            kind::STREAM => Self::Stream,
            kind::TYPE => Self::Type,
            kind::TAG => Self::Tag,
            kind::CORRELATION_TEXT => Self::CorrelationText,
            kind::CORRELATION_UUID => Self::CorrelationUuid,
            _ => return None,
        })
    }

    /// The kind that a number in a run stands for.
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        if number == Self::Category as u8 { Some(Self::Category) } else { Self::of_name(number) }
    }
}

/// A key that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key<'n> {
    pub(crate) kind: KeyKind,
    pub(crate) name: &'n [u8],
}

/// What the hashes in the runs of one store start from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashSeed(u64);

impl HashSeed {
    pub(crate) fn new(store: &[u8; 16]) -> Self {
        Self(u64::from_le_bytes(*store.first_chunk().expect("sixteen bytes")))
    }

    /// XXH3 of the name, seeded by the store and the kind.
    #[inline]
    pub(crate) fn hash(self, key: Key<'_>) -> u64 {
        XxHash3_64::oneshot_with_seed(self.0.wrapping_add(key.kind as u64), key.name)
    }
}
