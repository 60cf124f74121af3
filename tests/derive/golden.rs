//! What is stored, to the byte, and the way back.

use crate::recorded;
use orchestrix::prelude::*;
use orchestrix::{Error, EventType, Query, RecordedEvent};
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Event, Clone, Debug, PartialEq)]
enum AccountEvent {
    #[event("account.opened")]
    Opened { owner: String, tags: BTreeMap<String, u8> },
    #[event("account.deposited", version = 3)]
    Deposited(Money),
    #[event("account.CLOSED")]
    Closed,
    #[event("account.closed")]
    ClosedByCourt {},
    #[event("konto.er\u{f6}ffnet")]
    Eröffnet(),
    #[event("account.renamed")]
    Renamed { r#type: Option<String>, event: u8, to: Cow<'static, str> },
}

#[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
struct Money {
    cents: u64,
}

/// The same history as [`AccountEvent`]'s, under other names in the code.
#[derive(Event, Debug, PartialEq)]
enum Ledger {
    #[event("account.closed")]
    Seized,
    #[event("account.opened")]
    Begun { owner: String, tags: BTreeMap<String, u8> },
}

#[derive(Event, Debug, PartialEq)]
#[event("lamp.moved", version = 2)]
struct LampMoved {
    room: String,
}

#[derive(Event, Debug, PartialEq)]
#[event("lamp.lit")]
struct LampLit;

#[derive(Event, Debug, PartialEq)]
#[event("lamp.paid")]
struct LampPaid(Money);

/// Type, schema version and data as they are written.
fn written(event: &impl Event) -> (String, Option<u32>, String) {
    let event = recorded(&NewEvent::of(event).unwrap());
    let event = event.as_ref();
    assert_eq!(event.content_type(), Some("application/json"));
    let data = String::from_utf8(event.data().to_vec()).unwrap();
    (event.event_type().to_owned(), event.schema_version(), data)
}

#[track_caller]
fn assert_golden<E: Event + PartialEq + std::fmt::Debug>(event: E, golden: (&str, Option<u32>, &str)) {
    let (event_type, version, data) = written(&event);
    assert_eq!((event_type.as_str(), version, data.as_str()), golden);
    let back: E = recorded(&NewEvent::of(&event).unwrap()).as_ref().decode().unwrap();
    assert_eq!(back, event);
    let known = event.event_type().unwrap();
    assert_eq!((known.name(), known.version()), (golden.0, golden.1.unwrap_or(1)));
    assert!(E::TYPES.contains(known));
}

fn all() -> [AccountEvent; 6] {
    [
        AccountEvent::Opened { owner: "Ada \"L\"".into(), tags: [("b".into(), 2), ("a".into(), 1)].into() },
        AccountEvent::Deposited(Money { cents: u64::MAX }),
        AccountEvent::Closed,
        AccountEvent::ClosedByCourt {},
        AccountEvent::Eröffnet(),
        AccountEvent::Renamed { r#type: None, event: 7, to: "x".into() },
    ]
}

#[test]
fn the_bytes_of_each_kind_of_variant() {
    let [opened, deposited, closed, by_court, eröffnet, renamed] = all();
    assert_golden(opened, ("account.opened", None, r#"{"owner":"Ada \"L\"","tags":{"a":1,"b":2}}"#));
    assert_golden(deposited, ("account.deposited", Some(3), r#"{"cents":18446744073709551615}"#));
    assert_golden(closed, ("account.CLOSED", None, "{}"));
    assert_golden(by_court, ("account.closed", None, "{}"));
    assert_golden(eröffnet, ("konto.eröffnet", None, "{}"));
    assert_golden(renamed, ("account.renamed", None, r#"{"type":null,"event":7,"to":"x"}"#));
    assert_golden(LampMoved { room: "k".into() }, ("lamp.moved", Some(2), r#"{"room":"k"}"#));
    assert_golden(LampLit, ("lamp.lit", None, "{}"));
    assert_golden(LampPaid(Money { cents: 1 }), ("lamp.paid", None, r#"{"cents":1}"#));
}

#[test]
fn renaming_in_the_code_renames_nothing_in_history() {
    let [opened, _, _, by_court, ..] = all();
    let AccountEvent::Opened { owner, tags } = opened.clone() else { unreachable!() };
    let begun = Ledger::Begun { owner, tags };
    assert_eq!(written(&begun), written(&opened));
    assert_eq!(written(&Ledger::Seized), written(&by_court));
    let back: Ledger = recorded(&NewEvent::of(&opened).unwrap()).as_ref().decode().unwrap();
    assert_eq!(back, begun);
}

#[test]
fn the_types_in_their_order_and_the_query_for_them() {
    let names: Vec<_> = AccountEvent::TYPES.iter().map(EventType::name).collect();
    let known = ["account.opened", "account.deposited", "account.CLOSED", "account.closed", "konto.eröffnet"];
    assert_eq!(names[..5], known);
    let versions: Vec<_> = AccountEvent::TYPES.iter().map(EventType::version).collect();
    assert_eq!(versions, [1, 3, 1, 1, 1, 1]);
    assert_eq!(Query::of::<LampMoved>(), Query::types(["lamp.moved"]));
    assert_eq!(Query::of::<AccountEvent>(), Query::types(names));
}

#[test]
fn through_a_store_and_back_with_names_that_are_borrowed() {
    let store = Store::in_memory();
    let events = all();
    let new = NewEvent::all(&events).unwrap();
    store.append("account-7", NoStream, &new).wait().unwrap();
    // Equal ids: the same events once more are a repeat.
    store.append("account-7", NoStream, &new).wait().unwrap();

    let view = store.view();
    let read: Result<Vec<AccountEvent>, Error> =
        view.stream("account-7").map(|event| event?.decode()).collect();
    assert_eq!(read.unwrap(), events);

    let owned: Vec<RecordedEvent> =
        view.stream("account-7").map(|event| event.unwrap().to_recorded()).collect();
    for (event, known) in owned.iter().zip(&events) {
        let typed: Recorded<AccountEvent> = event.decode().unwrap();
        assert_eq!((&typed.data, typed.position), (known, event.as_ref().position()));
        assert_eq!(RecordedEvent::try_from(&typed).unwrap(), *event);
    }
}

#[test]
fn an_envelope_is_written_with_the_type_that_its_data_has() {
    let old = recorded(&NewEvent::raw("account.deposited", br#"{"cents":1}"#).tag("t").schema_version(2));
    let mut typed: Recorded<AccountEvent> = old.decode().unwrap();
    let again = RecordedEvent::try_from(&typed).unwrap();
    assert_eq!(again.as_ref().schema_version(), Some(3), "it was encoded in the schema that is known");
    assert_eq!(again.as_ref().id(), old.as_ref().id());
    typed.data = AccountEvent::Closed;
    let again = RecordedEvent::try_from(&typed).unwrap();
    assert_eq!((again.as_ref().event_type(), again.as_ref().schema_version()), ("account.CLOSED", Some(1)));

    let explicit = recorded(&NewEvent::of(&LampLit).unwrap().schema_version(1));
    let typed: Recorded<LampLit> = explicit.decode().unwrap();
    assert_eq!(RecordedEvent::try_from(&typed).unwrap(), explicit, "version 1 may be written out");
}

#[test]
fn floats_that_json_does_not_have() {
    #[derive(Event, Debug, PartialEq)]
    #[event("measured")]
    struct Measured {
        celsius: f64,
        limit: Option<f64>,
    }
    assert_golden(
        Measured { celsius: -0.1, limit: None },
        ("measured", None, r#"{"celsius":-0.1,"limit":null}"#),
    );
    let none = Measured { celsius: f64::NAN, limit: Some(f64::INFINITY) };
    assert_eq!(written(&none).2, r#"{"celsius":null,"limit":null}"#);
    let error = recorded(&NewEvent::of(&none).unwrap()).as_ref().decode::<Measured>().unwrap_err();
    assert!(error.to_string().contains("invalid type: null, expected f64"), "{error}");
}

/// Where the type is defined changes nothing: names resolve in a function too, and in spite of others that are hidden.
#[test]
fn a_type_within_a_function() {
    #[derive(Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
    #[serde(transparent)]
    struct String(u8);
    #[derive(Debug)]
    enum Hidden {
        Ok,
        Err,
    }
    use Hidden::{Err, Ok};
    #[derive(Event, Debug, PartialEq)]
    enum Result {
        #[event("hidden")]
        Some { event: String, to: u8, from: u8, inner: u8 },
    }
    assert_eq!(format!("{:?}", [Ok, Err]), "[Ok, Err]");
    let event = Result::Some { event: String(1), to: 2, from: 3, inner: 4 };
    assert_golden(event, ("hidden", None, r#"{"event":1,"to":2,"from":3,"inner":4}"#));
}
