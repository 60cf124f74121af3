//! The facts of a frame that was validated.
//!
//! Reading never panics: a place outside the bytes reads as zero or empty, which a validated frame never shows.

use super::EventRef;
use super::layout::{
    NAME_END_MASK, header, i64_at, revisions_bytes, slice_at, u8_at, u16_at, u32_at, u64_at,
};
use super::mark;
use crate::{Position, Revision};

/// A validated frame.
#[derive(Clone, Copy)]
pub(crate) struct CommitRef<'a>(&'a [u8]);

impl<'a> CommitRef<'a> {
    /// `frame` begins with a validated frame and has all of it.
    #[inline]
    pub(crate) fn new(frame: &'a [u8]) -> Self {
        Self(frame)
    }

    /// The bytes of the frame, padding included.
    #[inline]
    pub(crate) fn bytes(self) -> &'a [u8] {
        slice_at(self.0, 0, self.length() as usize)
    }

    /// Length in bytes, padding included.
    #[inline]
    pub(crate) fn length(self) -> u32 {
        u32_at(self.0, header::LENGTH)
    }

    /// Position of the first event.
    #[inline]
    pub(crate) fn first_position(self) -> Position {
        Position(u64_at(self.0, header::FIRST_POSITION))
    }

    /// Position of the last event.
    #[inline]
    pub(crate) fn last_position(self) -> Position {
        Position(self.first_position().0.wrapping_add(u64::from(self.event_count())).wrapping_sub(1))
    }

    /// Time of the commit, nanoseconds since 1970-01-01 UTC.
    #[inline]
    pub(crate) fn time(self) -> i64 {
        i64_at(self.0, header::TIME)
    }

    /// The epoch of the writing open.
    #[inline]
    pub(crate) fn epoch(self) -> u64 {
        u64_at(self.0, header::EPOCH)
    }

    #[inline]
    pub(crate) fn event_count(self) -> u16 {
        u16_at(self.0, header::EVENTS)
    }

    #[inline]
    pub(crate) fn stream_count(self) -> u16 {
        u16_at(self.0, header::STREAMS)
    }

    #[inline]
    pub(crate) fn flags(self) -> u8 {
        u8_at(self.0, header::FLAGS)
    }

    #[inline]
    pub(crate) fn name_count(self) -> u32 {
        u32_at(self.0, header::NAMES) & header::NAMES_MASK
    }

    /// First revision, in this commit, of stream `number`.
    #[inline]
    pub(crate) fn first_revision(self, number: u16) -> Revision {
        let at = match self.stream_count() {
            1 => header::REVISIONS,
            _ => header::BYTES + 8 * usize::from(number),
        };
        Revision(u64_at(self.0, at))
    }

    /// Offset of the directory of names in the frame.
    #[inline]
    pub(crate) fn directory_start(self) -> usize {
        header::BYTES + revisions_bytes(usize::from(self.stream_count()))
    }

    /// The directory of names.
    #[inline]
    pub(crate) fn directory(self) -> &'a [u8] {
        let start = self.directory_start();
        slice_at(self.0, start, start + 4 * self.name_count() as usize)
    }

    /// Kind and bytes of name `number`; streams come first, then types.
    #[inline]
    pub(crate) fn name(self, number: u32) -> (u8, &'a [u8]) {
        let entry = self.directory_start() + 4 * number as usize;
        let this = u32_at(self.0, entry);
        let start = if number == 0 { 0 } else { (u32_at(self.0, entry - 4) & NAME_END_MASK) as usize };
        let base = self.names_start();
        let name = slice_at(self.0, base + start, base + (this & NAME_END_MASK) as usize);
        ((this >> 24) as u8, name)
    }

    /// Name of stream `number`.
    #[inline]
    pub(crate) fn stream_name(self, number: u16) -> &'a [u8] {
        self.name(u32::from(number)).1
    }

    /// Name of type `number`, as event records count types.
    #[inline]
    pub(crate) fn type_name(self, number: u16) -> &'a [u8] {
        self.name(u32::from(self.stream_count()) + u32::from(number)).1
    }

    #[inline]
    pub(crate) fn names_start(self) -> usize {
        self.directory_start() + 4 * self.name_count() as usize
    }

    /// Offset in the frame of the first byte after the names: the items, or the first record.
    #[inline]
    pub(crate) fn names_end(self) -> usize {
        let directory = self.directory();
        let bytes = u32_at(directory, directory.len().saturating_sub(4)) & NAME_END_MASK;
        self.names_start() + bytes as usize
    }

    /// The progress of a consumer that came with this commit.
    pub(crate) fn progress_of(self, consumer: &str) -> Option<&'a [u8]> {
        if self.flags() & header::FLAG_ITEMS == 0 {
            return None;
        }
        let items = slice_at(self.0, self.names_end() + 4, self.records_start());
        mark::items(items).flatten().find_map(|item| match item.mark() {
            Some(Ok((name, progress))) if name == consumer => Some(progress),
            _ => None,
        })
    }

    /// Offset of the first event record in the frame.
    #[inline]
    pub(crate) fn records_start(self) -> usize {
        let start = self.names_end();
        match self.flags() & header::FLAG_ITEMS {
            0 => start,
            _ => start + 4 + u32_at(self.0, start) as usize,
        }
    }

    /// The event whose record begins at `offset` in the frame.
    #[inline]
    pub(crate) fn event_at(self, offset: u32) -> EventRef<'a> {
        EventRef::new(self.bytes(), offset)
    }

    /// The events in order.
    #[inline]
    pub(crate) fn events(self) -> CommitEvents<'a> {
        CommitEvents { frame: self.bytes(), at: self.records_start() as u32, left: self.event_count() }
    }
}

/// The events of a frame in order: walks the records by their lengths.
#[derive(Clone)]
pub(crate) struct CommitEvents<'a> {
    frame: &'a [u8],
    at: u32,
    left: u16,
}

impl<'a> Iterator for CommitEvents<'a> {
    type Item = EventRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<EventRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        let event = EventRef::new(self.frame, self.at);
        self.at = self.at.wrapping_add(event.length());
        Some(event)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for CommitEvents<'_> {}
