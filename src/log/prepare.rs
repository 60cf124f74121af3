//! Works ahead of the writer: a window of reserved and faulted-in blocks, and the next segment with its name synced.
//! An append never waits for it: what isn't ready, the append makes ready itself.

use super::geometry::{Geometry, LOG_DIR, segment_path};
use super::log::WriteSide;
use super::segment::{FIRST_WINDOW_BYTES, STEP_BYTES, Segment};
use crate::error::Error;
use crate::medium::{Job, Medium};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The next segment while it is being prepared; it gets its number as a name when it is done.
pub(crate) const NEXT_PATH: &str = "log/next";
/// Name of the same in the log folder.
pub(crate) const NEXT_NAME: &str = "next";
const WINDOW_BYTES_MAX: u64 = 32 << 20;

/// How far ahead of the writer blocks are made ready.
pub(crate) struct Window {
    bytes: AtomicU64,
    scheduled: AtomicBool,
    next_ready: AtomicBool,
    segment_bytes: u64,
    /// Held while files are made, so that closing can wait for it: whoever is let in next has the folder alone.
    working: Mutex<()>,
}

impl Window {
    pub(super) fn new(geometry: Geometry) -> Self {
        let segment_bytes = geometry.segment_bytes();
        Self {
            bytes: AtomicU64::new(FIRST_WINDOW_BYTES.min(segment_bytes)),
            scheduled: AtomicBool::new(false),
            next_ready: AtomicBool::new(false),
            segment_bytes,
            working: Mutex::new(()),
        }
    }

    /// Waits until no job is at work on the files.
    pub(super) fn wait(&self) {
        drop(self.working.lock());
    }

    /// Whether less than half of the window is left.
    #[inline]
    pub(super) fn wants(&self, ready: u64, end: u64) -> bool {
        let ahead = end + self.bytes.load(Ordering::Relaxed) / 2;
        let next = ahead >= self.segment_bytes && !self.next_ready.load(Ordering::Relaxed);
        (next || ready < ahead.min(self.segment_bytes)) && !self.scheduled.load(Ordering::Relaxed)
    }

    /// The writer has a next segment, or has just taken it.
    pub(super) fn set_next_ready(&self, ready: bool) {
        self.next_ready.store(ready, Ordering::Relaxed);
    }

    pub(super) fn schedule(&self, medium: &Medium, job: &Arc<dyn Job>) {
        if !self.scheduled.swap(true, Ordering::AcqRel) {
            medium.jobs.schedule(Duration::ZERO, job.clone());
        }
    }

    /// Twice as far from now on: the writer came close.
    fn widen(&self) -> u64 {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let wider = (bytes * 2).min(WINDOW_BYTES_MAX).min(self.segment_bytes);
        self.bytes.store(wider, Ordering::Relaxed);
        wider
    }
}

impl WriteSide {
    /// Makes the window ready, and the next segment if the window reaches into it.
    fn prepare(&self) -> Result<(), Error> {
        let window = self.window.widen();
        loop {
            let (segment, end) = {
                let writer = self.writer();
                if writer.closed || self.sync.failure().is_some() {
                    return Ok(());
                }
                (writer.current.0.clone(), writer.end)
            };
            let wanted = (end + window).min(segment.region.len());
            let ready = segment.ready();
            if ready < wanted {
                let failed =
                    |error| Error::io("reserving segment", Path::new(&segment_path(segment.number)), error);
                segment.ensure((ready + STEP_BYTES).min(wanted)).map_err(failed)?;
                continue;
            }
            if end + window < segment.region.len() || self.writer().prepared.is_some() {
                return Ok(());
            }
            return self.prepare_next(segment.number + 1);
        }
    }

    fn prepare_next(&self, number: u64) -> Result<(), Error> {
        let failed = |error| Error::io("preparing segment", Path::new(NEXT_PATH), error);
        let files = &self.medium.files;
        let next = Segment::create(&self.medium, &self.id, self.geometry, number, NEXT_PATH)?;
        next.0.region.sync_file().map_err(failed)?;
        let segment = next.0.clone();
        {
            let mut writer = self.writer();
            let wanted = !writer.closed && writer.prepared.is_none() && writer.current.0.number + 1 == number;
            if !wanted {
                drop(writer);
                return files.remove(NEXT_PATH).map_err(failed);
            }
            files.rename(NEXT_PATH, &segment_path(number)).map_err(failed)?;
            writer.prepared = Some(next);
            self.window.set_next_ready(true);
        }
        // Syncs the file once more, which costs little now, and the directory.
        segment.make_durable(&self.medium).map_err(failed)
    }
}

/// Runs `prepare`; a failure is met again, and reported, by the append that needs the room.
pub(super) struct PrepareJob(pub(super) Weak<WriteSide>);

impl Job for PrepareJob {
    fn step(&self) -> Option<Duration> {
        let side = self.0.upgrade()?;
        let working = side.window.working.lock();
        if side.prepare().is_err() {
            // A leftover would be in the way of the next try.
            let _ = side.medium.files.remove(NEXT_PATH);
        }
        side.window.scheduled.store(false, Ordering::Release);
        drop(working);
        None
    }
}

const _: () = assert!(NEXT_PATH.len() == LOG_DIR.len() + 1 + NEXT_NAME.len());
