//! What is read by the index, against a walk over everything that picks the same events; and does a condition of an append
//! cost more the more events there are? 10 million events in 100,000 streams of a hundred each, 1 million in 10,000. One event
//! in a thousand has a rare type, a rare tag, or two tags that are common. Everything is warm. Durability: `Process`.

mod common;

use common::large::{COMMON_TAGS, Large, RARE_TAG, RARE_TYPE, Shape};
use common::measure::{Samples, rounds};
use common::run::Run;
use common::scan::Passed;
use common::table::{Rows, Target};
use criterion::Criterion;
use orchestrix::{Durability, Expected, NewEvent, Position, Query, View};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How much is done.
#[derive(Clone, Copy)]
struct Sizes {
    million: u64,
    segment_bytes: u64,
    rounds: usize,
    /// Appends with a condition in a round.
    appends: u64,
}

const FULL: Sizes = Sizes { million: 1_000_000, segment_bytes: 64 << 20, rounds: 5, appends: 5_000 };
const SHRUNK: Sizes = Sizes { million: 10_000, segment_bytes: 1 << 20, rounds: 2, appends: 100 };

/// Streams of a hundred events.
fn filled(sizes: Sizes, millions: u64) -> Large {
    let events = millions * sizes.million;
    let streams = events / 100;
    let start = Instant::now();
    let large = Large::fill(Shape { events, streams, segment_bytes: sizes.segment_bytes, marked: true });
    large.settle();
    println!(
        "{} events in {streams} streams: filled in {:.1} s",
        large.events(),
        start.elapsed().as_secs_f64()
    );
    large
}

/// What is read, each with a name: about one event in a thousand.
fn queries() -> [(&'static str, Query); 4] {
    [
        ("a type", Query::types([RARE_TYPE])),
        ("a tag", Query::tags([RARE_TAG])),
        ("two tags, each of 1 in 32", Query::tags(COMMON_TAGS)),
        ("a type or a tag", Query::types([RARE_TYPE]).and_tags([COMMON_TAGS[0]]).or(Query::tags([RARE_TAG]))),
    ]
}

fn main() {
    let run = Run::from_args();
    let sizes = run.pick(FULL, SHRUNK);
    let large = filled(sizes, 10);
    if run.measures_rows() {
        let small = filled(sizes, 1);
        let mut rows = Rows::of("query");
        rows_of_reads(&mut rows, &large.store.view(), sizes);
        row_of_conditions(&mut rows, &small, &large, sizes);
        row_of_size(&mut rows, &large);
        rows.finish();
    }
    let mut criterion = run.criterion();
    reads(&mut criterion, &large.store.view());
    criterion.final_summary();
}

fn by_index(view: &View, query: &Query) -> Passed {
    let mut passed = Passed::default();
    view.query(query).for_each(|event| passed.add(event.expect("an intact event").data()));
    passed
}

fn by_scan(view: &View, query: &Query) -> Passed {
    let mut passed = Passed::default();
    for event in view.all() {
        let event = event.expect("an intact event");
        if query.matches(event) {
            passed.add(event.data());
        }
    }
    passed
}

/// Nanoseconds for each event that is found.
fn timed(read: impl FnOnce() -> Passed, expected: Passed) -> f64 {
    let start = Instant::now();
    let passed = black_box(read());
    let elapsed = start.elapsed();
    assert_eq!(passed, expected, "the same events either way");
    elapsed.as_nanos() as f64 / passed.events as f64
}

fn rows_of_reads(rows: &mut Rows, view: &View, sizes: Sizes) {
    for (name, query) in queries() {
        let expected = by_scan(view, &query);
        let [index, scan] = rounds(
            sizes.rounds,
            [&mut || timed(|| by_index(view, &query), expected), &mut || {
                timed(|| by_scan(view, &query), expected)
            }],
        );
        let share = expected.events as f64 / view.watermark().0 as f64;
        println!("{name}: {} events, {:.3} %", expected.events, 100.0 * share);
        rows.rate(
            &format!("{name}, 0.1 % of 10 M, by index / by scan"),
            &index,
            &scan,
            Target::AtLeast(50.0),
        );
    }
}

/// Appends that hold if nothing with a tag was added since the newest such event was seen, each of one event to a stream.
fn conditions(large: &Large, appends: u64) -> Duration {
    let (store, rare) = (&large.store, Query::tags([RARE_TAG]));
    let view = store.view();
    let newest = view.query(&rare).next_back().map(|event| event.expect("an intact event").position());
    let after = newest.unwrap_or(Position::START);
    drop(view);
    let start = Instant::now();
    for n in 0..appends {
        let event = NewEvent::raw("MeterReading", &[7; 256]);
        let commit = store.transaction().append(format!("decision-{n}"), Expected::Any, event);
        let commit = commit.durability(Durability::Process).fail_if_any(rare.clone(), after);
        black_box(commit.commit().wait().expect("the condition holds"));
    }
    start.elapsed()
}

fn row_of_conditions(rows: &mut Rows, small: &Large, large: &Large, sizes: Sizes) {
    let each = |of: &Large| conditions(of, sizes.appends).as_nanos() as f64 / sizes.appends as f64;
    let [base, ours]: [Samples; 2] = rounds(4 * sizes.rounds, [&mut || each(small), &mut || each(large)]);
    rows.time("condition with its append, 10 M events / 1 M", &ours, &base, Target::AtMost(1.5));
}

/// What the runs take for each key of the events that they cover.
fn row_of_size(rows: &mut Rows, large: &Large) {
    let stats = large.store.stats().expect("stats");
    let covered = large.segment_events * (stats.segments - 1);
    let keys = large.shape().keys(covered);
    rows.bytes_each(
        "index on disk / key of an event, 100 events a stream",
        stats.index.bytes,
        keys,
        Target::AtMost(6.0),
    );
}

fn reads(criterion: &mut Criterion, view: &View) {
    let mut group = criterion.benchmark_group("query, 10 M events");
    for (name, query) in queries() {
        group.bench_function(name, |bencher| bencher.iter(|| by_index(view, &query)));
    }
    group.finish();
}
