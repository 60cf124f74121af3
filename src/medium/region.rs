#![allow(unsafe_code)]
//! A mapped file of fixed length, split into who may write it and who may read it.
//!
//! Bytes `[0, head)` are the *head*: never lent, read and written as copies at any time. Bytes from `head` on are
//! lent to readers below the *published* end, and written only at or above it, by the one [`RegionWriter`]. So a
//! byte that is lent never changes. Never decides where frames begin or end.
//!
//! # Why it is sound
//!
//! - The memory lives as long as the [`Region`] that owns it, and everything lent borrows from the region.
//! - In the head every access is an atomic one, of a whole word, so nothing there can race.
//! - Past the head, [`Region::bytes`] lends only below the published end, which only grows; whoever may change bytes
//!   past the head has the [`RegionWriter`], of which there is one and which isn't `Clone`, asserts that they lie at or
//!   above that end, and holds it by `&mut`, while [`RegionWriter::bytes`] lends above that end by `&`.
//! - [`RegionWriter::publish`] is `Release`, and [`Region::published`] and [`Region::bytes`] are `Acquire`: who sees an
//!   end sees what was written below it.
//! - What is asked of the file changes no byte (reserving, populating, syncing), but for `write_at` and `punch`, which
//!   only the writer asks for, under the same assertions.
//!
//! # What stands outside of it
//!
//! A file is mapped shared, so another mapping of it, in this process or another, shows the same bytes. Two rules
//! keep the promise there, and both are rules for who opens regions, not checked here: at most one region of a file
//! is writable at a time (the writer's lock), and who has it open for reading publishes to itself, and reads, only
//! what the writer has announced in the watermark file, or verifies what it reads by checksum and takes it for
//! evidence only. Changing the file by other means while it is open, shortening it above all, is outside of the
//! contract: a read or store past the new end raises `SIGBUS`. So does a read whose page the device can't deliver.

use super::mapping::{Mapping, MappingKind};
use super::published::Published;
use super::{Site, WriteMode};
use crossbeam_utils::CachePadded;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Length of the head, in bytes; a shorter file is head as a whole.
pub(crate) const REGION_HEAD: u64 = 4096;
/// Zeros and rewritten bytes go to the file in pieces of at most this many bytes.
const PIECE_BYTES: u64 = 64 * 1024;

const _: () = assert!(REGION_HEAD.is_multiple_of(8) && PIECE_BYTES.is_multiple_of(8));

/// What a mapping needs of the file under it. Offsets and lengths are bytes.
pub(crate) trait RegionOps: Send + Sync {
    /// Copies bytes into the file (positioned mode only). The region's memory shows them afterwards: the mapping of
    /// a file by itself, private memory because the region copies them there once this has succeeded.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Really reserves the blocks of a range: a later store to it can't fail for lack of space.
    fn reserve(&self, from: u64, to: u64) -> io::Result<()>;
    /// Faults the pages of a range in for writing. Nothing in positioned mode.
    fn populate(&self, from: u64, to: u64) -> io::Result<()>;
    /// Makes the bytes of a range durable: `msync` of its pages, or `fdatasync` in positioned mode.
    fn sync_range(&self, from: u64, to: u64) -> io::Result<()>;
    /// Makes length, reserved blocks and everything in the file durable.
    fn sync_file(&self) -> io::Result<()>;
    /// Gives the blocks of the whole pages inside a range back; these read as zeros. The length stays. The region
    /// does the same to private memory once this has succeeded.
    fn punch(&self, from: u64, to: u64) -> io::Result<()>;
    /// The first byte at or after `from` that may not be a hole (`SEEK_DATA`); `None` if only holes follow.
    fn next_data(&self, from: u64) -> io::Result<Option<u64>>;
    /// Where the last data ends: only holes follow. `None` if that isn't known.
    fn data_end(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }
    /// Lets the descriptor go; every call that needs it fails from then on. Nothing without one.
    fn release(&self) {}
    /// Told the bytes after each store to the memory that the simulator must see. Nothing on real media.
    fn stored(&self, _site: Site, _at: u64, _bytes: &[u8]) {}
    /// Whether `stored` wants to be told.
    fn observes(&self) -> bool {
        false
    }
}

/// What readers see of a mapped file; see the module. Shared behind an `Arc`.
pub(crate) struct Region {
    base: *mut u8,
    len: u64,
    head: u64,
    writable: bool,
    positioned: bool,
    /// Positioned, over private memory: what was written must be copied there.
    shadows: bool,
    observed: bool,
    ops: Box<dyn RegionOps>,
    mapping: Mapping,
    published: CachePadded<Published>,
}

// SAFETY: `base` points into `mapping`, which is owned and may be used from any thread. Which bytes behind it may be
// read and written by whom is said in the module's documentation and kept by every method, for any number of threads.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// The one who may change bytes past the head. Made by [`Region::create`], and only there.
pub(crate) struct RegionWriter {
    region: Arc<Region>,
    /// Writable, mapped or heap, and not observed: a write is a copy and nothing else.
    plain: bool,
}

impl Region {
    /// Begins with everything past the head unpublished.
    ///
    /// # Panics
    ///
    /// If stores are asked for that the mapping doesn't allow.
    pub(crate) fn create(
        mapping: Mapping,
        mode: WriteMode,
        writable: bool,
        ops: Box<dyn RegionOps>,
    ) -> RegionWriter {
        let positioned = mode == WriteMode::Positioned;
        let storable = mapping.kind() != MappingKind::FileRead;
        assert!(storable || positioned || !writable, "a mapping that is only read can't be stored to");
        let head = mapping.len().min(REGION_HEAD);
        let region = Region {
            base: mapping.base(),
            len: mapping.len(),
            head,
            writable,
            positioned,
            shadows: positioned && mapping.kind() == MappingKind::Memory,
            observed: ops.observes(),
            ops,
            mapping,
            published: CachePadded::new(Published::new(head)),
        };
        let plain = writable && !positioned && !region.observed;
        RegionWriter { region: Arc::new(region), plain }
    }

    /// Length of the file, in bytes.
    #[inline]
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The end of what is lent: at least the head, at most the length. `Acquire`; pairs with
    /// [`RegionWriter::publish`].
    #[inline]
    pub(crate) fn published(&self) -> u64 {
        self.published.get()
    }

    /// The published bytes `[from, to)`.
    ///
    /// # Panics
    ///
    /// Unless `head <= from <= to <= published`.
    #[inline]
    pub(crate) fn bytes(&self, from: u64, to: u64) -> &[u8] {
        self.lend(from, to, self.published())
    }

    /// `end` is at least `head` and at most `len`, and nobody writes below it while `self` is borrowed as the caller
    /// has it.
    #[inline]
    fn lend(&self, from: u64, to: u64, end: u64) -> &[u8] {
        // Counted from the head, a place before it wraps round to a number beyond any end.
        let (start, stop) = (from.wrapping_sub(self.head), to.wrapping_sub(self.head));
        if (start > stop) | (stop > end - self.head) {
            outside(from, to, self.head, end);
        }
        // SAFETY: `mapping` holds `len` bytes at `base` for as long as `self` lives, and `to <= end <= len`. Bytes
        // below `published` are never written again, by the assertions of `RegionWriter`; where the writer itself
        // lends beyond, it is borrowed with what it lends, and writes take it by `&mut`.
        unsafe { std::slice::from_raw_parts(self.base.add(from as usize), (to - from) as usize) }
    }

    /// The word at `at` in the head, as a little-endian number. `Acquire`; pairs with [`Region::store_word`].
    ///
    /// # Panics
    ///
    /// Unless `at` is a multiple of 8 in the head.
    #[cfg(test)]
    pub(crate) fn load_word(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.load(at))
    }

    /// Sets the word at `at` in the head to a little-endian number. `Release`; pairs with the loads of [`Region::head_bytes`].
    /// In positioned mode a `write_at`, which readers see after this has returned.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` in a region for reading; those of a positioned write.
    ///
    /// # Panics
    ///
    /// Unless `at` is a multiple of 8 in the head.
    #[inline]
    pub(crate) fn store_word(&self, at: u64, word: u64) -> io::Result<()> {
        if self.writable && !self.positioned && !self.observed {
            self.word(at).store(word.to_le(), Ordering::Release);
            return Ok(());
        }
        self.store_head(at, &word.to_le_bytes())
    }

    /// A copy of the bytes `[from, to)` of the head, each word of it `Acquire`.
    ///
    /// # Panics
    ///
    /// Unless `from <= to <= head`.
    pub(crate) fn head_bytes(&self, from: u64, to: u64) -> Vec<u8> {
        assert!(
            from <= to && to <= self.head,
            "{from} to {to} lies outside of a head of {} bytes",
            self.head
        );
        let first = from & !7;
        let mut bytes = Vec::with_capacity((to - first) as usize + 8);
        for at in (first..to).step_by(8) {
            bytes.extend_from_slice(&self.load(at));
        }
        bytes.truncate((to - first) as usize);
        bytes.drain(..(from - first) as usize);
        bytes
    }

    /// Copies whole words into the head, one after another, each `Release`. Two calls for the same words at the same
    /// time leave a mixture of both.
    ///
    /// # Errors
    ///
    /// As [`Region::store_word`].
    ///
    /// # Panics
    ///
    /// Unless place and length are multiples of 8 in the head.
    pub(crate) fn store_head(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let count = bytes.len() as u64;
        assert!(
            at.is_multiple_of(8) && count.is_multiple_of(8) && at <= self.head && count <= self.head - at,
            "{count} bytes at {at} are no words of a head of {} bytes",
            self.head
        );
        self.check_writable()?;
        if self.positioned {
            self.ops.write_at(at, bytes)?;
        }
        if !self.positioned || self.shadows {
            for (place, word) in (at..).step_by(8).zip(bytes.chunks_exact(8)) {
                let word = u64::from_ne_bytes(word.try_into().expect("a chunk of 8"));
                self.word(place).store(word, Ordering::Release);
            }
        }
        if self.observed {
            self.ops.stored(Site::Mark, at, bytes);
        }
        Ok(())
    }

    fn load(&self, at: u64) -> [u8; 8] {
        // An acquiring load of memory that can only be read is not promised to work; this is.
        let word = self.word(at).load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        word.to_ne_bytes()
    }

    fn word(&self, at: u64) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at < self.head, "no word at {at} in a head of {} bytes", self.head);
        // SAFETY: `at + 8 <= head`, since both are multiples of 8; `mapping` holds these bytes for as long as `self`
        // lives. `base` is page aligned. Every access to the head is atomic, but for the kernel's.
        unsafe { AtomicU64::from_ptr(self.base.add(at as usize).cast()) }
    }

    /// Hints that the bytes at `at` will be read soon. Any place is allowed; one outside of the file does nothing.
    #[inline]
    pub(crate) fn prefetch(&self, at: u64) {
        prefetch(self.base.wrapping_add(at as usize));
    }

    /// See [`RegionOps::reserve`].
    pub(crate) fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        self.check_writable()?;
        self.ops.reserve(from, to)
    }

    /// See [`RegionOps::populate`].
    pub(crate) fn populate(&self, from: u64, to: u64) -> io::Result<()> {
        self.check_writable()?;
        self.ops.populate(from, to)
    }

    /// See [`RegionOps::sync_range`].
    pub(crate) fn sync_range(&self, from: u64, to: u64) -> io::Result<()> {
        self.check_writable()?;
        self.ops.sync_range(from, to)
    }

    /// See [`RegionOps::sync_file`].
    pub(crate) fn sync_file(&self) -> io::Result<()> {
        self.check_writable()?;
        self.ops.sync_file()
    }

    /// See [`RegionOps::next_data`].
    pub(crate) fn next_data(&self, from: u64) -> io::Result<Option<u64>> {
        self.ops.next_data(from)
    }

    /// The end of the last data, or of the file. What lies behind it reads as zeros, and reading it may take space: a
    /// touched hole is given a page, and on tmpfs a full one raises SIGBUS.
    pub(crate) fn data_end(&self) -> io::Result<u64> {
        Ok(self.ops.data_end()?.map_or(self.len, |end| end.min(self.len)))
    }

    /// Lets the file's descriptor go, so that a store of many segments doesn't run out of them. For a region that
    /// won't be written again and whose every sync is done: what needs the descriptor fails from then on (on real
    /// files that is everything but reading, `sync_range` in mapped mode and `next_data`).
    pub(crate) fn release(&self) {
        self.ops.release();
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(read_only()) }
    }
}

#[cold]
#[inline(never)]
fn outside(from: u64, to: u64, head: u64, end: u64) -> ! {
    panic!("bytes {from} to {to} are not within {head} to {end}");
}

#[cold]
fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the file is open for reading only")
}

mod writer;

/// Hints that what stands there will be read soon. Any address is allowed.
#[inline]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address, and changes nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

#[cfg(test)]
mod tests;
