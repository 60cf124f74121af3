//! The id of an event: any text of up to 255 bytes; one that is a UUID is kept in 16 bytes.

use std::fmt;
use std::hash::{Hash, Hasher};
use uuid::Uuid;

/// The id of an event: text of 1 to 255 bytes, or a UUID.
///
/// The canonical text of a UUID (36 characters, lowercase, with hyphens) *is* that UUID: both spellings are the same
/// id. Any other spelling of one, such as in upper case, is text that equals nothing but itself.
///
/// Making an id never fails. One that is empty, too long or has control characters in it is refused by the append.
#[derive(Clone, PartialEq, Eq)]
pub struct EventId(Repr);

#[derive(Clone, PartialEq, Eq)]
enum Repr {
    Uuid([u8; 16]),
    Text(Box<str>),
}

impl EventId {
    #[inline]
    pub(crate) fn from_uuid_bytes(bytes: [u8; 16]) -> Self {
        Self(Repr::Uuid(bytes))
    }

    /// The same id, borrowed.
    #[inline]
    pub fn as_ref(&self) -> EventIdRef<'_> {
        match &self.0 {
            Repr::Uuid(bytes) => EventIdRef(RefRepr::Uuid(bytes)),
            Repr::Text(text) => EventIdRef(RefRepr::Text(text)),
        }
    }

    /// The UUID that this id is, if it is one.
    pub fn as_uuid(&self) -> Option<Uuid> {
        self.as_ref().as_uuid()
    }
}

impl From<Uuid> for EventId {
    #[inline]
    fn from(id: Uuid) -> Self {
        Self(Repr::Uuid(id.into_bytes()))
    }
}

impl From<&str> for EventId {
    fn from(id: &str) -> Self {
        match canonical_uuid(id) {
            Some(bytes) => Self(Repr::Uuid(bytes)),
            None => Self(Repr::Text(id.into())),
        }
    }
}

impl From<String> for EventId {
    fn from(id: String) -> Self {
        match canonical_uuid(&id) {
            Some(bytes) => Self(Repr::Uuid(bytes)),
            None => Self(Repr::Text(id.into())),
        }
    }
}

impl From<&String> for EventId {
    fn from(id: &String) -> Self {
        id.as_str().into()
    }
}

impl From<&EventId> for EventId {
    fn from(id: &EventId) -> Self {
        id.clone()
    }
}

impl From<EventIdRef<'_>> for EventId {
    fn from(id: EventIdRef<'_>) -> Self {
        id.to_event_id()
    }
}

impl Hash for EventId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl PartialEq<str> for EventId {
    fn eq(&self, other: &str) -> bool {
        self.as_ref() == *other
    }
}

impl PartialEq<&str> for EventId {
    fn eq(&self, other: &&str) -> bool {
        self.as_ref() == **other
    }
}

impl PartialEq<EventIdRef<'_>> for EventId {
    fn eq(&self, other: &EventIdRef<'_>) -> bool {
        self.as_ref() == *other
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

/// A borrowed [`EventId`]. A UUID is stored as 16 bytes, so there is no `&str` to lend: compare it, print it, or own it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventIdRef<'a>(RefRepr<'a>);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum RefRepr<'a> {
    Uuid(&'a [u8; 16]),
    Text(&'a str),
}

impl<'a> EventIdRef<'a> {
    #[inline]
    pub(crate) fn uuid(bytes: &'a [u8; 16]) -> Self {
        Self(RefRepr::Uuid(bytes))
    }

    /// `text` is not the canonical text of a UUID, as in validated frames.
    #[inline]
    pub(crate) fn text(text: &'a str) -> Self {
        Self(RefRepr::Text(text))
    }

    /// An owned copy.
    pub fn to_event_id(self) -> EventId {
        match self.0 {
            RefRepr::Uuid(bytes) => EventId(Repr::Uuid(*bytes)),
            RefRepr::Text(text) => text.into(),
        }
    }

    /// The UUID that this id is, if it is one.
    pub fn as_uuid(self) -> Option<Uuid> {
        match self.0 {
            RefRepr::Uuid(bytes) => Some(Uuid::from_bytes(*bytes)),
            RefRepr::Text(_) => None,
        }
    }

    /// The bytes of the id as the format keeps them: the 16 of a UUID (`true`), or its text.
    #[inline]
    pub(crate) fn stored(self) -> (bool, &'a [u8]) {
        match self.0 {
            RefRepr::Uuid(bytes) => (true, bytes),
            RefRepr::Text(text) => (false, text.as_bytes()),
        }
    }

    /// The text, if it is no UUID.
    #[inline]
    pub(crate) fn as_text(self) -> Option<&'a str> {
        match self.0 {
            RefRepr::Uuid(_) => None,
            RefRepr::Text(text) => Some(text),
        }
    }
}

impl PartialEq<EventId> for EventIdRef<'_> {
    fn eq(&self, other: &EventId) -> bool {
        *self == other.as_ref()
    }
}

impl PartialEq<str> for EventIdRef<'_> {
    fn eq(&self, other: &str) -> bool {
        match self.0 {
            RefRepr::Uuid(bytes) => canonical_uuid(other).as_ref() == Some(bytes),
            RefRepr::Text(text) => text == other,
        }
    }
}

impl PartialEq<&str> for EventIdRef<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Display for EventIdRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            RefRepr::Uuid(bytes) => {
                let mut buffer = Uuid::encode_buffer();
                f.pad(Uuid::from_bytes(*bytes).as_hyphenated().encode_lower(&mut buffer))
            }
            RefRepr::Text(text) => f.pad(text),
        }
    }
}

impl fmt::Debug for EventIdRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventIdRef({self})")
    }
}

/// The UUID whose canonical text (lowercase, hyphens at 8, 13, 18 and 23) this is.
pub(crate) fn canonical_uuid(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    let mut at = 0;
    for byte in &mut bytes {
        if matches!(at, 8 | 13 | 18 | 23) {
            if text[at] != b'-' {
                return None;
            }
            at += 1;
        }
        *byte = hex_digit(text[at])? << 4 | hex_digit(text[at + 1])?;
        at += 2;
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
