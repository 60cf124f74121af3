#![allow(unsafe_code)]
//! The writing half of a region: copies bytes in at or above the published end, then publishes them. Never touches
//! what is published. The reasoning stands in the parent module.

use super::{PIECE_BYTES, Region, RegionWriter, outside, read_only};
use crate::medium::Site;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

impl RegionWriter {
    /// The region, for readers.
    #[inline]
    pub(crate) fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// The bytes `[from, to)`, published or not.
    ///
    /// # Panics
    ///
    /// Unless `head <= from <= to <= len`.
    #[inline]
    pub(crate) fn bytes(&self, from: u64, to: u64) -> &[u8] {
        self.region.lend(from, to, self.region.len)
    }

    /// Copies bytes to `at`.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` in a region for reading; those of a positioned write, which may have written a part.
    ///
    /// # Panics
    ///
    /// Unless `published <= at` and the bytes end within the file.
    #[inline]
    pub(crate) fn write(&mut self, site: Site, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.check(at, bytes.len() as u64);
        if self.plain {
            // SAFETY: checked above; not observed, not positioned, writable.
            unsafe { self.copy_in(at, bytes) };
            Ok(())
        } else {
            self.write_slowly(site, at, bytes)
        }
    }

    /// Sets the word at `at` to a little-endian number in one store. `Release`: who sees the word (in another process)
    /// sees what was written before it.
    ///
    /// # Errors
    ///
    /// As [`RegionWriter::write`].
    ///
    /// # Panics
    ///
    /// As [`RegionWriter::write`], and unless `at` is a multiple of 8.
    #[inline]
    pub(crate) fn write_word(&mut self, site: Site, at: u64, word: u64) -> io::Result<()> {
        assert!(at.is_multiple_of(8), "a word at {at} is not aligned");
        if self.plain {
            self.check(at, 8);
            self.word(at).store(word.to_le(), Ordering::Release);
            Ok(())
        } else {
            // The store to private memory needn't be one: only real mappings have readers in other processes.
            self.write(site, at, &word.to_le_bytes())
        }
    }

    /// Copies a frame to `at`: what follows its header, its header but for the first word, then `first_word` as by
    /// [`RegionWriter::write_word`].
    ///
    /// # Errors
    ///
    /// As [`RegionWriter::write`].
    ///
    /// # Panics
    ///
    /// As [`RegionWriter::write_word`], and unless the frame is longer than its header and that longer than a word.
    #[inline]
    pub(crate) fn write_frame(
        &mut self,
        at: u64,
        frame: &[u8],
        header: u64,
        first_word: u64,
    ) -> io::Result<()> {
        if self.plain {
            assert!(at.is_multiple_of(8), "a word at {at} is not aligned");
            self.check(at, frame.len() as u64);
            // SAFETY: checked above, of which this is the end; not observed, not positioned, writable.
            unsafe { self.copy_in(at + 8, &frame[8..]) };
            self.word(at).store(first_word.to_le(), Ordering::Release);
            return Ok(());
        }
        self.write(Site::Body, at + header, &frame[header as usize..])?;
        self.write(Site::Header, at + 8, &frame[8..header as usize])?;
        self.write_word(Site::FirstWord, at, first_word)
    }

    /// Whether a write is a copy and nothing else, so that nobody is called meanwhile.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Stores the bytes `[from, to)` again, unchanged, so that the medium must take them once more.
    ///
    /// # Errors
    ///
    /// As [`RegionWriter::write`].
    ///
    /// # Panics
    ///
    /// Unless `published <= from <= to <= len`, both multiples of 8.
    pub(crate) fn rewrite(&mut self, from: u64, to: u64) -> io::Result<()> {
        assert!(from.is_multiple_of(8) && to.is_multiple_of(8) && from <= to, "no words from {from} to {to}");
        self.check(from, to - from);
        if self.plain {
            for at in (from..to).step_by(8) {
                let word = self.word(at).as_ptr();
                // SAFETY: `word` gives a word that may be stored to and that nobody else has. Volatile, so that the
                // store isn't left out for changing nothing.
                unsafe { word.write_volatile(word.read_volatile()) };
            }
            return Ok(());
        }
        for at in (from..to).step_by(PIECE_BYTES as usize) {
            let piece = self.bytes(at, to.min(at + PIECE_BYTES)).to_vec();
            self.write_slowly(Site::Body, at, &piece)?;
        }
        Ok(())
    }

    /// Makes the bytes `[from, to)` zero by writing, so that their blocks stay reserved.
    ///
    /// # Errors
    ///
    /// As [`RegionWriter::write`].
    ///
    /// # Panics
    ///
    /// Unless `published <= from <= to <= len`.
    pub(crate) fn zero(&mut self, site: Site, from: u64, to: u64) -> io::Result<()> {
        assert!(from <= to, "no bytes from {from} to {to}");
        self.check(from, to - from);
        let zeros = vec![0; (to - from).min(PIECE_BYTES) as usize];
        let mut at = from;
        while at < to {
            let piece = &zeros[..(to - at).min(PIECE_BYTES) as usize];
            self.write(site, at, piece)?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// Gives the blocks of the whole pages inside `[from, to)` back; these read as zeros, the rest stays as it is.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` in a region for reading; `Unsupported` where the file system can't, and nothing has changed.
    ///
    /// # Panics
    ///
    /// Unless `published <= from <= to <= len`.
    pub(crate) fn punch(&mut self, from: u64, to: u64) -> io::Result<()> {
        assert!(from <= to, "no bytes from {from} to {to}");
        self.check(from, to - from);
        self.region.check_writable()?;
        self.region.ops.punch(from, to)?;
        if self.region.mapping.kind() == super::MappingKind::Memory {
            // SAFETY: nothing at or above `published` is lent by the region, nothing by the writer, which is borrowed
            // for this alone, and only the writer writes there.
            unsafe { self.region.mapping.discard(from, to)? };
        }
        Ok(())
    }

    /// Lends everything below `to` to readers from now on. `Release`; pairs with the `Acquire` in
    /// [`Region::published`].
    ///
    /// # Panics
    ///
    /// Unless `published <= to <= len`.
    #[inline]
    pub(crate) fn publish(&mut self, to: u64) {
        let published = self.published();
        if to < published || to > self.region.len {
            outside(published, to, published, self.region.len);
        }
        self.region.published.publish(to);
    }

    /// Only the writer moves it, so it reads what it stored itself.
    #[inline]
    fn published(&self) -> u64 {
        self.region.published.get()
    }

    /// Asserts that `count` bytes from `at` on may be written.
    #[inline]
    fn check(&self, at: u64, count: u64) {
        let (published, len) = (self.published(), self.region.len);
        // Counted from the published end, a place before it wraps round to a number beyond the length.
        if (at.wrapping_sub(published) > len - published) || count > len - at {
            outside(at, at.wrapping_add(count), published, len);
        }
    }

    /// # Safety
    ///
    /// `check(at, bytes.len())` holds, the region is writable, and its memory may be stored to.
    #[inline]
    unsafe fn copy_in(&mut self, at: u64, bytes: &[u8]) {
        // SAFETY: the target is mapped for as long as the region lives and ends within it (`check`). Nobody reads or
        // writes it meanwhile: `Region::bytes` lends only below `published`, and what `RegionWriter::bytes` lent is
        // gone, since this borrows the writer mutably; so `bytes` doesn't overlap it either.
        unsafe {
            let to = self.region.base.add(at as usize);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }

    /// A word past the head that may be stored to: plain regions only, after `check`.
    #[inline]
    fn word(&mut self, at: u64) -> &AtomicU64 {
        // SAFETY: `at` is a multiple of 8, checked to lie with its 8 bytes in the mapping, at or above `published`, so
        // nothing lends it; `base` is page aligned. The borrow of the writer keeps everybody else from it.
        unsafe { AtomicU64::from_ptr(self.region.base.add(at as usize).cast()) }
    }

    /// Whatever isn't a plain copy. `check` holds.
    #[inline(never)]
    fn write_slowly(&mut self, site: Site, at: u64, bytes: &[u8]) -> io::Result<()> {
        if !self.region.writable {
            return Err(read_only());
        }
        if self.region.positioned {
            self.region.ops.write_at(at, bytes)?;
        }
        if !self.region.positioned || self.region.shadows {
            // SAFETY: checked by the caller; writable, and either not positioned, so that the mapping can be stored
            // to by the assertion in `Region::create`, or private memory.
            unsafe { self.copy_in(at, bytes) };
        }
        if self.region.observed {
            self.region.ops.stored(site, at, bytes);
        }
        Ok(())
    }
}
