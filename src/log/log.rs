//! The log as one thing: its segments, its watermarks, its writing side and the background jobs of that.

use super::blocks::StoreId;
use super::follower::{FollowStart, Follower, Newest};
use super::frame::Fault;
use super::geometry::{Geometry, LOG_DIR, Place, segment_path};
use super::prepare::{PrepareJob, Window};
use super::segment::{Segment, Table};
use super::sync::{IdleJob, Sync, SyncJob};
use super::watch::Watch;
use super::watermark::{Mark, WatermarkFile};
use super::writer::Writer;
use crate::error::{Corruption, Error};
use crate::expected::Watermark;
use crate::medium::{Job, Loaded, Lock, Medium, Shared};
use parking_lot::{Mutex, MutexGuard};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// An open log. Reading needs only this; writing goes through its [`WriteSide`].
pub(crate) struct Log {
    pub(crate) medium: Medium,
    pub(crate) id: StoreId,
    pub(crate) geometry: Geometry,
    table: Arc<Shared<Table>>,
    write: Option<Arc<WriteSide>>,
    seen: Seen,
    follower: Option<Arc<Follower>>,
}

/// How far readers may read.
#[derive(Clone)]
pub(crate) struct Seen {
    committed: Arc<Watch>,
    synced: Arc<Watch>,
}

impl Seen {
    pub(crate) fn new(medium: &Medium, committed: u64, synced: u64) -> Self {
        Self { committed: Watch::new(&medium.jobs, committed), synced: Watch::new(&medium.jobs, synced) }
    }

    pub(super) fn synced(&self) -> u64 {
        self.synced.position()
    }

    /// Moves both, forward only.
    pub(super) fn publish(&self, committed: u64, synced: u64) {
        if committed > self.committed.position() {
            self.committed.publish(committed);
        }
        if synced > self.synced.position() {
            self.synced.publish(synced);
        }
    }

    pub(super) fn each(&self, mut work: impl FnMut(&Watch)) {
        work(&self.committed);
        work(&self.synced);
    }

    pub(super) fn is_waited_for(&self) -> bool {
        self.committed.is_waited_for() || self.synced.is_waited_for()
    }
}

/// What only a log that is open for writing has.
pub(crate) struct WriteSide {
    pub(crate) medium: Medium,
    pub(crate) id: StoreId,
    pub(crate) geometry: Geometry,
    pub(crate) sync: Sync,
    pub(super) watermark: WatermarkFile,
    pub(super) window: Window,
    pub(super) jobs: OwnJobs,
    table: Arc<Shared<Table>>,
    writer: Mutex<Writer>,
    committed: Arc<Watch>,
    lock: Mutex<Option<Box<dyn Lock>>>,
    companion: OnceLock<Box<dyn Companion>>,
    /// Number of the first segment that may have no durable seal.
    unsealed: AtomicU64,
}

/// Who keeps something up along with the log: the index.
pub(crate) trait Companion: Send + std::marker::Sync {
    /// A segment was sealed: everything in it is synced.
    fn sealed(&self);

    /// The log is being closed, everything in it is synced: background work ends here.
    fn closing(&self);
}

/// The jobs of one log, made once so that scheduling one allocates nothing.
pub(super) struct OwnJobs {
    pub(super) sync: Arc<dyn Job>,
    pub(super) idle: Arc<dyn Job>,
    pub(super) prepare: Arc<dyn Job>,
}

/// What opening hands over to the writing side.
pub(crate) struct WriteStart {
    pub(crate) id: StoreId,
    pub(crate) lock: Box<dyn Lock>,
    pub(crate) watermark: WatermarkFile,
    pub(crate) writer: Writer,
    pub(crate) mark: Mark,
    pub(crate) sync_interval: Duration,
    /// Number of the segment that is written to.
    pub(crate) unsealed: u64,
}

impl Log {
    /// A log that is only read: its segments as they were when it was opened, and whoever follows it goes on from there.
    pub(crate) fn read_only(medium: Medium, geometry: Geometry, seen: Seen, start: FollowStart) -> Self {
        let table = Arc::new(Shared::new(start.table.clone()));
        let id = start.id;
        let follower = Some(Follower::new(&medium, geometry, seen.clone(), start));
        Self { medium, id, geometry, table, write: None, seen, follower }
    }

    /// A log that goes on where recovery ended.
    pub(crate) fn writable(medium: Medium, geometry: Geometry, table: Table, start: WriteStart) -> Self {
        let table = Arc::new(Shared::new(table));
        let (id, seen) = (start.id, Seen::new(&medium, start.mark.synced, start.mark.synced));
        let write = Arc::new_cyclic(|weak: &Weak<WriteSide>| WriteSide {
            medium: medium.clone(),
            id,
            geometry,
            sync: Sync::new(start.mark, start.sync_interval, seen.synced.clone()),
            watermark: start.watermark,
            window: Window::new(geometry),
            jobs: OwnJobs {
                sync: Arc::new(SyncJob(weak.clone())),
                idle: Arc::new(IdleJob(weak.clone())),
                prepare: Arc::new(PrepareJob(weak.clone())),
            },
            table: table.clone(),
            committed: seen.committed.clone(),
            writer: Mutex::new(start.writer),
            lock: Mutex::new(Some(start.lock)),
            companion: OnceLock::new(),
            unsealed: AtomicU64::new(start.unsealed),
        });
        Self { medium, id, geometry, table, write: Some(write), seen, follower: None }
    }

    /// The segments as they are now.
    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.load()
    }

    /// The segments that whoever follows the log reads, for as long as it takes to look something up.
    #[inline]
    pub(crate) fn table_now(&self) -> Loaded<Table> {
        match &self.follower {
            None => self.table.now(),
            Some(follower) => follower.table().now(),
        }
    }

    /// Nobody follows a log that was opened to be read any more.
    pub(crate) fn end_following(&self) {
        self.seen.each(|watch| watch.end(Error::closed()));
    }

    /// The newest frame that was seen of a log that another process writes.
    pub(crate) fn newest_followed(&self) -> Option<Newest> {
        self.follower.as_ref().map(|follower| follower.newest())
    }

    /// The watermark that readers of the log go by.
    pub(crate) fn watch(&self, watermark: Watermark) -> &Arc<Watch> {
        match watermark {
            Watermark::Synced => &self.seen.synced,
            Watermark::Committed => &self.seen.committed,
        }
    }

    /// Removes the segments before number `first`, which a base that is durable says are gone. Views keep what they have pinned.
    ///
    /// # Errors
    /// `Io`: files are left over, which the next retention or opening removes.
    pub(crate) fn remove_before(&self, first: u64) -> Result<(), Error> {
        self.table.replace(|table| table.from(first));
        self.remove_files_before(first)
    }

    pub(crate) fn remove_files_before(&self, first: u64) -> Result<(), Error> {
        let files = &self.medium.files;
        let mut leftover = super::recover::list(&self.medium, first)?.leftover;
        leftover.sort_unstable();
        for path in &leftover {
            // The oldest first, so that a crash leaves no gap.
            files.remove(path).map_err(|error| Error::io("removing", Path::new(path), error))?;
        }
        if leftover.is_empty() {
            return Ok(());
        }
        files.sync_dir(LOG_DIR).map_err(|error| Error::io("syncing", Path::new(LOG_DIR), error))
    }

    /// About where the log ends for who goes by a watermark.
    pub(crate) fn end_of(&self, watermark: Watermark) -> Place {
        match (&self.write, watermark) {
            (Some(side), Watermark::Synced) => {
                let mark = side.sync.mark();
                self.geometry.place(mark.segment, mark.offset)
            }
            _ => {
                let table = self.table_now();
                let last = table.last();
                last.map_or(Place(0), |last| self.geometry.place(last.number, last.region.published()))
            }
        }
    }

    /// The writing side.
    ///
    /// # Errors
    /// `Invalid` on a store that was opened to be read.
    pub(crate) fn write_side(&self) -> Result<&Arc<WriteSide>, Error> {
        self.write
            .as_ref()
            .ok_or_else(|| Error::invalid("the store was opened read-only: nothing can be written"))
    }

    /// Whether a writer has the log open, this one or another process. Asks without taking any lock.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn writer_lives(&self) -> Result<bool, Error> {
        match &self.write {
            Some(side) => Ok(!side.is_released()),
            None => super::watermark::writer_lives(&self.medium),
        }
    }

    /// The error for a place in a segment that isn't there.
    #[cold]
    pub(crate) fn no_segment(&self, place: Place) -> Error {
        let (number, offset) = (self.geometry.segment(place), self.geometry.offset(place));
        let file = segment_path(number);
        let expected = "an event that the index knows";
        Error::corrupt(Corruption::new("log", file, Some(number), offset, expected, "no such segment"))
    }

    /// The error for a frame that doesn't hold.
    pub(crate) fn refused(&self, place: Place, fault: Fault) -> Error {
        let (number, offset) = (self.geometry.segment(place), self.geometry.offset(place));
        let table = self.table();
        let segment = table.get(number).expect("a frame that was read stands in a segment that is there");
        segment.refused(offset, fault)
    }

    /// The failure that ended writing, if one did; what is past the synced position then is handed out no more.
    pub(crate) fn failure(&self) -> Option<(Error, u64)> {
        let side = self.write.as_ref()?;
        side.sync.failure().map(|error| (error.clone(), side.sync.synced()))
    }
}

impl WriteSide {
    /// Takes the writer's lock.
    #[inline]
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock()
    }

    /// Position up to which commits are visible.
    pub(crate) fn committed_position(&self) -> u64 {
        self.committed.position()
    }

    /// Refuses to go on after `close` or a failed sync.
    #[inline]
    pub(crate) fn check_open(&self, writer: &Writer) -> Result<(), Error> {
        if let Some(cause) = self.sync.failure() {
            return Err(Error::poisoned(cause.clone()));
        }
        if writer.closed { Err(Error::closed()) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn committed(&self, position: u64) {
        self.watermark.committed(position);
        self.committed.publish(position);
    }

    /// Starts the background work that a commit makes necessary. Costs a few loads when it is under way already.
    #[inline]
    pub(super) fn nudge(&self, ready: u64, end: u64) {
        self.sync.schedule_interval(&self.medium, &self.jobs.sync);
        if self.window.wants(ready, end) {
            self.window.schedule(&self.medium, &self.jobs.prepare);
        }
    }

    pub(super) fn table_push(&self, segment: Arc<Segment>) {
        self.table.replace(|table| table.with(segment.clone()));
    }

    pub(super) fn table(&self) -> Arc<Table> {
        self.table.load()
    }

    /// Ends writing: no append after this succeeds. What was committed is not yet synced; see `close`.
    pub(crate) fn begin_close(&self) {
        self.writer.lock().closed = true;
    }

    /// Syncs what is committed, gives back what was reserved past the end and lets the next writer in.
    ///
    /// # Errors
    /// That of the last sync, or of an earlier one. The lock is released all the same.
    pub(crate) fn close(&self) -> Result<(), Error> {
        self.begin_close();
        let Some(lock) = self.lock.lock().take() else { return Ok(()) };
        self.window.wait();
        let synced = self.sync_all();
        if let Some(companion) = self.companion.get() {
            companion.closing();
        }
        let result = synced.and_then(|()| {
            let tidied = self.give_back();
            self.watermark.sync().map_err(|e| Error::io("syncing", Path::new("watermark"), e))?;
            tidied
        });
        self.watermark.release();
        drop(lock);
        self.end_watching(&Error::closed());
        result
    }

    /// Nothing more is committed or synced.
    pub(super) fn end_watching(&self, why: &Error) {
        self.committed.end(why.clone());
        self.sync.end_watching(why);
    }

    /// Has somebody told of what happens; once.
    pub(crate) fn accompany(&self, companion: Box<dyn Companion>) {
        assert!(self.companion.set(companion).is_ok(), "a log has one companion");
    }

    /// Whether a segment has its seal, durably: it never goes on.
    pub(crate) fn is_sealed(&self, segment: u64) -> bool {
        // Pairs with the Release in `tell_sealed`.
        segment < self.unsealed.load(Ordering::Acquire)
    }

    /// All segments before this one have been sealed.
    pub(super) fn tell_sealed(&self, unsealed: u64) {
        self.unsealed.store(unsealed, Ordering::Release);
        if let Some(companion) = self.companion.get() {
            companion.sealed();
        }
    }

    pub(crate) fn is_released(&self) -> bool {
        self.lock.lock().is_none()
    }

    /// Punches the reserved blocks past the end and removes the prepared segment.
    fn give_back(&self) -> Result<(), Error> {
        let mut writer = self.writer.lock();
        let (end, whole) = (writer.end, self.geometry.segment_bytes());
        let (segment, region) = &mut writer.current;
        let path = segment_path(segment.number);
        let failed = |error| Error::io("giving back the reserved end of", Path::new(&path), error);
        match region.punch(end, whole) {
            // Some file systems can't: then the space stays reserved, and nothing else is amiss.
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {}
            punched => punched.map_err(failed)?,
        }
        segment.region.sync_file().map_err(failed)?;
        if let Some((prepared, _)) = writer.prepared.take() {
            let path = segment_path(prepared.number);
            let failed = |error| Error::io("removing", Path::new(&path), error);
            self.medium.files.remove(&path).map_err(failed)?;
            self.medium.files.sync_dir(LOG_DIR).map_err(failed)?;
        }
        Ok(())
    }
}
