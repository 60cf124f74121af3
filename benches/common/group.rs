//! Group commit by hand: whoever finds nobody syncing syncs for all who have written; the others wait.

use super::floor::FloorLog;
use super::workload::{PAYLOAD_BYTES, Workload};
use parking_lot::{Condvar, Mutex};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// The floor's log with synced appends.
pub struct GroupCommit {
    log: FloorLog,
    synced: Mutex<Synced>,
    moved: Condvar,
}

struct Synced {
    to: usize,
    leading: bool,
}

impl GroupCommit {
    /// An empty log.
    pub fn new(workload: &Workload) -> Self {
        Self {
            log: FloorLog::new(workload),
            synced: Mutex::new(Synced { to: 0, leading: false }),
            moved: Condvar::new(),
        }
    }

    /// Begins anew, if there is no room for so many records.
    fn make_room(&mut self, records: u64) {
        self.log.make_room(records, PAYLOAD_BYTES);
        self.synced.get_mut().to = self.log.end();
    }

    /// Appends, and returns once the record is on stable storage.
    pub fn append(&self, stream: &str, payload: &[u8]) {
        let end = self.log.append(stream, payload);
        let mut synced = self.synced.lock();
        while synced.to < end {
            if synced.leading {
                self.moved.wait(&mut synced);
                continue;
            }
            synced.leading = true;
            let from = synced.to;
            drop(synced);
            let to = self.log.end();
            self.log.sync(from, to);
            synced = self.synced.lock();
            (synced.to, synced.leading) = (to, false);
            self.moved.notify_all();
        }
    }

    /// Times `each` appends in each of `threads` threads.
    pub fn time(&mut self, workload: &Workload, threads: u64, each: u64) -> Duration {
        self.make_room(threads * each);
        in_threads(threads, 0, each, |n| self.append(workload.stream(n), workload.payload(n)))
    }
}

/// Runs `append(n)` for `each` numbers in each of `threads` threads; the time from the first start to the last end.
pub fn in_threads(threads: u64, first: u64, each: u64, append: impl Fn(u64) + Sync) -> Duration {
    let barrier = Barrier::new(threads as usize + 1);
    thread::scope(|scope| {
        for thread in 0..threads {
            let (barrier, append) = (&barrier, &append);
            scope.spawn(move || {
                barrier.wait();
                (0..each).for_each(|n| append(first + n * threads + thread));
                barrier.wait();
            });
        }
        barrier.wait();
        let start = Instant::now();
        barrier.wait();
        start.elapsed()
    })
}
