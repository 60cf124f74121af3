//! Events that are owned together: places in pinned segments, or copies. What is in a batch was verified when it was made.

use super::view::View;
use crate::Position;
use crate::event::{EventRef, RecordedEvent};
use crate::log::Place;
use std::fmt;
use std::sync::Arc;

/// Owned events: `Send`, `Sync`, `'static`; a clone costs one count. Those of the embedded store lie in the mapped log, which
/// the batch pins: nothing is copied.
///
/// ```
/// use orchestrix::{Query, prelude::*};
/// let store = Store::in_memory();
/// store.append("room-1", NoStream, [NewEvent::raw("opened", b""), NewEvent::raw("closed", b"")]).wait()?;
/// let batch = store.read(Query::stream("room-1")).fetch().wait()?;
/// let types: Vec<&str> = batch.iter().map(|event| event.event_type()).collect();
/// assert_eq!(types, ["opened", "closed"]);
/// assert_eq!(batch.through(), Position(2));
/// # Ok::<(), orchestrix::Error>(())
/// ```
#[derive(Clone)]
pub struct Batch(Arc<Inner>);

struct Inner {
    parts: Vec<Arc<Part>>,
    len: usize,
    through: Position,
    caught_up: bool,
}

/// Events that were read at once.
enum Part {
    Pinned(View, Vec<Place>),
    Owned(Vec<RecordedEvent>),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Pinned(_, places) => places.len(),
            Self::Owned(events) => events.len(),
        }
    }

    #[inline]
    fn get(&self, n: usize) -> Option<EventRef<'_>> {
        match self {
            Self::Pinned(view, places) => places.get(n).map(|place| view.event_at(*place)),
            Self::Owned(events) => events.get(n).map(RecordedEvent::as_ref),
        }
    }
}

impl Batch {
    /// For authors of stores: events that were read in one go, in the order that was asked for. `through` and `caught_up`
    /// are explained at [`through`](Self::through) and [`is_caught_up`](Self::is_caught_up).
    pub fn new(events: Vec<RecordedEvent>, through: Position, caught_up: bool) -> Self {
        Self::of(Part::Owned(events), through, caught_up)
    }

    /// Events of a view, which have been lent by it before.
    pub(super) fn pinned(view: View, places: Vec<Place>, through: Position, caught_up: bool) -> Self {
        Self::of(Part::Pinned(view, places), through, caught_up)
    }

    fn of(part: Part, through: Position, caught_up: bool) -> Self {
        Self(Arc::new(Inner { len: part.len(), parts: vec![Arc::new(part)], through, caught_up }))
    }

    /// The events of several batches one after another.
    pub(super) fn joined(batches: &[Batch], through: Position, caught_up: bool) -> Self {
        let parts: Vec<Arc<Part>> = batches.iter().flat_map(|batch| batch.0.parts.iter().cloned()).collect();
        let len = parts.iter().map(|part| part.len()).sum();
        Self(Arc::new(Inner { parts, len, through, caught_up }))
    }

    /// The events, in the order that was asked for.
    pub fn iter(&self) -> BatchIter<'_> {
        BatchIter { parts: &self.0.parts, at: 0, left: self.0.len }
    }

    pub(super) fn last(&self) -> Option<EventRef<'_>> {
        self.0.parts.iter().rev().find_map(|part| part.get(part.len().checked_sub(1)?))
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether there is none. More may follow all the same: see [`is_caught_up`](Self::is_caught_up).
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Everything that was asked for, up to here, was seen, whether it matched or not: what a decision passes to
    /// [`fail_if_any`](crate::Transaction::fail_if_any). Of a whole read it is the watermark that was read to. Of one that a
    /// limit has cut it is the last event (forward), or still the watermark (backward: what was seen are the newest).
    pub fn through(&self) -> Position {
        self.0.through
    }

    /// Nothing was left to read when this batch was made.
    pub fn is_caught_up(&self) -> bool {
        self.0.caught_up
    }
}

/// The events of a batch; see [`Batch::iter`].
#[derive(Clone)]
#[must_use = "an iterator does nothing until it is used"]
pub struct BatchIter<'b> {
    parts: &'b [Arc<Part>],
    /// Number of the next event in the first part.
    at: usize,
    left: usize,
}

impl<'b> Iterator for BatchIter<'b> {
    type Item = EventRef<'b>;

    #[inline]
    fn next(&mut self) -> Option<EventRef<'b>> {
        loop {
            let (first, rest) = self.parts.split_first()?;
            if let Some(event) = first.get(self.at) {
                self.at += 1;
                self.left -= 1;
                return Some(event);
            }
            (self.parts, self.at) = (rest, 0);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for BatchIter<'_> {}
impl std::iter::FusedIterator for BatchIter<'_> {}

impl<'b> IntoIterator for &'b Batch {
    type Item = EventRef<'b>;
    type IntoIter = BatchIter<'b>;

    fn into_iter(self) -> BatchIter<'b> {
        self.iter()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("len", &self.len())
            .field("through", &self.through().0)
            .field("is_caught_up", &self.is_caught_up())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BatchIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchIter").field("left", &self.left).finish_non_exhaustive()
    }
}
