//! Finds fields in a JSON object by their paths, as text, and reads times. The object is never changed and numbers keep
//! their digits. Where nothing is said about a value here, it is the caller's to judge.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Where a field stands: a dotted path (`a.b`) or a JSON pointer (`/a/b`).
#[derive(Clone, Debug)]
pub(crate) struct FieldPath {
    text: String,
    steps: Vec<String>,
}

impl FieldPath {
    pub(crate) fn new(text: &str) -> Self {
        let steps = match text.strip_prefix('/') {
            Some(pointer) => {
                pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
            }
            None => text.split('.').map(String::from).collect(),
        };
        Self { text: text.to_owned(), steps }
    }
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A JSON object, one level deep.
pub(crate) struct Object<'a>(BTreeMap<Key<'a>, &'a RawValue>);

impl<'a> Object<'a> {
    pub(crate) fn parse(line: &'a str) -> Result<Self, String> {
        if !line.trim_ascii_start().starts_with('{') && serde_json::from_str::<&RawValue>(line).is_ok() {
            return Err("not a JSON object".into());
        }
        serde_json::from_str(line).map(Self).map_err(|e| format!("not JSON: {e}"))
    }

    /// The value at `path`, `None` if there is none or it is null.
    fn find(&self, path: &FieldPath) -> Option<&'a RawValue> {
        let (first, rest) = path.steps.split_first()?;
        let mut value = *self.0.get(&Key(Cow::Borrowed(first)))?;
        for step in rest {
            value = match value.get().as_bytes().first()? {
                b'{' => {
                    let object: BTreeMap<Key<'a>, &'a RawValue> = serde_json::from_str(value.get()).ok()?;
                    *object.get(&Key(Cow::Borrowed(step)))?
                }
                b'[' => {
                    let array: Vec<&'a RawValue> = serde_json::from_str(value.get()).ok()?;
                    *array.get(step.parse::<usize>().ok()?)?
                }
                _ => return None,
            };
        }
        (value.get() != "null").then_some(value)
    }

    /// The string, number or boolean at `path`, as text; `None` if there is none or it is null.
    pub(crate) fn text(&self, path: &FieldPath) -> Result<Option<Cow<'a, str>>, String> {
        let Some(value) = self.find(path) else { return Ok(None) };
        match value.get().as_bytes().first() {
            Some(b'"') => match serde_json::from_str::<Key<'a>>(value.get()) {
                Ok(Key(text)) => Ok(Some(text)),
                Err(e) => Err(format!("field {}: {e}", path.text)),
            },
            Some(b'{' | b'[') => {
                Err(format!("field {} is neither a string nor a number nor a boolean", path.text))
            }
            _ => Ok(Some(Cow::Borrowed(value.get()))),
        }
    }

    /// As [`Object::text`], and it must be there.
    pub(crate) fn required(&self, path: &FieldPath) -> Result<Cow<'a, str>, String> {
        self.text(path)?.ok_or_else(|| format!("field {} is missing", path.text))
    }

    /// The time at `path`: RFC 3339, or a number since 1970-01-01 UTC whose unit follows from its size.
    pub(crate) fn time(&self, path: &FieldPath) -> Result<Option<SystemTime>, String> {
        let Some(value) = self.find(path) else { return Ok(None) };
        let Some(text) = self.text(path)? else { return Ok(None) };
        let nanoseconds = match value.get().as_bytes().first() {
            Some(b'"') => text
                .parse::<jiff::Timestamp>()
                .map_err(|e| format!("field {}: {e}", path.text))?
                .as_nanosecond()
                .try_into()
                .ok(),
            _ => epoch_nanoseconds(&text),
        };
        let nanoseconds: i64 = nanoseconds
            .ok_or_else(|| format!("field {}: {text} is not a time from 1677 to 2262", path.text))?;
        let time = jiff::Timestamp::from_nanosecond(nanoseconds.into())
            .map_err(|e| format!("field {}: {e}", path.text))?;
        Ok(Some(time.into()))
    }
}

/// A JSON number since 1970-01-01 UTC, in seconds (below 1e11), milliseconds (below 1e14), microseconds (below 1e17)
/// or nanoseconds.
fn epoch_nanoseconds(text: &str) -> Option<i64> {
    let value: f64 = text.parse().ok()?;
    let unit: i128 = match value.abs() {
        size if size < 1e11 => 1_000_000_000,
        size if size < 1e14 => 1_000_000,
        size if size < 1e17 => 1_000,
        _ => 1,
    };
    if text.contains(['e', 'E']) {
        let nanoseconds = (value * unit as f64).round();
        return (nanoseconds.abs() < 9.2e18).then_some(nanoseconds as i64);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = &fraction[..fraction.len().min(9)];
    let mut nanoseconds = whole.trim_start_matches('-').parse::<i128>().ok()?.checked_mul(unit)?;
    if !fraction.is_empty() {
        nanoseconds += fraction.parse::<i128>().ok()? * unit / 10_i128.pow(fraction.len() as u32);
    }
    if text.starts_with('-') {
        nanoseconds = -nanoseconds;
    }
    nanoseconds.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LINE: &str = r#" {"a":{"b":"x\u0041","c.d":[10,{"e":1.50}]},"n":12345678901234567890123,"t":true,"z":null,"a.b":"no"}"#;

    fn text(path: &str) -> Result<Option<String>, String> {
        Object::parse(LINE).unwrap().text(&FieldPath::new(path)).map(|t| t.map(Cow::into_owned))
    }

    #[test]
    fn paths_and_pointers_find_the_same_fields() {
        assert_eq!(text("a.b").unwrap().unwrap(), "xA");
        assert_eq!(text("/a/b").unwrap().unwrap(), "xA");
        assert_eq!(text("/a.b").unwrap().unwrap(), "no");
        assert_eq!(text("/a/c.d/0").unwrap().unwrap(), "10");
        assert_eq!(text("/a/c.d/1/e").unwrap().unwrap(), "1.50");
        assert_eq!(text("n").unwrap().unwrap(), "12345678901234567890123");
        assert_eq!(text("t").unwrap().unwrap(), "true");
        for missing in ["z", "y", "a.y", "/a/c.d/2", "/a/c.d/x", "t.u", "", "/"] {
            assert_eq!(text(missing).unwrap(), None, "{missing}");
        }
        assert!(text("a").unwrap_err().contains("field a"));
    }

    #[test]
    fn only_objects_are_objects() {
        for line in ["[1]", "1", "\"x\"", "null"] {
            assert_eq!(Object::parse(line).err().unwrap(), "not a JSON object", "{line}");
        }
        for line in ["", "{", "{\"a\":}", "{} {}", "{\"a\":1,}", "x"] {
            assert!(Object::parse(line).err().unwrap().starts_with("not JSON: "), "{line}");
        }
    }

    #[test]
    fn times_in_every_unit() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_517_966_773_840);
        for text in [
            "\"2018-02-07T01:26:13.84Z\"",
            "\"2018-02-07T02:26:13.840+01:00\"",
            "1517966773.84",
            "1517966773840",
            "1517966773840.0",
            "1517966773840000",
            "1517966773840000000",
            "1.51796677384e9",
        ] {
            let line = format!("{{\"t\":{text}}}");
            let found = Object::parse(&line).unwrap().time(&FieldPath::new("t")).unwrap();
            assert_eq!(found, Some(at), "{text}");
        }
        assert_eq!(epoch_nanoseconds("-0.5"), Some(-500_000_000));
        for text in
            ["\"yesterday\"", "1e30", "99999999999999999999", "true", "\"9999-01-01T00:00:00Z\"", "[1]"]
        {
            let line = format!("{{\"t\":{text}}}");
            let found = Object::parse(&line).unwrap().time(&FieldPath::new("t"));
            assert!(found.is_err(), "{text}: {found:?}");
        }
    }
}
