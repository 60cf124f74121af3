//! A close that is under way: done once, by the first thread that waits for it or by a background job.

use crate::error::Error;
use crate::log::WriteSide;
use crate::medium::Job;
use crate::pending::Work;
use event_listener::Event;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

pub(super) struct Closing {
    side: Arc<WriteSide>,
    result: OnceLock<Result<(), Error>>,
    working: Mutex<()>,
    done: Event,
    itself: Weak<Self>,
}

impl Closing {
    pub(super) fn begin(side: Arc<WriteSide>) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            side,
            result: OnceLock::new(),
            working: Mutex::new(()),
            done: Event::new(),
            itself: itself.clone(),
        })
    }
}

impl Work for Closing {
    fn outcome(&self, _target: u64) -> Option<Result<(), Error>> {
        self.result.get().cloned()
    }

    fn lead(&self, _target: u64) -> bool {
        let Some(_one) = self.working.try_lock() else { return false };
        self.result.get_or_init(|| self.side.close());
        self.done.notify(usize::MAX);
        true
    }

    fn request(&self, _target: u64) {
        if let Some(job) = self.itself.upgrade() {
            self.side.medium.jobs.schedule(Duration::ZERO, job);
        }
    }

    fn event(&self) -> &Event {
        &self.done
    }
}

impl Job for Closing {
    fn step(&self) -> Option<Duration> {
        self.lead(0);
        None
    }
}
