//! What subscribers don't do to the writer, and it not to them: who is stopped holds up nobody; thousands come and go and leave
//! nothing behind. Alone in its program, so that nothing else is counted.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::testing::while_writer_is_stopped;
use orchestrix::{Cursor, Durability, EventId, Query, Start};
use std::fs;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Waker};
use std::thread;
use tools::{Dir, small};

/// Tests that count what the process has run one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn event(n: u64) -> NewEvent<'static> {
    NewEvent::raw(if n.is_multiple_of(100) { "rare" } else { "usual" }, n.to_le_bytes().to_vec())
}

fn positions(live: &mut Cursor, last: u64) -> Vec<u64> {
    let mut seen = Vec::new();
    while live.position().0 < last {
        let batch = live.poll_batch().expect("a batch").expect("open");
        seen.extend(batch.iter().map(|event| event.position().0));
    }
    seen
}

#[test]
fn readers_deliver_everything_while_a_writer_is_stopped_inside_its_lock() {
    const EVENTS: u64 = 12_000;
    let _alone = ALONE.lock().unwrap_or_else(|broken| broken.into_inner());
    let dir = Dir::new();
    let store =
        Store::options().segment_bytes(128 << 10).durability(Durability::Process).open(dir.store()).unwrap();
    (0..EVENTS).for_each(|n| drop(store.append(format!("s-{}", n % 7), Any, event(n))));
    store.sync().wait().unwrap();
    while store.stats().unwrap().index.runs == 0 {
        thread::yield_now();
    }
    let queries = [Query::all(), Query::types(["rare"]), Query::stream("s-3"), Query::category("s")];
    let expected: Vec<Vec<u64>> = queries
        .iter()
        .map(|query| store.view().query(query).map(|event| event.unwrap().position().0).collect())
        .collect();
    let cursors: Vec<_> = (0..16)
        .map(|n| {
            let subscription = store.subscribe().query(queries[n % 4].clone()).batch_max(1 + 100 * n);
            let subscription = if n < 8 { subscription.committed() } else { subscription };
            (n % 4, subscription.open().unwrap())
        })
        .collect();
    while_writer_is_stopped(&store, || {
        thread::scope(|scope| {
            for (query, mut cursor) in cursors {
                let expected = &expected[query];
                scope.spawn(move || assert!(positions(&mut cursor, EVENTS) == *expected));
            }
        });
    });
    store.append("s-0", Any, event(0)).wait().unwrap();
    store.close().wait().unwrap();
}

#[test]
fn a_million_appends_go_on_while_a_reader_is_stopped_inside_a_batch() {
    const EVENTS: u64 = 1_000_000;
    let _alone = ALONE.lock().unwrap_or_else(|broken| broken.into_inner());
    let dir = Dir::new();
    let store = Store::options().durability(Durability::Process).open(dir.store()).unwrap();
    let batch: Vec<_> = (0..100).map(event).collect();
    store.append("s-1", Any, &batch).wait().unwrap();
    let mut live = store.subscribe().committed().open().unwrap();
    let stopped = live.next_batch().wait().unwrap().expect("open");
    let mut events = stopped.iter();
    assert_eq!(events.next().expect("an event").position(), Position(1));
    let names: Vec<String> = (0..7).map(|n| format!("s-{n}")).collect();
    for n in 0..EVENTS {
        let event = NewEvent::with_id(EventId::from("the same"), "usual", &b"event"[..]);
        store.append(&names[n as usize % 7], Any, event).wait().unwrap();
    }
    assert!(store.stats().unwrap().segments > 1, "it rolled over");
    assert!(events.map(|event| event.position().0).eq(2..=100));
    drop(stopped);
    assert_eq!(positions(&mut live, EVENTS + 100).len() as u64, EVENTS);
    store.close().wait().unwrap();
}

fn count(path: &str) -> usize {
    if path.ends_with("maps") {
        fs::read_to_string(path).expect("the mappings of this process").lines().count()
    } else {
        fs::read_dir(path).expect("the descriptors of this process").count()
    }
}

/// Bytes of memory that belong to this process alone.
fn anonymous() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").expect("the memory of this process");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[test]
fn ten_thousand_subscriptions_come_and_go_and_leave_nothing() {
    const MANY: usize = 10_000;
    /// What an allocator keeps for itself, and what the tests beside this one have left.
    const KEPT_BYTES: u64 = 8 << 20;
    let _alone = ALONE.lock().unwrap_or_else(|broken| broken.into_inner());
    let dir = Dir::new();
    let store = small().durability(Durability::Power).open(dir.store()).unwrap();
    let round = || {
        let mut parked: Vec<Cursor> =
            (0..MANY).map(|_| store.subscribe().start(Start::End).open().unwrap()).collect();
        for cursor in &mut parked {
            cursor.poll_batch().unwrap();
            let mut next = cursor.next_batch();
            assert!(Pin::new(&mut next).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let last = store.append("s-1", Any, event(0)).wait().unwrap().position().0;
        parked.iter_mut().for_each(|cursor| assert_eq!(positions(cursor, last), [last]));
        (anonymous(), parked)
    };
    drop(round());
    let (mappings, descriptors, memory) = (count("/proc/self/maps"), count("/proc/self/fd"), anonymous());
    for _ in 0..3 {
        let (with_all, parked) = round();
        assert!(count("/proc/self/fd") <= descriptors + 4, "a subscription holds no descriptor");
        println!("{} bytes for each of {MANY}", with_all.saturating_sub(memory) / MANY as u64);
        drop(parked);
    }
    let after = (count("/proc/self/maps"), count("/proc/self/fd"), anonymous());
    println!("mappings, descriptors, memory: {:?}, then {after:?}", (mappings, descriptors, memory));
    // Segments that came meanwhile are mapped.
    assert!(after.0 <= mappings + 8 && after.1 <= descriptors + 4 && after.2 <= memory + KEPT_BYTES);
    store.close().wait().unwrap();
}
