//! From a line to an event and its stream: a CloudEvent, or any JSON object by the fields that the user named.
//! A reason is a piece of a sentence; the caller says which line it is.

use super::fields::{FieldPath, Object};
use crate::args::Import;
use orchestrix::{NewEvent, Position, RecordedEvent, Revision, cloudevents};
use std::time::SystemTime;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// An event of the input, which a store may take unless it is too large for that one.
pub(crate) struct Record {
    pub(crate) stream: String,
    pub(crate) event: NewEvent<'static>,
}

/// How lines are to be understood.
pub(crate) enum Mapping {
    CloudEvents,
    Fields(Box<Fields>),
}

/// Where in a JSON object stands what.
pub(crate) struct Fields {
    stream: FieldPath,
    event_type: Option<FieldPath>,
    default_type: Option<String>,
    id: Option<FieldPath>,
    time: Option<FieldPath>,
}

impl Mapping {
    /// `Err` says what is missing on the command line.
    pub(crate) fn new(args: &Import) -> Result<Self, &'static str> {
        let Some(stream) = &args.stream_field else {
            return match args.type_field {
                None => Ok(Self::CloudEvents),
                Some(_) => Err("--type-field needs --stream-field"),
            };
        };
        if args.type_field.is_none() && args.event_type.is_none() {
            return Err("--stream-field needs --type-field or --type");
        }
        let path = |text: &Option<String>| text.as_deref().map(FieldPath::new);
        Ok(Self::Fields(Box::new(Fields {
            stream: FieldPath::new(stream),
            event_type: path(&args.type_field),
            default_type: args.event_type.clone(),
            id: path(&args.id_field),
            time: path(&args.time_field),
        })))
    }

    /// The event of a line, `None` if the line is blank.
    pub(crate) fn record(&self, number: u64, line: &[u8]) -> Result<Option<Record>, String> {
        let text =
            std::str::from_utf8(line).map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to() + 1))?;
        let text = if number == 1 { text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text) } else { text };
        let text = text.trim_ascii();
        if text.is_empty() {
            return Ok(None);
        }
        let record = match self {
            Self::CloudEvents => cloud_event(text)?,
            Self::Fields(fields) => fields.record(number, text)?,
        };
        Ok(Some(record))
    }
}

fn cloud_event(text: &str) -> Result<Record, String> {
    let line = cloudevents::parse_json_line(text.as_bytes()).map_err(|e| e.to_string())?;
    Ok(Record { stream: line.stream, event: line.event })
}

impl Fields {
    fn record(&self, number: u64, text: &str) -> Result<Record, String> {
        let object = Object::parse(text)?;
        let stream = object.required(&self.stream)?.into_owned();
        let found = match &self.event_type {
            Some(path) if self.default_type.is_none() => Some(object.required(path)?),
            Some(path) => object.text(path)?,
            None => None,
        };
        let event_type =
            found.map(|text| text.into_owned()).or_else(|| self.default_type.clone()).unwrap_or_default();
        let id = match &self.id {
            Some(path) => object.required(path)?.into_owned(),
            None => format!("line-{number}-{:016x}", content_hash(text.as_bytes())),
        };
        let mut event =
            NewEvent::raw(event_type, text.as_bytes().to_vec()).id(id).content_type("application/json");
        let time = self.time.as_ref().map(|path| object.time(path)).transpose()?;
        if let Some(time) = time.flatten() {
            event = event.time(time);
        }
        let (revision, position) = (Revision(0), Position::START);
        RecordedEvent::try_new(&stream, revision, position, SystemTime::UNIX_EPOCH, &event)
            .map_err(|e| e.to_string())?;
        Ok(Record { stream, event })
    }
}

/// FNV-1a of 64 bits. Ids are made from it, so it must never change.
fn content_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        for (text, hash) in
            [("", 0xcbf2_9ce4_8422_2325_u64), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(content_hash(text.as_bytes()), hash, "{text}");
        }
    }
}
