//! What handlers emit: with the acknowledgement or not at all, and once.

use crate::everywhere;
use crate::seen::{append, at_once, fill, reach, stop};
use orchestrix::prelude::*;
use orchestrix::{EventStore, Query};
use std::sync::mpsc;

/// The texts of a stream.
fn texts<B: EventStore>(store: &Store<B>, stream: &str) -> Vec<String> {
    let batch = store.read(Query::stream(stream)).fetch().wait().expect("a batch");
    batch.iter().map(|event| String::from_utf8_lossy(event.data()).into_owned()).collect()
}

everywhere! {
    fn what_is_emitted_comes_with_the_acknowledgement(store) {
        let consumer = Consumer::named("doubles").category("s").retry(at_once(1)).handle(|event: Delivery| {
            let text = format!("{} {}", event.stream(), String::from_utf8_lossy(event.event().data()));
            event.emit("out-1", [NewEvent::raw("derived", text.clone().into_bytes()), NewEvent::raw("derived", b"again")])?;
            event.emit("out-2", NewEvent::raw("derived", text.into_bytes()))?;
            match (event.event().data(), event.attempt()) {
                (b"1", 1) => Err("not yet".into()),
                (b"2", _) => Ok(Outcome::Skip),
                (b"3", _) => Ok(Outcome::park("no")),
                _ => Ok(Ack),
            }
        });
        let consumer = consumer.start(store).expect("a consumer");
        reach(&consumer, fill(store, 1, 4));
        assert_eq!(texts(store, "out-1"), ["s-0 0", "again", "s-0 1", "again"]);
        assert_eq!(texts(store, "out-2"), ["s-0 0", "s-0 1"]);
        let batch = store.read(Query::stream("out-2")).fetch().wait().expect("a batch");
        let first = store.read(Query::stream("s-0")).fetch().wait().expect("a batch");
        let (derived, cause) = (batch.iter().next().expect("it"), first.iter().next().expect("it"));
        assert!(derived.metadata().causation() == Some(cause.id()) && derived.correlation() == Some(cause.id()));
        stop(consumer);
    }

    fn a_pipeline_derives_each_event_once(store) {
        let stage = |name: &str, from: &str, to: &'static str| {
            let consumer = Consumer::named(name).category(from).workers(2).handle(move |event: Delivery| {
                let stream = format!("{to}-{}", &event.stream()[event.stream().len() - 1..]);
                event.emit(stream, NewEvent::raw("derived", event.event().data().to_vec()))?;
                Ok(Ack)
            });
            consumer.start(store).expect("a consumer")
        };
        let (first, second) = (stage("first", "s", "t"), stage("second", "t", "u"));
        let last = fill(store, 3, 40);
        reach(&first, last);
        let middle = store.head("t-0").wait().expect("a head").expect("a stream");
        let end = ["t-0", "t-1", "t-2"].map(|name| store.head(name).wait().expect("a head").expect("a stream").position);
        reach(&second, end.into_iter().max().expect("three"));
        assert_eq!(middle.revision, Revision(39));
        for stream in 0..3 {
            let expected: Vec<String> = (0..40).map(|n| n.to_string()).collect();
            assert_eq!(texts(store, &format!("u-{stream}")), expected);
        }
        stop(first);
        stop(second);
    }

    fn a_late_or_bad_emit_is_an_error(store) {
        let (told, heard) = mpsc::channel();
        let consumer = Consumer::named("reader").category("s").handle(move |event: Delivery| {
            assert!(event.emit("out-1", NewEvent::raw("", b"")).is_err(), "no type");
            told.send(event)?;
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        reach(&consumer, append(store, "s-1", "x"));
        let event = heard.recv().expect("a delivery");
        let error = event.emit("out-1", NewEvent::raw("derived", b"")).expect_err("too late");
        assert!(error.to_string().contains("answered already"), "{error}");
        assert!(texts(store, "out-1").is_empty());
        stop(consumer);
    }

    fn what_may_not_be_written_is_an_attempt_that_failed(store) {
        let consumer = Consumer::named("reader").category("s").retry(at_once(1)).handle(|event: Delivery| {
            event.emit("$reserved", NewEvent::raw("derived", b""))?;
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        reach(&consumer, append(store, "s-1", "x"));
        let letters = consumer.dead_letters().list().wait().expect("letters");
        assert_eq!(letters[0].attempts, 2);
        assert!(letters[0].reason.contains("$reserved"), "{}", letters[0].reason);
        stop(consumer);
    }
}
