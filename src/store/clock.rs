//! What consumers wait by, and where their threads come from.

#[cfg(any(test, feature = "testing"))]
use crate::medium::Bugs;
use crate::medium::{Job, Jobs, Medium, TimeSource};
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
    /// Seeded bugs of the medium, for what is built on it.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) bugs: Bugs,
}

impl Clock {
    pub(super) fn of(medium: &Medium) -> Self {
        Self {
            time: medium.time.clone(),
            jobs: medium.jobs.clone(),
            #[cfg(any(test, feature = "testing"))]
            bugs: medium.bugs,
        }
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
        Self::of(&Medium::heap())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
