//! Recorded events that a type can't be read from, and values that aren't written.

use crate::{json, recorded};
use orchestrix::prelude::*;
use orchestrix::{Bincode, Error, ErrorKind, RecordedEvent, UndecodedReason};
use std::error::Error as _;

#[derive(Event, Debug, PartialEq)]
enum AccountEvent {
    #[event("account.opened")]
    Opened { owner: String },
    #[event("account.deposited", version = 2)]
    Deposited {
        cents: u64,
        #[serde(default)]
        note: Option<String>,
    },
    #[event("account.closed")]
    Closed,
}

#[derive(Event, Debug, PartialEq)]
enum Lenient {
    #[event("account.opened")]
    Opened { owner: String },
    #[event(unknown)]
    Unknown,
}

#[derive(Event, Debug, PartialEq)]
enum Keeping {
    #[event(unknown)]
    Other(Box<RecordedEvent>),
    #[event("account.closed")]
    Closed,
}

#[derive(Event, Debug)]
#[event("account.audited")]
struct Audited {
    _by: String,
}

#[track_caller]
fn refused<E: Event + std::fmt::Debug>(event: &RecordedEvent) -> Error {
    let error = event.as_ref().decode::<E>().unwrap_err();
    assert_eq!(event.decode::<E>().unwrap_err().to_string(), error.to_string());
    let place = error.undecoded().expect("the facts");
    assert_eq!((place.position, place.revision), (Position(11), Revision(4)));
    assert_eq!(
        (place.stream.as_str(), place.event_type.as_str()),
        ("account-7", event.as_ref().event_type())
    );
    assert!(!error.is_retryable());
    error
}

#[test]
fn an_unknown_type() {
    let event = json("account.Opened", "{}");
    let error = refused::<AccountEvent>(&event);
    assert!(error.is_unsupported());
    assert_eq!(
        error.to_string(),
        "event 11, revision 4 of stream \"account-7\": expected a type of [\"account.opened\", \
         \"account.deposited\", \"account.closed\"], found \"account.Opened\""
    );
    let UndecodedReason::UnknownType { expected } = &error.undecoded().unwrap().reason else {
        panic!("{error:?}");
    };
    assert_eq!(expected, &["account.opened", "account.deposited", "account.closed"]);
    let error = refused::<Audited>(&event);
    assert!(
        error.to_string().ends_with("expected a type of [\"account.audited\"], found \"account.Opened\"")
    );
}

#[test]
fn an_unknown_type_where_a_variant_stands_for_it() {
    let event = json("account.frozen", "no JSON");
    assert_eq!(event.as_ref().decode::<Lenient>().unwrap(), Lenient::Unknown);
    let kept = event.as_ref().decode::<Keeping>().unwrap();
    assert_eq!(kept, Keeping::Other(Box::new(event)));
    assert_eq!(Lenient::TYPES.len(), 1, "what stands for unknown types has no type");

    for (refused, name) in [
        (NewEvent::of(&Lenient::Unknown).unwrap_err(), "Lenient"),
        (Lenient::Unknown.encode().unwrap_err(), "Lenient"),
        (NewEvent::all(&[Keeping::Closed, kept]).unwrap_err(), "Keeping"),
    ] {
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(refused.to_string().contains(name), "{refused}");
    }
    assert_eq!(Lenient::Unknown.event_type(), None);
}

#[test]
fn a_newer_schema_version() {
    let data = br#"{"owner":"Ada"}"#;
    let event = recorded(&NewEvent::raw("account.opened", data).schema_version(2));
    let error = refused::<AccountEvent>(&event);
    assert!(error.is_unsupported());
    assert_eq!(
        error.to_string(),
        "event 11, revision 4 of stream \"account-7\": expected type \"account.opened\" in schema version 1 at \
         most, found 2"
    );
    let reason = &error.undecoded().unwrap().reason;
    assert!(matches!(reason, UndecodedReason::NewerVersion { known: 1, found: 2, .. }), "{reason:?}");
    assert!(refused::<Lenient>(&event).is_unsupported(), "a known type is not taken for an unknown one");
}

#[test]
fn an_older_or_unwritten_schema_version_is_read_as_it_is() {
    let data = br#"{"cents":1}"#;
    let expected = AccountEvent::Deposited { cents: 1, note: None };
    for version in [None, Some(0), Some(1), Some(2)] {
        let event = NewEvent::raw("account.deposited", data);
        let event = version.iter().fold(event, |event, version| event.schema_version(*version));
        assert_eq!(recorded(&event).as_ref().decode::<AccountEvent>().unwrap(), expected, "{version:?}");
    }
}

#[test]
fn data_that_is_not_what_the_type_asks_for() {
    let wrong = [
        ("account.opened", "{}", "missing field `owner` at line 1 column 2"),
        ("account.opened", "", "EOF while parsing a value"),
        ("account.opened", "{\"owner\":\"Ada\"", "EOF while parsing an object"),
        ("account.opened", "{\"owner\":\"Ada\"} x", "trailing characters at line 1 column 17"),
        ("account.opened", "{\"owner\":\"a\",\"owner\":\"b\"}", "duplicate field `owner`"),
        ("account.opened", "{\"owner\":7}", "invalid type: integer `7`, expected a string"),
        ("account.opened", "7", "invalid type: integer `7`, expected the fields of \"account.opened\""),
        ("account.opened", "{\"owner\":\"\u{fffd}", "EOF while parsing a string"),
        ("account.deposited", "{\"cents\":-1}", "invalid value: integer `-1`, expected u64"),
        ("account.closed", "null", "invalid type: null, expected the fields of \"account.closed\""),
        (
            "account.audited",
            "\"x\"",
            "invalid type: string \"x\", expected the fields of \"account.audited\"",
        ),
    ];
    for (event_type, data, why) in wrong {
        let event = json(event_type, data);
        let error = match event_type {
            "account.audited" => refused::<Audited>(&event),
            _ => refused::<AccountEvent>(&event),
        };
        assert_eq!(error.kind(), ErrorKind::Other, "{data}: {error}");
        let message = error.to_string();
        let begin =
            format!("event 11, revision 4 of stream \"account-7\": data of type {event_type:?}: {why}");
        assert!(message.starts_with(&begin), "{message}\nmust begin with\n{begin}");
        let UndecodedReason::Data(cause) = &error.undecoded().unwrap().reason else { panic!("{error:?}") };
        let source = cause.source().expect("serde's error");
        assert!(message.ends_with(&source.to_string()), "{source}");
        assert!(source.is::<serde_json::Error>());
    }
}

#[test]
fn bytes_that_are_not_utf8() {
    let event = recorded(&NewEvent::raw("account.opened", b"{\"owner\":\"\xff\"}"));
    let error = refused::<AccountEvent>(&event);
    assert!(error.to_string().contains("invalid unicode code point"), "{error}");
}

#[test]
fn data_of_another_content_type() {
    let event = NewEvent::encoded("account.closed", &(), &Bincode).unwrap();
    let error = refused::<AccountEvent>(&recorded(&event));
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let what = "data of type \"account.closed\": content type must be application/json, found \
                application/vnd.orchestrix.bincode";
    assert!(error.to_string().ends_with(what), "{error}");
    let suffixed = event.content_type("application/closed+json");
    assert_eq!(recorded(&suffixed).as_ref().decode::<AccountEvent>().unwrap(), AccountEvent::Closed);
}

#[test]
fn no_data_is_enough_where_no_field_is_asked_for() {
    for data in ["", "{}", " { \"since\": [1] } "] {
        let event = json("account.closed", data);
        assert_eq!(event.as_ref().decode::<AccountEvent>().unwrap(), AccountEvent::Closed, "{data:?}");
    }
    let event = json("account.opened", r#"{"later":{},"owner":"Ada"}"#);
    let opened = AccountEvent::Opened { owner: "Ada".into() };
    assert_eq!(
        event.as_ref().decode::<AccountEvent>().unwrap(),
        opened,
        "fields of later versions are ignored"
    );
}

#[derive(Event, Debug)]
#[event("map")]
struct ByPair(std::collections::BTreeMap<(u8, u8), u8>);

#[test]
fn a_value_that_json_cannot_hold() {
    let error = NewEvent::of(&ByPair([((1, 2), 3)].into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(error.to_string().contains("ByPair as JSON failed: key must be a string"), "{error}");
}
