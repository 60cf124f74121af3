//! Background work on the index of a store: begun when a segment was sealed, ended when the store is closed.

use super::core::Core;
use crate::index::Step;
use crate::log::Companion;
use crate::medium::{Job, Jobs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Keeps up the index of one store.
pub(super) struct Upkeep {
    jobs: Arc<dyn Jobs>,
    job: Arc<UpkeepJob>,
}

struct UpkeepJob {
    core: Weak<Core>,
    scheduled: AtomicBool,
}

impl Upkeep {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        let job = UpkeepJob { core: Arc::downgrade(core), scheduled: AtomicBool::new(false) };
        Self { jobs: core.log.medium.jobs.clone(), job: Arc::new(job) }
    }

    /// After opening there may be runs to write and to merge.
    pub(super) fn begin(&self) {
        if let Some(core) = self.job.core.upgrade()
            && core.index.wants_upkeep()
        {
            self.sealed();
        }
    }
}

impl Companion for Upkeep {
    fn sealed(&self) {
        if !self.job.scheduled.swap(true, Ordering::AcqRel) {
            self.jobs.schedule(Duration::ZERO, self.job.clone());
        }
    }

    fn closing(&self) {
        if let Some(core) = self.job.core.upgrade() {
            core.index.stop(&core.log);
            core.snapshots.close();
            core.letters.close();
        }
    }
}

impl Job for UpkeepJob {
    fn step(&self) -> Option<Duration> {
        self.scheduled.store(false, Ordering::Release);
        let core = self.core.upgrade()?;
        match core.index.step(&core.log) {
            Step::Done => {
                // What is sealed meanwhile is met by the next step.
                self.scheduled.store(true, Ordering::Release);
                Some(Duration::ZERO)
            }
            Step::Nothing => None,
        }
    }
}
