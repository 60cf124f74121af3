//! Writes a recorded event as a CloudEvents line.

use super::{NO_SOURCE, attributes, time};
use crate::event::check::is_json_type;
use crate::event::{EventIdRef, EventRef, ExtensionValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use std::io::Write;

/// Appends the event to `out` as one CloudEvents JSON object on one line, without the end of the line.
pub fn to_json_line(event: EventRef<'_>, out: &mut Vec<u8>) {
    let metadata = event.metadata();
    out.extend_from_slice(br#"{"specversion":"1.0""#);
    id("id", Some(event.id()), out);
    text("source", Some(metadata.source().unwrap_or(NO_SOURCE)), out);
    text("type", Some(event.event_type()), out);
    text("subject", metadata.subject(), out);
    match metadata.time_text() {
        Some(original) => text("time", Some(original), out),
        None => text("time", Some(&time::format(event.time_nanos())), out),
    }
    let content_type = event.content_type();
    text("datacontenttype", content_type, out);
    text("dataschema", metadata.data_schema(), out);
    id("correlationid", event.correlation(), out);
    id("causationid", metadata.causation(), out);
    text("traceparent", metadata.trace_parent(), out);
    if let Some(version) = metadata.schema_version() {
        let value = match i32::try_from(version) {
            Ok(integer) => ExtensionValue::Integer(integer),
            Err(_) => ExtensionValue::String(version.to_string().into()),
        };
        extension("schemaversion", &value, out);
    }
    let tags = attributes::join_tags(event.tags());
    text("tags", (!tags.is_empty()).then_some(tags.as_str()), out);
    metadata.extensions().for_each(|(name, value)| extension(name, &value, out));
    text("streamid", Some(event.stream()), out);
    text("streamrevision", Some(&event.revision().to_string()), out);
    text("globalposition", Some(&event.position().to_string()), out);
    data(event.data(), content_type, out);
    out.push(b'}');
}

fn name(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text(attribute: &str, value: Option<&str>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        name(attribute, out);
        json_string(value, out);
    }
}

fn id(attribute: &str, value: Option<EventIdRef<'_>>, out: &mut Vec<u8>) {
    let Some(value) = value else { return };
    match value.as_text() {
        Some(value) => text(attribute, Some(value), out),
        None => {
            name(attribute, out);
            write!(out, "\"{value}\"").expect("writing to memory never fails");
        }
    }
}

fn extension(attribute: &str, value: &ExtensionValue<'_>, out: &mut Vec<u8>) {
    name(attribute, out);
    match value {
        ExtensionValue::String(text) => json_string(text, out),
        ExtensionValue::Integer(_) | ExtensionValue::Boolean(_) => {
            out.extend_from_slice(value.as_text().as_bytes())
        }
    }
}

fn data(data: &[u8], content_type: Option<&str>, out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    let is_json = content_type.is_none_or(is_json_type);
    if is_json && is_json_in_one_line(data) {
        name("data", out);
        out.extend_from_slice(data);
        return;
    }
    if !is_json && content_type.is_some_and(is_text_type) && is_plain_string(data) {
        name("data", out);
        out.push(b'"');
        out.extend_from_slice(data);
        out.push(b'"');
        return;
    }
    name("data_base64", out);
    out.push(b'"');
    let start = out.len();
    out.resize(start + data.len().div_ceil(3) * 4, 0);
    let encoded = STANDARD.encode_slice(data, &mut out[start..]);
    assert_eq!(encoded, Ok(out.len() - start), "base64 has four characters for every three bytes begun");
    out.push(b'"');
}

/// Whether the bytes are one JSON value, with nothing around it, that stands in a line as it is.
fn is_json_in_one_line(data: &[u8]) -> bool {
    let ends_line = |byte: &u8| matches!(byte, b'\n' | b'\r');
    !data.iter().any(ends_line)
        && serde_json::from_slice::<&RawValue>(data).is_ok_and(|value| value.get().len() == data.len())
}

fn is_text_type(content_type: &str) -> bool {
    content_type.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"))
}

/// Whether the bytes are text that stands between quotation marks as it is.
fn is_plain_string(data: &[u8]) -> bool {
    data.iter().all(|byte| *byte >= 0x20 && !matches!(byte, b'"' | b'\\'))
        && std::str::from_utf8(data).is_ok()
}

fn json_string(value: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("text has a JSON form, and writing to memory never fails");
}
