//! Events that are owned together: places in pinned segments, or copies. What is in a batch was verified when it was made.

use crate::Position;
use crate::event::{EventRef, RecordedEvent};
use crate::log::{Geometry, Place, Stretch, StretchEvents, Table};
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
    end: Option<End>,
}

/// Where the embedded store goes on behind a batch.
#[derive(Clone, Copy)]
pub(crate) struct End {
    /// Epoch of the last frame that was seen.
    pub(crate) epoch: u64,
    pub(crate) spot: Place,
}

/// Events that were read at once. The log stays mapped where they are.
enum Part {
    Placed { table: Table, geometry: Geometry, places: Vec<Place> },
    Stretch(Stretch),
    Owned(Vec<RecordedEvent>),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Placed { places, .. } => places.len(),
            Self::Stretch(stretch) => stretch.len(),
            Self::Owned(events) => events.len(),
        }
    }

    fn events(&self) -> PartIter<'_> {
        match self {
            Self::Placed { table, geometry, places } => PartIter::Placed(table, *geometry, places.iter()),
            Self::Stretch(stretch) => PartIter::Stretch(stretch.events()),
            Self::Owned(events) => PartIter::Owned(events.iter()),
        }
    }

    /// The event at a place that [`keep`](Self::keep) gave.
    #[inline]
    fn at(&self, place: u64) -> EventRef<'_> {
        match self {
            Self::Placed { table, geometry, .. } => lent(table, *geometry, Place(place)),
            Self::Stretch(stretch) => stretch.at(place),
            Self::Owned(events) => events[place as usize].as_ref(),
        }
    }

    /// Gives the place of each event, in order.
    fn keep(&self, mut each: impl FnMut(u64)) {
        match self {
            Self::Placed { places, .. } => places.iter().for_each(|place| each(place.0)),
            Self::Stretch(stretch) => stretch.offsets(each),
            Self::Owned(events) => (0..events.len() as u64).for_each(each),
        }
    }

    fn last(&self) -> Option<EventRef<'_>> {
        match self {
            Self::Placed { table, geometry, places } => Some(lent(table, *geometry, *places.last()?)),
            Self::Stretch(stretch) => stretch.events().last(),
            Self::Owned(events) => events.last().map(RecordedEvent::as_ref),
        }
    }
}

/// One event of a batch, which stays mapped, or in memory, for as long as this is kept.
#[derive(Clone)]
pub(crate) struct Kept {
    part: Arc<Part>,
    place: u64,
}

impl Kept {
    /// The event, borrowed.
    #[inline]
    pub(crate) fn event(&self) -> EventRef<'_> {
        self.part.at(self.place)
    }
}

impl From<RecordedEvent> for Kept {
    fn from(event: RecordedEvent) -> Self {
        Self { part: Arc::new(Part::Owned(vec![event])), place: 0 }
    }
}

/// The event at a place that was lent before: it was checked then.
#[inline]
fn lent(table: &Table, geometry: Geometry, place: Place) -> EventRef<'_> {
    let segment = table.get(geometry.segment(place)).expect("what was lent is pinned");
    segment.checked_event(geometry.offset(place))
}

impl Batch {
    /// For authors of stores: events that were read in one go, in the order that was asked for. `through` and `caught_up`
    /// are explained at [`through`](Self::through) and [`is_caught_up`](Self::is_caught_up).
    pub fn new(events: Vec<RecordedEvent>, through: Position, caught_up: bool) -> Self {
        Self::of(Part::Owned(events), through, caught_up)
    }

    /// Events at places of these segments, which were checked.
    pub(super) fn placed(
        table: Table,
        geometry: Geometry,
        places: Vec<Place>,
        through: Position,
        caught_up: bool,
    ) -> Self {
        Self::of(Part::Placed { table, geometry, places }, through, caught_up)
    }

    /// Events one after another.
    pub(super) fn stretch(stretch: Stretch, through: Position, caught_up: bool) -> Self {
        Self::of(Part::Stretch(stretch), through, caught_up)
    }

    fn of(part: Part, through: Position, caught_up: bool) -> Self {
        Self(Arc::new(Inner { len: part.len(), parts: vec![Arc::new(part)], through, caught_up, end: None }))
    }

    /// The events of several batches one after another.
    pub(super) fn joined(batches: &[Batch], through: Position, caught_up: bool) -> Self {
        let parts: Vec<Arc<Part>> = batches.iter().flat_map(|batch| batch.0.parts.iter().cloned()).collect();
        let len = parts.iter().map(|part| part.len()).sum();
        Self(Arc::new(Inner { parts, len, through, caught_up, end: None }))
    }

    /// The same with where to go on, and whether nothing was left. Nobody else has it yet.
    pub(super) fn ending(mut self, end: End, caught_up: bool) -> Self {
        let inner = Arc::get_mut(&mut self.0).expect("a batch that was made just now");
        (inner.end, inner.caught_up) = (Some(end), caught_up);
        self
    }

    pub(crate) fn end(&self) -> Option<End> {
        self.0.end
    }

    /// The place of the frame of the last event, and its epoch.
    pub(super) fn last_frame(&self) -> Option<(Place, u64)> {
        let Part::Placed { table, geometry, places } = &**self.0.parts.last()? else { return None };
        let last = *places.last()?;
        let event = lent(table, *geometry, last);
        Some((Place(last.0 - u64::from(event.offset())), event.commit().epoch()))
    }

    /// The events, in the order that was asked for.
    pub fn iter(&self) -> BatchIter<'_> {
        BatchIter { parts: &self.0.parts, part: PartIter::Owned([].iter()), left: self.0.len }
    }

    /// Each event, to be kept by itself.
    pub(crate) fn keep(&self, mut each: impl FnMut(Kept)) {
        for part in &self.0.parts {
            part.keep(|place| each(Kept { part: part.clone(), place }));
        }
    }

    pub(super) fn last(&self) -> Option<EventRef<'_>> {
        self.0.parts.iter().rev().find_map(|part| part.last())
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
    /// Those that weren't begun.
    parts: &'b [Arc<Part>],
    part: PartIter<'b>,
    left: usize,
}

#[derive(Clone)]
enum PartIter<'b> {
    Placed(&'b Table, Geometry, std::slice::Iter<'b, Place>),
    Stretch(StretchEvents<'b>),
    Owned(std::slice::Iter<'b, RecordedEvent>),
}

impl<'b> Iterator for PartIter<'b> {
    type Item = EventRef<'b>;

    #[inline]
    fn next(&mut self) -> Option<EventRef<'b>> {
        match self {
            Self::Placed(table, geometry, places) => {
                places.next().map(|place| lent(table, *geometry, *place))
            }
            Self::Stretch(events) => events.next(),
            Self::Owned(events) => events.next().map(RecordedEvent::as_ref),
        }
    }
}

impl<'b> Iterator for BatchIter<'b> {
    type Item = EventRef<'b>;

    #[inline]
    fn next(&mut self) -> Option<EventRef<'b>> {
        loop {
            if let Some(event) = self.part.next() {
                self.left -= 1;
                return Some(event);
            }
            let (first, rest) = self.parts.split_first()?;
            (self.part, self.parts) = (first.events(), rest);
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
