//! Writers, subscribers, views and retention at once, in a program without the test harness, so that the thread sanitizer can
//! look at it too: `docs/testing.md` has the command. Threads share nothing but the store and one counter.

use orchestrix::prelude::*;
use orchestrix::{Durability, Error, Query, Retention, Start};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const WRITERS: u64 = 2;
/// Appends of each writer, of which every fifth is a commit of several events.
const APPENDS: u64 = 1_500;
const EVENTS: u64 = WRITERS * APPENDS / 5 * (4 + 3);

fn write(store: &Store, writer: u64) -> Result<(), Error> {
    for n in 0..APPENDS {
        let stream = format!("room-{writer}");
        let event = |what: &str| NewEvent::raw("said", format!("{writer} {n} {what}").into_bytes());
        match n % 5 {
            0 => store.append(stream, Any, [event("a"), event("b"), event("c")]).wait()?,
            _ => store.append(stream, Any, event("a").tag("tag-1")).wait()?,
        };
    }
    Ok(())
}

/// Reads everything from the start, live; returns how many events came.
fn follow(store: &Store, filtered: bool, committed: bool) -> Result<u64, Error> {
    let mut subscription = store.subscribe().start(Start::Beginning);
    if filtered {
        subscription = subscription.query(Query::category("room"));
    }
    if committed {
        subscription = subscription.committed();
    }
    let mut live = subscription.open()?;
    let (mut seen, mut last) = (0, 0);
    while live.position().0 < EVENTS {
        let batch = live.next_batch().wait()?.expect("the store is open");
        for event in &batch {
            assert!(event.position().0 > last, "{} after {last}", event.position());
            assert!(event.data().first().is_some_and(u8::is_ascii_digit));
            last = event.position().0;
            seen += 1;
        }
    }
    Ok(seen)
}

fn main() -> Result<(), Error> {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Store::options().segment_bytes(64 << 10).durability(Durability::Process);
    let store = options.open(dir.path())?;
    // What every reader has to have come to before segments are dropped.
    let done = AtomicU64::new(0);
    thread::scope(|scope| {
        let readers = [(false, false), (true, false), (false, true), (true, true)];
        for (filtered, committed) in readers {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                assert_eq!(follow(store, filtered, committed).expect("a subscription"), EVENTS);
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || write(store, writer).expect("appends"));
        }
        let (store, done) = (&store, &done);
        scope.spawn(move || {
            while done.load(Ordering::SeqCst) < readers.len() as u64 {
                let view = store.view();
                let seen = view.stream("room-0").filter(Result::is_ok).count() as u64;
                assert!(seen <= EVENTS);
                store.sync().wait().expect("a sync");
            }
        });
    });
    // A reader goes on with what it has pinned while retention drops it.
    let view = store.view();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(view.all().filter(Result::is_ok).count() as u64, EVENTS));
        scope.spawn(|| {
            let plan =
                store.plan_retention(Retention::default().before(Position(EVENTS / 2))).expect("a plan");
            plan.apply().expect("a retention");
        });
    });
    assert!(store.view().first_position() > Position(1), "nothing was dropped");
    store.close().wait()?;
    println!("{EVENTS} events, {WRITERS} writers, 4 subscribers");
    Ok(())
}
