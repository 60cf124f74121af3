//! The store under measurement, filled with the workload.

use super::group::in_threads;
use super::run::scratch;
use super::workload::{BATCH, EVENT_TYPE, STREAMS, Workload, id};
use orchestrix::{Durability, Expected, NewEvent, Store};
use std::hint::black_box;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Events after which a bench goes on in a new store, so that it doesn't fill the disk.
const EVENTS_MAX: u64 = 2_000_000;

/// Where the ids of events come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// The caller has them.
    Given,
    /// Each new event draws one.
    Generated,
}

/// A store in a folder of its own.
pub struct Engine<'w> {
    store: Store,
    dir: TempDir,
    workload: &'w Workload,
    durability: Durability,
    /// Number of the next event.
    next: u64,
}

impl<'w> Engine<'w> {
    /// A new store in which every stream has an event.
    pub fn new(workload: &'w Workload, durability: Durability) -> Self {
        let dir = scratch();
        let store = Store::options().durability(durability).open(dir.path()).expect("open a store");
        let mut engine = Self { store, dir, workload, durability, next: 0 };
        engine.seed();
        engine
    }

    /// A new store with `events` events, in commits of one or of a hundred.
    pub fn filled(workload: &'w Workload, events: u64, batch: bool) -> Self {
        let dir = scratch();
        let store = Store::options().durability(Durability::Process).open(dir.path()).expect("open a store");
        let mut engine = Self { store, dir, workload, durability: Durability::Process, next: 0 };
        match batch {
            true => engine.batches(events / BATCH as u64, Ids::Given),
            false => engine.ones(events, Ids::Given),
        };
        engine
    }

    fn seed(&mut self) {
        for n in 0..STREAMS as u64 {
            let one = self.store.transaction().durability(Durability::Process);
            let event = event(self.workload, n, Ids::Given);
            one.append(self.workload.stream(n), Expected::Any, event).commit().wait().expect("append");
        }
        self.next = STREAMS as u64;
        self.settle();
    }

    /// Goes on in a new store if this one is large; syncs what there is, so that no round pays for the one before.
    pub fn settle(&mut self) {
        if self.next > EVENTS_MAX {
            *self = Self::new(self.workload, self.durability);
        }
        self.store.sync().wait().expect("sync");
    }

    /// Times `events` appends of one event, each made and appended.
    pub fn ones(&mut self, events: u64, ids: Ids) -> Duration {
        let elapsed = append_ones(&self.store, self.workload, self.next..self.next + events, ids);
        self.next += events;
        elapsed
    }

    /// The same with two tags an event, ids given.
    pub fn tagged(&mut self, events: u64) -> Duration {
        let (store, workload, numbers) = (&self.store, self.workload, self.next..self.next + events);
        let start = Instant::now();
        for n in numbers {
            let [room, shift] = workload.tags(n);
            let event = event(workload, n, Ids::Given).tag(room).tag(shift);
            black_box(store.append(workload.stream(n), Expected::Any, event).wait().expect("append"));
        }
        let elapsed = start.elapsed();
        self.next += events;
        elapsed
    }

    /// Times `commits` appends of a hundred events of one stream, each made and appended.
    pub fn batches(&mut self, commits: u64, ids: Ids) -> Duration {
        let (store, workload, batch) = (&self.store, self.workload, BATCH as u64);
        let mut events = Vec::with_capacity(BATCH);
        let start = Instant::now();
        for n in 0..commits {
            let first = self.next + n * batch;
            events.clear();
            events.extend((first..first + batch).map(|n| event(workload, n, ids)));
            black_box(
                store.append(workload.stream(first / batch), Expected::Any, &events).wait().expect("append"),
            );
        }
        let elapsed = start.elapsed();
        self.next += commits * batch;
        elapsed
    }

    /// Times `each` appends of one event in each of `threads` threads, each waited for.
    pub fn threads(&mut self, threads: u64, each: u64) -> Duration {
        let (store, workload) = (&self.store, self.workload);
        let elapsed = in_threads(threads, self.next, each, |n| {
            let event = event(workload, n, Ids::Given);
            black_box(store.append(workload.stream(n), Expected::Any, event).wait().expect("append"));
        });
        self.next += threads * each;
        elapsed
    }

    /// Events in the store.
    pub fn events(&self) -> u64 {
        self.next
    }

    /// Folder of the store.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// How bytes reach the segments, for the log of the bench.
    pub fn describe(&self) -> String {
        let stats = self.store.stats().expect("stats");
        format!("{:?}, written {:?}", self.durability, stats.write_mode)
    }

    /// Closes the store; its folder goes on.
    pub fn close(self) -> TempDir {
        self.store.close().wait().expect("close");
        self.dir
    }
}

/// Times one append for each number, each event made and appended.
pub fn append_ones(store: &Store, workload: &Workload, numbers: Range<u64>, ids: Ids) -> Duration {
    let start = Instant::now();
    for n in numbers {
        let event = event(workload, n, ids);
        black_box(store.append(workload.stream(n), Expected::Any, event).wait().expect("append"));
    }
    start.elapsed()
}

#[inline]
fn event(workload: &Workload, n: u64, ids: Ids) -> NewEvent<'_> {
    let data = black_box(workload.payload(n));
    match ids {
        Ids::Given => NewEvent::with_id(id(n), EVENT_TYPE, data),
        Ids::Generated => NewEvent::raw(EVENT_TYPE, data),
    }
}
