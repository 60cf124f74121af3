//! The events of several keys in the order of the log, each once: from both ends.

use super::common::CommonEvents;
use super::events::Placed;
use super::key_events::KeyEvents;
use crate::log::Place;
use std::cmp::Reverse;

/// One of those that are merged.
pub(super) enum Part<'v> {
    /// The events of a key.
    Key(KeyEvents<'v>),
    /// Those that several keys have in common.
    Common(CommonEvents<'v>),
}

impl<'v> Part<'v> {
    /// Most events that it may have.
    pub(super) fn len_max(&self) -> u64 {
        match self {
            Self::Key(events) => events.len(),
            Self::Common(events) => events.len_max(),
        }
    }

    fn narrow(&mut self, narrow: impl FnOnce(&mut KeyEvents<'v>)) {
        match self {
            Self::Key(events) => narrow(events),
            Self::Common(events) => events.narrow(narrow),
        }
    }

    #[inline]
    fn next_placed(&mut self) -> Option<Placed<'v>> {
        match self {
            Self::Key(events) => events.next_placed(),
            Self::Common(events) => events.next_placed(),
        }
    }

    #[inline]
    fn next_back_placed(&mut self) -> Option<Placed<'v>> {
        match self {
            Self::Key(events) => events.next_back_placed(),
            Self::Common(events) => events.next_back_placed(),
        }
    }
}

/// The events of any of some parts.
pub(super) struct Merge<'v>(Vec<Ends<'v>>);

/// The events of one part, with what was looked at at either end.
struct Ends<'v> {
    events: Part<'v>,
    front: Option<Placed<'v>>,
    back: Option<Placed<'v>>,
}

/// Where an event stands that was looked at. What can't be read is told first.
fn place(placed: &Placed<'_>) -> Option<Place> {
    placed.as_ref().ok().map(|(place, _)| *place)
}

impl<'v> Ends<'v> {
    /// The first event that is left. The one that was looked at at the other end may be it.
    fn first(&mut self) -> Option<&Placed<'v>> {
        if self.front.is_none() {
            self.front = self.events.next_placed().or_else(|| self.back.take());
        }
        self.front.as_ref()
    }

    fn last(&mut self) -> Option<&Placed<'v>> {
        if self.back.is_none() {
            self.back = self.events.next_back_placed().or_else(|| self.front.take());
        }
        self.back.as_ref()
    }
}

impl<'v> Merge<'v> {
    pub(super) fn new(parts: Vec<Part<'v>>) -> Self {
        Self(parts.into_iter().map(|events| Ends { events, front: None, back: None }).collect())
    }

    /// Narrows each part, before anything was read.
    pub(super) fn each(&mut self, narrow: impl Fn(&mut KeyEvents<'v>)) {
        self.0.iter_mut().for_each(|ends| ends.events.narrow(&narrow));
    }

    /// The next event with its place.
    pub(super) fn next_placed(&mut self) -> Option<Placed<'v>> {
        self.take(|ends| ends.first().map(place), |ends| ends.front.take())
    }

    /// The next event from the end with its place.
    pub(super) fn next_back_placed(&mut self) -> Option<Placed<'v>> {
        self.take(|ends| ends.last().map(|placed| place(placed).map(Reverse)), |ends| ends.back.take())
    }

    /// Takes the event that `look` finds the least, from all parts that have it; what can't be read from one of them.
    fn take<P: Ord>(
        &mut self,
        look: impl Fn(&mut Ends<'v>) -> Option<Option<P>>,
        take: impl Fn(&mut Ends<'v>) -> Option<Placed<'v>>,
    ) -> Option<Placed<'v>> {
        let least = self.0.iter_mut().filter_map(&look).min()?;
        let mut taken = None;
        for ends in &mut self.0 {
            if look(ends).as_ref() == Some(&least) {
                taken = take(ends);
                if least.is_none() {
                    break;
                }
            }
        }
        taken
    }
}
