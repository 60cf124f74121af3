//! Events in the order of the whole log: all of them by a walk over the frames, those of a category or type by postings.

use super::key_events::KeyEvents;
use super::scan::Frames;
use super::view::Pinned;
use crate::Position;
use crate::error::Error;
use crate::event::EventRef;
use crate::event::commit::CommitEvents;
use crate::log::Place;
use std::fmt;

/// An event that is lent, and where its record begins.
pub(super) type Placed<'v> = Result<(Place, EventRef<'v>), Error>;

/// Events in the order of their positions: an iterator from both ends. See [`View::all`](crate::View::all).
#[must_use = "an iterator does nothing until it is used"]
pub struct Events<'v>(Way<'v>);

enum Way<'v> {
    Scan(Scan<'v>),
    Keyed(Box<KeyEvents<'v>>),
    Failed(Option<Error>),
}

/// A walk over everything: positions `low ..= high`.
struct Scan<'v> {
    pinned: &'v Pinned,
    low: u64,
    high: u64,
    frames: Option<Frames<'v>>,
    /// The rest of a frame, and the place of that.
    commit: Option<(CommitEvents<'v>, Place)>,
    /// Records before `high`, the last one at the end, for going backward.
    behind: Vec<Place>,
}

impl<'v> Events<'v> {
    pub(super) fn scan(pinned: &'v Pinned) -> Self {
        let (frames, commit, behind) = (None, None, Vec::new());
        let low = pinned.first_position().0;
        Self(Way::Scan(Scan { pinned, low, high: pinned.position, frames, commit, behind }))
    }

    pub(super) fn keyed(events: KeyEvents<'v>) -> Self {
        Self(Way::Keyed(Box::new(events)))
    }

    /// The next event with its place.
    #[inline]
    pub(super) fn next_placed(&mut self) -> Option<Placed<'v>> {
        match &mut self.0 {
            Way::Scan(scan) => scan.next_placed(),
            Way::Failed(error) => error.take().map(Err),
            Way::Keyed(events) => events.next_placed(),
        }
    }

    /// The next event from the end with its place.
    #[inline]
    pub(super) fn next_back_placed(&mut self) -> Option<Placed<'v>> {
        match &mut self.0 {
            Way::Scan(scan) => scan.next_back_placed(),
            Way::Failed(error) => error.take().map(Err),
            Way::Keyed(events) => events.next_back_placed(),
        }
    }

    /// Leaves out what stands at this position or before it: pass the position that was seen last. If retention has removed what
    /// stands behind it, the only item is the error `Truncated`; [`Position::START`] stands before the first event that is there.
    pub fn after(mut self, position: Position) -> Self {
        self.leave_out_to(position);
        self
    }

    /// Leaves out what stands at this position or behind it: where a backward read goes on.
    pub fn before(mut self, position: Position) -> Self {
        self.leave_out_from(position);
        self
    }

    pub(super) fn leave_out_to(&mut self, position: Position) {
        let pinned = match &self.0 {
            Way::Scan(scan) => scan.pinned,
            Way::Keyed(events) => events.pinned,
            Way::Failed(_) => return,
        };
        if let Err(error) = pinned.check_after(position) {
            self.0 = Way::Failed(Some(error));
        }
        match &mut self.0 {
            Way::Failed(_) => {}
            Way::Scan(scan) => scan.restart(scan.low.max(position.0.saturating_add(1)), scan.high),
            Way::Keyed(events) => events.after(position.0),
        }
    }

    pub(super) fn leave_out_from(&mut self, position: Position) {
        match &mut self.0 {
            Way::Failed(_) => {}
            Way::Scan(scan) => scan.restart(scan.low, scan.high.min(position.0.saturating_sub(1))),
            Way::Keyed(events) => events.before_position(position.0),
        }
    }
}

impl<'v> Scan<'v> {
    fn restart(&mut self, low: u64, high: u64) {
        (self.low, self.high) = (low, high);
        (self.frames, self.commit) = (None, None);
        self.behind.clear();
    }

    #[inline]
    fn next_placed(&mut self) -> Option<Placed<'v>> {
        if self.low > self.high {
            return None;
        }
        loop {
            if let Some((events, frame)) = &mut self.commit
                && let Some(event) = events.next()
            {
                self.low += 1;
                let place = Place(frame.0 + u64::from(event.offset()));
                return Some(self.pinned.admit(event).map(|event| (place, event)));
            }
            match self.next_frame() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.end();
                    return Some(Err(error));
                }
            }
        }
    }

    /// Nothing is read behind damage.
    fn end(&mut self) {
        self.low = self.high + 1;
    }

    fn next_frame(&mut self) -> Result<bool, Error> {
        if self.frames.is_none() {
            self.frames = Frames::at(self.pinned, self.low)?;
        }
        let Some(frames) = &mut self.frames else { return Ok(false) };
        let Some(frame) = frames.next().transpose()? else { return Ok(false) };
        let mut events = frame.commit.events();
        for _ in frame.commit.first_position().0..self.low {
            events.next();
        }
        self.commit = Some((events, frame.place));
        Ok(true)
    }

    fn next_back_placed(&mut self) -> Option<Placed<'v>> {
        if self.low > self.high {
            return None;
        }
        if self.behind.is_empty() {
            match self.look_behind() {
                Ok(()) => {}
                Err(error) => {
                    self.end();
                    return Some(Err(error));
                }
            }
        }
        let place = self.behind.pop()?;
        self.high -= 1;
        Some(self.pinned.lend(place).map(|event| (place, event)))
    }

    /// Finds the records from the last noted frame up to `high`.
    fn look_behind(&mut self) -> Result<(), Error> {
        let noted = self.pinned.look(|layers| layers.noted_before(self.high))?;
        let Some(place) = noted else { return Ok(()) };
        let mut frames = Frames::from(self.pinned, place);
        while let Some(frame) = frames.next().transpose()? {
            let first = frame.commit.first_position().0;
            if first > self.high {
                break;
            }
            let wanted = usize::try_from(self.high - first + 1).unwrap_or(usize::MAX);
            let events = frame.commit.events().take(wanted);
            self.behind.extend(events.map(|event| Place(frame.place.0 + u64::from(event.offset()))));
        }
        Ok(())
    }
}

impl<'v> Iterator for Events<'v> {
    type Item = Result<EventRef<'v>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Way::Scan(scan) => scan.next_placed().map(|placed| placed.map(|(_, event)| event)),
            Way::Keyed(events) => events.next(),
            Way::Failed(error) => error.take().map(Err),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = match &self.0 {
            Way::Scan(scan) => (scan.high + 1).saturating_sub(scan.low),
            Way::Keyed(events) => events.len(),
            Way::Failed(error) => u64::from(error.is_some()),
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        (len, Some(len))
    }
}

impl DoubleEndedIterator for Events<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Way::Scan(scan) => scan.next_back_placed().map(|placed| placed.map(|(_, event)| event)),
            Way::Keyed(events) => events.next_back(),
            Way::Failed(error) => error.take().map(Err),
        }
    }
}

impl ExactSizeIterator for Events<'_> {}
impl std::iter::FusedIterator for Events<'_> {}

impl fmt::Debug for Events<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("len", &self.size_hint().0).finish_non_exhaustive()
    }
}
