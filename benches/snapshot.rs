//! Loading a stream of 100,000 events by its snapshot and the events after it, against replaying the stream. The snapshot is 50
//! events old, as it is on average where one is made every 100; its state has 1 KiB. Everything is warm.

mod common;

use common::measure::rounds;
use common::run::{Run, scratch};
use common::table::{Rows, Target};
use criterion::Criterion;
use orchestrix::{Durability, EventRef, Expected, NewEvent, Revision, Snapshot, Store};
use std::hint::black_box;
use std::time::Instant;

/// How much is done.
#[derive(Clone, Copy)]
struct Sizes {
    events: u64,
    /// Streams beside the one that is loaded, each with a snapshot, and events between its own.
    others: u64,
    rounds: usize,
    loads: u64,
}

const FULL: Sizes = Sizes { events: 100_000, others: 1_000, rounds: 15, loads: 200 };
const SHRUNK: Sizes = Sizes { events: 2_000, others: 20, rounds: 2, loads: 10 };
const BATCH: u64 = 100;
const AGE: u64 = 50;
const STATE_BYTES: usize = 1 << 10;
const STREAM: &str = "account-7";

/// What an aggregate makes of an event: it looks at all of its data.
fn apply(state: u64, event: EventRef<'_>) -> u64 {
    let words = event.data().as_chunks::<8>().0;
    words.iter().fold(state.rotate_left(5), |state, word| state.wrapping_add(u64::from_le_bytes(*word)))
}

fn replay(store: &Store, up_to: Revision) -> u64 {
    let view = store.view();
    view.stream(STREAM).up_to(up_to).fold(0, |state, event| apply(state, event.expect("an intact event")))
}

fn by_snapshot(store: &Store) -> u64 {
    let snapshot = store.snapshot(STREAM).wait().expect("a snapshot log").expect("a snapshot");
    let state = u64::from_le_bytes(snapshot.data[..8].try_into().expect("eight bytes"));
    let view = store.view();
    let after = view.stream(STREAM).from(Revision(snapshot.revision.0 + 1));
    after.fold(state, |state, event| apply(state, event.expect("an intact event")))
}

fn append(store: &Store, stream: &str, n: u64) {
    let data: Vec<[u8; 256]> = (0..BATCH).map(|i| [(n + i) as u8; 256]).collect();
    let events: Vec<_> = data.iter().map(|data| NewEvent::raw("MeterReading", data)).collect();
    let commit = store.transaction().append(stream, Expected::Any, events);
    commit.durability(Durability::Process).commit().wait().expect("an append");
}

fn save(store: &Store, stream: &str, revision: Revision, state: u64) {
    let mut data = state.to_le_bytes().to_vec();
    data.resize(STATE_BYTES, 0);
    store.save_snapshot(stream, Snapshot::new(revision, 1, data)).wait().expect("a save");
}

fn filled(sizes: Sizes, store: &Store) {
    for n in (0..sizes.events).step_by(BATCH as usize) {
        append(store, STREAM, n);
        append(store, &format!("other-{}", n / BATCH % sizes.others), n);
    }
    for n in 0..sizes.others.min(sizes.events / BATCH) {
        save(store, &format!("other-{n}"), Revision(BATCH - 1), n);
    }
    let revision = Revision(sizes.events - 1 - AGE);
    save(store, STREAM, revision, replay(store, revision));
    store.sync().wait().expect("a sync");
}

fn main() {
    let run = Run::from_args();
    let sizes = run.pick(FULL, SHRUNK);
    let dir = scratch();
    let store = Store::open(dir.path()).expect("a store");
    filled(sizes, &store);
    let whole = replay(&store, Revision(u64::MAX));
    if run.measures_rows() {
        let mut rows = Rows::of("snapshot");
        let timed = |loads: u64, load: &dyn Fn() -> u64| {
            let start = Instant::now();
            for _ in 0..loads {
                assert_eq!(black_box(load()), whole, "the same state either way");
            }
            start.elapsed().as_nanos() as f64 / loads as f64
        };
        let [snapshot, base] = rounds(
            sizes.rounds,
            [&mut || timed(sizes.loads, &|| by_snapshot(&store)), &mut || {
                timed(sizes.loads.div_ceil(20), &|| replay(&store, Revision(u64::MAX)))
            }],
        );
        rows.rate(
            "a stream of 100,000 events, by snapshot / by replay",
            &snapshot,
            &base,
            Target::AtLeast(50.0),
        );
        rows.finish();
    }
    let mut criterion: Criterion = run.criterion();
    let mut group = criterion.benchmark_group("a stream of 100,000 events");
    group.bench_function("by snapshot", |bencher| bencher.iter(|| by_snapshot(&store)));
    group.bench_function("by replay", |bencher| bencher.iter(|| replay(&store, Revision(u64::MAX))));
    group.finish();
    criterion.final_summary();
}
