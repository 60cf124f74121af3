//! Walks the published frames of a log, from any place on. What wasn't checked before is checked; a frame that doesn't follow
//! the one before it is refused.

use super::blocks::first_nonzero;
use super::frame::Fault;
use super::geometry::{FRAMES_AT, Geometry, HEADER_BYTES, Place};
use super::segment::{Segment, Table};
use crate::error::Error;
use crate::event::commit::CommitRef;
use crate::event::layout::u32_at;

/// A frame and its place.
pub(crate) struct Walked<'t> {
    pub(crate) commit: CommitRef<'t>,
    pub(crate) place: Place,
}

/// The frames from some place on.
#[derive(Clone)]
pub(crate) struct Walk<'t> {
    table: &'t Table,
    geometry: Geometry,
    segment: u64,
    offset: u64,
    /// Position of the next event, once a frame was seen.
    next: Option<u64>,
}

impl<'t> Walk<'t> {
    /// Begins at the frame at `place`, or at the first one of the segment behind a full one.
    pub(crate) fn from(table: &'t Table, geometry: Geometry, place: Place) -> Self {
        let (segment, offset) = (geometry.segment(place), geometry.offset(place).max(FRAMES_AT));
        Self { table, geometry, segment, offset, next: None }
    }

    /// The next frame before `end`.
    #[inline]
    pub(crate) fn next(&mut self, end: Place) -> Option<Result<Walked<'t>, Error>> {
        loop {
            let place = self.geometry.place(self.segment, self.offset);
            if place >= end {
                return None;
            }
            let segment = self.table.get(self.segment)?;
            let published = segment.region.published();
            if self.offset + HEADER_BYTES > published {
                (self.segment, self.offset) = (self.segment + 1, FRAMES_AT);
                continue;
            }
            if u32_at(segment.region.bytes(self.offset, self.offset + HEADER_BYTES), 0) == 0 {
                // The rest of a sector that was padded.
                let padded = self.geometry.after_sync(self.offset);
                if padded > self.offset {
                    if let Err(error) = check_padding(segment, self.offset, padded.min(published)) {
                        return Some(Err(error));
                    }
                    self.offset = padded;
                    continue;
                }
                if segment.checked.is_none() {
                    self.offset = published;
                    continue;
                }
            }
            return Some(self.take(segment, place));
        }
    }

    #[inline]
    fn take(&mut self, segment: &'t Segment, place: Place) -> Result<Walked<'t>, Error> {
        let commit = segment.frame(self.offset)?;
        let first = commit.first_position().0;
        if let Some(next) = self.next
            && next != first
        {
            let fault = Fault::new("frame", 8, format!("position {next}"), first);
            return Err(segment.refused(self.offset, fault));
        }
        self.next = Some(commit.last_position().0 + 1);
        self.offset += u64::from(commit.length());
        Ok(Walked { commit, place })
    }
}

/// The rest of a sector must be zero, where nobody has looked at it before.
fn check_padding(segment: &Segment, from: u64, to: u64) -> Result<(), Error> {
    if segment.checked.is_none() {
        return Ok(());
    }
    let bytes = segment.region.bytes(from, to);
    match first_nonzero(bytes) {
        None => Ok(()),
        Some(at) => {
            let fault = Fault::new("padding", at, "zero", format_args!("{:#04x}", bytes[at]));
            Err(segment.refused(from, fault))
        }
    }
}
