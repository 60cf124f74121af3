//! Begins to fetch what reading an event of a large commit will touch: header, revision and name of its stream stand at the
//! beginning of the frame, each in a place that the one before it tells. Believes nothing: a wrong place costs time alone.

use super::geometry::{FRAMES_AT, HEADER_BYTES};
use super::segment::Segment;
use crate::event::commit::CommitRef;
use crate::event::layout::{NAME_END_MASK, record, u16_at, u32_at};

/// What stands so near before a record comes with it.
const NEAR: u64 = 256;

impl Segment {
    /// Where the frame of a record begins, and the number of its stream in it; `None` if it is near, or can't be.
    #[inline]
    fn far_frame(&self, at: u64) -> Option<(u64, u64)> {
        let end = at + record::BYTES as u64;
        if end > self.region.published() || at < FRAMES_AT {
            return None;
        }
        let head = self.region.bytes(at, end);
        let back = u64::from(u32_at(head, record::BACK));
        let start = at.checked_sub(back).filter(|start| *start >= FRAMES_AT)?;
        (back > NEAR).then(|| (start, u64::from(u16_at(head, record::STREAM))))
    }

    /// Whether a record doesn't stand near the beginning of its frame.
    pub(crate) fn is_far_from_frame(&self, at: u64) -> bool {
        self.far_frame(at).is_some()
    }

    /// For a record that was fetched: its frame's header, and the revision of its stream.
    #[inline]
    pub(crate) fn prefetch_frame(&self, at: u64) {
        if let Some((start, stream)) = self.far_frame(at) {
            self.region.prefetch(start);
            self.region.prefetch(start + HEADER_BYTES + 8 * stream);
        }
    }

    /// Then the directory entry of its stream.
    #[inline]
    pub(crate) fn prefetch_entry(&self, at: u64) {
        if let Some((start, stream)) = self.far_frame(at) {
            let commit = CommitRef::new(self.region.bytes(start, at));
            self.region.prefetch(start + commit.directory_start() as u64 + 4 * stream);
        }
    }

    /// Then the name.
    #[inline]
    pub(crate) fn prefetch_name(&self, at: u64) {
        if let Some((start, stream)) = self.far_frame(at) {
            let commit = CommitRef::new(self.region.bytes(start, at));
            let end = u32_at(commit.directory(), 4 * stream as usize) & NAME_END_MASK;
            self.region.prefetch((start + commit.names_start() as u64 + u64::from(end)).saturating_sub(1));
        }
    }
}
