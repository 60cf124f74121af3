//! Background work that runs only when a test says so, on the test's own thread, in an order that follows from a seed.

use super::{Rng, SimTime};
use crate::medium::{Job, Jobs, TimeSource};
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The seeded scheduler.
pub(crate) struct SimJobs {
    time: Arc<SimTime>,
    queue: Mutex<Vec<Queued>>,
}

struct Queued {
    due: Duration,
    job: Arc<dyn Job>,
}

impl SimJobs {
    pub(crate) fn new(time: Arc<SimTime>) -> Self {
        Self { time, queue: Mutex::new(Vec::new()) }
    }

    /// How many steps are waiting, due or not.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().len()
    }

    /// Runs one waiting step, whichever `rng` picks; time moves to when it is due. `false` if none waits.
    pub(crate) fn run_one(&self, rng: &mut Rng) -> bool {
        let count = self.waiting() as u64;
        count > 0 && self.run_at(rng.below(count) as usize)
    }

    /// Runs what is due by now, in the order in which it became due, at most `steps_max` steps. Returns how many.
    pub(crate) fn run_due(&self, steps_max: usize) -> usize {
        let now = self.time.monotonic();
        (0..steps_max).take_while(|_| self.next_due(now).is_some_and(|index| self.run_at(index))).count()
    }

    fn next_due(&self, now: Duration) -> Option<usize> {
        let queue = self.queue.lock();
        let due = queue.iter().enumerate().filter(|(_, queued)| queued.due <= now);
        due.min_by_key(|(index, queued)| (queued.due, *index)).map(|(index, _)| index)
    }

    fn run_at(&self, index: usize) -> bool {
        let Queued { due, job } = self.queue.lock().remove(index);
        let now = self.time.monotonic();
        if due > now {
            self.time.pass(due - now);
        }
        if let Some(delay) = job.step() {
            self.schedule(delay, job);
        }
        true
    }
}

impl Jobs for SimJobs {
    fn schedule(&self, delay: Duration, job: Arc<dyn Job>) {
        let due = self.time.monotonic().saturating_add(delay);
        self.queue.lock().push(Queued { due, job });
    }

    /// A thread would do as it likes: what runs here is polled by the test.
    fn spawn(&self, name: String, _work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let why = format!("a simulated machine runs tasks only, and {name:?} would be a thread");
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }
}
