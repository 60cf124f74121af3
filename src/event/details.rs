//! What few events have, in one box beside a [`NewEvent`](super::NewEvent): the fields of the metadata list and
//! the correlation id. Says how long its encoding is, checks it, and writes it.

use super::check::{self, Fault};
use super::metadata::tag;
use super::record::Sink;
use super::{EventId, ExtensionValue};
use crate::limits;
use std::borrow::Cow;

/// Text that is borrowed where it can be.
pub(crate) type Text<'a> = Cow<'a, str>;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Details<'a> {
    pub(crate) source: Option<Text<'a>>,
    pub(crate) subject: Option<Text<'a>>,
    pub(crate) causation: Option<EventId>,
    pub(crate) trace_parent: Option<Text<'a>>,
    /// Only where the content type has no code.
    pub(crate) content_type: Option<Text<'a>>,
    pub(crate) data_schema: Option<Text<'a>>,
    pub(crate) extensions: Vec<(Text<'a>, ExtensionValue<'a>)>,
    /// Text of the event's own time, where it isn't the canonical one.
    pub(crate) time_text: Option<Text<'a>>,
    pub(crate) correlation: Option<EventId>,
}

/// Bytes before each field of the metadata list: its tag and its length.
const FIELD_HEAD_BYTES: usize = 3;

impl<'a> Details<'a> {
    /// The same, borrowing nothing.
    pub(crate) fn into_owned(self) -> Details<'static> {
        let own = |text: Text<'a>| Cow::Owned(text.into_owned());
        let extension = |(name, value): (Text<'a>, ExtensionValue<'a>)| (own(name), value.into_owned());
        Details {
            source: self.source.map(own),
            subject: self.subject.map(own),
            causation: self.causation,
            trace_parent: self.trace_parent.map(own),
            content_type: self.content_type.map(own),
            data_schema: self.data_schema.map(own),
            extensions: self.extensions.into_iter().map(extension).collect(),
            time_text: self.time_text.map(own),
            correlation: self.correlation,
        }
    }

    /// Sets an extension, in the place of one of the same name.
    pub(crate) fn set_extension(&mut self, name: Text<'a>, value: ExtensionValue<'a>) {
        match self.extensions.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.extensions.push((name, value)),
        }
    }

    /// Length of the encoding by [`write_metadata`](Self::write_metadata).
    pub(crate) fn metadata_bytes(&self) -> usize {
        let text = |field: &Option<Text<'_>>| field.as_ref().map_or(0, |text| FIELD_HEAD_BYTES + text.len());
        let causation =
            self.causation.as_ref().map_or(0, |id| FIELD_HEAD_BYTES + id.as_ref().stored().1.len());
        let extension = |(name, value): &(Text<'_>, ExtensionValue<'_>)| {
            FIELD_HEAD_BYTES + 2 + name.len() + value.as_text().len()
        };
        text(&self.source)
            + text(&self.subject)
            + causation
            + text(&self.trace_parent)
            + text(&self.content_type)
            + text(&self.data_schema)
            + self.extensions.iter().map(extension).sum::<usize>()
            + text(&self.time_text)
    }

    /// Writes the metadata list; its length fits in 16 bits.
    pub(crate) fn write_metadata(&self, schema_version: Option<u32>, out: &mut Sink<'_>) {
        let text = |tag: u8, field: &Option<Text<'_>>, out: &mut Sink<'_>| {
            if let Some(text) = field {
                write_field(tag, &[text.as_bytes()], out);
            }
        };
        text(tag::SOURCE, &self.source, out);
        text(tag::SUBJECT, &self.subject, out);
        if let Some(id) = &self.causation {
            let (is_uuid, bytes) = id.as_ref().stored();
            write_field(if is_uuid { tag::CAUSATION_UUID } else { tag::CAUSATION_TEXT }, &[bytes], out);
        }
        text(tag::TRACE_PARENT, &self.trace_parent, out);
        text(tag::CONTENT_TYPE, &self.content_type, out);
        write_schema_version(schema_version, out);
        text(tag::DATA_SCHEMA, &self.data_schema, out);
        for (name, value) in &self.extensions {
            let head = [value.kind(), name.len() as u8];
            write_field(tag::EXTENSION, &[&head, name.as_bytes(), value.as_text().as_bytes()], out);
        }
        text(tag::TIME_TEXT, &self.time_text, out);
    }

    /// Whether everything in it may be written.
    pub(crate) fn check(&self, schema_version: Option<u32>) -> Result<(), Fault> {
        if let Some(id) = &self.causation {
            check_id("causation id", id)?;
        }
        if let Some(source) = &self.source {
            check::uri_reference("source", source)?;
        }
        if let Some(schema) = &self.data_schema {
            check::absolute_uri("data schema", schema)?;
        }
        if let Some(content_type) = &self.content_type {
            check::content_type("content type", content_type)?;
        }
        for (field, value) in [("subject", &self.subject), ("trace parent", &self.trace_parent)] {
            if let Some(value) = value {
                check::text(field, value, limits::METADATA_BYTES_MAX)?;
            }
        }
        self.extensions.iter().try_for_each(|(name, value)| check_extension(name, value, schema_version))
    }
}

/// The metadata of an event whose only field is its schema version, or none.
pub(crate) fn write_schema_version(schema_version: Option<u32>, out: &mut Sink<'_>) {
    if let Some(version) = schema_version {
        write_field(tag::SCHEMA_VERSION, &[&version.to_le_bytes()], out);
    }
}

/// Length of the encoding by [`write_schema_version`].
pub(crate) fn schema_version_bytes(schema_version: Option<u32>) -> usize {
    schema_version.map_or(0, |_| FIELD_HEAD_BYTES + size_of::<u32>())
}

fn write_field(tag: u8, parts: &[&[u8]], out: &mut Sink<'_>) {
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    debug_assert!(bytes <= limits::METADATA_BYTES_MAX, "the length of all metadata was checked");
    out.put(&[tag]);
    out.put(&(bytes as u16).to_le_bytes());
    parts.iter().for_each(|part| out.put(part));
}

/// An event's id, or one that it points at.
#[inline]
pub(crate) fn check_id(field: &str, id: &EventId) -> Result<(), Fault> {
    match id.as_ref().as_text() {
        Some(text) => check::text(field, text, limits::EVENT_ID_BYTES_MAX),
        None => Ok(()),
    }
}

fn check_extension(name: &str, value: &ExtensionValue<'_>, schema_version: Option<u32>) -> Result<(), Fault> {
    check::extension_name(name)?;
    // As an attribute it is that of an event's own schema version, unless it can't be one.
    if name == "schemaversion" && (schema_version.is_some() || value.as_schema_version().is_some()) {
        return Err(Fault::new("extension name", name, "one that no attribute of an event has"));
    }
    check::text_or_empty(name, &value.as_text())
}
