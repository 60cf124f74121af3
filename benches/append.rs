//! What does an append cost above the copying, checking and syncing that it can't do without? One event, batches of a
//! hundred, and synced appends by one thread and by eight, each against a floor that is written by hand. Durability:
//! `Process`, or `Power` where a name says synced.

mod common;

use common::engine::{Engine, Ids};
use common::floor::{FloorLog, SyncFloor};
use common::group::GroupCommit;
use common::measure::{per_event, rounds};
use common::run::Run;
use common::table::{Rows, Target};
use common::workload::{BATCH, PAYLOAD_BYTES, Workload};
use criterion::{Criterion, Throughput};
use orchestrix::Durability;
use std::cell::RefCell;
use std::time::Duration;

const THREADS: u64 = 8;

/// How much is done in a round.
#[derive(Clone, Copy)]
struct Sizes {
    rounds: usize,
    /// Events of a round that isn't synced.
    events: u64,
    /// Synced appends of a thread in a round.
    synced: u64,
    /// Events of the store whose disk space is measured.
    on_disk: u64,
}

fn main() {
    let run = Run::from_args();
    let full = Sizes { rounds: 101, events: 10_000, synced: 25, on_disk: 1_000_000 };
    let sizes = run.pick(full, Sizes { rounds: 3, events: 5_000, synced: 4, on_disk: 50_000 });
    let workload = Workload::new();
    if run.measures_rows() {
        let mut rows = Rows::of("append");
        rows_in_process(&mut rows, &workload, sizes);
        rows_synced(&mut rows, &workload, sizes);
        rows_on_disk(&mut rows, &workload, sizes);
        rows.finish();
    }
    let mut criterion = run.criterion();
    in_process(&mut criterion, &workload, sizes);
    synced(&mut criterion, &workload, sizes);
    criterion.final_summary();
}

fn rows_in_process(rows: &mut Rows, workload: &Workload, sizes: Sizes) {
    let (events, commits) = (sizes.events, sizes.events / BATCH as u64);
    let mut engine = Engine::new(workload, Durability::Process);
    println!("{}", engine.describe());
    let mut floor_log = FloorLog::new(workload);
    let engine = RefCell::new(&mut engine);
    let ones = |ids| {
        engine.borrow_mut().settle();
        per_event(engine.borrow_mut().ones(events, ids), events)
    };
    let batches = |ids| {
        engine.borrow_mut().settle();
        per_event(engine.borrow_mut().batches(commits, ids), events)
    };
    let tagged = || {
        engine.borrow_mut().settle();
        per_event(engine.borrow_mut().tagged(events), events)
    };
    let [given, generated, tags, floor] = rounds(
        sizes.rounds,
        [&mut || ones(Ids::Given), &mut || ones(Ids::Generated), &mut || tagged(), &mut || {
            per_event(ones_by_hand(&mut floor_log, workload, events), events)
        }],
    );
    rows.rate("one event, Process, ids given / floor", &given, &floor, Target::AtLeast(0.5));
    rows.rate("one event, Process, ids generated / floor", &generated, &floor, Target::None);
    rows.time("one event with two tags, Process / without", &tags, &given, Target::AtMost(1.5));
    let [given, generated, floor] = rounds(
        sizes.rounds,
        [&mut || batches(Ids::Given), &mut || batches(Ids::Generated), &mut || {
            per_event(batches_by_hand(&mut floor_log, workload, commits), events)
        }],
    );
    rows.rate("batch of 100, Process, ids given / floor", &given, &floor, Target::AtLeast(0.4));
    rows.rate("batch of 100, Process, ids generated / floor", &generated, &floor, Target::None);
}

fn rows_synced(rows: &mut Rows, workload: &Workload, sizes: Sizes) {
    let (each, all) = (sizes.synced, sizes.synced * THREADS);
    let mut bare = SyncFloor::new();
    let mut group = GroupCommit::new(workload);
    let mut engine = Engine::new(workload, Durability::Power);
    let engine = RefCell::new(&mut engine);
    let [one, eight, floor, by_hand] = rounds(
        sizes.rounds,
        [
            &mut || per_event(engine.borrow_mut().threads(1, each), each),
            &mut || per_event(engine.borrow_mut().threads(THREADS, each), all),
            &mut || per_event(bare.time(each), each),
            &mut || per_event(group.time(workload, THREADS, each), all),
        ],
    );
    rows.time("synced, 1 thread, Power / 4 KiB write and sync", &one, &floor, Target::AtMost(1.4));
    rows.rate("synced, 8 threads, Power / 1 thread", &eight, &one, Target::AtLeast(3.0));
    rows.rate("synced, 8 threads, Power / group commit by hand", &eight, &by_hand, Target::AtLeast(0.9));
}

/// Allocated blocks after `close()`, against the payload.
fn rows_on_disk(rows: &mut Rows, workload: &Workload, sizes: Sizes) {
    let payload = sizes.on_disk * PAYLOAD_BYTES as u64;
    for (name, batch, bound) in
        [("100 of one stream a commit", true, 1.3), ("one event a commit", false, 1.55)]
    {
        let dir = Engine::filled(workload, sizes.on_disk, batch).close();
        // The index has a bound of its own, by event and key: see the bench `query`.
        let log = common::run::allocated(&dir.path().join("log"));
        rows.bytes(&format!("log after close, {name} / payload"), log, payload, Target::AtMost(bound));
        let all = common::run::allocated(dir.path());
        rows.bytes(&format!("log and index after close, {name} / payload"), all, payload, Target::None);
    }
}

fn ones_by_hand(floor: &mut FloorLog, workload: &Workload, events: u64) -> Duration {
    floor.time(workload, events, |n| workload.payload(n))
}

fn batches_by_hand(floor: &mut FloorLog, workload: &Workload, commits: u64) -> Duration {
    floor.time(workload, commits, |_| workload.batch_payload())
}

fn in_process(criterion: &mut Criterion, workload: &Workload, sizes: Sizes) {
    let (events, commits) = (sizes.events, sizes.events / BATCH as u64);
    let mut engine = Engine::new(workload, Durability::Process);
    let mut floor = FloorLog::new(workload);
    let mut group = criterion.benchmark_group("append, one event, Process");
    group.throughput(Throughput::Elements(events));
    for ids in [Ids::Given, Ids::Generated] {
        group.bench_function(format!("orchestrix, ids {ids:?}"), |bencher| {
            bencher.iter_custom(|iterations| {
                engine.settle();
                (0..iterations).map(|_| engine.ones(events, ids)).sum()
            });
        });
    }
    group.bench_function("floor", |bencher| {
        bencher.iter_custom(|iterations| {
            (0..iterations).map(|_| ones_by_hand(&mut floor, workload, events)).sum()
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("append, batch of 100, Process");
    group.throughput(Throughput::Elements(events));
    for ids in [Ids::Given, Ids::Generated] {
        group.bench_function(format!("orchestrix, ids {ids:?}"), |bencher| {
            bencher.iter_custom(|iterations| {
                engine.settle();
                (0..iterations).map(|_| engine.batches(commits, ids)).sum()
            });
        });
    }
    group.bench_function("floor", |bencher| {
        bencher.iter_custom(|iterations| {
            (0..iterations).map(|_| batches_by_hand(&mut floor, workload, commits)).sum()
        });
    });
    group.finish();
}

fn synced(criterion: &mut Criterion, workload: &Workload, sizes: Sizes) {
    let mut engine = Engine::new(workload, Durability::Power);
    let mut group = criterion.benchmark_group("append, synced, Power");
    for threads in [1, THREADS] {
        group.throughput(Throughput::Elements(threads * sizes.synced));
        group.bench_function(format!("orchestrix, {threads} threads"), |bencher| {
            bencher.iter_custom(|iterations| {
                (0..iterations).map(|_| engine.threads(threads, sizes.synced)).sum()
            });
        });
    }
    let mut bare = SyncFloor::new();
    group.throughput(Throughput::Elements(sizes.synced));
    group.bench_function("4 KiB write and sync", |bencher| {
        bencher.iter_custom(|iterations| bare.time(iterations * sizes.synced));
    });
    group.throughput(Throughput::Elements(THREADS * sizes.synced));
    let mut by_hand = GroupCommit::new(workload);
    group.bench_function(format!("group commit by hand, {THREADS} threads"), |bencher| {
        bencher.iter_custom(|iterations| {
            (0..iterations).map(|_| by_hand.time(workload, THREADS, sizes.synced)).sum()
        });
    });
    group.finish();
}
