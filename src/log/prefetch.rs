//! Begins to fetch what reading an event of a large commit will touch: header, revision and name of its stream stand at the
//! beginning of the frame, each in a place that the one before it tells. Believes nothing: a wrong place costs time alone.

use super::geometry::{FRAMES_AT, HEADER_BYTES};
use super::segment::Segment;
use crate::event::layout::{NAME_END_MASK, header, record, u16_at, u32_at};

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

    /// Place of the directory entry of a stream.
    #[inline]
    fn entry(&self, start: u64, stream: u64) -> u64 {
        let head = self.region.bytes(start, start + HEADER_BYTES);
        let streams = u64::from(u16_at(head, header::STREAMS));
        let revisions = if streams > 1 { 8 * streams } else { 0 };
        start + HEADER_BYTES + revisions + 4 * stream
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
            self.region.prefetch(self.entry(start, stream));
        }
    }

    /// Then the name.
    #[inline]
    pub(crate) fn prefetch_name(&self, at: u64) {
        let Some((start, stream)) = self.far_frame(at) else { return };
        let entry = self.entry(start, stream);
        if entry + 4 <= at {
            let names = u64::from(
                u32_at(self.region.bytes(start, start + HEADER_BYTES), header::NAMES) & header::NAMES_MASK,
            );
            let end = u32_at(self.region.bytes(entry, entry + 4), 0) & NAME_END_MASK;
            let directory = entry - 4 * stream + 4 * names;
            self.region.prefetch((directory + u64::from(end)).saturating_sub(1));
        }
    }
}
