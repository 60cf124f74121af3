//! The pool that runs background work: a few threads for the whole process, however many stores it opens. A job that
//! panics is dropped, and the pool lives on. Never runs a step under its lock.

use super::{Job, Jobs};
use parking_lot::{Condvar, Mutex};
use std::collections::BinaryHeap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Most threads of a pool. Jobs beyond it wait for one.
const THREADS_MAX: usize = 4;
/// A delay that no clock can add counts as this one.
const DELAY_MAX: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Threads that run jobs when they are due. They start when there is something to do, and stay.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Notified when a job was added, or left behind by a thread that took another.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The job that is due next on top.
    waiting: BinaryHeap<Scheduled>,
    /// Numbers the jobs, so that those of the same time run in the order that they were scheduled in.
    sequence: u64,
    threads: usize,
    /// Threads that wait for a job or its time.
    idle: usize,
}

struct Scheduled {
    due: Instant,
    sequence: u64,
    job: Arc<dyn Job>,
}

impl Pool {
    /// The process's pool.
    pub(crate) fn shared() -> Arc<dyn Jobs> {
        static POOL: OnceLock<Arc<Pool>> = OnceLock::new();
        POOL.get_or_init(|| Arc::new(Pool::new())).clone()
    }

    fn new() -> Self {
        let shared = Shared { state: Mutex::new(State::default()), changed: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }
}

impl Jobs for Pool {
    fn schedule(&self, delay: Duration, job: Arc<dyn Job>) {
        let mut state = self.shared.state.lock();
        state.push(delay, job);
        self.shared.see_to_it(&mut state);
    }

    fn spawn(&self, name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        std::thread::Builder::new().name(name).spawn(work).map(drop)
    }
}

impl State {
    fn push(&mut self, delay: Duration, job: Arc<dyn Job>) {
        let now = Instant::now();
        let due = now.checked_add(delay).unwrap_or_else(|| now + DELAY_MAX);
        self.sequence += 1;
        self.waiting.push(Scheduled { due, sequence: self.sequence, job });
    }
}

impl Shared {
    /// Has a thread look at the next job: one that is idle, or a new one. If all are busy, the first that has finished
    /// its step looks; so does it if no thread could be started, and the next call tries again.
    fn see_to_it(self: &Arc<Self>, state: &mut State) {
        if state.waiting.is_empty() {
            return;
        }
        if state.idle > 0 {
            self.changed.notify_one();
        } else if state.threads < THREADS_MAX {
            let shared = self.clone();
            let name = format!("orchestrix-{}", state.threads + 1);
            if std::thread::Builder::new().name(name).spawn(move || shared.run()).is_ok() {
                state.threads += 1;
            }
        }
    }

    fn run(self: Arc<Self>) {
        let mut state = self.state.lock();
        loop {
            let next_due = state.waiting.peek().map(|next| next.due);
            if next_due.is_some_and(|due| due <= Instant::now()) {
                let job = state.waiting.pop().expect("it was looked at").job;
                // This thread may be busy for long, so another one must watch what is left.
                self.see_to_it(&mut state);
                drop(state);
                let again = step(job);
                state = self.state.lock();
                if let Some((delay, job)) = again {
                    state.push(delay, job);
                }
                continue;
            }
            state.idle += 1;
            match next_due {
                Some(due) => drop(self.changed.wait_until(&mut state, due)),
                None => self.changed.wait(&mut state),
            }
            state.idle -= 1;
        }
    }
}

/// Runs one step. `None` if the job has ended, or panicked; then it is dropped here, outside of any lock.
fn step(job: Arc<dyn Job>) -> Option<(Duration, Arc<dyn Job>)> {
    // A job that panicked is never run again, so nobody sees what it left half done.
    catch_unwind(AssertUnwindSafe(move || job.step().map(|delay| (delay, job)))).unwrap_or_else(|payload| {
        // Dropping what was thrown may panic once more.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
        None
    })
}

impl Ord for Scheduled {
    /// The greatest is due first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.due, other.sequence).cmp(&(self.due, self.sequence))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scheduled {}

#[cfg(test)]
mod tests;
