//! What consumers wait by, and where their threads come from.

use crate::medium::{Job, Jobs, Pool, SystemTimeSource, TimeSource};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The clock that the consumers of a store wait by, and the pool that wakes them. Default: those of the machine. The embedded
/// store gives its own, which on a simulated machine are simulated; a store that is built on another one hands on that one's.
#[derive(Clone)]
pub struct Clock {
    time: Arc<dyn TimeSource>,
    jobs: Arc<dyn Jobs>,
}

impl Clock {
    pub(super) fn new(time: &Arc<dyn TimeSource>, jobs: &Arc<dyn Jobs>) -> Self {
        Self { time: time.clone(), jobs: jobs.clone() }
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub(crate) fn now(&self) -> i64 {
        self.time.now()
    }

    /// Time since some fixed moment; never goes back.
    pub(crate) fn monotonic(&self) -> Duration {
        self.time.monotonic()
    }

    /// Runs a step of `job` after `delay`, on a thread of the pool.
    pub(crate) fn schedule(&self, delay: Duration, job: Arc<dyn Job>) {
        self.jobs.schedule(delay, job);
    }

    /// Runs `work`, which may block, on a thread of its own.
    pub(crate) fn spawn(&self, name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        self.jobs.spawn(name, work)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self { time: Arc::new(SystemTimeSource::new()), jobs: Pool::shared() }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
