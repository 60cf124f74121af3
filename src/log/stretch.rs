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

    /// Whether its data may be coded in a way that only a later version knows: not if this process has written it.
    pub(crate) fn may_be_coded(&self) -> bool {
        !self.segment.own
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

impl Stretch {
    /// Where the record of each event begins in the segment, in order.
    pub(crate) fn offsets(&self, mut each: impl FnMut(u64)) {
        let (mut at, mut skip, mut left) = (self.from, self.skip, self.len);
        while at < self.to && left > 0 {
            let commit = CommitRef::new(self.segment.region.bytes(at, self.to));
            for event in commit.events().skip(skip).take(left) {
                each(at + u64::from(event.offset()));
                left -= 1;
            }
            skip = 0;
            at += u64::from(commit.length());
        }
    }

    /// The event whose record begins at an offset that [`offsets`](Self::offsets) gave.
    #[inline]
    pub(crate) fn at(&self, offset: u64) -> EventRef<'_> {
        self.segment.checked_event(offset)
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

/// The last frame of a stretch.
struct Last {
    at: u64,
    epoch: u64,
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
        let Some(first) = self.next().transpose()? else { return Ok(None) };
        self.wanted.check_first(first.commit)?;
        let number = geometry.segment(first.place);
        let Some(segment) = self.table.get(number) else { return Err(self.log.no_segment(first.place)) };
        let before = first.commit.first_position().0 - 1;
        let skip = self.wanted.after.saturating_sub(before) as usize;
        let from = geometry.offset(first.place);
        let mut last = Last { at: from, epoch: first.commit.epoch() };
        let mut to = from + u64::from(first.commit.length());
        let mut events = usize::from(first.commit.event_count()) - skip;
        // The end is asked for once: what is published meanwhile is met by the next stretch.
        let published = segment.region.published();
        while events < events_max && to - from < bytes_max {
            let Some(frame) = segment.next_frame(to, published)? else { break };
            if frame.first_position().0 > self.wanted.through {
                break;
            }
            last = Last { at: to, epoch: frame.epoch() };
            events += usize::from(frame.event_count());
            to += u64::from(frame.length());
        }
        let len = events.min(events_max);
        let spot = geometry.place(number, if len == events { to } else { last.at });
        let stretch = Stretch { segment: segment.clone(), from, to, skip, len };
        let through = before + (skip + len) as u64;
        Ok(Some(Taken { stretch, through, spot, epoch: last.epoch }))
    }
}

impl Wanted {
    /// Whether a frame, which is the first that is there, leaves nothing out.
    pub(crate) fn check_first(&self, frame: CommitRef<'_>) -> Result<(), Error> {
        let (next, first) = (Position(self.after.saturating_add(1)), frame.first_position());
        if self.after == 0 || first <= next { Ok(()) } else { Err(Error::truncated(next, first)) }
    }
}
