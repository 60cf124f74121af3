//! What does a consumer cost above a bare subscription loop, what do events that fail and are tried again cost, and what does it
//! remember of what waits behind one that does? Events of 64 bytes in 1,000 streams, on disk. The handlers do nothing, so what is
//! measured is handing out, order and progress. Progress is saved as by default, but for how many may be in flight.

mod common;

use common::measure::{per_event, rounds};
use common::memory::Resident;
use common::run::{Run, scratch};
use common::table::{Rows, Target};
use criterion::{Criterion, Throughput};
use orchestrix::prelude::*;
use orchestrix::{Durability, RetryPolicy, RunningConsumer, Start};
use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PAYLOAD_BYTES: usize = 64;
const STREAMS: u64 = 1_000;
const IN_FLIGHT_MAX: usize = 8_192;
/// One event of so many fails at its first attempt.
const FAILING: u64 = 100;

#[derive(Clone, Copy)]
struct Sizes {
    rounds: usize,
    events: u64,
    /// Events that wait behind one that fails.
    waiting: u64,
}

fn main() {
    let run = Run::from_args();
    let full = Sizes { rounds: 11, events: 1_000_000, waiting: 1_000_000 };
    let sizes = run.pick(full, Sizes { rounds: 2, events: 5_000, waiting: 2_000 });
    let filled = Filled::new(sizes.events);
    if run.measures_rows() {
        let mut rows = Rows::of("dispatch");
        handing_out(&mut rows, &filled, sizes);
        rows.finish();
        waiting(sizes);
    }
    let mut criterion = run.criterion();
    consumers(&mut criterion, &filled);
    criterion.final_summary();
}

/// A store with events.
struct Filled {
    store: Store,
    _dir: TempDir,
    last: Position,
    events: u64,
    /// Consumers that were run: each is a new one.
    consumers: Cell<u64>,
}

/// One of a hundred events, of whatever stream.
fn is_failing(position: Position) -> bool {
    (position.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32).is_multiple_of(FAILING)
}

fn append(store: &Store, stream: &str, count: u64) {
    let events: Vec<_> = (0..count).map(|_| NewEvent::raw("t", vec![7; PAYLOAD_BYTES])).collect();
    drop(store.append(stream, Any, events));
}

impl Filled {
    fn new(events: u64) -> Self {
        let dir = scratch();
        let store = Store::options().durability(Durability::Process).open(dir.path()).expect("a store");
        for n in 0..events {
            append(&store, &format!("s-{}", n * 7 % STREAMS), 1);
        }
        store.sync().wait().expect("a sync");
        Self { last: store.view().watermark(), store, _dir: dir, events, consumers: Cell::new(0) }
    }

    /// A bare loop over everything.
    fn subscribe(&self) -> Duration {
        let start = Instant::now();
        let mut cursor = self.store.subscribe().open().expect("a subscription");
        let mut bytes = 0;
        while cursor.position() < self.last {
            let batch = cursor.next_batch().wait().expect("a batch").expect("an open store");
            bytes += batch.iter().map(|event| event.data().len()).sum::<usize>();
        }
        black_box(bytes);
        start.elapsed()
    }

    /// A new consumer, until it has handled everything.
    fn consume(&self, workers: usize, fails: bool) -> Duration {
        self.consumers.set(self.consumers.get() + 1);
        let policy = RetryPolicy::fixed(Duration::from_millis(1)).expect("a policy");
        let start = Instant::now();
        let consumer = Consumer::named(format!("consumer-{}", self.consumers.get()))
            .workers(workers)
            .in_flight_max(IN_FLIGHT_MAX)
            .retry(policy)
            .handle(move |event: Delivery| {
                black_box(event.event().data().len());
                if fails && event.attempt() == 1 && is_failing(event.position()) {
                    return Err("not yet".into());
                }
                Ok(Ack)
            })
            .start(&self.store)
            .expect("a consumer");
        consumer.wait_for(self.last).wait().expect("it is reached");
        let elapsed = start.elapsed();
        consumer.shutdown(Duration::from_secs(10)).wait().expect("it ends in order");
        elapsed
    }
}

fn handing_out(rows: &mut Rows, filled: &Filled, sizes: Sizes) {
    let events = filled.events;
    let [bare, one, two, failing] = rounds(
        sizes.rounds,
        [
            &mut || per_event(filled.subscribe(), events),
            &mut || per_event(filled.consume(1, false), events),
            &mut || per_event(filled.consume(2, false), events),
            &mut || per_event(filled.consume(1, true), events),
        ],
    );
    rows.rate("no-op, 1 worker / bare subscription", &one, &bare, Target::AtLeast(0.04));
    rows.rate("no-op, 2 workers / bare subscription", &two, &bare, Target::AtLeast(0.04));
    rows.rate("1 % fail once, tried again / none fails", &failing, &one, Target::AtLeast(0.5));
}

/// Memory beside the mapped files while events wait behind one that fails.
fn waiting(sizes: Sizes) {
    let store = Store::options().durability(Durability::Process);
    let dir = scratch();
    let store = store.open(dir.path()).expect("a store");
    let consumer = stuck(&store);
    append(&store, "bad-1", 1);
    store.sync().wait().expect("a sync");
    let before = Resident::now().anonymous;
    for _ in 0..sizes.waiting / 1_000 {
        append(&store, "bad-1", 1_000);
    }
    append(&store, "good-1", 1);
    store.sync().wait().expect("a sync");
    let last = store.view().watermark();
    while consumer.status().lag.events > 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let grown = Resident::now().anonymous.saturating_sub(before);
    println!(
        "memory with {} events of a stream waiting behind its first, up to position {last}: {:.1} MiB more, {} events kept",
        sizes.waiting,
        grown as f64 / f64::from(1 << 20),
        consumer.status().lag.events,
    );
    consumer.abort().wait().expect("it ends in order");
}

fn stuck(store: &Store) -> RunningConsumer {
    let policy = RetryPolicy::fixed(Duration::from_secs(3_600)).expect("a policy").max_retries(u32::MAX);
    let consumer = Consumer::named("stuck").begin(Start::Beginning).retry(policy);
    let consumer = consumer.handle(|event: Delivery| match event.stream() {
        "bad-1" => Err("not yet".into()),
        _ => Ok(Ack),
    });
    consumer.start(store).expect("a consumer")
}

fn consumers(criterion: &mut Criterion, filled: &Filled) {
    let mut group = criterion.benchmark_group("dispatch");
    group.throughput(Throughput::Elements(filled.events));
    group.bench_function("bare subscription", |bencher| {
        bencher.iter_custom(|iterations| (0..iterations).map(|_| filled.subscribe()).sum());
    });
    for workers in [1, 2] {
        group.bench_function(format!("no-op, {workers} workers"), |bencher| {
            bencher.iter_custom(|iterations| (0..iterations).map(|_| filled.consume(workers, false)).sum());
        });
    }
    group.bench_function("1 % fail once", |bencher| {
        bencher.iter_custom(|iterations| (0..iterations).map(|_| filled.consume(1, true)).sum());
    });
    group.finish();
}
