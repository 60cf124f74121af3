//! Which events wait for one another, and what a failing one holds back.

use crate::everywhere;
use crate::seen::{Seen, append, at_once, fill, numbers, reach, stop, until};
use orchestrix::prelude::*;
use orchestrix::{Order, RetryPolicy, Start};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

everywhere! {
    fn events_of_a_stream_come_one_after_another(store) {
        let (seen, running) = (Seen::default(), Arc::new([const { AtomicBool::new(false) }; 7]));
        let (notes, busy) = (seen.clone(), running.clone());
        let consumer = Consumer::named("reader").category("s").workers(4).handle(move |event: Delivery| {
            let stream: usize = event.stream()[2..].parse()?;
            assert!(!busy[stream].swap(true, Ordering::SeqCst), "two at once");
            notes.note(&event);
            assert!(busy[stream].swap(false, Ordering::SeqCst));
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        append(store, "other-1", "not asked for");
        reach(&consumer, fill(store, 7, 60));
        for stream in 0..7 {
            assert_eq!(seen.of(&format!("s-{stream}")), numbers(60));
        }
        assert_eq!(seen.all().len(), 7 * 60);
        let last = append(store, "other-1", "not asked for");
        reach(&consumer, last);
        stop(consumer);
    }

    fn a_failing_event_holds_back_its_stream_alone(store) {
        let (seen, mended) = (Seen::default(), Arc::new(AtomicBool::new(false)));
        let (notes, ok) = (seen.clone(), mended.clone());
        let consumer = Consumer::named("reader").in_flight_max(8).retry(at_once(u32::MAX));
        let consumer = consumer.handle(move |event: Delivery| {
            if event.stream() == "s-1" && event.event().data() == b"3" && !ok.load(Ordering::SeqCst) {
                return Err("not yet".into());
            }
            notes.note(&event);
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        let last = fill(store, 3, 100);
        until("the others", || seen.of("s-0").len() == 100 && seen.of("s-2").len() == 100);
        assert_eq!(seen.of("s-1"), numbers(3));
        let status = consumer.status();
        assert_eq!(status.last_error.as_deref(), Some("not yet"));
        assert!(status.position < last && status.retrying + status.in_flight >= 1, "{status:?}");
        mended.store(true, Ordering::SeqCst);
        reach(&consumer, last);
        for stream in ["s-0", "s-1", "s-2"] {
            assert_eq!(seen.of(stream), numbers(100));
        }
        assert!(seen.all().iter().any(|(stream, text, attempt)| stream == "s-1" && text == "3" && *attempt > 1));
        assert_eq!(consumer.status().retrying, 0);
        stop(consumer);
    }

    fn total_order_holds_back_everything(store) {
        let seen = Seen::default();
        let notes = seen.clone();
        let consumer = Consumer::named("reader").order(Order::Total).workers(3).retry(at_once(3));
        let consumer = consumer.handle_async(move |event: Delivery| {
            let notes = notes.clone();
            async move {
                notes.note(&event);
                if event.event().data() == b"2" && event.stream() == "s-1" && event.attempt() < 3 {
                    return Err("not yet".into());
                }
                Ok(Ack)
            }
        });
        let consumer = consumer.start(store).expect("a consumer");
        reach(&consumer, fill(store, 3, 5));
        let found: Vec<_> = seen.all();
        let expected = (0..5).flat_map(|n| (0..3).flat_map(move |stream| {
            let times = if n == 2 && stream == 1 { 3 } else { 1 };
            (1..=times).map(move |attempt| (format!("s-{stream}"), n.to_string(), attempt))
        }));
        assert_eq!(found, expected.collect::<Vec<_>>());
        stop(consumer);
    }

    fn without_order_a_stream_goes_on_beside_what_fails(store) {
        let seen = Seen::default();
        let notes = seen.clone();
        let slow = RetryPolicy::fixed(Duration::from_secs(3_600)).expect("a policy");
        let consumer = Consumer::named("reader").order(Order::None).retry(slow).handle(move |event: Delivery| {
            if event.event().data() == b"0" {
                return Err("never".into());
            }
            notes.note(&event);
            Ok(Ack)
        });
        let consumer = consumer.start(store).expect("a consumer");
        fill(store, 1, 50);
        until("all but the first", || seen.all().len() == 49);
        assert_eq!((consumer.status().retrying, consumer.status().position), (1, Position(0)));
        stop(consumer);
    }

    fn it_begins_where_it_is_told(store) {
        let before = fill(store, 1, 3);
        for (name, start, expected) in [
            ("all", Start::Beginning, vec!["0", "1", "2", "new"]),
            ("rest", Start::After(Position(before.0 - 1)), vec!["2", "new"]),
        ] {
            let seen = Seen::default();
            let notes = seen.clone();
            let consumer = Consumer::named(name).category("s").begin(start).handle(move |event: Delivery| {
                notes.note(&event);
                Ok(Ack)
            });
            let consumer = consumer.start(store).expect("a consumer");
            reach(&consumer, before);
            if seen.all().len() == expected.len() - 1 {
                append(store, "t-1", "another");
            }
            assert_eq!(seen.texts(), expected[..expected.len() - 1]);
            stop(consumer);
        }
    }

    fn many_workers_share_the_work(store) {
        let (most, now) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (peak, running) = (most.clone(), now.clone());
        let consumer = Consumer::named("reader").workers(3).handle(move |_: Delivery| {
            peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(2));
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(Ack)
        });
        let last = fill(store, 6, 5);
        let consumer = consumer.start(store).expect("a consumer");
        reach(&consumer, last);
        assert_eq!((most.load(Ordering::SeqCst), now.load(Ordering::SeqCst)), (3, 0));
        stop(consumer);
    }
}
