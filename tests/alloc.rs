//! Counts what the calling thread allocates. Method: an allocator that counts for each thread, so that background jobs and
//! other tests don't disturb; the same work over few and over many events must allocate equally often when reading, and
//! appending must allocate for nearly no append, since only the index grows.

#![allow(unsafe_code)]

use orchestrix::{
    Cursor, Durability, EventRef, Expected, NewEvent, Position, Query, Revision, Start, Store, View,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Range;
use uuid::Uuid;

const STREAMS: u64 = 100;
const PAYLOAD: [u8; 256] = [7; 256];

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn count() {
    // A thread that is ending has no counter any more.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call goes to `System` as it came, and counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: `block` came from `System` with this layout, as the caller promises.
        unsafe { System.realloc(block, layout, bytes) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `System` with this layout, as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

/// How often `work` allocates on this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn id(n: u64) -> Uuid {
    Uuid::from_u64_pair(0x0197_0000_0000_7000, 0x8000_0000_0000_0000 | n)
}

fn event(n: u64) -> NewEvent<'static> {
    NewEvent::raw("MeterReading", &PAYLOAD[..]).id(id(n))
}

fn names() -> Vec<String> {
    (0..STREAMS).map(|n| format!("meter-{n:04}")).collect()
}

fn append(store: &Store, names: &[String], n: u64) {
    let stream = &names[(n % STREAMS) as usize];
    store.append(stream, Expected::Any, event(n)).wait().expect("append");
}

/// Asserts that at most one append in ten allocates, and that there are at most two allocations for a hundred events.
fn assert_rare(numbers: Range<u64>, events_each: u64, mut append: impl FnMut(u64)) {
    let appends = numbers.end - numbers.start;
    let (mut all, mut with_any) = (0, 0);
    for n in numbers {
        let one = allocations(|| append(n));
        all += one;
        with_any += u64::from(one > 0);
    }
    let events = appends * events_each;
    println!("{appends} appends of {events} events: {with_any} of them allocated, {all} allocations in all");
    assert!(with_any * 10 <= appends, "{with_any} of {appends} appends allocated");
    assert!(all * 50 <= events, "{all} allocations for {events} events");
}

#[test]
fn an_append_allocates_only_when_the_index_grows() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::options().durability(Durability::Process).open(dir.path()).expect("open");
    let names = names();
    (0..1_000).for_each(|n| append(&store, &names, n));
    assert_rare(1_000..101_000, 1, |n| append(&store, &names, n));
    store.close().wait().expect("close");
}

#[test]
fn a_batch_allocates_only_when_the_index_grows() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::options().durability(Durability::Process).open(dir.path()).expect("open");
    let names = names();
    let mut batch: Vec<NewEvent<'_>> = Vec::with_capacity(100);
    let mut append = |n: u64| {
        batch.clear();
        batch.extend((n * 100..n * 100 + 100).map(event));
        let stream = &names[(n % 4) as usize];
        store.append(stream, Expected::Any, &batch).wait().expect("append");
    };
    (0..10).for_each(&mut append);
    assert_rare(10..2_010, 100, append);
    store.close().wait().expect("close");
}

#[test]
fn asking_for_power_allocates_nothing_before_the_wait() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).expect("open");
    let names = names();
    let mut last = None;
    let mut append =
        |n: u64| last = Some(store.append(&names[(n % STREAMS) as usize], Expected::Any, event(n)));
    (0..1_000).for_each(&mut append);
    assert_rare(1_000..101_000, 1, append);
    last.expect("many appends").wait().expect("synced");
    store.close().wait().expect("close");
}

/// Of a subscription: a batch takes a few allocations, however many events it has, and waiting for one takes none that grows.
#[test]
fn a_batch_of_a_subscription_allocates_as_often_whatever_it_holds() {
    const BATCH_MAX: u64 = 12;
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::options().durability(Durability::Process).open(dir.path()).expect("open");
    let names = names();
    (0..20_000).for_each(|n| append(&store, &names, n));
    store.sync().wait().expect("synced");
    for (what, query) in [("all", Query::all()), ("a category", Query::category("meter"))] {
        let mut counts = Vec::new();
        for batch_max in [1, 10, 1_000] {
            let subscription = store.subscribe().query(query.clone()).batch_max(batch_max);
            // The last ones, which no run covers.
            let mut live = subscription.start(Start::After(Position(17_000))).open().expect("a subscription");
            let one = |live: &mut Cursor| {
                let batch = live.next_batch().wait().expect("a batch").expect("open");
                assert_eq!(batch.len(), batch_max);
                assert_eq!(walk(batch.iter().map(Ok)), batch_max as u64);
            };
            one(&mut live);
            counts.push(allocations(|| one(&mut live)));
        }
        println!("{what}: {counts:?} allocations for batches of 1, 10, 1,000");
        assert!(counts.iter().all(|count| *count <= BATCH_MAX && *count <= counts[0] + 1), "{counts:?}");
    }
    store.close().wait().expect("close");
}

/// Walks events, looks at everything that they lend, and returns how many there were.
fn walk<'v>(events: impl Iterator<Item = Result<EventRef<'v>, orchestrix::Error>>) -> u64 {
    let mut count = 0;
    for event in events {
        let event = event.expect("an intact event");
        assert_eq!(event.data(), PAYLOAD);
        assert_eq!(event.event_type(), "MeterReading");
        assert_eq!(event.category(), "meter");
        assert!(event.stream().len() == 10 && event.position() > Position::START);
        count += 1;
    }
    count
}

/// A way of reading that yields at most `n` events.
type Read = fn(&View, n: usize) -> u64;

const READS: [(&str, Read); 10] = [
    ("all", |view, n| walk(view.all().take(n))),
    ("all backward", |view, n| walk(view.all().rev().take(n))),
    ("all after", |view, n| walk(view.all().after(Position(7)).take(n))),
    ("stream", |view, n| walk(view.stream("meter-0000").take(n))),
    ("stream backward", |view, n| walk(view.stream("meter-0000").rev().take(n))),
    ("stream from", |view, n| walk(view.stream("meter-0000").from(Revision(7)).take(n))),
    ("category", |view, n| walk(view.category("meter").take(n))),
    ("category backward", |view, n| walk(view.category("meter").rev().take(n))),
    ("event type", |view, n| walk(view.event_type("MeterReading").take(n))),
    ("event type backward", |view, n| walk(view.event_type("MeterReading").rev().take(n))),
];

#[test]
fn reading_allocates_nothing_for_an_event() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::options().durability(Durability::Process).open(dir.path()).expect("open");
    let mut batch = Vec::new();
    for n in 0..200 {
        batch.clear();
        batch.extend((n * 100..n * 100 + 100).map(event));
        let stream = if n % 2 == 0 { "meter-0000" } else { "meter-0001" };
        store.append(stream, Expected::Any, &batch).wait().expect("append");
    }
    store.close().wait().expect("close");
    // Opened again, so that nothing counts as checked from writing.
    for (name, read) in READS {
        let store = Store::open(dir.path()).expect("open again");
        let view = store.view();
        let few = allocations(|| assert_eq!(read(&view, 10), 10));
        let many = allocations(|| assert_eq!(read(&view, 9_000), 9_000));
        let again = allocations(|| assert_eq!(read(&view, 9_000), 9_000));
        println!("{name}: {few} allocations for 10 events, {many} for 9,000, {again} the second time");
        assert!(many <= few && again <= few, "{name}: {few} for 10 events, {many} for 9,000, then {again}");
        store.close().wait().expect("close");
    }
}
