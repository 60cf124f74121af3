//! Does opening take longer the more events there are, and does memory grow with them? Stores of 1 and 10 million events (and
//! of 50 million with `ORCHESTRIX_OPEN_50M` set), over up to a million streams, after a clean close and after the `kill -9` of
//! a process that was appending. Each log ends in the middle of a segment, so that what is read at its end is alike.
//! Durability: `Process`, so that a kill leaves a tail that was never synced.

mod common;

use common::child::{kill_growing, memory_of_reading, serve};
use common::large::{Large, Shape};
use common::measure::rounds;
use common::run::Run;
use common::table::{Rows, Target};
use criterion::Criterion;
use orchestrix::Store;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const HUGE_VARIABLE: &str = "ORCHESTRIX_OPEN_50M";
/// What may be in memory beyond mapped files.
const MEMORY_BYTES: u64 = 150 << 20;

/// How much is done.
#[derive(Clone, Copy)]
struct Sizes {
    million: u64,
    segment_bytes: u64,
    rounds: usize,
    /// Events that a process appends before it is killed.
    killed: u64,
    /// Streams that are read before memory is measured.
    reads: u64,
}

const FULL: Sizes =
    Sizes { million: 1_000_000, segment_bytes: 64 << 20, rounds: 7, killed: 5_000, reads: 10_000 };
const SHRUNK: Sizes = Sizes { million: 10_000, segment_bytes: 1 << 20, rounds: 2, killed: 200, reads: 100 };

impl Sizes {
    /// Ten events a stream, up to a million streams.
    fn shape(self, millions: u64) -> Shape {
        let streams = (millions * self.million / 10).min(self.million);
        Shape { events: millions * self.million, streams, segment_bytes: self.segment_bytes, marked: false }
    }
}

/// A closed store.
struct Closed {
    dir: TempDir,
    shape: Shape,
}

impl Closed {
    fn filled(shape: Shape) -> Self {
        let start = Instant::now();
        let large = Large::fill(shape);
        large.settle();
        let (events, index) = (large.events(), large.store.stats().expect("stats").index);
        println!(
            "{events} events in {} streams: filled in {:.1} s, index of {} MiB in {} files",
            shape.streams,
            start.elapsed().as_secs_f64(),
            index.bytes >> 20,
            index.runs
        );
        Self { dir: large.close(), shape }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Nanoseconds of opening. Closing isn't timed.
    fn open(&self) -> f64 {
        open(self.path()).as_nanos() as f64
    }

    /// The same after a process was killed that appended to it.
    fn open_killed(&self, events: u64) -> f64 {
        kill_growing(self.path(), self.shape, events);
        self.open()
    }
}

fn main() {
    serve();
    let run = Run::from_args();
    let sizes = run.pick(FULL, SHRUNK);
    let (small, large) = (Closed::filled(sizes.shape(1)), Closed::filled(sizes.shape(10)));
    let huge = std::env::var_os(HUGE_VARIABLE).map(|_| Closed::filled(sizes.shape(50)));
    if run.measures_rows() {
        let mut rows = Rows::of("open");
        rows_of_time(&mut rows, &small, &large, "10 M", sizes, Target::AtMost(1.5));
        if let Some(huge) = &huge {
            rows_of_time(&mut rows, &small, huge, "50 M", sizes, Target::None);
        }
        row_of_memory(&mut rows, &large, sizes);
        rows.finish();
    }
    let mut criterion = run.criterion();
    opening(&mut criterion, &small, &large);
    criterion.final_summary();
}

/// Opens the store in `dir`. Closing it isn't timed.
fn open(dir: &Path) -> Duration {
    let start = Instant::now();
    let store = Store::open(dir).expect("open the store again");
    let elapsed = start.elapsed();
    assert!(store.recovery().is_clean(), "a killed process leaves whole commits");
    store.close().wait().expect("close");
    elapsed
}

fn rows_of_time(rows: &mut Rows, small: &Closed, large: &Closed, of: &str, sizes: Sizes, target: Target) {
    let [base_closed, base_killed, closed, killed] = rounds(
        sizes.rounds,
        [&mut || small.open(), &mut || small.open_killed(sizes.killed), &mut || large.open(), &mut || {
            large.open_killed(sizes.killed)
        }],
    );
    rows.time(&format!("after close, {of} events / 1 M"), &closed, &base_closed, target);
    rows.time(&format!("after kill, {of} events / 1 M"), &killed, &base_killed, target);
}

fn row_of_memory(rows: &mut Rows, large: &Closed, sizes: Sizes) {
    let looked = memory_of_reading(large.path(), large.shape, sizes.reads);
    let mib = |bytes: u64| bytes >> 20;
    println!(
        "anonymous memory: {} MiB before opening, {} MiB after it, {} MiB after reading {} streams; with mapped files {} MiB \
         and {} MiB",
        mib(looked.before),
        mib(looked.opened.anonymous),
        mib(looked.read.anonymous),
        sizes.reads,
        mib(looked.opened.all),
        mib(looked.read.all),
    );
    let name = "memory beyond mapped files, 10 M events, 10,000 streams read / 150 MiB";
    rows.bytes(name, looked.read.anonymous, MEMORY_BYTES, Target::AtMost(1.0));
}

fn opening(criterion: &mut Criterion, small: &Closed, large: &Closed) {
    let mut group = criterion.benchmark_group("open");
    for (name, store) in [("1 M events", small), ("10 M events", large)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| (0..iterations).map(|_| open(store.path())).sum());
        });
    }
    group.finish();
}
