//! A watermark that any number of threads and tasks wait for. Who moves it pays the same whether nobody waits or thousands do:
//! a background job of the store wakes them. Never wakes a waiter on the thread that publishes.

use super::bell::Bell;
use crate::error::Error;
use crate::medium::{Job, Jobs};
use crate::pending::Work;
use event_listener::Event;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// After those who wait were told, the ringer looks again so much later, and so much later for each of them: while they wake and
/// look, they take time from who moves the watermark.
const PACE: Duration = Duration::from_micros(20);
const PACE_EACH: Duration = Duration::from_micros(16);
/// If so many events came since it looked last, more will come: then it looks again so much later.
const BUSY: u64 = 16;
const PACE_BUSY: Duration = Duration::from_millis(1);

/// A watermark, who waits for it, and how it ended.
pub(crate) struct Watch {
    bell: Bell,
    moved: Event,
    ended: OnceLock<Error>,
    jobs: Arc<dyn Jobs>,
    ringer: Arc<Ringer>,
    source: OnceLock<Weak<dyn Source>>,
}

/// Who moves a watermark by asking another process.
pub(crate) trait Source: Send + Sync {
    /// Asks now.
    fn refresh(&self);
    /// Somebody waits.
    fn wanted(&self);
}

impl Watch {
    pub(crate) fn new(jobs: &Arc<dyn Jobs>, position: u64) -> Arc<Self> {
        Arc::new_cyclic(|watch: &Weak<Self>| Self {
            bell: Bell::new(position),
            moved: Event::new(),
            ended: OnceLock::new(),
            jobs: jobs.clone(),
            ringer: Arc::new(Ringer { watch: watch.clone(), told: AtomicU64::new(position) }),
            source: OnceLock::new(),
        })
    }

    /// The watermark.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.bell.position()
    }

    /// Moves the watermark. What stands up to it can be read.
    #[inline]
    pub(crate) fn publish(&self, position: u64) {
        if self.bell.publish(position) {
            self.ring();
        }
    }

    #[cold]
    fn ring(&self) {
        self.jobs.schedule(Duration::ZERO, self.ringer.clone());
    }

    /// Has somebody asked who moves it; once.
    pub(super) fn set_source(&self, source: Weak<dyn Source>) {
        assert!(self.source.set(source).is_ok(), "a watermark has one source");
    }

    /// The watermark as it is now, wherever it is moved.
    #[inline]
    pub(crate) fn refreshed(&self) -> u64 {
        if let Some(source) = self.source.get().and_then(Weak::upgrade) {
            source.refresh();
        }
        self.position()
    }

    /// Whether somebody waits for it.
    pub(super) fn is_waited_for(&self) -> bool {
        self.moved.total_listeners() > 0
    }

    /// The caller waits and is listening.
    fn arm(&self) {
        self.bell.arm();
        if let Some(source) = self.source.get().and_then(Weak::upgrade) {
            source.wanted();
        }
    }

    /// It never moves again, and why. The first reason counts.
    pub(crate) fn end(&self, why: Error) {
        let _ = self.ended.set(why);
        self.moved.notify(usize::MAX);
    }
}

impl Work for Watch {
    fn outcome(&self, target: u64) -> Option<Result<(), Error>> {
        if self.refreshed() >= target {
            return Some(Ok(()));
        }
        self.ended.get().map(|why| Err(why.clone()))
    }

    fn reached(&self) -> u64 {
        self.position()
    }

    fn lead(&self, target: u64) -> bool {
        self.arm();
        self.outcome(target).is_some()
    }

    fn request(&self, _target: u64) {
        self.arm();
    }

    fn event(&self) -> &Event {
        &self.moved
    }
}

/// Wakes those who wait.
struct Ringer {
    watch: Weak<Watch>,
    /// The position that was told of last. One ringer runs at a time.
    told: AtomicU64,
}

impl Job for Ringer {
    fn step(&self) -> Option<Duration> {
        let watch = self.watch.upgrade()?;
        loop {
            let position = watch.position();
            let told = self.told.swap(position, Ordering::Relaxed);
            if told != position {
                let woken = u32::try_from(watch.moved.notify(usize::MAX)).unwrap_or(u32::MAX);
                let pace = if position - told >= BUSY { PACE_BUSY } else { PACE };
                return Some(pace + PACE_EACH.saturating_mul(woken));
            }
            if watch.bell.rest(position, || watch.moved.total_listeners() > 0) {
                return None;
            }
        }
    }
}
