//! Compaction of the snapshot log, in the background after a save: the snapshots that count among those of complete segments are
//! appended again, and once that is synced these segments go. Writes each of them again only when as much is superseded, so
//! the log takes about twice what counts, and writing twice what is saved.

use super::core::Core;
use super::retention;
use super::snapshots;
use super::view::View;
use crate::error::Error;
use crate::expected::Durability;
use crate::medium::{Job, bug};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// So many complete segments are never looked at.
const SEGMENTS_MIN: u64 = 2;
/// About what a snapshot takes beside its state.
const RECORD_BYTES: u64 = 192;

/// Whether compaction is due.
#[derive(Default)]
pub(super) struct Compaction {
    is_scheduled: AtomicBool,
    /// Bytes of the snapshots that count, as they were when they were last looked at.
    live: AtomicU64,
}

impl Compaction {
    /// Bytes of complete segments up to which nothing is done.
    fn limit(&self, segment_bytes: u64) -> u64 {
        2 * self.live.load(Ordering::Relaxed) + SEGMENTS_MIN * segment_bytes
    }
}

/// Schedules a compaction if one is due.
pub(super) fn after_save(core: &Arc<Core>) {
    let Some(log) = core.snapshots.log() else { return };
    let (compaction, segment_bytes) = (&core.snapshots.compaction, log.log.geometry.segment_bytes());
    let complete = (log.log.table().len() as u64).saturating_sub(1) * segment_bytes;
    if complete > compaction.limit(segment_bytes) && !compaction.is_scheduled.swap(true, Ordering::AcqRel) {
        core.log.medium.jobs.schedule(Duration::ZERO, Arc::new(CompactJob(Arc::downgrade(core))));
    }
}

struct CompactJob(Weak<Core>);

impl Job for CompactJob {
    fn step(&self) -> Option<Duration> {
        let core = self.0.upgrade()?;
        let compaction = &core.snapshots.compaction;
        if let Some(log) = core.snapshots.log()
            && compact(&core, &log).is_err()
        {
            // Tried again when the log has grown by as much as it is looked at for at first.
            let bytes = log.log.table().len() as u64 * log.log.geometry.segment_bytes();
            compaction.live.store(bytes / 2, Ordering::Relaxed);
        }
        compaction.is_scheduled.store(false, Ordering::Release);
        None
    }
}

/// Drops the complete segments, if at most half of what they and later ones hold counts.
fn compact(core: &Arc<Core>, log: &Arc<Core>) -> Result<(), Error> {
    let Some(last) = retention::complete(log)?.pop() else { return Ok(()) };
    let (mut live, mut streams) = (0, Vec::new());
    for stream in View::committed(log).streams() {
        let (stream, _) = stream?;
        if let Some(found) = snapshots::newest(core, log, &stream)? {
            live += found.data.len() as u64 + RECORD_BYTES;
            if found.position.0 <= last.last {
                streams.push(stream);
            }
        }
    }
    core.snapshots.compaction.live.store(live, Ordering::Relaxed);
    let first = log.index.layers().base().first_segment();
    if (last.number + 1 - first) * log.log.geometry.segment_bytes() < 2 * live {
        return Ok(());
    }
    for stream in streams {
        // No newer one is saved meanwhile, and no retention moves what it is as of.
        let _one = core.retaining.lock();
        if let Some(found) = snapshots::newest(core, log, &stream)?
            && found.position.0 <= last.last
        {
            snapshots::append(log, &stream, &found.record, &found.data, Durability::Process)?.wait()?;
        }
    }
    if !bug!(log.log.medium, compact_unsynced) {
        log.log.write_side()?.sync_all()?;
    }
    log.index.drop_before(&log.log, last.number + 1, &[])
}
