//! Reads a CloudEvents line and checks it against the specification and the store's own limits.

use super::attributes::{Members, Scalar, scalar, split_tags};
use super::{NO_SOURCE, time};
use crate::event::check::{self, Fault, is_json_type};
use crate::event::{EventId, ExtensionValue, NewEvent};
use crate::{Error, limits};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What a CloudEvents line says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ImportedEvent {
    /// The stream that the event belongs to: `streamid`, else `subject`, else `source`. A name that may be written.
    pub stream: String,
    /// The event with everything that the line had, but for where it had been read. It may be written.
    pub event: NewEvent<'static>,
}

/// Why a line is no event: a field, its value and the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError(Fault);

impl ParseError {
    /// The field that is wrong: the name of an attribute, `data`, or `line` for the whole.
    pub fn field(&self) -> &str {
        self.0.field()
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ParseError {}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        error.0.at("CloudEvents line")
    }
}

/// Reads one event from a line that holds one CloudEvents 1.0 JSON object.
///
/// Extensions are kept, with their type; an attribute that is `null` is unset. `streamrevision` and `globalposition`
/// are ignored. JSON data is kept byte for byte.
///
/// # Errors
/// If the line is no JSON object in UTF-8, breaks a rule of the specification, or holds what no store may take
/// ([`limits`]).
pub fn parse_json_line(line: &[u8]) -> Result<ImportedEvent, ParseError> {
    let text = std::str::from_utf8(line).map_err(|error| {
        let shown = String::from_utf8_lossy(line);
        ParseError(Fault::new("line", &shown, format!("UTF-8 ({error})")))
    })?;
    parse(text).map_err(ParseError)
}

/// The attributes of a line, each checked by itself.
#[derive(Default)]
struct Parsed<'l> {
    specversion: bool,
    id: Option<EventId>,
    source: Option<Cow<'l, str>>,
    event_type: Option<Cow<'l, str>>,
    subject: Option<Cow<'l, str>>,
    time: Option<(i64, Cow<'l, str>)>,
    content_type: Option<Cow<'l, str>>,
    data_schema: Option<Cow<'l, str>>,
    trace_parent: Option<Cow<'l, str>>,
    correlation: Option<EventId>,
    causation: Option<EventId>,
    schema_version: Option<u32>,
    tags: Vec<String>,
    stream: Option<Cow<'l, str>>,
    extensions: Vec<(Cow<'l, str>, ExtensionValue<'l>)>,
    data: Option<&'l RawValue>,
    data_base64: Option<Cow<'l, str>>,
}

fn parse(line: &str) -> Result<ImportedEvent, Fault> {
    let mut parsed = Parsed::default();
    for (name, value) in Members::parse(line)?.0 {
        parsed.take(name.0, value)?;
    }
    let missing = |name: &str| Fault::new(name, "", "there: it is required");
    if !parsed.specversion {
        return Err(missing("specversion"));
    }
    let id = parsed.id.take().ok_or_else(|| missing("id"))?;
    let event_type = parsed.event_type.take().ok_or_else(|| missing("type"))?;
    let source = parsed.source.take().ok_or_else(|| missing("source"))?;
    let stream = parsed.stream.as_ref().or(parsed.subject.as_ref()).unwrap_or(&source).clone().into_owned();
    check::stream_name(&stream)?;
    if source != NO_SOURCE {
        parsed.source = Some(source);
    }
    let data = parsed.data()?;
    let event = parsed.finish(NewEvent::with_id(id, event_type, data)).into_owned();
    event.check_all()?;
    Ok(ImportedEvent { stream, event })
}

impl<'l> Parsed<'l> {
    fn take(&mut self, name: Cow<'l, str>, value: &'l RawValue) -> Result<(), Fault> {
        if name == "data" {
            self.data = Some(value);
            return Ok(());
        }
        if name != "data_base64" {
            check::attribute_name(&name)?;
        }
        match scalar(&name, value)? {
            Scalar::Null => Ok(()),
            Scalar::Text(text) => self.take_text(name, text),
            Scalar::Integer(integer) => self.take_other(name, value, ExtensionValue::Integer(integer)),
            Scalar::Boolean(truth) => self.take_other(name, value, ExtensionValue::Boolean(truth)),
        }
    }

    fn take_text(&mut self, name: Cow<'l, str>, text: Cow<'l, str>) -> Result<(), Fault> {
        let id = |text: &str| {
            check::text(&name, text, limits::EVENT_ID_BYTES_MAX).map(|()| Some(EventId::from(text)))
        };
        match &*name {
            "specversion" if text == "1.0" => self.specversion = true,
            "specversion" => return Err(Fault::new("specversion", &text, "`1.0`")),
            "id" => self.id = id(&text)?,
            "correlationid" => self.correlation = id(&text)?,
            "causationid" => self.causation = id(&text)?,
            "source" => {
                check::uri_reference("source", &text)?;
                self.source = Some(text);
            }
            "type" => {
                check::text("type", &text, limits::EVENT_TYPE_BYTES_MAX)?;
                self.event_type = Some(text);
            }
            "subject" => {
                check::text("subject", &text, limits::METADATA_BYTES_MAX)?;
                self.subject = Some(text);
            }
            "time" => match time::parse(&text) {
                Ok(nanos) => self.time = Some((nanos, text)),
                Err(rule) => return Err(Fault::new("time", &text, rule)),
            },
            "datacontenttype" => {
                check::content_type("datacontenttype", &text)?;
                self.content_type = Some(text);
            }
            "dataschema" => {
                check::absolute_uri("dataschema", &text)?;
                self.data_schema = Some(text);
            }
            "traceparent" => {
                check::text("traceparent", &text, limits::METADATA_BYTES_MAX)?;
                self.trace_parent = Some(text);
            }
            "tags" => self.tags = tags(&text)?,
            "streamid" => self.stream = Some(text),
            "streamrevision" | "globalposition" => {}
            "data_base64" => self.data_base64 = Some(text),
            _ => self.take_extension(name, ExtensionValue::String(text)),
        }
        Ok(())
    }

    /// An attribute whose value isn't text.
    fn take_other(
        &mut self,
        name: Cow<'l, str>,
        raw: &RawValue,
        value: ExtensionValue<'l>,
    ) -> Result<(), Fault> {
        match &*name {
            "streamrevision" | "globalposition" => Ok(()),
            "data_base64" => Err(Fault::new(name, raw.get(), "a string")),
            _ if check::extension_name(&name).is_err() => Err(Fault::new(name, raw.get(), "a string")),
            _ => {
                self.take_extension(name, value);
                Ok(())
            }
        }
    }

    fn take_extension(&mut self, name: Cow<'l, str>, value: ExtensionValue<'l>) {
        match value.as_schema_version() {
            Some(version) if name == "schemaversion" => self.schema_version = Some(version),
            _ => self.extensions.push((name, value)),
        }
    }

    /// The bytes of the event's data.
    fn data(&self) -> Result<Vec<u8>, Fault> {
        let is_json = self.content_type.as_deref().is_none_or(is_json_type);
        match (self.data, &self.data_base64) {
            (Some(_), Some(base64)) => {
                Err(Fault::new("data_base64", base64, "left out where there is `data`"))
            }
            (None, Some(base64)) => match STANDARD.decode(base64.as_bytes()) {
                Ok(bytes) => Ok(bytes),
                Err(error) => {
                    Err(Fault::new("data_base64", base64, format!("base64 with padding ({error})")))
                }
            },
            (None, None) => Ok(Vec::new()),
            (Some(value), None) if is_json => Ok(value.get().as_bytes().to_vec()),
            (Some(value), None) => match serde_json::from_str::<Option<String>>(value.get()) {
                Ok(text) => Ok(text.unwrap_or_default().into_bytes()),
                Err(_) => {
                    let rule = "a string, as its content type is no JSON one";
                    Err(Fault::new("data", value.get(), rule))
                }
            },
        }
    }

    fn finish(self, mut event: NewEvent<'l>) -> NewEvent<'l> {
        type Set<'l> = fn(NewEvent<'l>, Cow<'l, str>) -> NewEvent<'l>;
        let texts: [(Option<Cow<'l, str>>, Set<'l>); 5] = [
            (self.source, NewEvent::source),
            (self.subject, NewEvent::subject),
            (self.content_type, NewEvent::content_type),
            (self.data_schema, NewEvent::data_schema),
            (self.trace_parent, NewEvent::trace_parent),
        ];
        for (value, set) in texts {
            if let Some(value) = value {
                event = set(event, value);
            }
        }
        if let Some((nanos, text)) = self.time {
            event = event.time_nanos(nanos);
            if time::format(nanos) != text {
                event = event.time_text(text);
            }
        }
        if let Some(id) = self.correlation {
            event = event.correlation(id);
        }
        if let Some(id) = self.causation {
            event = event.causation(id);
        }
        if let Some(version) = self.schema_version {
            event = event.schema_version(version);
        }
        event = self.tags.into_iter().fold(event, NewEvent::tag);
        event.extensions(self.extensions)
    }
}

fn tags(joined: &str) -> Result<Vec<String>, Fault> {
    let tags = split_tags(joined);
    tags.iter().try_for_each(|tag| check::text("tags", tag, limits::TAG_BYTES_MAX))?;
    Ok(tags)
}
