//! `dlq` and `consumers` as the real program, beside the store whose consumers have given up on something.

#[path = "cli/run.rs"]
#[allow(dead_code, reason = "shared by several tests")]
mod run;

use orchestrix::prelude::*;
use orchestrix::{EventId, RetryPolicy};
use run::Place;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
    assert_eq!(place.run(&["dlq", "list", "--reason", "paper"]).ended(0).out.lines().count(), 1);
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
    // The program has the store open and doesn't run it: it is kept for who does.
    place.run(&["consumers", "reset", "mailer", "--to", "1", "--wait", "0"]).ended(0).says("kept");
    let listed = place.run(&["consumers", "list"]).ended(0).out;
    assert!(
        listed.starts_with("mailer  at position 2, 0 retrying, 1 dead letters, 1 requests\n"),
        "{listed}"
    );

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

/// Requests to a program that runs: each is executed within a second or so, and what came of it is told.
#[test]
fn a_running_program_executes_requests() {
    let place = Place::new();
    let store = Store::open(place.store()).expect("a store");
    let is_down = Arc::new(AtomicBool::new(true));
    let down = is_down.clone();
    let mailer =
        Consumer::named("mailer").retry(RetryPolicy::none()).handle(move |event: Delivery| {
            match down.load(Ordering::Relaxed) && event.event().event_type() == "bad" {
                true => Err("no route".into()),
                false => Ok(Ack),
            }
        });
    let mailer = mailer.start(&store).expect("a consumer");
    let event = |event_type: &'static str, id: &'static str| NewEvent::raw(event_type, b"{}").id(id);
    for (stream, id) in [("a-1", "b1"), ("b-1", "b2"), ("c-1", "b3")] {
        let last = store.append(stream, Any, event("bad", id)).wait().expect("an append");
        mailer.wait_for(last.position()).wait().expect("it is reached");
    }

    place.run(&["dlq", "redrive", "b1"]).ended(5).says("0 of 1 dead letters were handled: no route");
    assert_eq!(place.run(&["dlq", "list"]).ended(0).out.lines().count(), 3);
    place.run(&["dlq", "discard", "b2"]).ended(0).says("1 dead letter of mailer discarded");
    place.run(&["dlq", "discard", "b2"]).ended(5).says("no open dead letter");
    is_down.store(false, Ordering::Relaxed);
    place.run(&["dlq", "redrive", "b3"]).ended(0).says("mailer has handled 1 dead letter again");
    let json = place.run(&["dlq", "redrive", "--all", "--json"]).ended(0).json();
    assert_eq!((json["outcome"].as_str(), json["dead_letters"].as_u64()), (Some("done"), Some(1)));
    place.run(&["dlq", "redrive"]).ended(2);
    place.run(&["dlq", "redrive", "b1", "--all"]).ended(2);
    assert_eq!(mailer.status().parked, 0);

    place.run(&["consumers", "pause", "mailer"]).ended(0).says("mailer is paused");
    assert!(mailer.status().paused);
    let last = store.append("a-1", Any, event("good", "g1")).wait().expect("an append");
    place.run(&["consumers", "resume", "mailer"]).ended(0).says("mailer goes on");
    mailer.wait_for(last.position()).wait().expect("it is reached");

    place.run(&["consumers", "reset", "mailer", "--to", "9"]).ended(5).says("position 9");
    place.run(&["consumers", "reset", "mailer", "--to", "2"]).ended(0).says("goes on behind position 2");
    mailer.wait_for(last.position()).wait().expect("it is reached again");

    // Nobody runs this one: it is kept, and executed before anything is handed out.
    place.run(&["consumers", "pause", "printer", "--wait", "0"]).ended(0).says("kept");
    let printer =
        Consumer::named("printer").handle(|_: Delivery| panic!("it was paused before")).start(&store);
    let printer = printer.expect("a consumer");
    let start = Instant::now();
    while !printer.status().paused {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", printer.status());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!((printer.status().position, printer.status().parked), (Position(0), 0));
    place.run(&["verify"]).ended(0);
}

/// What nobody runs is discarded at once; redriving it is kept for the next process.
#[test]
fn what_no_program_has_open_is_done_at_once_or_kept() {
    let place = Place::new();
    let store = Store::open(place.store()).expect("a store");
    let start = |fails: bool| {
        let mailer = Consumer::named("mailer").retry(RetryPolicy::none());
        let mailer = mailer.handle(move |_: Delivery| if fails { Err("no route".into()) } else { Ok(Ack) });
        mailer.start(&store).expect("a consumer")
    };
    let mailer = start(true);
    for (stream, id) in [("a-1", "b1"), ("b-1", "b2"), ("c-1", "b3")] {
        let last = store.append(stream, Any, NewEvent::raw("bad", b"{}").id(id)).wait().expect("an append");
        mailer.wait_for(last.position()).wait().expect("it is reached");
    }
    mailer.shutdown(Duration::from_secs(10)).wait().expect("it ends in order");
    store.close().wait().expect("a close");
    drop(store);
    place.run(&["dlq", "discard", "b2"]).ended(0).says("1 dead letter of mailer discarded");
    place.run(&["dlq", "redrive", "--all", "--wait", "0"]).ended(0).says("kept");
    assert_eq!(place.run(&["dlq", "list"]).ended(0).out.lines().count(), 2);

    let store = Store::open(place.store()).expect("a store");
    let mailer = Consumer::named("mailer").handle(|_: Delivery| Ok(Ack)).start(&store).expect("a consumer");
    let start = Instant::now();
    while mailer.status().parked > 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", mailer.status());
        std::thread::sleep(Duration::from_millis(5));
    }
}
