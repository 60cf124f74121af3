//! A mapped file of fixed length, split into who may write it and who may read it.
//!
//! Bytes `[0, head)` are the *head*: never lent, read and written as copies at any time. Bytes from `head` on are
//! lent to readers below the *published* end, and written only at or above it, by the one [`RegionWriter`]. So a
//! byte that is lent never changes. Never decides where frames begin or end.

use super::{Site, WriteMode};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a mapping needs of the file under it. Offsets and lengths are bytes.
pub(crate) trait RegionOps: Send + Sync {
    /// Copies bytes into the file (positioned mode only).
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Really reserves the blocks of a range: a later store to it can't fail for lack of space.
    fn reserve(&self, from: u64, to: u64) -> io::Result<()>;
    /// Faults the pages of a range in for writing. Nothing in positioned mode.
    fn populate(&self, from: u64, to: u64) -> io::Result<()>;
    /// Makes the bytes of a range durable: `msync` of its pages, or `fdatasync` in positioned mode.
    fn sync_range(&self, from: u64, to: u64) -> io::Result<()>;
    /// Makes length, reserved blocks and everything in the file durable.
    fn sync_file(&self) -> io::Result<()>;
    /// Gives the blocks of a range back; it reads as zeros. The length stays.
    fn punch(&self, from: u64, to: u64) -> io::Result<()>;
    /// The first byte at or after `from` that may not be a hole (`SEEK_DATA`); `None` if only holes follow.
    fn next_data(&self, from: u64) -> io::Result<Option<u64>>;
    /// Told after each store to the mapping that the simulator must see. Nothing on real media.
    fn stored(&self, _site: Site, _from: u64, _to: u64) {}
    /// Whether `stored` wants to be told.
    fn observes(&self) -> bool {
        false
    }
}
