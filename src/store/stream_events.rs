//! The events of a stream, both ways, from any revision.

use super::key_events::KeyEvents;
use crate::Revision;
use crate::error::Error;
use crate::event::EventRef;
use std::fmt;

/// The events of a stream: an iterator from both ends. See [`View::stream`](crate::View::stream).
#[derive(Clone)]
#[must_use = "an iterator does nothing until it is used"]
pub struct StreamEvents<'v>(KeyEvents<'v>);

impl<'v> StreamEvents<'v> {
    pub(super) fn new(events: KeyEvents<'v>) -> Self {
        Self(events)
    }

    /// Leaves out what stands before this revision (inclusive). If retention has removed the event of this revision, the only
    /// item is the error `Truncated`; without `from`, a stream begins with its first event that is there.
    pub fn from(mut self, revision: Revision) -> Self {
        self.0.start_at(revision);
        self
    }

    /// Leaves out what stands after this revision (inclusive): where a backward read begins.
    pub fn up_to(mut self, revision: Revision) -> Self {
        self.0.to(revision.0.saturating_add(1));
        self
    }
}

impl<'v> Iterator for StreamEvents<'v> {
    type Item = Result<EventRef<'v>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = usize::try_from(self.0.len()).unwrap_or(usize::MAX);
        (len, Some(len))
    }
}

impl DoubleEndedIterator for StreamEvents<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

impl ExactSizeIterator for StreamEvents<'_> {}
impl std::iter::FusedIterator for StreamEvents<'_> {}

impl fmt::Debug for StreamEvents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamEvents").field("len", &self.0.len()).finish_non_exhaustive()
    }
}
