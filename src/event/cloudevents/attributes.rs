//! The members of a CloudEvents object, each once, as they stand in the line; and the text of a list of tags.

use crate::event::check::{self, Fault};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Text that is borrowed from the line, unless it has escapes in it.
pub(super) struct LineText<'l>(pub(super) Cow<'l, str>);

/// Names and values in the order of the line.
pub(super) struct Members<'l>(pub(super) Vec<(LineText<'l>, &'l RawValue)>);

/// The value of an attribute.
pub(super) enum Scalar<'l> {
    /// The attribute is unset.
    Null,
    Text(Cow<'l, str>),
    Integer(i32),
    Boolean(bool),
}

/// Up to so many names are compared each with each.
const LINEAR_NAMES: usize = 24;

impl<'l> Members<'l> {
    /// The members of the one object in a line.
    pub(super) fn parse(line: &'l str) -> Result<Self, Fault> {
        let not_one = |error| Fault::new("line", line, format!("one JSON object ({error})"));
        let members: Self = serde_json::from_str(line).map_err(not_one)?;
        match members.repeated() {
            None => Ok(members),
            Some(name) => Err(Fault::new("attribute name", name, "one that stands once in an event")),
        }
    }

    fn repeated(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| &*name.0).collect();
        if names.len() <= LINEAR_NAMES {
            let is_repeated = |(at, name): &(usize, &&str)| names[..*at].contains(*name);
            return names.iter().enumerate().find(is_repeated).map(|(_, name)| *name);
        }
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

/// The value of attribute `name`.
pub(super) fn scalar<'l>(name: &str, value: &'l RawValue) -> Result<Scalar<'l>, Fault> {
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'"') => {
            let not_text = |_| Fault::new(name, raw, "text without unpaired surrogates");
            let LineText(text) = serde_json::from_str(raw).map_err(not_text)?;
            check::text_or_empty(name, &text)?;
            Ok(Scalar::Text(text))
        }
        Some(b'n') => Ok(Scalar::Null),
        Some(b't') => Ok(Scalar::Boolean(true)),
        Some(b'f') => Ok(Scalar::Boolean(false)),
        Some(b'-' | b'0'..=b'9') => match raw.parse() {
            Ok(integer) => Ok(Scalar::Integer(integer)),
            Err(_) => Err(Fault::new(name, raw, "a whole number of 32 bits, if it is a number")),
        },
        _ => Err(Fault::new(name, raw, "a string, an integer or a boolean")),
    }
}

/// Tags with commas between them, `\` before a comma or `\` of a tag.
pub(super) fn join_tags<'t>(tags: impl Iterator<Item = &'t str>) -> String {
    let mut joined = String::new();
    for tag in tags {
        if !joined.is_empty() {
            joined.push(',');
        }
        for c in tag.chars() {
            if matches!(c, ',' | '\\') {
                joined.push('\\');
            }
            joined.push(c);
        }
    }
    joined
}

/// The tags of a text that [`join_tags`] made. A `\` before anything else is part of a tag.
pub(super) fn split_tags(joined: &str) -> Vec<String> {
    let mut tags = vec![String::new()];
    let mut chars = joined.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next_if(|next| matches!(next, ',' | '\\')) } else { None };
        match (c, escaped) {
            (',', None) => tags.push(String::new()),
            _ => {
                if let Some(tag) = tags.last_mut() {
                    tag.push(escaped.unwrap_or(c));
                }
            }
        }
    }
    tags
}

impl<'de: 'l, 'l> Deserialize<'de> for LineText<'l> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = LineText<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(LineText(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(LineText(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de: 'l, 'l> Deserialize<'de> for Members<'l> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
