//! Following a store in one process, on the smallest segments: one loop for what is there and what comes, whichever way it is
//! filtered, batched, waited for; its ends, its errors, and what it keeps mapped.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Batch, Cursor, Durability, Error, ErrorKind, Query, Retention, Start};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, SystemTime};
use tools::{Dir, small};

fn event(n: u64) -> NewEvent<'static> {
    let event =
        NewEvent::raw(if n.is_multiple_of(3) { "third" } else { "other" }, n.to_string().into_bytes());
    if n % 50 == 7 { event.tag("rare") } else { event }
}

/// Appends numbers `from..to`, each to one of seven streams, some of them together.
fn fill(store: &Store, numbers: std::ops::Range<u64>) {
    let mut n = numbers.start;
    while n < numbers.end {
        let count = (1 + n % 4).min(numbers.end - n);
        let transaction = (n..n + count).fold(store.transaction(), |transaction, n| {
            transaction.append(format!("s-{}", n % 7), Any, event(n))
        });
        transaction.commit().wait().expect("append");
        n += count;
    }
}

fn numbers(batch: &Batch) -> Vec<u64> {
    batch.iter().map(|event| std::str::from_utf8(event.data()).unwrap().parse().unwrap()).collect()
}

/// What comes until position `last` was passed. Batches follow one another.
fn up_to(live: &mut Cursor, last: u64) -> Vec<u64> {
    let mut seen = Vec::new();
    while live.position().0 < last {
        let from = live.position();
        // What matches nothing moves the cursor without a batch.
        let batch = live.next_batch().wait_timeout(Duration::from_millis(2)).expect("a batch").expect("open");
        assert!(batch.iter().all(|event| event.position() > from && event.position() <= batch.through()));
        assert_eq!(batch.through(), live.position());
        seen.extend(numbers(&batch));
    }
    seen
}

fn memory(durability: Durability) -> Store {
    small().durability(durability).in_memory().expect("a store")
}

fn matching(query: &Query, store: &Store) -> Vec<u64> {
    let view = store.view();
    view.query(query)
        .map(|event| std::str::from_utf8(event.unwrap().data()).unwrap().parse().unwrap())
        .collect()
}

#[test]
fn what_is_there_and_what_comes_is_one_sequence_for_every_filter_and_batch() {
    let store = memory(Durability::Process);
    fill(&store, 0..3_000);
    store.sync().wait().unwrap();
    let queries = [
        Query::all(),
        Query::stream("s-3"),
        Query::category("s"),
        Query::category("none"),
        Query::types(["third"]),
        Query::tags(["rare"]),
        Query::stream("s-1").or(Query::tags(["rare"])),
    ];
    let mut live = Vec::new();
    for query in &queries {
        for batch_max in [1, 5, 1_024] {
            let of = store.subscribe().query(query.clone()).batch_max(batch_max);
            live.push((query, of.open().unwrap(), Vec::new()));
        }
    }
    for to in [3_000, 3_001, 6_500, 6_600] {
        fill(&store, store.view().watermark().0..to);
        store.sync().wait().unwrap();
        for (query, cursor, seen) in &mut live {
            seen.extend(up_to(cursor, to));
            assert_eq!(*seen, matching(query, &store), "{query}, up to {to}");
        }
    }
}

#[test]
fn a_cursor_says_once_that_it_has_caught_up_and_then_waits() {
    let store = memory(Durability::Power);
    let mut live = store.subscribe().types(["third"]).open().unwrap();
    let first = live.next_batch().wait().unwrap().expect("open");
    assert!(first.is_empty() && first.is_caught_up());
    let limit = Duration::from_millis(5);
    assert!(live.next_batch().wait_timeout(limit).unwrap().expect("open").is_empty());
    // What doesn't match moves the cursor and is no news.
    store.append("s-1", Any, event(1)).wait().unwrap();
    assert!(live.next_batch().wait_timeout(limit).unwrap().expect("open").is_empty());
    assert_eq!(live.position(), Position(1));
    store.append("s-1", Any, event(3)).wait().unwrap();
    let batch = live.next_batch().wait().unwrap().expect("open");
    assert_eq!((numbers(&batch), batch.is_caught_up(), live.position()), (vec![3], true, Position(2)));
    assert!(live.poll_batch().unwrap().expect("open").is_empty());
}

#[test]
fn only_what_is_synced_is_seen_unless_it_is_asked_for() {
    let hour = Duration::from_secs(3_600);
    let store = small().durability(Durability::Process).sync_interval(hour).in_memory().unwrap();
    let mut synced = store.subscribe().open().unwrap();
    let mut committed = store.subscribe().committed().open().unwrap();
    for cursor in [&mut synced, &mut committed] {
        assert!(cursor.poll_batch().unwrap().expect("open").is_caught_up());
    }
    store.append("s-1", Any, event(0)).wait().unwrap();
    assert_eq!(numbers(&committed.poll_batch().unwrap().unwrap()), [0]);
    assert_eq!(synced.poll_batch().unwrap().unwrap().len(), 0);
    assert_eq!((synced.lag().events, committed.lag().events), (0, 0));
    store.sync().wait().unwrap();
    assert_eq!(synced.lag().events, 1);
    assert_eq!(numbers(&synced.poll_batch().unwrap().unwrap()), [0]);
}

#[test]
fn closing_ends_it_once_everything_was_given() {
    let store = memory(Durability::Process);
    let mut live = store.subscribe().batch_max(3).open().unwrap();
    let mut waiting = store.subscribe().start(Start::End).open().unwrap();
    assert!(waiting.next_batch().wait().unwrap().expect("open").is_empty());
    let waiter = thread::spawn(move || {
        let mut seen = Vec::new();
        while let Some(batch) = waiting.next_batch().wait().unwrap() {
            seen.extend(numbers(&batch));
        }
        seen
    });
    fill(&store, 0..10);
    store.close().wait().unwrap();
    let mut seen = Vec::new();
    while let Some(batch) = live.next_batch().wait().unwrap() {
        seen.extend(numbers(&batch));
    }
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
    assert_eq!(waiter.join().unwrap(), seen);
    assert!(live.poll_batch().unwrap().is_none());
    assert!(live.next_batch().wait_timeout(Duration::from_millis(1)).unwrap().is_none());
}

/// F57: who goes on behind what isn't there is told, also once the log has grown past it.
#[test]
fn who_is_ahead_is_told() {
    let dir = Dir::new();
    let store = small().durability(Durability::Power).open(dir.store()).unwrap();
    fill(&store, 0..10);
    let mut live = store.subscribe().batch_max(4).open().unwrap();
    live.next_batch().wait().unwrap();
    let token = live.token();
    assert_eq!(token.position(), Position(4));
    let ahead = store.subscribe().start(Start::After(Position(11))).open().expect_err("nothing there");
    assert_eq!(ahead.kind(), ErrorKind::Ahead);
    assert!(ahead.to_string().contains("position 11, and the last one is 10"), "{ahead}");

    let elsewhere = memory(Durability::Power);
    let ahead = elsewhere.subscribe().start(Start::Resume(token)).open().expect_err("nothing there");
    assert!(ahead.is_ahead());
    fill(&elsewhere, 0..20);
    let ahead = elsewhere.subscribe().start(Start::Resume(token)).open().expect_err("another history");
    assert!(ahead.is_ahead() && ahead.to_string().contains("epoch"), "{ahead}");

    // The same history goes on in another opening.
    store.close().wait().unwrap();
    drop((live, store));
    let store = small().durability(Durability::Power).open(dir.store()).unwrap();
    fill(&store, 10..12);
    let mut live = store.subscribe().start(Start::Resume(token)).open().unwrap();
    assert_eq!(up_to(&mut live, 12), (4..12).collect::<Vec<_>>());
    assert_ne!(live.token().epoch(), token.epoch());
    store.close().wait().unwrap();
}

#[test]
fn retention_overtakes_who_is_slow_and_spares_what_is_pinned() {
    let dir = Dir::new();
    let store = small().durability(Durability::Power).open(dir.store()).unwrap();
    fill(&store, 0..400);
    let mut slow = store.subscribe().batch_max(8).open().unwrap();
    let mut quick = store.subscribe().open().unwrap();
    let kept = slow.next_batch().wait().unwrap().expect("open");
    up_to(&mut quick, 400);
    let plan = store.plan_retention(Retention::default().before(Position(350))).unwrap();
    plan.apply().unwrap();
    let first = store.view().first_position();
    assert!(first > Position(200), "{first}");
    let error = slow.next_batch().wait().expect_err("overtaken");
    assert_eq!((error.is_truncated(), error.first_position()), (true, Some(first)));
    assert_eq!(slow.poll_batch().expect_err("still").first_position(), Some(first));
    assert_eq!(numbers(&kept), (0..8).collect::<Vec<_>>(), "its segment stays mapped");
    let behind = store.subscribe().start(Start::After(Position(5))).open().expect_err("gone");
    assert_eq!(behind.first_position(), Some(first));
    // Who had seen everything goes on; so does who begins where the log does.
    fill(&store, 400..500);
    assert_eq!(up_to(&mut quick, 500), (400..500).collect::<Vec<_>>());
    let mut whole = store.subscribe().open().unwrap();
    assert_eq!(up_to(&mut whole, 500), (first.0 - 1..500).collect::<Vec<_>>());
    let mut rest = store.subscribe().start(Start::After(Position(first.0 - 1))).open().unwrap();
    assert_eq!(up_to(&mut rest, 500).len() as u64, 501 - first.0);
    store.close().wait().unwrap();
}

#[test]
fn it_begins_at_a_time() {
    let store = memory(Durability::Power);
    fill(&store, 0..5);
    thread::sleep(Duration::from_millis(3));
    let between = SystemTime::now();
    fill(&store, 5..9);
    let mut live = store.subscribe().start(Start::Time(between)).open().unwrap();
    assert_eq!(up_to(&mut live, 9), [5, 6, 7, 8]);
    let later = between + Duration::from_secs(3_600);
    let mut live = store.subscribe().start(Start::Time(later)).open().unwrap();
    assert!(live.next_batch().wait().unwrap().expect("open").is_empty());
    assert_eq!(live.position(), Position(9));
}

#[test]
fn what_may_not_be_asked_for_is_refused() {
    let store = Store::in_memory();
    for batch_max in [0, 65_536] {
        let error = store.subscribe().batch_max(batch_max).open().expect_err("out of bounds");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(&format!("1 to 65535, found {batch_max}")), "{error}");
    }
    let many = (0..300).map(|n| Query::stream(format!("s-{n}"))).reduce(Query::or).unwrap();
    assert_eq!(store.subscribe().query(many).open().expect_err("too many").kind(), ErrorKind::Limit);
}

/// A task whose executor never polls it again holds up nobody else.
#[test]
fn a_blocked_executor_holds_up_no_other_subscriber() {
    struct Never(AtomicU64);
    impl Wake for Never {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let store = memory(Durability::Power);
    let never = Arc::new(Never(AtomicU64::new(0)));
    let waker = Waker::from(never.clone());
    let mut asleep: Vec<Cursor> = (0..20)
        .map(|_| {
            let mut cursor = store.subscribe().start(Start::End).open().unwrap();
            cursor.poll_batch().unwrap();
            let mut next = cursor.next_batch();
            let polled = std::pin::Pin::new(&mut next).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            cursor
        })
        .collect();
    let mut live = store.subscribe().open().unwrap();
    for n in 0..50 {
        fill(&store, n..n + 1);
        assert_eq!(up_to(&mut live, n + 1), [n]);
    }
    while never.0.load(Ordering::Relaxed) < 20 {
        thread::yield_now();
    }
    for cursor in &mut asleep {
        assert_eq!(up_to(cursor, 50).len(), 50, "dropping the future lost nothing");
    }
}

#[test]
fn many_subscribers_see_what_many_writers_append() {
    const WRITERS: u64 = 4;
    const EACH: u64 = 1_500;
    let store = memory(Durability::Process);
    let readers: Vec<_> = (0..8)
        .map(|n| {
            let subscription = store.subscribe().batch_max(1 + n * 40);
            let subscription = if n % 2 == 0 { subscription.committed() } else { subscription };
            let mut live = subscription.open().unwrap();
            thread::spawn(move || {
                let mut positions = Vec::new();
                while live.position().0 < WRITERS * EACH {
                    let batch = live.next_batch().wait().unwrap().expect("open");
                    positions.extend(batch.iter().map(|event| event.position().0));
                }
                positions
            })
        })
        .collect();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                for n in 0..EACH {
                    store.append(format!("w-{writer}"), Any, event(n)).wait().unwrap();
                }
            });
        }
    });
    for reader in readers {
        assert!(reader.join().unwrap().into_iter().eq(1..=WRITERS * EACH));
    }
}

/// What a subscriber was given is there for whoever looks for it then.
#[test]
fn a_view_that_is_taken_after_a_batch_has_what_was_in_it() {
    let store = memory(Durability::Process);
    let done = Arc::new(AtomicBool::new(false));
    let (writer, ended) = (store.clone(), done.clone());
    let writing = thread::spawn(move || {
        for n in 0..4_000 {
            let transaction = writer.transaction().append("a", Any, event(n)).append("b", Any, event(n));
            transaction.commit().wait().unwrap();
        }
        ended.store(true, Ordering::Release);
    });
    let mut live = store.subscribe().committed().open().unwrap();
    while !done.load(Ordering::Acquire) {
        let batch = live.poll_batch().unwrap().expect("open");
        if let Some(last) = batch.iter().last() {
            let head = store.view().head(last.stream()).unwrap().expect("a head");
            assert!(head.revision >= last.revision());
        }
    }
    writing.join().unwrap();
}

#[test]
fn a_poll_never_waits_and_a_limit_is_kept() {
    let store = memory(Durability::Power);
    let mut live = store.subscribe().open().unwrap();
    for _ in 0..3 {
        assert!(live.poll_batch().unwrap().expect("open").is_empty());
    }
    let (tell, told) = mpsc::channel();
    let shared = store.clone();
    let appending = thread::spawn(move || {
        told.recv().unwrap();
        fill(&shared, 0..1);
    });
    assert!(live.next_batch().wait_timeout(Duration::from_millis(1)).unwrap().expect("open").is_empty());
    tell.send(()).unwrap();
    let batch = live.next_batch().wait_timeout(Duration::MAX).unwrap().expect("open");
    assert_eq!(numbers(&batch), [0]);
    appending.join().unwrap();
}

#[test]
fn tasks_see_the_same_as_threads() -> Result<(), Error> {
    let store = memory(Durability::Power);
    fill(&store, 0..30);
    let mut live = store.subscribe().batch_max(7).open()?;
    let mut by_hand = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while live.position() < Position(30) {
        let mut next = live.next_batch();
        match std::pin::Pin::new(&mut next).poll(&mut cx) {
            Poll::Ready(batch) => by_hand.extend(numbers(&batch?.expect("open"))),
            Poll::Pending => panic!("everything is there"),
        }
    }
    assert_eq!(by_hand, (0..30).collect::<Vec<_>>());
    Ok(())
}
