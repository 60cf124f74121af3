//! Frames of one segment that stand one after another: what a reader who follows the log takes at a time. Finding them takes no
//! lock and allocates nothing; the segment stays mapped for as long as they are kept.

use super::geometry::{FRAMES_AT, Place};
use super::log::Log;
use super::segment::{Segment, Table};
use super::walk::{Walk, Walked};
use crate::Position;
use crate::error::Error;
use crate::event::EventRef;
use crate::event::commit::{CommitEvents, CommitRef};
use std::sync::Arc;

/// Behind everything.
const END: Place = Place(u64::MAX);

/// Some events, which lie in whole frames that were checked.
pub(crate) struct Stretch {
    segment: Arc<Segment>,
    from: u64,
    to: u64,
    /// Events of the first frame that aren't meant.
    skip: usize,
    len: usize,
}

impl Stretch {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn events(&self) -> StretchEvents<'_> {
        let mut events = StretchEvents {
            rest: self.segment.region.bytes(self.from, self.to),
            commit: None,
            left: self.skip + self.len,
        };
        for _ in 0..self.skip {
            events.next();
        }
        events
    }
}

/// The events of a [`Stretch`], in order.
#[derive(Clone)]
pub(crate) struct StretchEvents<'s> {
    /// Frames that weren't begun.
    rest: &'s [u8],
    commit: Option<CommitEvents<'s>>,
    left: usize,
}

impl<'s> Iterator for StretchEvents<'s> {
    type Item = EventRef<'s>;

    #[inline]
    fn next(&mut self) -> Option<EventRef<'s>> {
        self.left = self.left.checked_sub(1)?;
        loop {
            if let Some(event) = self.commit.as_mut().and_then(Iterator::next) {
                return Some(event);
            }
            let frame = CommitRef::new(self.rest);
            self.commit = Some(frame.events());
            self.rest = self.rest.get(frame.length() as usize..).filter(|_| frame.length() > 0)?;
        }
    }
}

/// What is asked for: events behind a position.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    /// Where a frame begins that stands at or before the first of them, or will.
    pub(crate) spot: Place,
    pub(crate) after: u64,
    /// The last position that may be read: that of a watermark.
    pub(crate) through: u64,
}

/// The frames behind a position, one after another, with what a caller needs to go on.
pub(crate) struct Behind<'t> {
    log: &'t Log,
    table: &'t Table,
    walk: Walk<'t>,
    wanted: Wanted,
}

/// What was taken, and where to go on.
pub(crate) struct Taken {
    pub(crate) stretch: Stretch,
    /// Position of its last event.
    pub(crate) through: u64,
    /// Where a frame begins that stands at or before the next event, or will.
    pub(crate) spot: Place,
    /// The epoch of its last frame.
    pub(crate) epoch: u64,
}

impl<'t> Behind<'t> {
    /// # Errors
    /// `Truncated`: retention has removed what is asked for. `Corrupt`.
    pub(crate) fn new(log: &'t Log, table: &'t Table, wanted: Wanted) -> Result<Self, Error> {
        let geometry = log.geometry;
        if geometry.segment(wanted.spot) >= table.first() {
            return Ok(Self { log, table, walk: Walk::from(table, geometry, wanted.spot), wanted });
        }
        // The segment is gone: fine if everything in it was seen.
        let walk = Walk::from(table, geometry, geometry.place(table.first(), FRAMES_AT));
        if let Some(frame) = walk.clone().next(END).transpose()? {
            wanted.check_first(frame.commit)?;
        }
        Ok(Self { log, table, walk, wanted })
    }

    /// The next frame that has an event that is asked for.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Result<Walked<'t>, Error>> {
        loop {
            if self.wanted.after >= self.wanted.through {
                return None;
            }
            let frame = match self.walk.next(END)? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(error)),
            };
            let (first, last) = (frame.commit.first_position().0, frame.commit.last_position().0);
            if first > self.wanted.through {
                return None;
            }
            if last > self.wanted.after {
                return Some(Ok(frame));
            }
        }
    }

    /// As many events as follow one another in one segment, up to a number of events and of bytes.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported`: a frame can't be read. `Truncated`.
    pub(crate) fn take(&mut self, events_max: usize, bytes_max: u64) -> Result<Option<Taken>, Error> {
        let geometry = self.log.geometry;
        let Some(mut last) = self.next().transpose()? else { return Ok(None) };
        self.wanted.check_first(last.commit)?;
        let number = geometry.segment(last.place);
        let Some(segment) = self.table.get(number) else { return Err(self.log.no_segment(last.place)) };
        let before = last.commit.first_position().0 - 1;
        let skip = self.wanted.after.saturating_sub(before) as usize;
        let from = geometry.offset(last.place);
        let mut to = from + u64::from(last.commit.length());
        let mut events = usize::from(last.commit.event_count()) - skip;
        while events < events_max && to - from < bytes_max {
            let Some(frame) = self.next().transpose()? else { break };
            if geometry.place(number, to) != frame.place {
                break;
            }
            events += usize::from(frame.commit.event_count());
            to += u64::from(frame.commit.length());
            last = frame;
        }
        let len = events.min(events_max);
        let spot = if len == events { geometry.place(number, to) } else { last.place };
        let stretch = Stretch { segment: segment.clone(), from, to, skip, len };
        let through = before + (skip + len) as u64;
        Ok(Some(Taken { stretch, through, spot, epoch: last.commit.epoch() }))
    }
}

impl Wanted {
    /// Whether a frame, which is the first that is there, leaves nothing out.
    pub(crate) fn check_first(&self, frame: CommitRef<'_>) -> Result<(), Error> {
        let (next, first) = (Position(self.after.saturating_add(1)), frame.first_position());
        if self.after == 0 || first <= next { Ok(()) } else { Err(Error::truncated(next, first)) }
    }
}
