//! Work that blocks and is waited for by threads and tasks alike: done once, by the first thread that waits for it or by a
//! background job.

use super::core::Core;
use crate::error::Error;
use crate::medium::{Job, Jobs};
use crate::pending::{Pending, Work};
use event_listener::Event;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

type Act = Box<dyn FnOnce() -> Result<(), Error> + Send>;

pub(super) struct Blocking {
    jobs: Arc<dyn Jobs>,
    act: Mutex<Option<Act>>,
    result: OnceLock<Result<(), Error>>,
    done: Event,
    itself: Weak<Self>,
}

impl Blocking {
    pub(super) fn new(
        jobs: &Arc<dyn Jobs>,
        act: impl FnOnce() -> Result<(), Error> + Send + 'static,
    ) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            jobs: jobs.clone(),
            act: Mutex::new(Some(Box::new(act))),
            result: OnceLock::new(),
            done: Event::new(),
            itself: itself.clone(),
        })
    }
}

impl Work for Blocking {
    fn outcome(&self, _target: u64) -> Option<Result<(), Error>> {
        self.result.get().cloned()
    }

    fn lead(&self, _target: u64) -> bool {
        // Held until it is done: whoever comes meanwhile waits.
        let Some(mut act) = self.act.try_lock() else { return false };
        if let Some(act) = act.take() {
            self.result.get_or_init(act);
        }
        drop(act);
        self.done.notify(usize::MAX);
        true
    }

    fn request(&self, _target: u64) {
        if let Some(job) = self.itself.upgrade() {
            self.jobs.schedule(Duration::ZERO, job);
        }
    }

    fn event(&self) -> &Event {
        &self.done
    }
}

impl Job for Blocking {
    fn step(&self) -> Option<Duration> {
        self.lead(0);
        None
    }
}

/// Work that is begun, whether somebody waits for it or not; who does is told `value`.
pub(super) fn begin<T: Send + 'static>(
    core: &Core,
    value: T,
    act: impl FnOnce() -> Result<(), Error> + Send + 'static,
) -> Pending<T> {
    let work = Blocking::new(&core.log.medium.jobs, act);
    work.request(0);
    Pending::working(work, 0, value)
}
