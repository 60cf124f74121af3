//! serde's attributes: on fields as in any type, and those of variants, enums and structs that count.

use crate::{json, recorded};
use orchestrix::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Debug;

#[track_caller]
fn assert_data<E: Event + PartialEq + Debug>(event: &E, data: &str) {
    let new = NewEvent::of(event).unwrap();
    assert_eq!(std::str::from_utf8(new.data()).unwrap(), data);
    assert_eq!(recorded(&new).as_ref().decode::<E>().unwrap(), *event);
}

/// Asks for the field's own type: a reference to a reference would not do.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn three() -> u8 {
    3
}

/// A number as text.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: ToString + Copy, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&value.to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Event, Debug, PartialEq)]
enum Fields {
    #[event("renamed")]
    Renamed {
        #[serde(rename = "amount", alias = "sum", with = "as_text")]
        cents: u64,
        #[serde(default = "three", skip_serializing_if = "is_default")]
        small: u8,
        #[serde(skip)]
        cached: Option<u64>,
        #[serde(flatten)]
        others: BTreeMap<String, bool>,
    },
    #[event("inner")]
    Inner(#[serde(with = "self::as_text")] u64),
    #[event("camel")]
    #[serde(rename_all = "camelCase")]
    Camel {
        by_whom: u8,
        #[serde(rename = "as_it_is")]
        when: u8,
    },
}

#[test]
fn attributes_of_fields() {
    let others = BTreeMap::from([("x".to_owned(), true)]);
    let event = Fields::Renamed { cents: 5, small: 1, cached: None, others };
    assert_data(&event, r#"{"amount":"5","small":1,"x":true}"#);
    let zero = Fields::Renamed { cents: 5, small: 0, cached: Some(1), others: BTreeMap::new() };
    assert_eq!(zero.encode().unwrap(), br#"{"amount":"5"}"#);
    let read = json("renamed", r#"{"sum":"5"}"#).as_ref().decode::<Fields>().unwrap();
    assert_eq!(read, Fields::Renamed { cents: 5, small: 3, cached: None, others: BTreeMap::new() });
    assert_data(&Fields::Inner(7), "\"7\"");
    let error = json("inner", "\"x\"").as_ref().decode::<Fields>().unwrap_err();
    assert!(error.to_string().contains("invalid digit found in string"), "{error}");
}

#[test]
fn attributes_of_a_variant() {
    assert_data(&Fields::Camel { by_whom: 1, when: 2 }, r#"{"byWhom":1,"as_it_is":2}"#);
}

/// Has serde's own derives too, for another format: tags and names of that one mean nothing to the store.
#[derive(Event, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "UPPERCASE", rename_all_fields = "kebab-case", deny_unknown_fields)]
enum Both {
    #[event("first")]
    #[serde(rename = "one", alias = "uno")]
    First { of_all: u8 },
    #[event("second")]
    #[serde(rename_all(serialize = "snake_case", deserialize = "snake_case"))]
    Second { of_all: u8 },
    #[event("third")]
    Third,
}

#[test]
fn attributes_of_an_enum_that_has_other_derives() {
    let first = Both::First { of_all: 1 };
    assert_data(&first, r#"{"of-all":1}"#);
    assert_data(&Both::Second { of_all: 2 }, r#"{"of_all":2}"#);
    assert_data(&Both::Third, "{}");
    assert_eq!(serde_json::to_string(&first).unwrap(), r#"{"kind":"one","of-all":1}"#);
    for (event_type, data) in [("first", r#"{"of-all":1,"x":1}"#), ("third", r#"{"x":1}"#)] {
        let error = json(event_type, data).as_ref().decode::<Both>().unwrap_err();
        assert!(error.to_string().contains("unknown field `x`"), "{error}");
    }
}

#[derive(Event, Debug, PartialEq)]
#[event("configured")]
#[serde(default, rename_all = "SCREAMING-KEBAB-CASE", deny_unknown_fields, expecting = "a configuration")]
struct Configured {
    retry_count: u8,
    name: String,
}

impl Default for Configured {
    fn default() -> Self {
        Self { retry_count: 9, name: "none".into() }
    }
}

#[test]
fn attributes_of_a_struct() {
    let event = Configured { retry_count: 1, name: "x".into() };
    assert_data(&event, r#"{"RETRY-COUNT":1,"NAME":"x"}"#);
    assert_eq!(json("configured", "{}").as_ref().decode::<Configured>().unwrap(), Configured::default());
    for (data, why) in [("7", "expected a configuration"), (r#"{"name":"x"}"#, "unknown field `name`")] {
        let error = json("configured", data).as_ref().decode::<Configured>().unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}
