//! Sizes and watermarks of a store.

use super::core::Core;
use super::snapshots::SnapshotStats;
use crate::Position;
use crate::error::Error;
use crate::medium::WriteMode;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sizes and watermarks, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Events that are there.
    pub events: u64,
    /// Streams that have had an event.
    pub streams: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Size of a segment in bytes.
    pub segment_bytes: u64,
    /// Bytes that the store takes on disk (allocated blocks), what is reserved ahead included.
    pub bytes_on_disk: u64,
    /// Position of the first event that is there; [`Position::START`] in an empty store.
    pub first_position: Position,
    /// Position of the last committed event; [`Position::START`] in an empty store.
    pub last_position: Position,
    /// Position up to which everything is known to survive power loss.
    pub synced_position: Position,
    /// Whether a writer has the store open: this process, or another one.
    pub writer_lives: bool,
    /// How commits reach the segments.
    pub write_mode: WriteMode,
    /// The index.
    pub index: IndexStats,
    /// Snapshots.
    pub snapshots: SnapshotStats,
}

/// What the index takes, and what has been done to it since the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexStats {
    /// Files that it consists of; what they don't cover is in memory.
    pub runs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Runs that were written for segments that are complete.
    pub written: u64,
    /// Merges of several runs into one.
    pub merges: u64,
    /// Runs that were damaged and made again from the log.
    pub rebuilds: u64,
    /// What was wrong with them, and with those that opening left out.
    pub problems: Vec<String>,
}

impl IndexStats {
    fn of(core: &Core) -> Self {
        let (layers, counts) = (core.index.layers(), core.index.counts());
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Self {
            runs: layers.runs().len() as u64,
            bytes: layers.runs().iter().map(|run| run.file_bytes()).sum(),
            written: count(&counts.runs_written),
            merges: count(&counts.merges),
            rebuilds: count(&counts.rebuilds),
            problems: core.index.problems(),
        }
    }
}

impl Stats {
    pub(super) fn of(core: &Core) -> Result<Self, Error> {
        let files = &core.log.medium.files;
        let failed = |error| Error::io("measuring", files.root(), error);
        let (first, through, streams) = {
            let layers = core.index.layers();
            (layers.base().first_position(), layers.through(), layers.streams())
        };
        let synced = core.log.write_side().map_or(core.read_only_synced, |side| side.sync.synced());
        Ok(Self {
            events: (through.position + 1) - first,
            streams,
            segments: core.log.table().len() as u64,
            segment_bytes: core.log.geometry.segment_bytes(),
            bytes_on_disk: files.bytes_on_disk().map_err(failed)?,
            first_position: if through.position < first { Position::START } else { Position(first) },
            last_position: Position(through.position),
            synced_position: Position(synced),
            writer_lives: core.log.writer_lives()?,
            write_mode: files.write_mode(),
            index: IndexStats::of(core),
            snapshots: core.snapshots.stats(),
        })
    }
}
