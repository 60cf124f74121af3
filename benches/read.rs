//! What does reading cost above walking the same frames by hand, checking every checksum and summing the payload? The
//! whole log in both directions, and 10,000 random streams of a hundred events in both directions. The store was closed and
//! opened again, so nothing counts as checked from writing. Durability doesn't matter here; the store was filled with
//! `Process`.

mod common;

use common::engine::Engine;
use common::measure::{per_event, rounds};
use common::run::Run;
use common::scan::{Passed, Place, Segments};
use common::table::{Rows, Target};
use common::workload::Workload;
use criterion::{Criterion, Throughput};
use orchestrix::{EventRef, Store, View};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const KINDS: [(&str, bool); 2] = [("one event a commit", false), ("100 a commit", true)];

fn main() {
    let run = Run::from_args();
    let (events, passes) = run.pick((1_000_000, 15), (20_000, 3));
    let workload = Workload::new();
    let mut rows = run.measures_rows().then(|| Rows::of("read"));
    let mut criterion = run.criterion();
    for (kind, batch) in KINDS {
        let dir = Engine::filled(&workload, events, batch).close();
        if let Some(rows) = &mut rows {
            rows_of(rows, kind, dir.path(), passes);
        }
        read(&mut criterion, kind, dir.path());
    }
    if let Some(rows) = rows {
        rows.finish();
    }
    criterion.final_summary();
}

/// What is read: the store, and the same frames by hand.
struct Both {
    view: View,
    segments: Segments,
    /// Names and places of the streams, in an order that has nothing to do with that of the log.
    streams: Vec<(String, Vec<Place>)>,
    events: u64,
}

impl Both {
    fn open(dir: &Path) -> Self {
        let store = Store::open(dir).expect("open the store again");
        let segments = Segments::map(dir);
        let streams = segments.places();
        let events = streams.iter().map(|(_, places)| places.len() as u64).sum();
        Self { view: store.view(), segments, streams, events }
    }

    fn streams_forward(&self) -> Passed {
        let mut passed = Passed::default();
        for (name, _) in &self.streams {
            add(&mut passed, self.view.stream(name));
        }
        passed
    }

    fn streams_backward(&self) -> Passed {
        let mut passed = Passed::default();
        for (name, _) in &self.streams {
            add(&mut passed, self.view.stream(name).rev());
        }
        passed
    }

    fn streams_by_hand(&self) -> Passed {
        self.segments.read(self.streams.iter().flat_map(|(_, places)| places.iter().copied()))
    }
}

fn add<'v>(passed: &mut Passed, events: impl Iterator<Item = Result<EventRef<'v>, orchestrix::Error>>) {
    for event in events {
        passed.add(event.expect("an intact event").data());
    }
}

fn scan(view: &View) -> Passed {
    let mut passed = Passed::default();
    add(&mut passed, view.all());
    passed
}

fn scan_backward(view: &View) -> Passed {
    let mut passed = Passed::default();
    add(&mut passed, view.all().rev());
    passed
}

fn timed(work: impl FnOnce() -> Passed) -> (Duration, Passed) {
    let start = Instant::now();
    let passed = black_box(work());
    (start.elapsed(), passed)
}

fn rows_of(rows: &mut Rows, kind: &str, dir: &Path, passes: usize) {
    let expected = Segments::map(dir).scan();
    let measure = |work: &dyn Fn() -> Passed| {
        let (elapsed, passed) = timed(work);
        assert_eq!(passed, expected, "all events, all bytes");
        per_event(elapsed, passed.events)
    };
    // The first pass after opening, against the first one over a new mapping.
    let [first, first_floor] = rounds(
        passes,
        [
            &mut || {
                let store = Store::open(dir).expect("open the store again");
                let view = store.view();
                let nanoseconds = measure(&|| scan(&view));
                store.close().wait().expect("close");
                nanoseconds
            },
            &mut || {
                let segments = Segments::map(dir);
                measure(&|| segments.scan())
            },
        ],
    );
    rows.rate(&format!("scan, first pass, {kind} / by hand"), &first, &first_floor, Target::AtLeast(0.75));

    let both = Both::open(dir);
    let [second, backward, floor] = rounds(
        passes,
        [&mut || measure(&|| scan(&both.view)), &mut || measure(&|| scan_backward(&both.view)), &mut || {
            measure(&|| both.segments.scan())
        }],
    );
    rows.rate(&format!("scan, second pass, {kind} / by hand"), &second, &floor, Target::AtLeast(0.75));
    rows.rate(&format!("scan backward, {kind} / by hand forward"), &backward, &floor, Target::None);

    let [forward, backward, floor] = rounds(
        passes,
        [
            &mut || measure(&|| both.streams_forward()),
            &mut || measure(&|| both.streams_backward()),
            &mut || measure(&|| both.streams_by_hand()),
        ],
    );
    rows.rate(&format!("10,000 random streams, {kind} / by hand"), &forward, &floor, Target::None);
    rows.rate(
        &format!("10,000 random streams backward, {kind} / by hand forward"),
        &backward,
        &floor,
        Target::None,
    );
}

fn read(criterion: &mut Criterion, kind: &str, dir: &Path) {
    let both = Both::open(dir);
    let mut group = criterion.benchmark_group(format!("read, {kind}"));
    group.throughput(Throughput::Elements(both.events));
    group.bench_function("scan", |bencher| bencher.iter(|| scan(&both.view)));
    group.bench_function("scan backward", |bencher| bencher.iter(|| scan_backward(&both.view)));
    group.bench_function("scan by hand", |bencher| bencher.iter(|| both.segments.scan()));
    group.bench_function("random streams", |bencher| bencher.iter(|| both.streams_forward()));
    group.bench_function("random streams backward", |bencher| bencher.iter(|| both.streams_backward()));
    group.bench_function("random streams by hand", |bencher| bencher.iter(|| both.streams_by_hand()));
    group.finish();
}
