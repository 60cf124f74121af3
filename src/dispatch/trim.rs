//! Background work that lets go of what no open dead letter needs. What can't be trimmed now is tried again later.

use super::letters;
use super::state::poll;
use crate::medium::Job;
use crate::pending::Pending;
use crate::store::{Clock, EventStore};
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

/// After so many letters that aren't open any more the log is trimmed.
pub(super) const TRIM_AFTER: usize = 1_000;

pub(super) struct Trim {
    clock: Clock,
    work: Mutex<Option<Pending<()>>>,
}

impl Trim {
    pub(super) fn begin(clock: &Clock, log: Arc<dyn EventStore>) {
        let work = Mutex::new(Some(Pending::new(letters::trim(log))));
        clock.schedule(Duration::ZERO, Arc::new(Turn(Arc::new(Self { clock: clock.clone(), work }))));
    }
}

/// A step of the pool: as far as it goes without waiting.
struct Turn(Arc<Trim>);

impl Job for Turn {
    fn step(&self) -> Option<Duration> {
        let mut work = self.0.work.lock();
        if let Some(pending) = &mut *work
            && poll(pending, &Waker::from(self.0.clone())).is_some()
        {
            *work = None;
        }
        None
    }
}

impl Wake for Trim {
    fn wake(self: Arc<Self>) {
        self.clock.clone().schedule(Duration::ZERO, Arc::new(Turn(self)));
    }
}
