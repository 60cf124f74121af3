//! What a consumer is asked for while it runs, or before: set back, paused, its dead letters handled again or forgotten.

use crate::everywhere;
use crate::seen::{Seen, append, at_once, fill, reach, stop, until};
use orchestrix::prelude::*;
use orchestrix::{ConsumerRequest, Error, EventId, EventStore, Requested, RunningConsumer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn noting<B: EventStore>(store: &Store<B>, seen: &Seen) -> RunningConsumer {
    let notes = seen.clone();
    let consumer = Consumer::named("reader").workers(2).handle(move |event: Delivery| {
        notes.note(&event);
        Ok(Ack)
    });
    consumer.start(store).expect("a consumer")
}

/// What comes of a request.
fn outcome(asked: &Requested) -> Result<u64, Error> {
    let mut found = None;
    until("it is executed", || {
        found = asked.outcome().wait().expect("it is there");
        found.is_some()
    });
    asked.forget().wait().expect("it is removed");
    asked.outcome().wait().expect_err("it is gone");
    found.expect("an outcome")
}

fn ask<B: EventStore>(store: &Store<B>, request: ConsumerRequest) -> Result<u64, Error> {
    outcome(&store.request("reader", request).wait().expect("it is kept"))
}

everywhere! {
    fn a_running_consumer_is_set_back_and_forward(store) {
        let seen = Seen::default();
        let consumer = noting(store, &seen);
        let last = fill(store, 4, 10);
        reach(&consumer, last);
        let first_time = seen.all().len();
        assert_eq!(first_time, 40);
        seen.clear();
        let middle = Position(last.0 / 2);
        consumer.reset(middle).wait().expect("a reset");
        reach(&consumer, last);
        assert_eq!(seen.all().len() as u64, last.0 - middle.0);

        seen.clear();
        assert_eq!(ask(store, ConsumerRequest::Reset(Position::START)).expect("a reset"), 0);
        reach(&consumer, last);
        assert_eq!(seen.all().len(), 40);

        // There is no such position: it goes on as if it hadn't been asked.
        let error = consumer.reset(Position(last.0 + 1)).wait().expect_err("it is ahead");
        assert!(error.is_ahead(), "{error}");
        let error = ask(store, ConsumerRequest::Reset(Position(last.0 + 1))).expect_err("it is ahead");
        assert!(error.to_string().contains(&(last.0 + 1).to_string()), "{error}");
        reach(&consumer, append(store, "a-1", "after"));
        seen.clear();
        // Forward: what is passed over isn't handled. A restart goes on from there.
        consumer.pause().wait().expect("a pause");
        for n in 0..5 {
            append(store, "b-1", &format!("passed over {n}"));
        }
        let end = append(store, "c-1", "not this one");
        consumer.reset(end).wait().expect("a reset");
        stop(consumer);
        let consumer = noting(store, &seen);
        consumer.resume().wait().expect("it goes on");
        reach(&consumer, append(store, "c-1", "this one"));
        assert_eq!(seen.of("c-1"), ["this one"]);
        assert_eq!(seen.all().len(), 1);
        stop(consumer);
    }

    /// Calls end first, what they answer counts; retries that waited are forgotten.
    fn a_reset_waits_for_calls_and_forgets_retries(store) {
        let (seen, held) = (Seen::default(), Arc::new(AtomicBool::new(true)));
        let (notes, is_held) = (seen.clone(), held.clone());
        let consumer = Consumer::named("reader").retry(at_once(3)).handle(move |event: Delivery| {
            notes.note(&event);
            while is_held.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            if event.event().data() == b"bad" && event.attempt() == 1 {
                return Ok(Outcome::Retry(Duration::from_secs(3_600)));
            }
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        append(store, "a-1", "bad");
        until("it is called", || !seen.all().is_empty());
        let reset = consumer.reset(Position::START);
        let again = consumer.reset(Position::START).wait().expect_err("one at a time");
        assert!(again.to_string().contains("already"), "{again}");
        held.store(false, Ordering::SeqCst);
        reset.wait().expect("a reset");
        until("it is called again", || seen.all().len() == 2);
        until("it is to be tried again", || consumer.status().retrying == 1);
        consumer.reset(Position::START).wait().expect("a reset");
        until("it is called once more", || seen.all().len() == 3);
        stop(consumer);
    }

    fn a_consumer_is_paused_before_it_runs(store) {
        let seen = Seen::default();
        let last = fill(store, 2, 5);
        let paused = store.request("reader", ConsumerRequest::Pause).wait().expect("it is kept");
        assert!(paused.outcome().wait().expect("it is there").is_none(), "nobody runs it");
        let consumer = noting(store, &seen);
        assert_eq!(outcome(&paused).expect("a pause"), 0);
        assert!(consumer.status().paused && seen.all().is_empty(), "{:?}", seen.all());
        // Of two that contradict each other the later one counts.
        let pause = store.request("reader", ConsumerRequest::Pause).wait().expect("it is kept");
        let resume = store.request("reader", ConsumerRequest::Resume).wait().expect("it is kept");
        outcome(&pause).expect("a pause");
        outcome(&resume).expect("it goes on");
        reach(&consumer, last);
        assert_eq!(seen.all().len(), 10);
        stop(consumer);
    }

    fn dead_letters_are_redriven_and_discarded_by_request(store) {
        let is_mended = Arc::new(AtomicBool::new(false));
        let mended = is_mended.clone();
        let consumer = Consumer::named("reader").retry(at_once(0)).handle(move |_: Delivery| {
            if mended.load(Ordering::SeqCst) { Ok(Ack) } else { Err("no route".into()) }
        });
        let consumer = consumer.start(store).expect("a consumer");
        let mut last = Position::START;
        for n in 1..=4 {
            let event = NewEvent::raw("happened", b"x").id(format!("b{n}"));
            last = store.append(format!("a-{n}"), Any, event).wait().expect("an append").position();
        }
        reach(&consumer, last);
        let some = |ids: &[&str]| Some(ids.iter().map(|id| EventId::from(*id)).collect());
        let error = ask(store, ConsumerRequest::Redrive(some(&["b1"]))).expect_err("it fails");
        assert!(error.to_string().contains("0 of 1") && error.to_string().contains("no route"), "{error}");
        assert_eq!(ask(store, ConsumerRequest::Discard(some(&["b1", "none"]))).expect("a discard"), 1);
        is_mended.store(true, Ordering::SeqCst);
        assert_eq!(ask(store, ConsumerRequest::Redrive(some(&["b3"]))).expect("a redrive"), 1);
        // Letters that wait for a paused consumer don't keep the request to go on from it.
        consumer.pause().wait().expect("a pause");
        let redrive = store.request("reader", ConsumerRequest::Redrive(None)).wait().expect("it is kept");
        ask(store, ConsumerRequest::Resume).expect("it goes on");
        assert_eq!(outcome(&redrive).expect("a redrive"), 2);
        assert_eq!(ask(store, ConsumerRequest::Discard(None)).expect("a discard"), 0);
        assert_eq!(consumer.status().parked, 0);
        stop(consumer);
    }

    /// One that no program of this version has written is answered, and keeps nobody waiting.
    fn what_is_not_understood_is_answered(store) {
        let back = store.backend();
        let id = back.send_request("reader", vec![9, 9]).wait().expect("it is kept");
        let consumer = noting(store, &Seen::default());
        until("it is answered", || {
            let requests = back.requests("reader").wait().expect("requests");
            requests.iter().any(|request| request.id == id && request.answer.is_some())
        });
        reach(&consumer, append(store, "a-1", "1"));
        stop(consumer);
    }
}
