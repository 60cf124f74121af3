//! Disk space that is kept for consumers: on a full disk their checkpoints and dead letters take it, piece by piece, so that what
//! they have done is not lost, and what they give up on neither. It is made again once there is room.

use super::core::Core;
use crate::error::Error;
use crate::medium::{Job, WriteMode};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Folder of the pieces.
const RESERVE_DIR: &str = "reserve";
const PIECES: usize = 4;
/// A piece is as large as a segment of the dead-letter log of a small store, or as what a large one grows by.
const PIECE_BYTES_MIN: u64 = 128 << 10;
const PIECE_BYTES_MAX: u64 = 512 << 10;
/// How long after a piece was given up, or couldn't be made, it is made again.
const AGAIN: Duration = Duration::from_secs(60);

fn path(piece: usize) -> String {
    format!("{RESERVE_DIR}/{piece}")
}

/// Whether the space of a store is being kept.
#[derive(Default)]
pub(super) struct Reserve {
    is_wanted: AtomicBool,
    is_scheduled: AtomicBool,
}

/// Has the space kept from now on; it is made in the background.
pub(super) fn keep(core: &Arc<Core>) {
    if core.log.medium.files.write_mode() != WriteMode::Heap
        && !core.reserve.is_wanted.swap(true, Ordering::AcqRel)
    {
        schedule(core, Duration::ZERO);
    }
}

fn schedule(core: &Arc<Core>, delay: Duration) {
    if core.reserve.is_wanted.load(Ordering::Acquire)
        && !core.reserve.is_scheduled.swap(true, Ordering::AcqRel)
    {
        core.log.medium.jobs.schedule(delay, Arc::new(MakeJob(Arc::downgrade(core))));
    }
}

struct MakeJob(Weak<Core>);

impl Job for MakeJob {
    fn step(&self) -> Option<Duration> {
        let core = self.0.upgrade()?;
        if core.log.write_side().and_then(|side| side.check_open(&side.writer())).is_err() {
            return None;
        }
        match make(&core) {
            Ok(()) => {
                core.reserve.is_scheduled.store(false, Ordering::Release);
                None
            }
            Err(_) => Some(AGAIN),
        }
    }
}

/// Makes the pieces that aren't there.
fn make(core: &Core) -> io::Result<()> {
    let files = &core.log.medium.files;
    let bytes = core.log.geometry.segment_bytes().saturating_mul(2).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX);
    files.create_dir(RESERVE_DIR)?;
    let there = files.list(RESERVE_DIR)?;
    for piece in 0..PIECES {
        let is_whole = |name: &str| there.iter().any(|entry| entry.name == name && entry.bytes == bytes);
        if is_whole(&piece.to_string()) {
            continue;
        }
        if let Err(error) = files.write(&path(piece), &vec![0; bytes as usize]) {
            // Part of a piece is of no use, and others may have it.
            let _ = files.remove(&path(piece));
            return Err(error);
        }
    }
    files.sync_dir(RESERVE_DIR)
}

/// Does something; as long as it finds no room, gives up a piece and tries again.
pub(super) fn with_room<T>(core: &Arc<Core>, mut work: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    loop {
        match work() {
            Err(error) if error.is_disk_full() && gives_up_piece(core) => {}
            done => return done,
        }
    }
}

fn gives_up_piece(core: &Arc<Core>) -> bool {
    let files = &core.log.medium.files;
    let is_gone = (0..PIECES).rev().any(|piece| files.remove(&path(piece)).is_ok());
    if is_gone {
        // Some file systems have the room only then.
        let _ = files.sync_dir(RESERVE_DIR);
        schedule(core, AGAIN);
    }
    is_gone
}
