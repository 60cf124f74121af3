//! The rules for what an event and its names are made of, one function a rule, and the fault that each finds.
//!
//! They hold for whatever is written: by an append, or read from a CloudEvents line.

use crate::{Error, limits};
use std::borrow::Cow;
use std::fmt;

/// What is wrong with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    field: String,
    value: String,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// What the value must be.
    Must(Cow<'static, str>),
    /// The most bytes or pieces that it may have, and what it has.
    Most { unit: &'static str, limit: u64, found: u64 },
}

/// Characters of a value that a message shows.
const SHOWN_CHARS: usize = 64;

impl Fault {
    /// `field` must be `rule` and isn't.
    #[cold]
    pub(crate) fn new(field: impl Into<String>, value: &str, rule: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), value: shown(value), rule: Rule::Must(rule.into()) }
    }

    /// `field` may have `limit` of `unit` and has `found`.
    #[cold]
    pub(crate) fn most(
        field: impl Into<String>,
        value: &str,
        unit: &'static str,
        limit: usize,
        found: usize,
    ) -> Self {
        let rule = Rule::Most { unit, limit: limit as u64, found: found as u64 };
        Self { field: field.into(), value: shown(value), rule }
    }

    #[cfg(feature = "json")]
    pub(crate) fn field(&self) -> &str {
        &self.field
    }

    /// The error of an append: `place` says which event of which stream.
    #[cold]
    pub(crate) fn at(self, place: impl fmt::Display) -> Error {
        let Self { field, value, rule } = self;
        match rule {
            Rule::Must(rule) => Error::invalid(format!("{place}: {field} must be {rule}, found {value}")),
            Rule::Most { unit, limit, found } => {
                Error::limit(format!("{place}: {unit} of the {field} {value}"), limit, found)
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, rule } = self;
        match rule {
            Rule::Must(rule) => write!(f, "{field} must be {rule}, found {value}"),
            Rule::Most { unit, limit, found } => {
                write!(f, "{field} {value} may have at most {limit} {unit}, found {found}")
            }
        }
    }
}

/// A value as a message shows it: quoted, its middle left out if it is long.
pub(crate) fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN_CHARS) {
        None => format!("{value:?}"),
        Some((end, _)) => format!("{:?}... ({} bytes)", &value[..end], value.len()),
    }
}

const TEXT: &str = "text without control characters and noncharacters";

/// Not empty, at most `bytes_max` bytes, and text as CloudEvents allows it: no control characters (U+0000 to U+001F,
/// U+007F to U+009F) and no noncharacters.
#[inline]
pub(crate) fn text(field: &str, value: &str, bytes_max: usize) -> Result<(), Fault> {
    if value.is_empty() {
        return Err(Fault::new(field, value, "text of at least one character"));
    }
    if value.len() > bytes_max {
        return Err(Fault::most(field, value, "bytes", bytes_max, value.len()));
    }
    if is_plain(value) { Ok(()) } else { Err(Fault::new(field, value, TEXT)) }
}

/// Text that may be empty.
pub(crate) fn text_or_empty(field: &str, value: &str) -> Result<(), Fault> {
    if is_plain(value) { Ok(()) } else { Err(Fault::new(field, value, TEXT)) }
}

#[inline]
fn is_plain(value: &str) -> bool {
    // Printable ASCII passes; anything else is looked at by character.
    is_printable(value.as_bytes()) || value.chars().all(is_plain_char)
}

/// Whether every byte is printable ASCII.
#[inline]
pub(crate) fn is_printable(bytes: &[u8]) -> bool {
    match (bytes.last_chunk::<8>(), bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // The last word may overlap the one before.
        (Some(last), ..) => bytes.as_chunks::<8>().0.iter().chain([last]).all(|word| are_printable(*word)),
        (None, Some([a, b, c, d]), Some([e, f, g, h])) => are_printable([*a, *b, *c, *d, *e, *f, *g, *h]),
        _ => bytes.iter().all(|byte| matches!(byte, 0x20..0x7F)),
    }
}

/// Whether each of eight bytes is printable ASCII.
#[inline]
fn are_printable(word: [u8; 8]) -> bool {
    let word = u64::from_le_bytes(word);
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    // Without a high bit, adding 1 sets it for 0x7F alone, and adding 0x60 for 0x20 and above.
    let is_ascii = word & HIGH == 0;
    let word = word & !HIGH;
    is_ascii && (word + EACH) & HIGH == 0 && (word + 0x60 * EACH) & HIGH == HIGH
}

pub(super) fn is_plain_char(c: char) -> bool {
    let code = u32::from(c);
    !c.is_control() && code & 0xFFFE != 0xFFFE && !(0xFDD0..=0xFDEF).contains(&code)
}

/// A stream name that may be written.
#[inline]
pub(crate) fn stream_name(name: &str) -> Result<(), Fault> {
    text("stream name", name, limits::STREAM_NAME_BYTES_MAX)?;
    if name.starts_with('$') {
        return Err(Fault::new("stream name", name, "one that doesn't begin with `$`, which is reserved"));
    }
    Ok(())
}

/// An absolute URI or a reference relative to one (RFC 3986), not empty.
pub(crate) fn uri_reference(field: &str, value: &str) -> Result<(), Fault> {
    if !value.is_empty() && is_uri_text(value) {
        return Ok(());
    }
    Err(Fault::new(field, value, "a URI reference (RFC 3986), not empty"))
}

/// A URI with a scheme (RFC 3986).
pub(crate) fn absolute_uri(field: &str, value: &str) -> Result<(), Fault> {
    let scheme = value.split_once(':').map_or("", |(scheme, _)| scheme);
    let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let goes_on = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if begins && goes_on && value.len() > scheme.len() + 1 && is_uri_text(value) {
        return Ok(());
    }
    Err(Fault::new(field, value, "an absolute URI (RFC 3986)"))
}

/// The characters of RFC 3986 only, and `%` only before two hexadecimal digits.
fn is_uri_text(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.iter().enumerate().all(|(i, byte)| match byte {
        b'%' => bytes.get(i + 1..i + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@' => true,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => true,
        _ => byte.is_ascii_alphanumeric(),
    })
}

/// A media type (RFC 2046): `type/subtype`, with parameters or without.
pub(crate) fn content_type(field: &str, value: &str) -> Result<(), Fault> {
    let (essence, parameters) = value.split_once(';').map_or((value, None), |(e, p)| (e, Some(p)));
    let is_token = |token: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        !token.is_empty() && token.bytes().all(allowed)
    };
    let two_tokens =
        essence.trim_end_matches(' ').split_once('/').is_some_and(|(a, b)| is_token(a) && is_token(b));
    let parameters_plain = parameters.is_none_or(|text| !text.trim().is_empty() && is_plain(text));
    if two_tokens && parameters_plain {
        return Ok(());
    }
    Err(Fault::new(field, value, "a media type such as `application/json` (RFC 2046)"))
}

/// Whether a media type says that data is JSON: `*/json` or `*/*+json`, whatever its parameters.
#[cfg(feature = "json")]
pub(crate) fn is_json_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or("").trim_end();
    let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
    let ends_with = |suffix: &str| {
        let cut = subtype.len().checked_sub(suffix.len());
        cut.and_then(|cut| subtype.get(cut..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    subtype.eq_ignore_ascii_case("json") || ends_with("+json")
}

/// Attributes that have a place of their own: no extension may have such a name. `schemaversion` is one too, unless
/// its value is none that [`NewEvent::schema_version`](super::NewEvent::schema_version) can hold.
const OWN_NAMES: [&str; 16] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "data",
    "traceparent",
    "correlationid",
    "causationid",
    "tags",
    "streamid",
    "streamrevision",
    "globalposition",
];

/// The name of an attribute of an event (CloudEvents 1.0): lowercase letters and digits.
pub(crate) fn attribute_name(name: &str) -> Result<(), Fault> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(Fault::new("attribute name", name, "lowercase letters a to z and digits"));
    }
    if name.len() > usize::from(u8::MAX) {
        return Err(Fault::most("attribute name", name, "bytes", u8::MAX.into(), name.len()));
    }
    Ok(())
}

/// The name of an extension: an attribute's, and of none that has a place of its own.
pub(crate) fn extension_name(name: &str) -> Result<(), Fault> {
    attribute_name(name)?;
    if OWN_NAMES.contains(&name) {
        return Err(Fault::new("extension name", name, "one that no attribute of an event has"));
    }
    Ok(())
}
