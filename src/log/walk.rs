//! Walks the published frames of a log, from any place on. What wasn't checked before is checked; a frame that doesn't follow
//! the one before it is refused.

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
    /// Begins at the frame at `place`.
    pub(crate) fn from(table: &'t Table, geometry: Geometry, place: Place) -> Self {
        let (segment, offset) = (geometry.segment(place), geometry.offset(place));
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
