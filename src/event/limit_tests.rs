//! Each limit of an event and a commit: at it all is well, beyond it stands an error that says what, where and how much.

use super::body::{BodyEncoder, WriteRef};
use super::{EventId, NewEvent};
use crate::{Error, ErrorKind, limits};
use foldhash::fast::FixedState;
use std::time::{Duration, SystemTime};

const SEGMENT: u64 = limits::SEGMENT_BYTES_DEFAULT;

fn encode(writes: &[WriteRef<'_>], segment_bytes: u64) -> Result<usize, Error> {
    let mut encoder = BodyEncoder::new(FixedState::default());
    encoder.encode(writes, segment_bytes)?;
    Ok(encoder.bytes().len())
}

fn append(stream: &str, events: &[NewEvent<'_>]) -> Result<usize, Error> {
    encode(&[WriteRef { stream, events }], SEGMENT)
}

#[track_caller]
fn assert_refused(result: Result<usize, Error>, kind: ErrorKind, message: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

/// The same event alone, and beside another: the two ways to encode must agree.
#[track_caller]
fn assert_event_refused(event: NewEvent<'_>, kind: ErrorKind, message: &str) {
    assert_refused(append("s", std::slice::from_ref(&event)), kind, message);
    let place = format!("event 1 of the append to stream \"s\": {message}");
    assert_refused(append("s", &[NewEvent::raw("t", b""), event.clone()]), kind, &place);
    assert!(event.check().is_err_and(|error| error.kind() == kind));
}

fn event() -> NewEvent<'static> {
    NewEvent::raw("t", b"x")
}

#[test]
fn stream_names() {
    let at = "s".repeat(limits::STREAM_NAME_BYTES_MAX);
    append(&at, &[event()]).unwrap();
    append("caf\u{e9} \u{1F600}", &[event()]).unwrap();
    let beyond = at + "s";
    for events in [&[event()][..], &[event(), event()]] {
        assert_refused(append(&beyond, events), ErrorKind::Limit, "at most 1024, found 1025");
        assert_refused(
            append("", events),
            ErrorKind::Invalid,
            "stream name must be text of at least one character",
        );
        assert_refused(append("$all", events), ErrorKind::Invalid, "reserved");
        assert_refused(append("a\u{85}b", events), ErrorKind::Invalid, r#"found "a\u{85}b""#);
        assert_refused(append("a\nb", events), ErrorKind::Invalid, "without control characters");
    }
}

#[test]
fn types_ids_and_tags() {
    let (at, beyond) = ("x".repeat(255), "x".repeat(256));
    let all = NewEvent::raw(at.as_str(), b"").id(at.as_str()).tag(at.as_str()).correlation(at.as_str());
    append("s", &[all.clone().causation(at.as_str())]).unwrap();
    let limit = |event: NewEvent<'static>, what: &str| {
        assert_event_refused(event, ErrorKind::Limit, &format!("bytes of the {what}"));
    };
    limit(NewEvent::raw(beyond.clone(), b""), "event type");
    limit(event().id(beyond.clone()), "event id");
    limit(event().tag(beyond.clone()), "tag");
    limit(event().correlation(beyond.clone()), "correlation id");
    limit(event().causation(beyond), "causation id");
    let empty = |event: NewEvent<'static>, what: &str| {
        assert_event_refused(
            event,
            ErrorKind::Invalid,
            &format!("{what} must be text of at least one character"),
        );
    };
    empty(NewEvent::raw("", b""), "event type");
    empty(event().id(""), "event id");
    empty(event().tag(""), "tag");
    empty(event().correlation(""), "correlation id");
    empty(event().causation(""), "causation id");
    empty(event().subject(""), "subject");
    assert_event_refused(
        event().id("a\tb"),
        ErrorKind::Invalid,
        "event id must be text without control characters",
    );
}

#[test]
fn numbers_of_tags_and_events() {
    let tagged = |count: usize| (0..count).fold(event(), |event, n| event.tag(n.to_string()));
    append("s", &[tagged(limits::TAGS_MAX)]).unwrap();
    assert_event_refused(tagged(65), ErrorKind::Limit, "tags of the list of tags");
    append("s", &[(0..1_000).fold(event(), |event, n| event.tag((n % 64).to_string()))]).unwrap();

    let many = vec![NewEvent::raw("t", b""); limits::COMMIT_EVENTS_MAX + 1];
    append("s", &many[1..]).unwrap();
    assert_refused(append("s", &many), ErrorKind::Limit, "commit, events: at most 65535, found 65536");
    assert_refused(append("s", &[]), ErrorKind::Invalid, "at least one event");
    assert_refused(encode(&[], SEGMENT), ErrorKind::Invalid, "at least one event");
    let writes = [WriteRef { stream: "s", events: &many[..1] }, WriteRef { stream: "none", events: &[] }];
    assert_refused(encode(&writes, SEGMENT), ErrorKind::Invalid, "append to stream \"none\"");
}

#[test]
fn names_together() {
    let names: Vec<String> = (0..16_400).map(|n| format!("{n:01024}")).collect();
    let event = NewEvent::raw("t", b"");
    let writes: Vec<_> =
        names.iter().map(|stream| WriteRef { stream, events: std::slice::from_ref(&event) }).collect();
    let segment = limits::SEGMENT_BYTES_MAX;
    encode(&writes[..16_383], segment).unwrap();
    assert_refused(encode(&writes, segment), ErrorKind::Limit, "at most 16777215, found 16793601");
}

#[test]
fn sizes() {
    let record_bytes = |event_bytes: u64| event_bytes as usize - super::layout::record::BYTES;
    for segment in [limits::SEGMENT_BYTES_MIN, SEGMENT] {
        let max = limits::event_bytes_max(segment);
        let largest = NewEvent::raw("t", vec![1; record_bytes(max)]);
        let larger = NewEvent::raw("t", vec![1; record_bytes(max) + 1]);
        let write = |events: &[NewEvent<'_>]| encode(&[WriteRef { stream: "s", events }], segment);
        write(std::slice::from_ref(&largest)).unwrap();
        let message = format!("event record, bytes: at most {max}, found {}", max + 1);
        assert_refused(write(std::slice::from_ref(&larger)), ErrorKind::Limit, &message);
        assert_refused(write(&[event(), larger]), ErrorKind::Limit, &message);
        let message = format!("commit, bytes: at most {}", limits::commit_bytes_max(segment));
        assert_refused(write(&[largest.clone(), largest]), ErrorKind::Limit, &message);
    }
}

#[test]
fn metadata() {
    let subject = |bytes: usize| event().subject("x".repeat(bytes));
    append("s", &[subject(limits::METADATA_BYTES_MAX - 3)]).unwrap();
    let message = "bytes of the metadata \"\": at most 65535, found 65536";
    assert_event_refused(subject(limits::METADATA_BYTES_MAX - 2), ErrorKind::Limit, message);
    let invalid =
        |event: NewEvent<'static>, message: &str| assert_event_refused(event, ErrorKind::Invalid, message);
    invalid(event().source("not a reference"), "source must be a URI reference");
    invalid(event().source(""), "source must be a URI reference");
    invalid(event().data_schema("relative"), "data schema must be an absolute URI");
    invalid(event().content_type("json"), "content type must be a media type");
    invalid(event().extension("my-name", "x"), "attribute name must be lowercase letters");
    invalid(event().extension("", "x"), "attribute name must be lowercase letters");
    for name in ["id", "data", "streamid", "tags", "correlationid"] {
        invalid(event().extension(name, "x"), "extension name must be one that no attribute of an event has");
    }
    invalid(event().typed_extension("schemaversion", 3), "extension name must be one that no attribute");
    invalid(event().extension("x", "a\u{1}b"), "x must be text without control characters");
    for far in [
        SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40),
        SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 40),
    ] {
        invalid(event().time(far), "time must be between the years 1678 and 2261");
    }
}

#[test]
fn an_encoder_goes_on_after_an_error() {
    let mut encoder = BodyEncoder::new(FixedState::default());
    let good = event();
    let bad = event().id("");
    let both = [good.clone(), bad.clone()];
    let mut frames = Vec::new();
    for events in [&[good.clone()][..], &[bad][..], &both[..], &[good][..]] {
        if encoder.encode(&[WriteRef { stream: "s", events }], SEGMENT).is_ok() {
            frames.push((encoder.bytes().to_vec(), encoder.body_crc(), encoder.name_count()));
        }
    }
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0], frames[1]);
}

#[test]
fn both_spellings_of_a_uuid_are_one_id() {
    let text = "01890a5d-ac96-774b-bcce-b302099a8057";
    let uuid: uuid::Uuid = text.parse().unwrap();
    assert_eq!(EventId::from(text), EventId::from(uuid));
    assert_eq!(EventId::from(text.to_owned()).to_string(), text);
    assert!(EventId::from(uuid).as_ref() == *text && EventId::from(uuid) == text);
    assert_eq!(EventId::from(text).as_uuid(), Some(uuid));
    let others = [
        text.to_uppercase(),
        text.replace('-', ""),
        format!("{{{text}}}"),
        format!("{text} "),
        text.replace('0', "g"),
    ];
    for other in others {
        let id = EventId::from(&other);
        assert!(id.as_uuid().is_none() && id != EventId::from(uuid) && id == other.as_str());
        assert_eq!(id.to_string(), other);
    }
    assert!(size_of::<EventId>() == 24 && size_of::<NewEvent<'_>>() <= 136);
}
