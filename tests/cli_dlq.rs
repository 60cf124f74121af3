//! `dlq` and `consumers` as the real program, beside the store whose consumers have given up on something.

#[path = "cli/run.rs"]
#[allow(dead_code, reason = "shared by several tests")]
mod run;

use orchestrix::prelude::*;
use orchestrix::{EventId, RetryPolicy};
use run::Place;
use std::time::Duration;

#[test]
fn dead_letters_are_listed_shown_and_exported() {
    let place = Place::new();
    let store = Store::open(place.store()).expect("a store");
    place.run(&["dlq", "list"]).ended(0);
    let fails = |name: &str, words: &'static str| {
        let consumer = Consumer::named(name).version("3").retry(RetryPolicy::none());
        let consumer = consumer.handle(move |event: Delivery| match event.event().event_type() {
            "bad" => Err(words.into()),
            _ => Ok(Ack),
        });
        consumer.start(&store).expect("a consumer")
    };
    let consumers = [fails("mailer", "no route"), fails("printer", "no\npaper")];
    let event = |event_type: &'static str, id: &'static str| NewEvent::raw(event_type, br#"{"n":1}"#).id(id);
    store.append("a-1", Any, event("good", "g1")).wait().expect("an append");
    let last = store.append("a-1", Any, event("bad", "b1")).wait().expect("an append");
    for consumer in &consumers {
        consumer.wait_for(last.position()).wait().expect("it is reached");
    }

    let listed = place.run(&["dlq", "list"]).ended(0).out;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(
        lines,
        ["mailer  b1  a-1 1 bad  1 attempt: no route", "printer  b1  a-1 1 bad  1 attempt: no\\npaper"]
    );
    let json = place.run(&["dlq", "list", "--consumer", "mailer", "--json"]).ended(0).json();
    assert_eq!(json["stream"], "a-1");
    assert_eq!((json["position"].as_u64(), json["attempts"].as_u64()), (Some(2), Some(1)));
    assert_eq!((json["errors"][0].as_str(), json["handler_version"].as_str()), (Some("no route"), Some("3")));

    let shown = place.run(&["dlq", "show", "b1", "--consumer", "printer"]).ended(0).out;
    assert!(shown.contains("consumer: printer\n") && shown.contains("reason: no\\npaper\n"), "{shown}");
    assert!(shown.lines().last().expect("a line").contains(r#""id":"b1""#), "{shown}");
    place.run(&["dlq", "show", "none"]).ended(5).says("no open dead letter");

    let exported = place.run(&["dlq", "export", "--consumer", "mailer"]).ended(0).out;
    assert_eq!(exported, place.run(&["read", "a-1", "--from", "1"]).ended(0).out);

    // By their last checkpoints, which these have saved when they are stopped.
    for consumer in consumers {
        consumer.shutdown(Duration::from_secs(10)).wait().expect("it ends in order");
    }
    let listed = place.run(&["consumers", "list"]).ended(0).out;
    assert_eq!(
        listed.lines().collect::<Vec<_>>(),
        [
            "mailer  at position 2, 0 retrying, 1 dead letters",
            "printer  at position 2, 0 retrying, 1 dead letters"
        ]
    );
    place.run(&["consumers", "reset", "mailer", "--to", "1"]).ended(5).says("locked");

    // What is discarded while the program runs isn't listed any more.
    store.dead_letters().of("mailer").discard(&EventId::from("b1")).wait().expect("a discard");
    assert_eq!(place.run(&["dlq", "list"]).ended(0).out.lines().count(), 1);
    place.run(&["verify"]).ended(0);
    store.close().wait().expect("a close");
    drop(store);
    place.run(&["consumers", "reset", "mailer", "--to", "1"]).ended(0).says("goes on behind position 1");
    let json = place.run(&["consumers", "list", "--json"]).ended(0).out;
    assert!(json.lines().next().expect("a line").contains(r#""position":1"#), "{json}");
}
