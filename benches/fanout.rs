//! What do subscribers cost who appends, how fast are events delivered, and how soon? One producer of 64-byte events; beside it
//! subscribers that are parked at the end, and subscribers that read everything. Appends are measured in the processor time of
//! the appending thread, since whoever is woken runs on the same two cores; wall time stands beside it. The base of delivering
//! is a cursor over a shared log in memory, written by hand; that of latency a channel.

mod common;

use common::measure::{per_event, rounds};
use common::run::{Run, scratch};
use common::scan::Passed;
use common::shared_log::SharedLog;
use common::table::{Rows, Target};
use criterion::{Criterion, Throughput};
use hdrhistogram::Histogram;
use orchestrix::{Durability, Expected, NewEvent, Start, Store, Watermark};
use rustix::time::{ClockId, clock_gettime};
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use uuid::Uuid;

const PAYLOAD_BYTES: usize = 64;
const STREAMS: u64 = 1_000;
/// Stores are begun anew after so many events, so that no run fills the disk.
const EVENTS_MAX: u64 = 3_000_000;

#[derive(Clone, Copy)]
struct Sizes {
    rounds: usize,
    /// Appends of a round.
    appends: u64,
    /// Events that readers read.
    events: u64,
    /// Events whose way is timed.
    timed: u64,
}

fn main() {
    let run = Run::from_args();
    let full = Sizes { rounds: 25, appends: 50_000, events: 1_500_000, timed: 5_000 };
    let sizes = run.pick(full, Sizes { rounds: 3, appends: 500, events: 5_000, timed: 50 });
    if run.measures_rows() {
        let mut rows = Rows::of("fanout");
        idle(&mut rows, sizes);
        delivering(&mut rows, sizes);
        rows.finish();
        latency(sizes);
    }
    let mut criterion = run.criterion();
    append_beside(&mut criterion, sizes);
    criterion.final_summary();
}

fn payload(n: u64) -> [u8; PAYLOAD_BYTES] {
    let mut payload = [7; PAYLOAD_BYTES];
    payload[..8].copy_from_slice(&n.to_le_bytes());
    payload
}

fn event(n: u64) -> NewEvent<'static> {
    NewEvent::with_id(Uuid::from_u64_pair(0x7000, 0x8000_0000_0000_0000 | n), "t", payload(n).to_vec())
}

/// A store with subscribers that are parked at its end.
struct Parked {
    store: Store,
    _dir: TempDir,
    names: Vec<String>,
    next: u64,
    seen: Arc<AtomicU64>,
    subscribers: Vec<JoinHandle<()>>,
    watermark: Watermark,
}

impl Parked {
    fn new(subscribers: usize, watermark: Watermark) -> Self {
        let dir = scratch();
        let store = Store::options().durability(Durability::Process).open(dir.path()).expect("open");
        let names = (0..STREAMS).map(|n| format!("s-{n}")).collect();
        let seen = Arc::new(AtomicU64::new(0));
        let subscribers = (0..subscribers).map(|_| subscriber(&store, watermark, &seen)).collect();
        let mut parked = Self { store, _dir: dir, names, next: 0, seen, subscribers, watermark };
        parked.append(STREAMS);
        parked.settle();
        parked
    }

    /// Nobody beside it, and so many events, in commits of so many.
    fn filled(events: u64, batch: u64) -> Self {
        let filled = Self::new(0, Watermark::Committed);
        assert!(batch <= STREAMS && events.is_multiple_of(batch) && STREAMS.is_multiple_of(batch));
        for first in (STREAMS..events).step_by(batch as usize) {
            let batch: Vec<_> = (first..first + batch).map(event).collect();
            let stream = &filled.names[(first % STREAMS) as usize];
            filled.store.append(stream, Expected::Any, &batch).wait().expect("append");
        }
        filled.store.sync().wait().expect("sync");
        filled
    }

    fn append(&mut self, events: u64) {
        for n in self.next..self.next + events {
            let stream = &self.names[(n % STREAMS) as usize];
            black_box(self.store.append(stream, Expected::Any, event(n)).wait().expect("append"));
        }
        self.next += events;
    }

    /// Everybody has seen everything and sleeps again.
    fn settle(&mut self) {
        if self.next > EVENTS_MAX {
            *self = Self::new(self.subscribers.len(), self.watermark);
        }
        self.store.sync().wait().expect("sync");
        while self.seen.load(Ordering::Relaxed) < self.next * self.subscribers.len() as u64 {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(2));
    }

    /// Processor time of this thread and wall time, nanoseconds an append.
    fn time(&mut self, appends: u64) -> (f64, f64) {
        self.settle();
        let (processor, wall) = (processor_time(), Instant::now());
        self.append(appends);
        let (processor, wall) = (processor_time() - processor, wall.elapsed());
        (per_event(processor, appends), per_event(wall, appends))
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.store.close().wait().expect("close");
        self.subscribers.drain(..).for_each(|subscriber| subscriber.join().expect("no panic"));
    }
}

fn subscriber(store: &Store, watermark: Watermark, seen: &Arc<AtomicU64>) -> JoinHandle<()> {
    let subscription = store.subscribe();
    let subscription = match watermark {
        Watermark::Committed => subscription.committed(),
        _ => subscription,
    };
    let mut live = subscription.open().expect("a subscription");
    let seen = seen.clone();
    thread::spawn(move || {
        while let Some(batch) = live.next_batch().wait().expect("a batch") {
            let mut passed = Passed::default();
            batch.iter().for_each(|event| passed.add(event.data()));
            black_box(passed);
            seen.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
    })
}

/// Processor time of the calling thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn idle(rows: &mut Rows, sizes: Sizes) {
    let kinds = [
        ("0 subscribers (the harness)", 0, Watermark::Committed, Target::None),
        ("1 parked subscriber", 1, Watermark::Committed, Target::None),
        ("4 parked subscribers", 4, Watermark::Committed, Target::None),
        ("16 parked subscribers", 16, Watermark::Committed, Target::None),
        ("256 parked subscribers that see committed", 256, Watermark::Committed, Target::AtMost(1.1)),
        ("256 parked subscribers that see synced", 256, Watermark::Synced, Target::AtMost(1.1)),
    ];
    for (name, subscribers, watermark, target) in kinds {
        let (mut none, mut some) = (Parked::new(0, watermark), Parked::new(subscribers, watermark));
        let walls = RefCell::new([Vec::new(), Vec::new()]);
        let note = |side: usize, (processor, wall): (f64, f64)| {
            walls.borrow_mut()[side].push(wall);
            processor
        };
        let [base, ours] = rounds(
            sizes.rounds,
            [&mut || note(0, none.time(sizes.appends)), &mut || note(1, some.time(sizes.appends))],
        );
        rows.time(&format!("append beside {name} / none, processor time"), &ours, &base, target);
        let [base, ours] = walls.into_inner();
        rows.time(&format!("append beside {name} / none, wall time"), &ours, &base, Target::None);
    }
}

/// Readers of everything that is there, each on a thread: nanoseconds a delivery. More than a cache holds.
fn delivering(rows: &mut Rows, sizes: Sizes) {
    let shared = SharedLog::new(sizes.events, PAYLOAD_BYTES);
    (0..sizes.events).for_each(|n| shared.append(&payload(n)));
    for (how, batch) in [("one event a commit", 1), ("100 events a commit", 100)] {
        let filled = Parked::filled(sizes.events, batch);
        let store = &filled.store;
        let read = || {
            let mut live = store.subscribe().committed().open().expect("a subscription");
            let mut passed = Passed::default();
            while passed.events < sizes.events {
                let batch = live.poll_batch().expect("a batch").expect("open");
                batch.iter().for_each(|event| passed.add(event.data()));
            }
            passed
        };
        assert_eq!(read(), shared.follow(sizes.events), "both deliver the same");
        for readers in [1, 4, 16] {
            let side = |work: &(dyn Fn() -> Passed + Sync)| {
                let start = Instant::now();
                thread::scope(|scope| {
                    (0..readers).for_each(|_| drop(scope.spawn(|| black_box(work()))));
                });
                per_event(start.elapsed(), readers * sizes.events)
            };
            let [ours, base] = rounds(
                sizes.rounds.div_ceil(8),
                [&mut || side(&read), &mut || side(&|| shared.follow(sizes.events))],
            );
            let target = if readers == 16 { Target::AtLeast(0.5) } else { Target::None };
            rows.rate(&format!("deliveries, {readers} readers, {how} / by hand"), &ours, &base, target);
        }
    }
}

/// From the call of an append to the hands of a subscriber that waits, one event at a time.
fn latency(sizes: Sizes) {
    println!("from an append to the hands of who waits, microseconds (p50, p99, p99.9)");
    let (store, _dir) = {
        let dir = scratch();
        (Store::options().durability(Durability::Process).open(dir.path()).expect("open"), dir)
    };
    let began = Instant::now();
    let append = |n: u64| {
        let now = began.elapsed().as_nanos() as u64;
        store
            .append(format!("s-{}", n % 7), Expected::Any, NewEvent::raw("t", now.to_le_bytes().to_vec()))
            .wait()
            .expect("append");
    };
    let follow = |batches: &mut dyn FnMut() -> orchestrix::Batch| {
        let mut times = histogram();
        while times.len() < sizes.timed {
            let batch = batches();
            let now = began.elapsed().as_nanos() as u64;
            batch.iter().for_each(|event| note(&mut times, now, event.data()));
        }
        times
    };
    let spaced = |send: &dyn Fn(u64)| {
        (0..sizes.timed).for_each(|n| {
            send(n);
            thread::sleep(Duration::from_micros(100));
        });
    };
    let subscription = || store.subscribe().committed().start(Start::End).open().expect("a subscription");
    let mut live = subscription();
    let by_thread = thread::scope(|scope| {
        let reading =
            scope.spawn(|| follow(&mut || live.next_batch().wait().expect("a batch").expect("open")));
        spaced(&append);
        reading.join().expect("no panic")
    });
    report("a thread", &by_thread);
    let mut live = subscription();
    let by_task = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            smol::block_on(async {
                let mut times = histogram();
                while times.len() < sizes.timed {
                    let batch = live.next_batch().await.expect("a batch").expect("open");
                    let now = began.elapsed().as_nanos() as u64;
                    batch.iter().for_each(|event| note(&mut times, now, event.data()));
                }
                times
            })
        });
        spaced(&append);
        reading.join().expect("no panic")
    });
    report("a task", &by_task);
    by_channel(sizes, began, spaced);
    store.close().wait().expect("close");
}

/// The same through a channel in memory.
fn by_channel(sizes: Sizes, began: Instant, spaced: impl Fn(&dyn Fn(u64))) {
    let (sender, receiver) = crossbeam_channel::unbounded::<[u8; 8]>();
    let times = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut times = histogram();
            while times.len() < sizes.timed {
                let sent = receiver.recv().expect("a message");
                note(&mut times, began.elapsed().as_nanos() as u64, &sent);
            }
            times
        });
        spaced(&|_| sender.send((began.elapsed().as_nanos() as u64).to_le_bytes()).expect("a receiver"));
        reading.join().expect("no panic")
    });
    report("crossbeam-channel, a thread", &times);
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits")
}

fn note(times: &mut Histogram<u64>, now: u64, sent: &[u8]) {
    let sent = u64::from_le_bytes(sent.try_into().expect("a time"));
    times.record(now.saturating_sub(sent)).expect("any time");
}

fn report(who: &str, times: &Histogram<u64>) {
    let [half, most, nearly_all] =
        [0.5, 0.99, 0.999].map(|share| times.value_at_quantile(share) as f64 / 1e3);
    println!("  {who:30} {half:9.1} {most:9.1} {nearly_all:9.1}");
}

fn append_beside(criterion: &mut Criterion, sizes: Sizes) {
    let mut group = criterion.benchmark_group("append, parked subscribers beside it");
    group.throughput(Throughput::Elements(sizes.appends));
    for subscribers in [0, 16] {
        let mut parked = Parked::new(subscribers, Watermark::Committed);
        group.bench_function(subscribers.to_string(), |bencher| {
            bencher.iter_custom(|iterations| {
                let total: f64 = (0..iterations).map(|_| parked.time(sizes.appends).1).sum();
                Duration::from_nanos((total * sizes.appends as f64) as u64)
            });
        });
    }
    group.finish();
}
