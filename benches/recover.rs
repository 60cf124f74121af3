//! How long does opening take, after a clean close and after `kill -9`, above reading the log once from start to end with
//! one checksum over it? One event a commit. Durability: `Process`, so that a kill leaves a tail that was never synced.

mod common;

use common::child::{killed_store, serve};
use common::engine::Engine;
use common::measure::{per_event, rounds};
use common::run::Run;
use common::scan::Segments;
use common::table::{Rows, Target};
use common::workload::Workload;
use criterion::{Criterion, Throughput};
use orchestrix::Store;
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

fn main() {
    serve();
    let run = Run::from_args();
    let (events, opens) = run.pick((200_000, 11), (5_000, 2));
    let closed = Engine::filled(&Workload::new(), events, false).close();
    if run.measures_rows() {
        let mut rows = Rows::of("recover");
        rows_of(&mut rows, closed.path(), events, opens);
        rows.finish();
    }
    let mut criterion = run.criterion();
    recover(&mut criterion, closed.path(), events);
    criterion.final_summary();
}

/// Opens the store in `dir` and looks that all events are there. Closing it isn't timed.
fn open(dir: &Path, events: u64) -> Duration {
    let start = Instant::now();
    let store = Store::open(dir).expect("open the store again");
    let elapsed = start.elapsed();
    assert_eq!(store.view().watermark().0, events, "every event that was appended");
    store.close().wait().expect("close");
    elapsed
}

/// The same for a store whose process has just been killed.
fn open_killed(events: u64) -> Duration {
    let dir = killed_store(events);
    open(dir.path(), events)
}

/// Reads the log once, in large pieces, with one checksum over all of it.
fn read_once(dir: &Path, ends: &[u64]) -> Duration {
    let mut buffer = vec![0; 1 << 20];
    let start = Instant::now();
    let mut hasher = crc32fast::Hasher::new();
    for (number, end) in ends.iter().enumerate() {
        let path = dir.join("log").join(format!("{number:020}.seg"));
        let mut rest = File::open(path).expect("open a segment").take(*end);
        loop {
            let read = rest.read(&mut buffer).expect("read a segment");
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
        }
    }
    black_box(hasher.finalize());
    start.elapsed()
}

fn rows_of(rows: &mut Rows, closed: &Path, events: u64, opens: usize) {
    let ends = Segments::map(closed).ends();
    let [clean, killed, floor] = rounds(
        opens,
        [
            &mut || per_event(open(closed, events), events),
            &mut || per_event(open_killed(events), events),
            &mut || per_event(read_once(closed, &ends), events),
        ],
    );
    rows.time("open after close, each event / read and checksum", &clean, &floor, Target::None);
    rows.time("open after kill, each event / read and checksum", &killed, &floor, Target::None);
}

fn recover(criterion: &mut Criterion, closed: &Path, events: u64) {
    let ends = Segments::map(closed).ends();
    let mut group = criterion.benchmark_group("recover");
    group.throughput(Throughput::Elements(events));
    group.bench_function("open after close", |bencher| {
        bencher.iter_custom(|iterations| (0..iterations).map(|_| open(closed, events)).sum());
    });
    group.bench_function("open after kill", |bencher| {
        bencher.iter_custom(|iterations| (0..iterations).map(|_| open_killed(events)).sum());
    });
    group.bench_function("read and checksum", |bencher| {
        bencher.iter_custom(|iterations| (0..iterations).map(|_| read_once(closed, &ends)).sum());
    });
    group.finish();
}
