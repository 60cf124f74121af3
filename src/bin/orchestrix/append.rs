//! `append`: one event.

use crate::args::{Append, Global};
use crate::failure::Failure;
use crate::open;
use crate::output::Out;
use orchestrix::{EventId, Expected, NewEvent, Revision, Store};
use serde_json::json;
use serde_json::value::RawValue;
use std::io::Read;

pub(crate) fn run(global: &Global, args: &Append) -> Result<(), Failure> {
    let dir = open::dir(global);
    let data = data(&args.data)?;
    if is_json(&args.content_type) {
        serde_json::from_slice::<&RawValue>(&data)
            .map_err(|e| Failure::bad_input(format!("--data is not JSON: {e}")))?;
    }
    let mut event = NewEvent::raw(&*args.event_type, data).content_type(&*args.content_type);
    if let Some(id) = &args.id {
        event = event.id(EventId::from(id.as_str()));
    }
    event.check()?;
    let store = open::to_write(dir, Store::options())?;
    let receipt = store.append(&args.stream, args.expected, &event).wait()?;
    store.close().wait()?;
    let mut out = Out::new();
    let (position, revision) = (receipt.position(), receipt.revision());
    if global.json {
        out.json(&json!({
            "id": event.event_id().to_string(),
            "position": position.0,
            "revision": revision.0,
            "repeat": receipt.is_repeat(),
        }))?;
    } else {
        let already = if receipt.is_repeat() { "was there already: " } else { "" };
        out.line(format_args!("{already}position {position}, revision {revision} of {}", args.stream))?;
    }
    out.finish()
}

/// The value of `--expected`.
pub(crate) fn expected(text: &str) -> Result<Expected, String> {
    match text {
        "any" => Ok(Expected::Any),
        "no-stream" => Ok(Expected::NoStream),
        "exists" => Ok(Expected::StreamExists),
        _ => match text.parse() {
            Ok(revision) => Ok(Expected::Exact(Revision(revision))),
            Err(_) => Err("one of any, no-stream, exists, or a revision (a number from 0)".into()),
        },
    }
}

/// The value of `--data`.
fn data(text: &str) -> Result<Vec<u8>, Failure> {
    if text == "-" {
        let mut data = Vec::new();
        std::io::stdin().read_to_end(&mut data).map_err(|e| Failure::io("reading standard input", &e))?;
        return Ok(data);
    }
    match text.strip_prefix('@') {
        Some(path) => std::fs::read(path).map_err(|e| Failure::bad_input(format!("reading {path}: {e}"))),
        None => Ok(text.into()),
    }
}

/// `*/json` or `*/*+json`, whatever its parameters.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type.ends_with("/json") || media_type.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations() {
        assert_eq!(expected("any"), Ok(Expected::Any));
        assert_eq!(expected("no-stream"), Ok(Expected::NoStream));
        assert_eq!(expected("exists"), Ok(Expected::StreamExists));
        assert_eq!(expected("0"), Ok(Expected::Exact(Revision(0))));
        for wrong in ["", "-1", "Any", "1.0", "18446744073709551616"] {
            assert!(expected(wrong).is_err(), "{wrong}");
        }
    }
}
