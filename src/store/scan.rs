//! Walks the frames that a view sees, from any position on, without the index's postings.

use super::view::Pinned;
use crate::event::commit::CommitRef;
use crate::event::layout::u32_at;
use crate::log::{FRAMES_AT, HEADER_BYTES, Place};

/// A frame and its place.
pub(super) struct Frame<'v> {
    pub(super) commit: CommitRef<'v>,
    pub(super) place: Place,
}

/// The frames of a view from some place on.
#[derive(Clone)]
pub(super) struct Frames<'v> {
    pinned: &'v Pinned,
    segment: u64,
    offset: u64,
}

impl<'v> Frames<'v> {
    /// Begins at the frame that holds `position`; `None` past the watermark.
    pub(super) fn at(pinned: &'v Pinned, position: u64) -> Option<Self> {
        if position == 0 || position > pinned.position {
            return None;
        }
        let (_, place) = pinned.core.index.read().noted_before(position)?;
        let mut frames = Self::from(pinned, place);
        loop {
            let before = frames.clone();
            if frames.next()?.commit.last_position().0 >= position {
                return Some(before);
            }
        }
    }

    /// Begins at the frame at `place`.
    pub(super) fn from(pinned: &'v Pinned, place: Place) -> Self {
        let geometry = pinned.core.log.geometry;
        Self { pinned, segment: geometry.segment(place), offset: geometry.offset(place) }
    }

    /// The next frame, up to the watermark.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Frame<'v>> {
        let geometry = self.pinned.core.log.geometry;
        loop {
            let place = geometry.place(self.segment, self.offset);
            if place >= self.pinned.end {
                return None;
            }
            let region = &self.pinned.table.get(self.segment)?.region;
            let published = region.published();
            if self.offset + HEADER_BYTES > published {
                (self.segment, self.offset) = (self.segment + 1, FRAMES_AT);
                continue;
            }
            let length = u32_at(region.bytes(self.offset, self.offset + HEADER_BYTES), 0);
            if length == 0 {
                // The rest of a sector that was padded.
                let padded = geometry.after_sync(self.offset);
                self.offset = if padded > self.offset { padded } else { published };
                continue;
            }
            let end = self.offset + u64::from(length);
            let commit = CommitRef::new(region.bytes(self.offset, end));
            self.offset = end;
            return Some(Frame { commit, place });
        }
    }
}
