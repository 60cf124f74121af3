//! What a handler gets, and what its answers do.

use crate::everywhere;
use crate::seen::{Seen, append, at_once, fill, numbers, reach, stop, until};
use orchestrix::prelude::*;
use orchestrix::{GiveUp, Handler, RecordedEvent};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Event, Debug, PartialEq)]
#[event("counted")]
struct Counted {
    n: u64,
}

/// With state of its own, borrowed across an await.
struct Adds(Mutex<u64>);

impl Handler for Adds {
    type Event = Counted;
    async fn handle(&self, event: Delivery<Counted>) -> Handled {
        std::future::ready(()).await;
        *self.0.lock().expect("no panic") += event.data().n;
        if event.into_data().n == 3 { Ok(Outcome::park("three")) } else { Ok(Ack) }
    }
}

everywhere! {
    fn a_delivery_says_everything(store) {
        let (told, heard) = mpsc::channel();
        let consumer = Consumer::named("reader").retry(at_once(1)).handle(move |event: Delivery<RecordedEvent>| {
            told.send((
                event.stream().to_owned(),
                (event.revision(), event.position(), event.attempt()),
                event.idempotency_key().to_owned(),
                event.data().as_ref().data() == event.event().data(),
            ))?;
            if event.attempt() == 1 { Err("once more".into()) } else { Ok(Ack) }
        });
        let consumer = consumer.start(store).expect("a consumer");
        append(store, "a-1", "first");
        let event = NewEvent::raw("happened", b"2").id("known");
        let position = store.append("a-1", Any, event).wait().expect("an append").position();
        reach(&consumer, position);
        let heard: Vec<_> = heard.try_iter().skip(2).collect();
        let expected = |attempt| ("a-1".to_owned(), (Revision(1), position, attempt), "reader/known".to_owned(), true);
        assert_eq!(heard, [expected(1), expected(2)]);
        stop(consumer);
    }

    fn a_type_with_state_handles_typed_events(store) {
        let consumer = Consumer::named("adds").handler(Adds(Mutex::new(0))).start(store).expect("a consumer");
        let mut last = Position::START;
        for n in 1..=4 {
            let event = NewEvent::of(&Counted { n }).expect("an event");
            last = store.append(format!("n-{n}"), Any, event).wait().expect("an append").position();
        }
        reach(&consumer, last);
        let letters = consumer.dead_letters().list().wait().expect("letters");
        let [three] = &letters[..] else { panic!("one letter: {letters:?}") };
        assert_eq!((three.reason.as_str(), three.attempts, three.event().stream()), ("three", 1, "n-3"));
        assert_eq!(three.event().decode::<Counted>().expect("decoded"), Counted { n: 3 });
        stop(consumer);
    }

    fn what_cannot_be_decoded_is_given_up_at_once(store) {
        let consumer = Consumer::named("adds").handle(|_: Delivery<Counted>| Ok(Ack)).start(store).expect("a consumer");
        let last = append(store, "n-1", "no number");
        reach(&consumer, last);
        let letters = consumer.dead_letters().list().wait().expect("letters");
        let [letter] = &letters[..] else { panic!("one letter: {letters:?}") };
        assert_eq!((letter.reason.as_str(), letter.attempts), ("it can't be decoded", 1));
        assert!(letter.errors[0].contains("happened") && letter.errors[0].contains("counted"), "{:?}", letter.errors);
        stop(consumer);
    }

    fn a_panic_is_an_attempt_that_failed(store) {
        let seen = Seen::default();
        let notes = seen.clone();
        let consumer = Consumer::named("reader").retry(at_once(2)).handle(move |event: Delivery| {
            notes.note(&event);
            match event.attempt() {
                1 => panic!("oh {}", "no"),
                2 => std::panic::panic_any(7),
                _ => Ok(Ack),
            }
        });
        let consumer = consumer.start(store).expect("a consumer");
        reach(&consumer, append(store, "a-1", "x"));
        assert_eq!(seen.all().len(), 3);
        let last = consumer.status().last_error.expect("an error");
        assert_eq!(last, "the handler panicked: something that is no text");
        stop(consumer);
    }

    fn a_future_that_panics_is_one_too(store) {
        let consumer = Consumer::named("reader").retry(at_once(0)).handle_async(|event: Delivery| async move {
            std::future::ready(()).await;
            assert!(event.stream() != "a-1", "oh no");
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        append(store, "a-1", "x");
        reach(&consumer, append(store, "a-2", "x"));
        let letters = consumer.dead_letters().list().wait().expect("letters");
        assert_eq!(letters.len(), 1);
        assert!(letters[0].reason.ends_with("the handler panicked: oh no"), "{}", letters[0].reason);
        stop(consumer);
    }

    /// Only builds with debug assertions look.
    #[cfg(debug_assertions)]
    fn waiting_in_an_async_handler_is_caught(store) {
        let consumer = Consumer::named("reader").retry(at_once(0)).handle_async(|event: Delivery| async move {
            // What is there already keeps nobody waiting.
            orchestrix::Pending::<u8>::ready(Ok(1)).wait()?;
            match event.event().data() {
                b"1" => orchestrix::Pending::new(std::future::pending::<Result<(), orchestrix::Error>>()).wait()?,
                b"2" => orchestrix::Pending::new(std::future::ready(Ok::<_, orchestrix::Error>(()))).wait()?,
                _ => {}
            }
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        append(store, "a-1", "1");
        append(store, "a-2", "2");
        reach(&consumer, append(store, "a-3", "3"));
        let letters = consumer.dead_letters().list().wait().expect("letters");
        let [letter] = &letters[..] else { panic!("one letter: {letters:?}") };
        assert!(letter.event().stream() == "a-1" && letter.reason.contains("`.await`"), "{}", letter.reason);
        stop(consumer);
    }

    fn each_outcome_does_what_it_says(store) {
        let seen = Seen::default();
        let notes = seen.clone();
        let consumer = Consumer::named("reader").retry(at_once(0)).handle(move |event: Delivery| {
            notes.note(&event);
            Ok(match event.event().data() {
                b"skip" => Outcome::Skip,
                b"later" if event.attempt() < 4 => Outcome::Retry(Duration::from_millis(1)),
                b"park" => Outcome::park("not wanted"),
                _ => Ack,
            })
        });
        let consumer = consumer.start(store).expect("a consumer");
        let mut last = Position::START;
        for (stream, text) in [("a-1", "skip"), ("a-1", "later"), ("a-1", "next"), ("b-1", "park"), ("b-1", "behind")] {
            last = append(store, stream, text);
        }
        reach(&consumer, last);
        assert_eq!(seen.of("a-1"), ["skip", "later", "later", "later", "later", "next"]);
        assert_eq!(seen.of("b-1"), ["park"]);
        let letters = consumer.dead_letters().list().wait().expect("letters");
        let told: Vec<_> = letters.iter().map(|letter| (letter.reason.as_str(), letter.attempts)).collect();
        assert_eq!(told, [("not wanted", 1), ("it follows a dead letter of its stream", 0)]);
        assert_eq!((consumer.status().parked, consumer.status().retrying), (2, 0));
        stop(consumer);
    }

    fn stop_leaves_the_event_for_the_next_start(store) {
        let seen = Seen::default();
        let open = |stops: bool| {
            let notes = seen.clone();
            let consumer = Consumer::named("reader").handle(move |event: Delivery| {
                notes.note(&event);
                if stops && event.event().data() == b"2" { Ok(Outcome::Stop) } else { Ok(Ack) }
            });
            consumer.start(store).expect("a consumer")
        };
        let last = fill(store, 1, 5);
        let consumer = open(true);
        let error = consumer.wait_for(last).wait().expect_err("it has stopped");
        assert!(error.to_string().contains("\"reader\"") && error.to_string().contains("position 3"), "{error}");
        assert!(consumer.status().stopped);
        assert!(consumer.pause().wait().is_err());
        assert!(consumer.shutdown(Duration::ZERO).wait().is_err());
        let consumer = open(false);
        reach(&consumer, last);
        assert_eq!(seen.texts(), ["0", "1", "2", "2", "3", "4"]);
        stop(consumer);
    }

    fn giving_up_may_skip_or_stop(store) {
        let failing = |name: &str, how: GiveUp| {
            let consumer = Consumer::named(name).retry(at_once(1)).give_up(how).handle(|event: Delivery| {
                if event.event().data() == b"1" { Err("bad".into()) } else { Ok(Ack) }
            });
            consumer.start(store).expect("a consumer")
        };
        let last = fill(store, 2, 3);
        let skips = failing("skips", GiveUp::Skip);
        reach(&skips, last);
        assert_eq!((skips.status().parked, skips.status().last_error.as_deref()), (0, Some("bad")));
        let alone = failing("alone", GiveUp::ParkAlone);
        reach(&alone, last);
        assert_eq!(alone.status().parked, 2);
        let stops = failing("stops", GiveUp::Stop);
        let error = stops.wait_for(last).wait().expect_err("it has stopped");
        assert!(error.to_string().contains("gave up on the event at position 3: bad"), "{error}");
        assert_eq!(store.dead_letters().count().wait().expect("a count"), 2);
        stop(skips);
        stop(alone);
    }

    fn a_future_is_dropped_at_its_deadline(store) {
        struct Dropped(Arc<AtomicBool>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = dropped.clone();
        let consumer = Consumer::named("reader").deadline(Duration::from_millis(5)).retry(at_once(1));
        let consumer = consumer.handle_async(move |event: Delivery| {
            let flag = Dropped(flag.clone());
            async move {
                let _flag = flag;
                if event.attempt() == 1 {
                    std::future::pending::<()>().await;
                }
                Ok(Ack)
            }
        });
        let consumer = consumer.start(store).expect("a consumer");
        reach(&consumer, append(store, "a-1", "x"));
        assert!(dropped.load(Ordering::SeqCst));
        assert_eq!(consumer.status().last_error.as_deref(), Some("no answer within 5ms"));
        stop(consumer);
    }

    fn a_closure_past_its_deadline_holds_its_stream_alone(store) {
        let (go, waits) = mpsc::channel::<()>();
        let (seen, waits) = (Seen::default(), Mutex::new(waits));
        let (most, now) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
        let (notes, peak) = (seen.clone(), most.clone());
        let consumer = Consumer::named("reader").deadline(Duration::from_millis(50)).handle(move |event: Delivery| {
            notes.note(&event);
            if event.stream() == "s-1" && event.revision() == Revision(0) {
                waits.lock().expect("no panic").recv()?;
                return Ok(Ack);
            }
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_micros(200));
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        let last = fill(store, 3, 10);
        until("the others", || seen.of("s-0").len() == 10 && seen.of("s-2").len() == 10);
        until("the last of them", || consumer.status().in_flight == 1);
        let status = consumer.status();
        assert_eq!((status.overdue, status.position), (1, Position(1)));
        assert_eq!(seen.of("s-1"), ["0"]);
        go.send(()).expect("it waits");
        reach(&consumer, last);
        assert_eq!(seen.of("s-1"), numbers(10));
        assert_eq!(consumer.status().overdue, 0);
        // The thread that took its place goes: as before, one event is handled at a time.
        reach(&consumer, fill(store, 3, 10));
        assert_eq!(most.load(Ordering::SeqCst), 1);
        stop(consumer);
    }
}
