//! The value of an attribute that the library gives no meaning.

use std::borrow::Cow;

/// The value of an extension, of one of the types that a CloudEvents attribute has in JSON. Binary values, URIs and
/// timestamps travel as text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtensionValue<'a> {
    /// Text, maybe empty, without control characters.
    String(Cow<'a, str>),
    /// A signed integer of 32 bits.
    Integer(i32),
    /// True or false.
    Boolean(bool),
}

/// The kinds as the format numbers them.
const STRING: u8 = 0;
const INTEGER: u8 = 1;
const BOOLEAN: u8 = 2;

impl<'a> ExtensionValue<'a> {
    /// The value as text: of a string itself, of others as JSON writes them.
    pub fn as_text(&self) -> Cow<'_, str> {
        match self {
            Self::String(text) => Cow::Borrowed(text),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Boolean(true) => Cow::Borrowed("true"),
            Self::Boolean(false) => Cow::Borrowed("false"),
        }
    }

    /// A value that owns its text.
    pub fn into_owned(self) -> ExtensionValue<'static> {
        match self {
            Self::String(text) => ExtensionValue::String(Cow::Owned(text.into_owned())),
            Self::Integer(number) => ExtensionValue::Integer(number),
            Self::Boolean(truth) => ExtensionValue::Boolean(truth),
        }
    }

    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::String(_) => STRING,
            Self::Integer(_) => INTEGER,
            Self::Boolean(_) => BOOLEAN,
        }
    }

    /// The value that a kind and a text stand for; `None` if they stand for none.
    pub(crate) fn decode(kind: u8, text: &'a str) -> Option<Self> {
        match kind {
            STRING => Some(Self::String(Cow::Borrowed(text))),
            INTEGER => text.parse().ok().map(Self::Integer),
            BOOLEAN => text.parse().ok().map(Self::Boolean),
            _ => None,
        }
    }

    /// The schema version that this is as an attribute: an integer, or one above `i32::MAX` as its decimal text.
    pub(crate) fn as_schema_version(&self) -> Option<u32> {
        match self {
            Self::Integer(number) => u32::try_from(*number).ok(),
            Self::Boolean(_) => None,
            Self::String(text) => {
                let version = text.parse().ok()?;
                (i32::try_from(version).is_err() && u32::to_string(&version) == **text).then_some(version)
            }
        }
    }
}

impl<'a> From<&'a str> for ExtensionValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl From<String> for ExtensionValue<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for ExtensionValue<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::String(text)
    }
}

impl From<i32> for ExtensionValue<'_> {
    fn from(number: i32) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for ExtensionValue<'_> {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}
