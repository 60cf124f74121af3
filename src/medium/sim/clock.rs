//! Simulated time and chance. Time moves by a microsecond a look, by what is slept, and by what a test adds.

use super::Rng;
use crate::medium::{Entropy, TimeSource};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// 2024-01-01T00:00:00Z in nanoseconds.
const FIRST_NOW: i64 = 1_704_067_200_000_000_000;
const LOOK_NANOS: u64 = 1_000;

/// A clock that only moves when it is looked at or told to, and a seeded source of random numbers.
pub(crate) struct SimTime {
    now: AtomicI64,
    monotonic_nanos: AtomicU64,
    rng: Mutex<Rng>,
}

impl SimTime {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: AtomicI64::new(FIRST_NOW),
            monotonic_nanos: AtomicU64::new(0),
            rng: Mutex::new(Rng::new(seed ^ 0x7469_6D65)),
        }
    }

    /// The clock of the next life: time goes on, the numbers are other ones.
    pub(crate) fn next_life(&self, seed: u64) -> Self {
        let next = Self::new(seed);
        next.now.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
        next
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.monotonic_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.now.fetch_add(nanos as i64, Ordering::Relaxed);
    }

    /// Moves the wall clock, forward or back; the monotonic one doesn't notice.
    pub(crate) fn jump(&self, nanos: i64) {
        self.now.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl TimeSource for SimTime {
    fn now(&self) -> i64 {
        self.now.fetch_add(LOOK_NANOS as i64, Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.monotonic_nanos.fetch_add(LOOK_NANOS, Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) {
        self.pass(duration);
    }
}

impl Entropy for SimTime {
    fn fill(&self, bytes: &mut [u8]) {
        self.rng.lock().fill(bytes);
    }
}
