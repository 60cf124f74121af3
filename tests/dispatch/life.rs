//! How a consumer is started, paused, stopped, and started again.

use crate::everywhere;
use crate::seen::{Seen, append, at_once, fill, numbers, reach, stop, until};
use orchestrix::prelude::*;
use orchestrix::{ErrorKind, EventStore, RetryPolicy, RunningConsumer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

fn reader<B: EventStore>(store: &Store<B>, seen: &Seen) -> RunningConsumer {
    let notes = seen.clone();
    let consumer = Consumer::named("reader").handle(move |event: Delivery| {
        notes.note(&event);
        Ok(Ack)
    });
    consumer.start(store).expect("a consumer")
}

/// One stream retries while so many events of others go by: that is remembered in little, and nothing else comes again.
fn goes_by<B: EventStore>(store: &Store<B>, events: u64, in_flight: usize) {
    let (others, bad) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
    let seen = Seen::default();
    let open = || {
        let (count, bad, notes) = (others.clone(), bad.clone(), seen.clone());
        let slow = RetryPolicy::fixed(Duration::from_millis(2)).expect("a policy").max_retries(u32::MAX);
        let consumer = Consumer::named("reader").in_flight_max(in_flight).retry(slow);
        let consumer = consumer.handle(move |event: Delivery| {
            if event.stream() != "bad-1" {
                count.fetch_add(1, Ordering::Relaxed);
            } else if bad.load(Ordering::Relaxed) {
                return Err("not yet".into());
            } else {
                notes.note(&event);
            }
            Ok(Ack)
        });
        consumer.start(store).expect("a consumer")
    };
    let first = open();
    append(store, "bad-1", "0");
    for n in 0..events / 1_000 {
        let batch: Vec<_> = (0..1_000).map(|_| NewEvent::raw("happened", b"x")).collect();
        store.append(format!("good-{}", n % 10), Any, batch).wait().expect("an append");
        if n % 10 == 0 {
            append(store, "bad-1", &(n / 10 + 1).to_string());
        }
    }
    let last = append(store, "good-1", "x");
    until("the others", || others.load(Ordering::Relaxed) == events + 1);
    assert_eq!(first.status().position, Position(0));
    stop(first);
    bad.store(false, Ordering::Relaxed);
    let second = open();
    reach(&second, last);
    assert_eq!(seen.texts(), numbers(events as usize / 10_000 + 1));
    assert_eq!(others.load(Ordering::Relaxed), events + 1);
    stop(second);
}

#[test]
fn a_million_that_went_by_a_failing_stream_do_not_come_again() {
    goes_by(&Store::in_memory(), 1_000_000, 1_024);
}

everywhere! {
    fn it_goes_on_where_it_was(store) {
        let seen = Seen::default();
        for round in 0..4 {
            let consumer = reader(store, &seen);
            reach(&consumer, fill(store, 1, 10));
            assert_eq!(seen.texts(), numbers(10), "round {round}");
            seen.clear();
            stop(consumer);
        }
        let consumer = reader(store, &seen);
        assert_eq!(consumer.status().position, Position(40));
        stop(consumer);
        assert!(seen.all().is_empty());
    }

    fn dropping_it_stops_it_and_saves_what_is_done(store) {
        let seen = Seen::default();
        let consumer = reader(store, &seen);
        reach(&consumer, fill(store, 1, 10));
        drop(consumer);
        append(store, "s-0", "more");
        let consumer = loop {
            let notes = seen.clone();
            let again = Consumer::named("reader").handle(move |event: Delivery| {
                notes.note(&event);
                Ok(Ack)
            });
            match again.start(store) {
                Ok(consumer) => break consumer,
                Err(error) => assert!(error.is_locked(), "{error}"),
            }
        };
        reach(&consumer, Position(11));
        assert_eq!(seen.texts().last().map(String::as_str), Some("more"));
        assert_eq!(seen.all().len(), 11);
        stop(consumer);
    }

    fn one_of_a_name_runs_at_a_time(store) {
        let seen = Seen::default();
        let consumer = reader(store, &seen);
        let second = Consumer::named("reader").handle(|_: Delivery| Ok(Ack)).start(store);
        let error = second.expect_err("it runs already");
        assert!(error.is_locked() && error.to_string().contains("\"reader\""), "{error}");
        let other = Consumer::named("other").handle(|_: Delivery| Ok(Ack)).start(store).expect("another");
        stop(other);
        stop(consumer);
        stop(reader(store, &seen));
    }

    fn a_pause_lasts_until_it_is_resumed(store) {
        let seen = Seen::default();
        let consumer = reader(store, &seen);
        reach(&consumer, append(store, "a-1", "before"));
        consumer.pause().wait().expect("a pause");
        let last = append(store, "a-1", "while");
        assert!(consumer.wait_for(last).wait_timeout(Duration::from_millis(30)).is_err());
        assert!(consumer.status().paused);
        stop(consumer);
        let consumer = reader(store, &seen);
        assert!(consumer.status().paused, "also over a restart");
        assert!(consumer.wait_for(last).wait_timeout(Duration::from_millis(30)).is_err());
        consumer.resume().wait().expect("it goes on");
        reach(&consumer, last);
        assert_eq!(seen.texts(), ["before", "while"]);
        stop(consumer);
    }

    /// A bad deployment: it pauses, and nothing is given up.
    fn a_breaker_pauses_it_when_too_much_fails(store) {
        let (seen, bad) = (Seen::default(), Arc::new(AtomicBool::new(true)));
        let (notes, fails) = (seen.clone(), bad.clone());
        let consumer = Consumer::named("reader").retry(at_once(0)).breaker(4, 5).handle(move |event: Delivery| {
            if fails.load(Ordering::SeqCst) {
                return Err("bad deployment".into());
            }
            notes.note(&event);
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        let last = fill(store, 10, 2);
        until("a pause", || consumer.status().tripped);
        until("what was given up before", || consumer.status().parked == 3);
        let status = consumer.status();
        assert!(status.paused, "{status:?}");
        assert_eq!(status.last_error.as_deref(), Some("bad deployment"));
        bad.store(false, Ordering::SeqCst);
        consumer.resume().wait().expect("it goes on");
        reach(&consumer, last);
        assert!(!consumer.status().tripped);
        // Three were given up before it noticed, and three followed.
        assert_eq!((seen.all().len(), consumer.status().parked), (14, 6));
        stop(consumer);
    }

    fn a_shutdown_lets_what_is_under_way_end(store) {
        let (begun, has_begun) = mpsc::channel();
        let (go, waits) = mpsc::channel::<()>();
        let waits = std::sync::Mutex::new(waits);
        let consumer = Consumer::named("reader").handle(move |_: Delivery| {
            begun.send(())?;
            waits.lock().expect("no panic").recv()?;
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        fill(store, 1, 3);
        has_begun.recv().expect("a call");
        let ending = consumer.shutdown(Duration::from_secs(20));
        go.send(()).expect("it waits");
        ending.wait().expect("it ends in order");
        let seen = Seen::default();
        let consumer = reader(store, &seen);
        reach(&consumer, Position(3));
        assert_eq!(seen.texts(), ["1", "2"]);
        stop(consumer);
    }

    fn what_is_not_over_at_the_limit_comes_again(store) {
        let (begun, has_begun) = mpsc::channel();
        let (go, waits) = mpsc::channel::<()>();
        let waits = std::sync::Mutex::new(waits);
        let consumer = Consumer::named("reader").handle(move |event: Delivery| {
            begun.send(event)?;
            waits.lock().expect("no panic").recv()?;
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        fill(store, 1, 2);
        let event: Delivery = has_begun.recv().expect("a call");
        event.emit("out-1", NewEvent::raw("derived", b"")).expect("in time");
        consumer.shutdown(Duration::from_millis(5)).wait().expect("it ends at the limit");
        // Its answer comes too late: nothing is acknowledged, nothing emitted.
        go.send(()).expect("it waits");
        let seen = Seen::default();
        let consumer = reader(store, &seen);
        reach(&consumer, Position(2));
        assert_eq!(seen.texts(), ["0", "1"]);
        assert!(store.head("out-1").wait().expect("a head").is_none());
        stop(consumer);
    }

    fn what_went_by_a_failing_stream_does_not_come_again(store) {
        goes_by(store, 100_000, 32);
    }

    fn a_consumer_is_set_back_or_forward(store) {
        let seen = Seen::default();
        let last = fill(store, 1, 10);
        let consumer = reader(store, &seen);
        reach(&consumer, last);
        let error = store.reset_consumer("reader", Position(3)).wait().expect_err("it runs");
        assert!(error.is_locked(), "{error}");
        stop(consumer);
        let there = store.consumers().wait().expect("a list");
        let found: Vec<_> = there.iter().map(|one| (one.name.as_str(), one.position, one.paused)).collect();
        assert_eq!(found, [("reader", last, false)]);
        for (position, expected) in [(3, 7), (9, 1), (0, 10)] {
            seen.clear();
            store.reset_consumer("reader", Position(position)).wait().expect("a reset");
            let consumer = reader(store, &seen);
            reach(&consumer, last);
            assert_eq!(seen.texts(), numbers(10)[10 - expected..]);
            stop(consumer);
        }
        let beyond = store.reset_consumer("reader", Position(last.0 + 1)).wait().expect_err("there is none");
        assert!(beyond.is_ahead(), "{beyond}");
        crate::tools::says(store.reset_consumer("", Position::START).wait(), ErrorKind::Invalid, &["name"]);
    }

    /// What it had emitted before doesn't count after it was set back.
    fn a_consumer_that_is_set_back_emits_again(store) {
        let run = || {
            let consumer = Consumer::named("emits").category("s").handle(|event: Delivery| {
                event.emit("out-1", NewEvent::raw("derived", event.event().data().to_vec()))?;
                Ok(Ack)
            });
            let consumer = consumer.start(store).expect("a consumer");
            reach(&consumer, Position(3));
            stop(consumer);
        };
        fill(store, 1, 3);
        run();
        run();
        assert_eq!(store.head("out-1").wait().expect("a head").map(|head| head.revision), Some(Revision(2)));
        store.reset_consumer("emits", Position::START).wait().expect("a reset");
        run();
        assert_eq!(store.head("out-1").wait().expect("a head").map(|head| head.revision), Some(Revision(5)));
    }

    fn settings_out_of_their_bounds_are_refused(store) {
        let start = |consumer: Consumer| consumer.handle(|_: Delivery| Ok(Ack)).start(store);
        let reader = || Consumer::named("reader");
        for (wrong, kind, word) in [
            (reader().workers(0), ErrorKind::Invalid, "workers"),
            (reader().workers(1_000_000), ErrorKind::Invalid, "workers"),
            (reader().in_flight_max(0), ErrorKind::Invalid, "in_flight_max"),
            (reader().in_flight_max(usize::MAX), ErrorKind::Invalid, "in_flight_max"),
            (reader().deadline(Duration::ZERO), ErrorKind::Invalid, "deadline"),
            (reader().breaker(0, 5), ErrorKind::Invalid, "breaker"),
            (reader().breaker(6, 5), ErrorKind::Invalid, "breaker"),
            (reader().breaker(1, usize::MAX), ErrorKind::Invalid, "breaker"),
            (Consumer::named(""), ErrorKind::Invalid, "name of a consumer"),
            (Consumer::named("a\nb"), ErrorKind::Invalid, "name of a consumer"),
            (Consumer::named("n".repeat(256)), ErrorKind::Limit, "name of a consumer"),
        ] {
            crate::tools::says(start(wrong), kind, &[word]);
        }
    }

    fn tasks_run_where_they_are_spawned(store) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
        let seen = Seen::default();
        let notes = seen.clone();
        let consumer = Consumer::named("reader").workers(3).retry(at_once(2)).handle_async(move |event: Delivery| {
            let notes = notes.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                if event.attempt() == 1 && event.event().data() == b"2" {
                    return Err("once more".into());
                }
                notes.note(&event);
                Ok(Ack)
            }
        });
        let consumer = consumer.start_on(store, |task| runtime.spawn(task)).expect("a consumer");
        let last = fill(store, 4, 10);
        runtime.block_on(async {
            consumer.wait_for(last).await.expect("it is reached");
            consumer.shutdown(Duration::from_secs(10)).await.expect("it ends in order");
        });
        for stream in 0..4 {
            assert_eq!(seen.of(&format!("s-{stream}")), numbers(10));
        }
    }
}

/// What the store can't take is no fault of the event: the consumer stops, and nothing is parked.
#[test]
fn a_store_that_fails_stops_it_and_parks_nothing() {
    let machine = orchestrix::testing::Machine::new(7);
    let store = machine.open(crate::tools::small()).expect("a store");
    append(&store, "s-1", "x");
    store.sync().wait().expect("a sync");
    let mut tasks = Vec::new();
    let consumer = Consumer::named("emits").category("s").retry(at_once(0));
    let consumer = consumer.handle_async(|event: Delivery| async move {
        event.emit("out-1", NewEvent::raw("derived", vec![7; 700]))?;
        Ok(Ack)
    });
    let consumer = consumer.start_on(&store, |task| tasks.push(task)).expect("a consumer");
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    // Everything but the call itself, then no room any more.
    for _ in 0..50 {
        machine.pass(Duration::from_millis(1));
    }
    machine.set_space(Some(machine.bytes_on_disk()));
    for _ in 0..20 {
        append_until_full(&store);
        tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
        machine.pass(Duration::from_millis(100));
    }
    let error = consumer.wait_for(Position(1)).wait().expect_err("it has stopped");
    assert!(error.is_disk_full(), "{error}");
    assert_eq!(consumer.status().parked, 0);
    assert!(store.head("out-1").wait().expect("a head").is_none());
}

/// Leaves no room in the last segment.
fn append_until_full(store: &Store) {
    while store.append("other-1", Any, NewEvent::raw("happened", vec![7; 700])).wait().is_ok() {}
}

/// It is told that the store was closed, whatever it waits for.
#[test]
fn closing_the_store_ends_it() {
    let store = Store::in_memory();
    let consumer = reader(&store, &Seen::default());
    let last = append(&store, "a-1", "x");
    reach(&consumer, last);
    store.close().wait().expect("closed");
    let error = consumer.wait_for(Position(last.0 + 1)).wait().expect_err("the store is closed");
    assert!(error.is_closed(), "{error}");
}
