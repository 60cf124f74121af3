//! The metadata of a recorded event, read in place, and the validation of bytes that nobody vouches for.

use super::event_ref::text;
use super::layout::{slice_at, u8_at, u16_at, u32_at};
use super::{EventIdRef, EventRef, ExtensionValue};
use crate::limits;
use std::fmt;

/// Tags of the metadata list.
pub(crate) mod tag {
    pub(crate) const SOURCE: u8 = 1;
    pub(crate) const SUBJECT: u8 = 2;
    pub(crate) const CAUSATION_TEXT: u8 = 3;
    pub(crate) const CAUSATION_UUID: u8 = 4;
    pub(crate) const TRACE_PARENT: u8 = 5;
    pub(crate) const CONTENT_TYPE: u8 = 6;
    pub(crate) const SCHEMA_VERSION: u8 = 7;
    pub(crate) const DATA_SCHEMA: u8 = 8;
    pub(crate) const EXTENSION: u8 = 9;
    pub(crate) const TIME_TEXT: u8 = 10;
    /// From this one on, a tag that isn't known is refused.
    pub(crate) const MUST_BE_KNOWN: u8 = 128;
}

/// What is known of a recorded event beside type, time and data. Borrowed, `Copy`.
#[derive(Clone, Copy)]
pub struct Metadata<'a> {
    event: EventRef<'a>,
    bytes: &'a [u8],
}

impl<'a> Metadata<'a> {
    #[inline]
    pub(crate) fn new(event: EventRef<'a>) -> Self {
        Self { event, bytes: event.metadata_bytes() }
    }

    /// Where the event comes from: a URI reference.
    pub fn source(self) -> Option<&'a str> {
        self.text(tag::SOURCE)
    }

    /// What of the source it is about.
    pub fn subject(self) -> Option<&'a str> {
        self.text(tag::SUBJECT)
    }

    /// The id that all events of one story share.
    pub fn correlation(self) -> Option<EventIdRef<'a>> {
        self.event.correlation()
    }

    /// The id of the event or command that this one follows from.
    pub fn causation(self) -> Option<EventIdRef<'a>> {
        self.fields().find_map(|(tag, bytes)| match tag {
            tag::CAUSATION_TEXT => Some(EventIdRef::text(text(bytes))),
            tag::CAUSATION_UUID => bytes.first_chunk().map(EventIdRef::uuid),
            _ => None,
        })
    }

    /// The trace that it belongs to: `traceparent` of W3C Trace Context.
    pub fn trace_parent(self) -> Option<&'a str> {
        self.text(tag::TRACE_PARENT)
    }

    /// Version of the type's schema.
    pub fn schema_version(self) -> Option<u32> {
        self.field(tag::SCHEMA_VERSION).map(|bytes| u32_at(bytes, 0))
    }

    /// Where the schema of the data is: an absolute URI.
    pub fn data_schema(self) -> Option<&'a str> {
        self.text(tag::DATA_SCHEMA)
    }

    /// The tags, in the order in which they were given.
    pub fn tags(self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.event.tags()
    }

    /// All other attributes, in the order in which they were given.
    pub fn extensions(self) -> impl Iterator<Item = (&'a str, ExtensionValue<'a>)> + use<'a> {
        self.fields().filter(|(tag, _)| *tag == tag::EXTENSION).filter_map(|(_, bytes)| extension(bytes))
    }

    /// One of the other attributes.
    pub fn extension(self, name: &str) -> Option<ExtensionValue<'a>> {
        self.extensions().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The content type, where it has no code.
    pub(crate) fn content_type(self) -> Option<&'a str> {
        self.text(tag::CONTENT_TYPE)
    }

    /// Text of the event's own time, where it isn't the canonical one.
    pub(crate) fn time_text(self) -> Option<&'a str> {
        self.text(tag::TIME_TEXT)
    }

    fn text(self, tag: u8) -> Option<&'a str> {
        self.field(tag).map(text)
    }

    fn field(self, wanted: u8) -> Option<&'a [u8]> {
        self.fields().find(|(tag, _)| *tag == wanted).map(|(_, bytes)| bytes)
    }

    fn fields(self) -> Fields<'a> {
        Fields { bytes: self.bytes }
    }
}

impl fmt::Debug for Metadata<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_map();
        let content_type = self.event.content_type();
        let texts = [
            ("content_type", content_type),
            ("source", self.source()),
            ("subject", self.subject()),
            ("trace_parent", self.trace_parent()),
            ("data_schema", self.data_schema()),
            ("time", self.time_text()),
        ];
        for (name, value) in texts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            shown.entry(&format_args!("{name}"), &value);
        }
        for (name, id) in [("correlation", self.correlation()), ("causation", self.causation())] {
            if let Some(id) = id {
                shown.entry(&format_args!("{name}"), &format_args!("{id}"));
            }
        }
        if let Some(version) = self.schema_version() {
            shown.entry(&format_args!("schema_version"), &version);
        }
        for tag in self.tags() {
            shown.entry(&format_args!("tag"), &tag);
        }
        for (name, value) in self.extensions() {
            shown.entry(&format_args!("{name}"), &value);
        }
        shown.finish()
    }
}

/// The fields of a metadata list. Ends where a field isn't all there.
struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u8, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let tag = *self.bytes.first()?;
        let end = 3 + usize::from(u16_at(self.bytes, 1));
        let field = self.bytes.get(3..end)?;
        self.bytes = &self.bytes[end..];
        Some((tag, field))
    }
}

fn extension(bytes: &[u8]) -> Option<(&str, ExtensionValue<'_>)> {
    let (kind, name_end) = (u8_at(bytes, 0), 2 + usize::from(u8_at(bytes, 1)));
    let name = std::str::from_utf8(bytes.get(2..name_end)?).ok()?;
    let value = std::str::from_utf8(bytes.get(name_end..)?).ok()?;
    Some((name, ExtensionValue::decode(kind, value)?))
}

/// What is wrong with a metadata list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetadataError {
    /// It breaks this rule of the format.
    Malformed(&'static str),
    /// It has a field, with this tag, that has to be known to be read.
    Unknown(u8),
}

/// Whether bytes that nobody vouches for are a metadata list.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn validate(bytes: &[u8]) -> Result<(), MetadataError> {
    let mut at = 0;
    let mut last = 0;
    while at < bytes.len() {
        let tag = bytes[at];
        let end = at + 3 + usize::from(u16_at(bytes, at + 1));
        if bytes.len() < at + 3 || bytes.len() < end {
            return Err(MetadataError::Malformed("each field of the metadata ends within it"));
        }
        if tag < last || (tag == last && tag != tag::EXTENSION) {
            return Err(MetadataError::Malformed(
                "the fields of the metadata are in the order of their tags",
            ));
        }
        validate_field(tag, slice_at(bytes, at + 3, end))?;
        last = tag;
        at = end;
    }
    Ok(())
}

fn validate_field(tag: u8, bytes: &[u8]) -> Result<(), MetadataError> {
    let is_text = || std::str::from_utf8(bytes).is_ok();
    let rule = match tag {
        tag::SOURCE
        | tag::SUBJECT
        | tag::TRACE_PARENT
        | tag::CONTENT_TYPE
        | tag::DATA_SCHEMA
        | tag::TIME_TEXT => (is_text(), "metadata text is UTF-8"),
        tag::CAUSATION_TEXT => {
            let fits = (1..=limits::EVENT_ID_BYTES_MAX).contains(&bytes.len());
            (fits && is_text(), "a causation id is UTF-8 of 1 to 255 bytes")
        }
        tag::CAUSATION_UUID => (bytes.len() == 16, "a causation UUID has 16 bytes"),
        tag::SCHEMA_VERSION => (bytes.len() == 4, "a schema version has 4 bytes"),
        tag::EXTENSION => (
            extension(bytes).is_some_and(|(name, _)| !name.is_empty()),
            "an extension has a name and a value",
        ),
        tag::MUST_BE_KNOWN.. => return Err(MetadataError::Unknown(tag)),
        _ => (true, ""),
    };
    match rule {
        (true, _) => Ok(()),
        (false, rule) => Err(MetadataError::Malformed(rule)),
    }
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(rule) => f.write_str(rule),
            Self::Unknown(tag) => write!(f, "metadata field {tag} is of a later version"),
        }
    }
}
