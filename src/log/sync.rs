//! Makes commits survive power loss: one sync at a time, oldest segment first, never retried.
//!
//! A thread that waits leads a sync for all who wait; for tasks and for what nobody waits for a background job does.
//! *Synced* moves only when every part has succeeded. A failure is sticky: it poisons the writer for good.

use super::blocks::{SEAL_AT, Seal};
use super::geometry::{FRAMES_AT, segment_path};
use super::log::WriteSide;
use super::watch::Watch;
use super::watermark::{Mark, WATERMARK_FILE};
use crate::error::Error;
use crate::medium::{Job, Medium, bug};
use crate::pending::Work;
use event_listener::Event;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// A log that has had no commit for so long gets its mark synced.
const IDLE: Duration = Duration::from_secs(1);

/// A leader gives the processor away at most so often, and for about so long, until others have committed too.
const GATHER_YIELDS_MAX: u32 = 100;
const GATHER: Duration = Duration::from_micros(60);

/// How far the log is synced, and who is at it.
pub(crate) struct Sync {
    synced: Arc<Watch>,
    /// The same with its place; written only by the leader.
    mark: Mutex<Mark>,
    leading: Mutex<()>,
    changed: Event,
    failure: OnceLock<Error>,
    interval: Duration,
    interval_scheduled: AtomicBool,
    requested: AtomicBool,
    idle_scheduled: AtomicBool,
    /// Commits so far that somebody waits for; a hint.
    asked: AtomicU64,
    /// How many of these the last sync began with, and how many there will soon be if all whom it let go commit again.
    began: AtomicU64,
    expected: AtomicU64,
}

impl Sync {
    pub(super) fn new(mark: Mark, interval: Duration, synced: Arc<Watch>) -> Self {
        Self {
            synced,
            mark: Mutex::new(mark),
            leading: Mutex::new(()),
            changed: Event::new(),
            failure: OnceLock::new(),
            interval,
            interval_scheduled: AtomicBool::new(false),
            requested: AtomicBool::new(false),
            idle_scheduled: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            began: AtomicU64::new(0),
            expected: AtomicU64::new(0),
        }
    }

    /// Somebody is going to wait for a commit.
    pub(crate) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Position up to which everything survives power loss.
    #[inline]
    pub(crate) fn synced(&self) -> u64 {
        self.synced.position()
    }

    /// The same with the place after it.
    pub(crate) fn mark(&self) -> Mark {
        *self.mark.lock()
    }

    /// The failure that ended writing.
    #[inline]
    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failure.get()
    }

    fn advance(&self, mark: Mark) {
        *self.mark.lock() = mark;
        self.synced.publish(mark.synced);
    }

    pub(super) fn end_watching(&self, why: &Error) {
        self.synced.end(why.clone());
    }

    #[inline]
    pub(super) fn schedule_interval(&self, medium: &Medium, job: &Arc<dyn Job>) {
        if !self.interval_scheduled.load(Ordering::Relaxed)
            && !self.interval_scheduled.swap(true, Ordering::AcqRel)
        {
            medium.jobs.schedule(self.interval, job.clone());
        }
    }
}

/// How far one sync goes: read once, at its start.
struct Target {
    mark: Mark,
    /// Segments that this sync completes.
    left: Vec<(u64, Seal)>,
}

impl WriteSide {
    /// Syncs everything that is committed now, on this thread, after any sync that is under way.
    pub(crate) fn sync_all(&self) -> Result<(), Error> {
        let one = self.sync.leading.lock();
        let result = self.sync_once();
        drop(one);
        self.sync.changed.notify(usize::MAX);
        result
    }

    /// One sync. The caller holds `leading`, and notifies once it no longer does.
    fn sync_once(&self) -> Result<(), Error> {
        if let Some(cause) = self.sync.failure() {
            return Err(Error::poisoned(cause.clone()));
        }
        let from = self.sync.mark();
        let began = self.sync.asked.load(Ordering::Relaxed);
        let target = self.target(from);
        if target.mark.synced == from.synced {
            return Ok(());
        }
        if let Err(error) = self.sync_range(from, target.mark) {
            return Err(self.poison(error));
        }
        // The mark first: whoever is told that it is synced can rely on it after the death of the process, too.
        let marked = self.watermark.synced(&target.mark);
        if let Err(error) = marked {
            return Err(self.poison(Error::io("marking", Path::new(WATERMARK_FILE), error)));
        }
        self.foretell(began);
        self.sync.advance(target.mark);
        if let Err(error) = self.seal(&target) {
            return Err(self.poison(error));
        }
        if let Some((last, _)) = target.left.last() {
            self.tell_sealed(last + 1);
        }
        self.schedule_idle();
        Ok(())
    }

    /// Waits a moment for those whom the last sync has let go: if they commit again at once, one sync serves them and this
    /// thread, where else two groups would take turns. Whoever commits alone never waits.
    fn gather(&self) {
        let expected = self.sync.expected.load(Ordering::Relaxed);
        if self.sync.asked.load(Ordering::Relaxed) >= expected {
            return;
        }
        let until = self.medium.time.monotonic() + GATHER;
        for _ in 0..GATHER_YIELDS_MAX {
            std::thread::yield_now();
            if self.sync.asked.load(Ordering::Relaxed) >= expected || self.medium.time.monotonic() >= until {
                break;
            }
        }
    }

    /// Foretells how many will be there for the next sync. `began` of them were there when this one began.
    fn foretell(&self, began: u64) {
        let released = began - self.sync.began.swap(began, Ordering::Relaxed).min(began);
        let expected = self.sync.asked.load(Ordering::Relaxed) + released;
        self.sync.expected.store(expected, Ordering::Relaxed);
    }

    fn target(&self, from: Mark) -> Target {
        let mut writer = self.writer();
        let (segment, offset, epoch) = (writer.current.0.number, writer.end, writer.last_epoch);
        let mark = Mark { synced: writer.next - 1, segment, offset, epoch };
        if mark.synced == from.synced {
            return Target { mark, left: Vec::new() };
        }
        if writer.offset == writer.end {
            writer.offset = self.geometry.after_sync(writer.end);
        }
        Target { mark, left: std::mem::take(&mut writer.left) }
    }

    fn sync_range(&self, from: Mark, to: Mark) -> Result<(), Error> {
        let table = self.table();
        for number in from.segment..=to.segment {
            let Some(segment) = table.get(number) else { continue };
            let start = if number == from.segment { from.offset } else { FRAMES_AT };
            let end = if number == to.segment { to.offset } else { segment.region.published() };
            let synced = segment.make_durable(&self.medium).and_then(|()| {
                if end <= start {
                    return Ok(());
                }
                let synced = segment.region.sync_range(start, end);
                if bug!(self.medium, retry_sync) && synced.is_err() {
                    return segment.region.sync_range(start, end);
                }
                synced
            });
            synced.map_err(|error| Error::io("syncing segment", Path::new(&segment_path(number)), error))?;
        }
        Ok(())
    }

    /// Seals the segments that were left: everything in them is synced now.
    fn seal(&self, target: &Target) -> Result<(), Error> {
        let table = self.table();
        for (number, seal) in &target.left {
            let Some(segment) = table.get(*number) else { continue };
            let stored = segment.region.store_head(SEAL_AT, &seal.encode(segment.seed));
            stored
                .and_then(|()| segment.region.sync_range(0, FRAMES_AT))
                .map_err(|error| Error::io("sealing segment", Path::new(&segment_path(*number)), error))?;
            // Nothing in it is written or synced again.
            segment.region.release();
        }
        Ok(())
    }

    #[cold]
    pub(super) fn poison(&self, error: Error) -> Error {
        // The first failure is the one that counts.
        let _ = self.sync.failure.set(error.clone());
        self.watermark.poisoned();
        self.sync.changed.notify(usize::MAX);
        let poisoned = Error::poisoned(error);
        self.end_watching(&poisoned);
        poisoned
    }

    fn schedule_idle(&self) {
        if !self.sync.idle_scheduled.swap(true, Ordering::AcqRel) {
            self.medium.jobs.schedule(IDLE, self.jobs.idle.clone());
        }
    }

    /// A step of the background sync.
    fn background(&self) {
        self.sync.requested.store(false, Ordering::Release);
        self.sync.interval_scheduled.store(false, Ordering::Release);
        // A failure stays, and every waiter and later append is told.
        let _ = self.sync_all();
    }

    /// Syncs the mark, if nothing has been committed for a while.
    fn idle(&self) -> Option<Duration> {
        self.sync.idle_scheduled.store(false, Ordering::Release);
        if self.sync.failure().is_some() || self.is_released() {
            return None;
        }
        if self.committed_position() > self.sync.synced() {
            self.schedule_idle();
            return None;
        }
        if let Err(error) = self.watermark.sync() {
            self.poison(Error::io("syncing", Path::new(WATERMARK_FILE), error));
        }
        None
    }
}

impl Work for WriteSide {
    fn outcome(&self, target: u64) -> Option<Result<(), Error>> {
        if self.sync.synced() >= target || bug!(self.medium, acknowledge_before_sync) {
            return Some(Ok(()));
        }
        self.sync.failure().map(|cause| Err(Error::poisoned(cause.clone())))
    }

    fn lead(&self, _target: u64) -> bool {
        let Some(one) = self.sync.leading.try_lock() else { return false };
        self.gather();
        // A failure shows in `outcome`.
        let _ = self.sync_once();
        drop(one);
        self.sync.changed.notify(usize::MAX);
        true
    }

    fn request(&self, _target: u64) {
        if !self.sync.requested.swap(true, Ordering::AcqRel) {
            self.medium.jobs.schedule(Duration::ZERO, self.jobs.sync.clone());
        }
    }

    fn event(&self) -> &Event {
        &self.sync.changed
    }
}

/// Syncs what nobody has waited for, and what tasks wait for.
pub(super) struct SyncJob(pub(super) Weak<WriteSide>);
/// Syncs the mark of an idle log.
pub(super) struct IdleJob(pub(super) Weak<WriteSide>);

impl Job for SyncJob {
    fn step(&self) -> Option<Duration> {
        if let Some(side) = self.0.upgrade() {
            side.background();
        }
        None
    }
}

impl Job for IdleJob {
    fn step(&self) -> Option<Duration> {
        self.0.upgrade()?.idle()
    }
}
