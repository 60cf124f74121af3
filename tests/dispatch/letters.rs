//! Dead letters: kept, listed, followed by what comes behind them, handled again in order, discarded.

use crate::everywhere;
use crate::seen::{Seen, append, at_once, fill, reach, stop, until};
use orchestrix::prelude::*;
use orchestrix::{ErrorKind, EventId, EventStore, Query, RunningConsumer, WhenFull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Fails on events that say "bad", unless it is mended.
fn flawed<B: EventStore>(store: &Store<B>, seen: &Seen, mended: &Arc<AtomicBool>) -> RunningConsumer {
    let (notes, ok) = (seen.clone(), mended.clone());
    let consumer = Consumer::named("flawed").version("7").retry(at_once(1)).handle(move |event: Delivery| {
        if event.event().data().starts_with(b"bad") && !ok.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("no route").into());
        }
        notes.note(&event);
        Ok(Ack)
    });
    consumer.start(store).expect("a consumer")
}

everywhere! {
    fn a_letter_says_what_happened(store) {
        let consumer = flawed(store, &Seen::default(), &Arc::default());
        let event = NewEvent::raw("happened", b"bad").id("b1").tag("room:7").source("here");
        store.append("a-1", Any, NewEvent::raw("happened", b"good")).wait().expect("an append");
        let position = store.append("a-1", Any, event).wait().expect("an append").position();
        reach(&consumer, position);
        let letters = store.dead_letters().list().wait().expect("letters");
        let [letter] = &letters[..] else { panic!("one letter: {letters:?}") };
        assert_eq!((letter.consumer.as_str(), letter.handler_version.as_str()), ("flawed", "7"));
        assert_eq!((letter.reason.as_str(), letter.attempts), ("no route", 2));
        assert_eq!(letter.errors, ["no route"]);
        assert!(letter.first_failure <= letter.last_failure);
        let there = store.read(Query::stream("a-1")).fetch().wait().expect("a batch");
        let original = there.iter().nth(1).expect("it");
        assert_eq!(letter.event().to_recorded(), original.to_recorded(), "a copy is the same in everything");
        assert_eq!(letter.event_id, EventId::from("b1"));
        stop(consumer);
    }

    fn later_events_of_the_stream_follow_and_are_redriven_in_order(store) {
        let (seen, mended) = (Seen::default(), Arc::new(AtomicBool::new(false)));
        let consumer = flawed(store, &seen, &mended);
        for (stream, text) in [("a-1", "1"), ("a-1", "bad 2"), ("b-1", "1"), ("a-1", "3"), ("b-1", "bad 2"), ("a-1", "4")] {
            append(store, stream, text);
        }
        reach(&consumer, append(store, "c-1", "1"));
        assert_eq!(seen.all().len(), 3);
        let letters = consumer.dead_letters();
        assert_eq!(letters.count().wait().expect("a count"), 4);
        assert_eq!(letters.redrive_all().wait().expect("a redrive"), 0, "it still fails");
        assert_eq!(letters.list().wait().expect("letters").len(), 4);
        mended.store(true, Ordering::SeqCst);
        seen.clear();
        assert_eq!(letters.redrive_all().wait().expect("a redrive"), 4);
        assert_eq!(seen.of("a-1"), ["bad 2", "3", "4"]);
        assert_eq!(seen.of("b-1"), ["bad 2"]);
        assert_eq!((letters.count().wait().expect("a count"), consumer.status().parked), (0, 0));
        reach(&consumer, append(store, "a-1", "5"));
        assert_eq!(seen.of("a-1"), ["bad 2", "3", "4", "5"], "the stream goes on");
        stop(consumer);
    }

    fn one_is_redriven_or_discarded_by_its_event(store) {
        let (seen, mended) = (Seen::default(), Arc::new(AtomicBool::new(false)));
        let consumer = flawed(store, &seen, &mended);
        let mut last = Position::START;
        for n in 1..=3 {
            let event = NewEvent::raw("happened", b"bad").id(format!("b{n}"));
            last = store.append(format!("a-{n}"), Any, event).wait().expect("an append").position();
        }
        reach(&consumer, last);
        let letters = consumer.dead_letters();
        let error = letters.redrive(&EventId::from("b2")).wait().expect_err("it still fails");
        assert!(error.to_string().contains("b2") && error.to_string().contains("no route"), "{error}");
        mended.store(true, Ordering::SeqCst);
        letters.redrive(&EventId::from("b2")).wait().expect("a redrive");
        letters.discard(&EventId::from("b1")).wait().expect("a discard");
        let left: Vec<_> = letters.list().wait().expect("letters").iter().map(|letter| letter.event_id.clone()).collect();
        assert_eq!(left, [EventId::from("b3")]);
        for result in [letters.redrive(&EventId::from("b1")).wait(), letters.discard(&EventId::from("b2")).wait()] {
            assert_eq!(result.expect_err("it is gone").kind(), ErrorKind::Invalid);
        }
        // From outside of the consumer.
        let all = store.dead_letters();
        assert_eq!(all.redrive_all().wait().expect_err("nobody handles it").kind(), ErrorKind::Invalid);
        assert_eq!(all.clone().of("nobody").discard_all().wait().expect("a discard"), 0);
        assert_eq!(all.of("flawed").discard_all().wait().expect("a discard"), 1);
        reach(&consumer, append(store, "a-3", "next"));
        assert_eq!(seen.of("a-3"), ["next"], "the stream goes on after a discard by others");
        stop(consumer);
    }

    fn they_survive_a_restart(store) {
        let (seen, mended) = (Seen::default(), Arc::new(AtomicBool::new(false)));
        let consumer = flawed(store, &seen, &mended);
        append(store, "a-1", "bad");
        reach(&consumer, append(store, "a-1", "behind"));
        stop(consumer);
        assert_eq!(store.dead_letters().count().wait().expect("a count"), 2);
        let consumer = flawed(store, &seen, &mended);
        assert_eq!(consumer.status().parked, 2);
        reach(&consumer, append(store, "a-1", "later"));
        assert_eq!(consumer.status().parked, 3);
        mended.store(true, Ordering::SeqCst);
        assert_eq!(consumer.dead_letters().redrive_all().wait().expect("a redrive"), 3);
        assert_eq!(seen.texts(), ["bad", "behind", "later"]);
        stop(consumer);
        let consumer = flawed(store, &seen, &mended);
        assert_eq!((consumer.status().parked, seen.all().len()), (0, 3));
        stop(consumer);
    }

    fn some_are_found_by_event_and_reason_and_redriven_or_discarded(store) {
        let is_up = Arc::new(AtomicBool::new(false));
        let up = is_up.clone();
        let consumer = Consumer::named("mailer").retry(at_once(0)).handle(move |event: Delivery| {
            match up.load(Ordering::SeqCst) {
                true => Ok(Ack),
                false => Err(format!("no route to {}", event.stream()).into()),
            }
        });
        let consumer = consumer.start(store).expect("a consumer");
        let mut last = Position::START;
        for n in 0..6 {
            let event = NewEvent::raw("happened", b"x").id(format!("b{n}"));
            last = store.append(format!("{}-{n}", ["a", "b"][n % 2]), Any, event).wait().expect("an append").position();
        }
        reach(&consumer, last);
        let ids = |letters: &orchestrix::DeadLetters| {
            let found = letters.list().wait().expect("letters");
            assert_eq!(letters.count().wait().expect("a count"), found.len() as u64);
            found.iter().map(|letter| letter.event_id.to_string()).collect::<Vec<_>>()
        };
        let letters = consumer.dead_letters();
        assert_eq!(ids(&letters.clone().reason("to a-")), ["b0", "b2", "b4"]);
        assert_eq!(ids(&letters.clone().event("b3")), ["b3"]);
        assert_eq!(ids(&letters.clone().event("b3").reason("to a-")), [""; 0]);
        assert_eq!(letters.clone().event("b3").discard_all().wait().expect("a discard"), 1);
        is_up.store(true, Ordering::SeqCst);
        assert_eq!(letters.clone().reason("to a-").redrive_all().wait().expect("a redrive"), 3);
        assert_eq!(ids(&store.dead_letters()), ["b1", "b5"]);
        stop(consumer);
    }

    fn at_the_bound_the_consumer_stops(store) {
        let consumer = || {
            let consumer = Consumer::named("flawed").retry(at_once(0)).dead_letters_max(2);
            consumer.handle(|_: Delivery| Err("bad".into())).start(store).expect("a consumer")
        };
        let last = fill(store, 3, 1);
        let first = consumer();
        let error = first.wait_for(last).wait().expect_err("it has stopped");
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.to_string().contains("\"flawed\""), "{error}");
        drop(first);
        assert_eq!(store.dead_letters().discard_all().wait().expect("a discard"), 2);
        let again = consumer();
        reach(&again, last);
        assert_eq!(again.status().parked, 1);
        stop(again);
    }

    fn at_the_bound_of_bytes_the_consumer_pauses_if_it_is_to(store) {
        let consumer = Consumer::named("flawed").retry(at_once(0)).dead_letter_bytes_max(3_000);
        let consumer = consumer.when_full(WhenFull::Pause).handle(|_: Delivery| Err("bad".into()));
        let consumer = consumer.start(store).expect("a consumer");
        let mut last = Position::START;
        for n in 0..4 {
            let event = NewEvent::raw("happened", vec![7; 1_000]);
            last = store.append(format!("a-{n}"), Any, event).wait().expect("an append").position();
        }
        until("it is paused", || consumer.status().paused && consumer.status().position.0 == last.0 / 2);
        let status = consumer.status();
        let why = status.last_error.expect("why");
        assert!(why.contains("bytes of open dead letters") && why.contains("3000"), "{why}");
        assert_eq!((status.parked, status.stopped), (2, false));
        // Resumed without room, it pauses again; with room it goes on.
        consumer.resume().wait().expect("it goes on");
        until("it is paused", || consumer.status().paused && consumer.status().in_flight == 0);
        assert_eq!(consumer.dead_letters().discard_all().wait().expect("a discard"), 2);
        consumer.resume().wait().expect("it goes on");
        reach(&consumer, last);
        assert_eq!(consumer.status().parked, 2);
        stop(consumer);
    }

    fn at_the_bound_the_oldest_are_discarded_if_they_are_to_be(store) {
        let start = || {
            let consumer = Consumer::named("flawed").retry(at_once(0)).dead_letters_max(3).workers(2);
            let consumer = consumer.when_full(WhenFull::DiscardOldest);
            consumer.handle(|_: Delivery| Err("bad".into())).start(store).expect("a consumer")
        };
        let consumer = start();
        let last = fill(store, 2, 10);
        reach(&consumer, last);
        until("the others are discarded", || consumer.dead_letters().count().wait().expect("a count") == 3);
        let letters = consumer.dead_letters().list().wait().expect("letters");
        let newest: Vec<u64> = letters.iter().map(|letter| letter.event().position().0).collect();
        assert!(newest.contains(&last.0) || newest.contains(&(last.0 - 1)), "{newest:?} of {last}");
        assert!(newest.iter().all(|position| *position > last.0 / 2), "{newest:?} of {last}");
        stop(consumer);
        let consumer = start();
        assert_eq!(consumer.status().parked, 3);
        stop(consumer);
    }

    fn what_is_redriven_may_emit(store) {
        let mended = Arc::new(AtomicBool::new(false));
        let ok = mended.clone();
        let consumer = Consumer::named("emits").category("a").retry(at_once(0)).handle(move |event: Delivery| {
            if !ok.load(Ordering::SeqCst) {
                return Err("not yet".into());
            }
            event.emit("out-1", NewEvent::raw("derived", event.event().data().to_vec()))?;
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        append(store, "a-1", "1");
        reach(&consumer, append(store, "a-1", "2"));
        mended.store(true, Ordering::SeqCst);
        assert_eq!(consumer.dead_letters().redrive_all().wait().expect("a redrive"), 2);
        let out = store.read(Query::stream("out-1")).fetch().wait().expect("a batch");
        assert_eq!(out.iter().map(|event| event.data().to_vec()).collect::<Vec<_>>(), [b"1", b"2"]);
        until("no letter", || consumer.status().parked == 0);
        stop(consumer);
    }
}

/// What no open letter needs is let go of, though other consumers have letters, or haven't looked for a while.
#[test]
fn the_log_of_dead_letters_doesnt_grow_for_ever() {
    let dir = crate::tools::Dir::new();
    let store = crate::tools::small().segment_bytes(64 << 10).open(dir.store()).expect("a store");
    let start = |name: &str, category: &str| {
        let consumer = Consumer::named(name).category(category).retry(at_once(0));
        consumer.handle(|_: Delivery| Err("bad".into())).start(&store).expect("a consumer")
    };
    let segments = || std::fs::read_dir(dir.file("dead-letters/log")).expect("a folder").count();
    let (busy, idle) = (start("busy", "a"), start("idle", "b"));
    reach(&idle, append(&store, "b-1", "bad"));
    assert_eq!(idle.dead_letters().discard_all().wait().expect("a discard"), 1);
    for round in 0..16 {
        for n in 0..10 {
            let event = NewEvent::raw("happened", vec![7; 4_000]);
            store.append(format!("a-{n}"), Any, vec![event; 3]).wait().expect("an append");
        }
        reach(&busy, store.view().watermark());
        assert_eq!(busy.dead_letters().discard_all().wait().expect("a discard"), 30, "round {round}");
    }
    // Each round writes about a segment of 128 KiB.
    until("it is trimmed", || segments() < 7);
    // Who hasn't looked since, and has letters at the end.
    reach(&idle, append(&store, "b-1", "bad again"));
    let letters = store.dead_letters().list().wait().expect("letters");
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].consumer.as_str(), letters[0].event().data()), ("idle", &b"bad again"[..]));
    assert_eq!(
        (idle.status().parked, idle.status().stopped, idle.status().last_error.as_deref()),
        (1, false, Some("bad"))
    );
    stop(busy);
    stop(idle);
    let again = start("idle", "b");
    assert_eq!(again.status().parked, 1);
    stop(again);
    store.close().wait().expect("a close");
    assert!(orchestrix::verify(dir.store()).expect("a report").dead_letter_problems.is_empty());
}

/// More than one record of the smallest log has room for.
#[test]
fn many_are_discarded_at_once() {
    const LETTERS: u64 = 12_000;
    let store = crate::tools::small().in_memory().expect("a store");
    let consumer = Consumer::named("mailer").retry(at_once(0)).handle(|_: Delivery| Err("bad".into()));
    let consumer = consumer.start(&store).expect("a consumer");
    reach(&consumer, fill(&store, 10, LETTERS as usize / 10));
    let request =
        store.request("mailer", orchestrix::ConsumerRequest::Discard(None)).wait().expect("it is kept");
    let mut outcome = None;
    until("it is executed", || {
        outcome = request.outcome().wait().expect("it is there");
        outcome.is_some()
    });
    assert_eq!(outcome.expect("an outcome").expect("a discard"), LETTERS);
    reach(&consumer, fill(&store, 10, LETTERS as usize / 10));
    assert_eq!(consumer.dead_letters().discard_all().wait().expect("a discard"), LETTERS);
    assert_eq!(store.dead_letters().count().wait().expect("a count"), 0);
    stop(consumer);
}
