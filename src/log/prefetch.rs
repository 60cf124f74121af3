//! Begins to fetch what reading an event of a large commit will touch: header, revision and names stand at the beginning of the
//! frame, each in a place that the one before it tells. Believes nothing: a wrong place costs time alone.

use super::geometry::{FRAMES_AT, HEADER_BYTES};
use super::segment::Segment;
use crate::event::EventRef;
use crate::event::commit::CommitRef;
use crate::event::layout::{NAME_END_MASK, record, u16_at, u32_at};

/// What stands so near before a record comes with it.
const NEAR: u64 = 256;
/// So much of a record is fetched.
const RECORD_MAX: u64 = 512;
/// An event seldom has more keys.
const KEYS_MAX: usize = 4;

/// The names of an event that are looked at.
#[derive(Clone, Copy)]
pub(crate) enum Named {
    Stream,
    Type,
    /// Tags and correlation id.
    Keys,
}

impl Segment {
    /// The head of a record, if one can be there.
    #[inline]
    fn head(&self, at: u64) -> Option<&[u8]> {
        let end = at + record::BYTES as u64;
        (end <= self.region.published() && at >= FRAMES_AT).then(|| self.region.bytes(at, end))
    }

    /// Where the frame of a record begins, and the head of the record; `None` if it is near, or can't be.
    #[inline]
    fn far_frame(&self, at: u64) -> Option<(u64, &[u8])> {
        let head = self.head(at)?;
        let back = u64::from(u32_at(head, record::BACK));
        let start = at.checked_sub(back).filter(|start| *start >= FRAMES_AT)?;
        (back > NEAR).then_some((start, head))
    }

    /// Whether a record doesn't stand near the beginning of its frame.
    pub(crate) fn is_far_from_frame(&self, at: u64) -> bool {
        self.far_frame(at).is_some()
    }

    /// The beginning of a record.
    #[inline]
    pub(crate) fn prefetch_record(&self, at: u64) {
        self.region.prefetch(at);
        self.prefetch_checked(at);
    }

    /// What stands shortly before a record: the header, in small commits.
    #[inline]
    pub(crate) fn prefetch_before(&self, at: u64) {
        self.region.prefetch(at.saturating_sub(64));
    }

    /// The rest of a record that was fetched.
    #[inline]
    pub(crate) fn prefetch_rest(&self, at: u64) {
        if let Some(head) = self.head(at) {
            self.prefetch_lines(at, head);
        }
    }

    #[inline]
    fn prefetch_lines(&self, at: u64, head: &[u8]) {
        let length = u64::from(u32_at(head, record::LENGTH)).min(RECORD_MAX);
        (64..length).step_by(64).for_each(|line| self.region.prefetch(at + line));
    }

    /// For a record that was fetched: its frame's header, the revision of its stream, and the rest of it.
    #[inline]
    pub(crate) fn prefetch_frame(&self, at: u64, named: Named) {
        if let Some((start, head)) = self.far_frame(at) {
            self.region.prefetch(start);
            self.prefetch_checked(start);
            self.prefetch_lines(at, head);
            if let Named::Stream = named {
                let stream = u16_at(head, record::STREAM);
                self.region.prefetch(start + HEADER_BYTES + 8 * u64::from(stream));
            }
        }
    }

    /// Then the directory entries of its names.
    #[inline]
    pub(crate) fn prefetch_entries(&self, at: u64, named: Named) {
        self.each_name(at, named, |start, commit, number| {
            self.region.prefetch(start + (commit.directory_start() + 4 * number) as u64);
        });
    }

    /// Then the names.
    #[inline]
    pub(crate) fn prefetch_names(&self, at: u64, named: Named) {
        self.each_name(at, named, |start, commit, number| {
            let end = u32_at(commit.directory(), 4 * number) & NAME_END_MASK;
            self.region.prefetch((start + commit.names_start() as u64 + u64::from(end)).saturating_sub(1));
        });
    }

    /// Shows where the frame of a record begins, the frame up to that record, and the number of each of these names.
    #[inline]
    fn each_name(&self, at: u64, named: Named, mut visit: impl FnMut(u64, CommitRef<'_>, usize)) {
        let Some((start, head)) = self.far_frame(at) else { return };
        let to = |end: u64| self.region.bytes(start, end);
        match named {
            Named::Stream => visit(start, CommitRef::new(to(at)), usize::from(u16_at(head, record::STREAM))),
            Named::Type => {
                let (commit, number) = (CommitRef::new(to(at)), usize::from(u16_at(head, record::TYPE)));
                visit(start, commit, usize::from(commit.stream_count()) + number);
            }
            Named::Keys => {
                let end = (at + u64::from(u32_at(head, record::LENGTH))).min(self.region.published());
                let frame = to(end.max(at));
                let event = EventRef::new(frame, (at - start) as u32);
                let numbers = event.key_numbers().take(KEYS_MAX);
                numbers.for_each(|number| visit(start, CommitRef::new(frame), number as usize));
            }
        }
    }
}
