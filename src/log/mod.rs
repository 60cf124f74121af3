//! The log: frames in segments, written by one writer, synced in groups, recovered after a crash.
//!
//! `geometry` and `blocks` and `frame` and `check` are the format; `scan` and `recover` read it, `reopen` makes what they
//! found ready for writing; `writer`, `sync` and `prepare` are the writing side, which `log` holds together.

mod backup_file;
mod base;
mod base_draft;
mod behind;
mod bell;
pub(crate) mod blocks;
mod check;
mod checked;
mod checkpoint;
mod copy;
mod follower;
mod frame;
mod geometry;
mod headers;
mod inspect;
#[allow(clippy::module_inception, reason = "the log itself, among its parts")]
mod log;
mod open;
mod prefetch;
mod prepare;
mod recover;
mod reopen;
mod repair;
mod report;
pub(crate) mod requests;
mod scan;
mod segment;
mod slots;
mod stretch;
mod sync;
mod verify;
mod walk;
mod watch;
mod watermark;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use backup_file::{BACKUP_DRAFT, BackupFile, check_complete};
pub(crate) use base::{Anchor, Base};
pub(crate) use base_draft::BaseDraft;
pub(crate) use blocks::StoreFile;
#[cfg(any(test, feature = "testing"))]
pub(crate) use blocks::{BLOCK_BYTES, SEAL_AT, SEAL_BYTES, Seal, segment_header, watermark_header};
#[cfg(any(test, feature = "testing"))]
pub(crate) use check::Checker;
pub(crate) use checkpoint::{Checkpoint, Follow};
pub(crate) use copy::LogCopy;
pub(crate) use frame::Fault;
#[cfg(any(test, feature = "testing"))]
pub(crate) use geometry::Seed;
pub(crate) use geometry::segment_path;
pub(crate) use geometry::{FRAMES_AT, Geometry, Place};
pub(crate) use inspect::segment as inspect;
pub(crate) use log::{Companion, Log, WriteSide};
pub(crate) use open::{LOCK_FILE, OpenLog, STORE_FILE, lock, open, read_store_file};
pub(crate) use prefetch::Named;
pub use repair::RepairStep;
pub(crate) use repair::{apply as apply_repair, plan as plan_repair};
pub use report::{RecoveryReport, TailCut};
#[cfg(any(test, feature = "testing"))]
pub(crate) use scan::{Chain, Frames};
pub(crate) use segment::{Segment, Table};
pub(crate) use slots::{Slot, Slots};
pub(crate) use stretch::{Behind, Stretch, StretchEvents, Wanted};
pub use verify::VerifyReport;
pub(crate) use verify::verify;
pub(crate) use walk::{Walk, Walked};
pub(crate) use watermark::Mark;
pub(crate) use writer::{Writer, Written};
