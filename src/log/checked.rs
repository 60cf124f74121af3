//! What of a segment was checked: opening reads only the end of the log, and whoever reads a frame of before for the first time
//! checks it and notes that here. Frames that opening has walked, and those that this process wrote, count as checked.

use super::check::Checker;
use super::frame::{Fault, Header};
use super::geometry::{FRAMES_AT, HEADER_BYTES, segment_path};
use super::scan::Stop;
use super::segment::Segment;
use crate::error::{Corruption, Error};
use crate::event::EventRef;
use crate::event::commit::CommitRef;
use crate::event::layout::{record, u32_at};
use crate::medium::prefetch;
use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that share a bit: fewer than a header or a record has, so that only one of either begins in them.
const CELL_BYTES: u64 = 32;

const _: () = assert!(CELL_BYTES as usize <= record::BYTES && CELL_BYTES <= HEADER_BYTES);

/// A bit for each cell in which a header or record begins that was checked. Takes 1/256 of what the segment takes, once the
/// first of its frames is read.
#[derive(Default)]
pub(super) struct Checked(OnceLock<Box<[AtomicU64]>>);

impl Checked {
    #[inline]
    fn has(&self, offset: u64) -> bool {
        let cell = offset / CELL_BYTES;
        let word = self.0.get().and_then(|words| words.get((cell / 64) as usize));
        // What the bit says was read from bytes that never change: nothing else hangs on it.
        word.is_some_and(|word| word.load(Ordering::Relaxed) & 1 << (cell % 64) != 0)
    }

    /// Hints that what is known of `offset` will be asked for soon.
    #[inline]
    fn prefetch(&self, offset: u64) {
        if let Some(word) = self.0.get().and_then(|words| words.get((offset / CELL_BYTES / 64) as usize)) {
            prefetch(word);
        }
    }

    fn add(&self, offset: u64, segment_bytes: u64) {
        let words = self.0.get_or_init(|| {
            let cells = segment_bytes / CELL_BYTES;
            (0..cells.div_ceil(64)).map(|_| AtomicU64::new(0)).collect()
        });
        let cell = offset / CELL_BYTES;
        words[(cell / 64) as usize].fetch_or(1 << (cell % 64), Ordering::Relaxed);
    }
}

thread_local! {
    static CHECKER: RefCell<Checker> = RefCell::new(Checker::default());
}

impl Segment {
    /// Whether the header or record at `offset` needs no check.
    #[inline]
    fn is_checked(&self, offset: u64) -> bool {
        self.checked.as_ref().is_none_or(|checked| checked.has(offset))
    }

    /// Hints that [`is_checked`](Self::is_checked) will be asked of the header or record at `offset`.
    #[inline]
    pub(super) fn prefetch_checked(&self, offset: u64) {
        if let Some(checked) = &self.checked {
            checked.prefetch(offset);
        }
    }

    /// The published frame at `offset`, checked.
    ///
    /// # Errors
    /// `Corrupt`, with its place. `Unsupported`: a later version wrote it.
    #[inline]
    pub(crate) fn frame(&self, offset: u64) -> Result<CommitRef<'_>, Error> {
        if self.is_checked(offset) { Ok(self.checked_frame(offset)) } else { self.check_frame(offset) }
    }

    /// The published frame at `offset`, which was checked.
    #[inline]
    pub(crate) fn checked_frame(&self, offset: u64) -> CommitRef<'_> {
        let length = u32_at(self.region.bytes(offset, offset + HEADER_BYTES), 0);
        CommitRef::new(self.region.bytes(offset, offset + u64::from(length)))
    }

    /// The published frame that the record at `offset` is in, checked.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    #[inline]
    pub(crate) fn frame_of_record(&self, offset: u64) -> Result<CommitRef<'_>, Error> {
        let known = self.is_checked(offset);
        if !known && (offset < FRAMES_AT || offset + record::BYTES as u64 > self.region.published()) {
            return Err(self.no_record(offset, "the end of the frames"));
        }
        let head = self.region.bytes(offset, offset + record::BYTES as u64);
        let back = u64::from(u32_at(head, record::BACK));
        if known {
            return self.frame(offset - back);
        }
        let start = offset.checked_sub(back).filter(|start| *start >= FRAMES_AT && start.is_multiple_of(8));
        let Some(start) = start else {
            return Err(self.no_record(offset, format!("{back} bytes back to its frame")));
        };
        let commit = self.frame(start)?;
        match commit.events().any(|event| start + u64::from(event.offset()) == offset) {
            true => Ok(commit),
            false => Err(self.no_record(offset, "another part of a frame")),
        }
    }

    /// The frame at `offset`, checked, if one follows there before `published`, without padding or a gap.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    #[inline]
    pub(crate) fn next_frame(&self, offset: u64, published: u64) -> Result<Option<CommitRef<'_>>, Error> {
        if offset + HEADER_BYTES > published {
            return Ok(None);
        }
        let rest = self.region.bytes(offset, published);
        match u32_at(rest, 0) {
            0 => Ok(None),
            _ if self.is_checked(offset) => Ok(Some(CommitRef::new(rest))),
            _ => self.check_frame(offset).map(Some),
        }
    }

    /// The event whose record begins at `offset`, which was checked.
    #[inline]
    pub(crate) fn checked_event(&self, offset: u64) -> EventRef<'_> {
        let back = self.back_to_frame(offset);
        self.checked_frame(offset - u64::from(back)).event_at(back)
    }

    /// How far back from the record at `offset`, which was checked, its frame begins.
    #[inline]
    pub(crate) fn back_to_frame(&self, offset: u64) -> u32 {
        u32_at(self.region.bytes(offset, offset + record::BYTES as u64), record::BACK)
    }

    #[cold]
    fn no_record(&self, offset: u64, found: impl Into<String>) -> Error {
        let number = Some(self.number);
        let (file, expected) = (segment_path(self.number), "an event that the index knows");
        Error::corrupt(Corruption::new("event", file, number, offset, expected, found))
    }

    #[cold]
    fn check_frame(&self, offset: u64) -> Result<CommitRef<'_>, Error> {
        let checked = CHECKER.with(|checker| match checker.try_borrow_mut() {
            Ok(mut checker) => self.check_with(&mut checker, offset),
            Err(_) => self.check_with(&mut Checker::default(), offset),
        });
        let commit = checked.map_err(|fault| self.refused(offset, fault))?;
        if let Some(checked) = &self.checked {
            checked.add(offset, self.region.len());
            for event in commit.events() {
                checked.add(offset + u64::from(event.offset()), self.region.len());
            }
        }
        Ok(commit)
    }

    fn check_with(&self, checker: &mut Checker, offset: u64) -> Result<CommitRef<'_>, Fault> {
        let published = self.region.published();
        let zeros = || Fault::new("frame", 0, "a frame, which was acknowledged", "the end of the frames");
        if offset < FRAMES_AT || offset + HEADER_BYTES > published {
            return Err(zeros());
        }
        let bytes = self.region.bytes(offset, published);
        let head = bytes.first_chunk().ok_or_else(zeros)?;
        let header = Header::decode(head, self.seed.mask(offset))?;
        let Some(frame) = bytes.get(..header.length as usize) else {
            let found = format_args!("{} bytes", header.length);
            return Err(Fault::new("frame", 0, format!("at most {} bytes", bytes.len()), found));
        };
        checker.check(frame, &header, self.seed, offset)?;
        Ok(CommitRef::new(frame))
    }

    /// The error for a frame at `offset` that doesn't hold.
    #[cold]
    pub(super) fn refused(&self, offset: u64, fault: Fault) -> Error {
        let path = segment_path(self.number);
        match fault.into_stop() {
            Stop::Bad(fault) => {
                let place = offset + fault.at as u64;
                let number = Some(self.number);
                Error::corrupt(Corruption::new(fault.what, path, number, place, fault.expected, fault.found))
            }
            Stop::Unsupported(feature) => Error::unsupported(format!("{feature} in {path} at byte {offset}")),
            Stop::Zeros | Stop::Full => unreachable!("a fault is no end"),
        }
    }
}
