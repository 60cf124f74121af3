//! The events that a query asks for: by the postings of one key where the query names one, else by a walk over everything.
//! Which way is taken changes only how long it takes; what `Query::matches` says is what is given.

use super::events::{Events, Placed};
use super::view::View;
use crate::error::Error;
use crate::event::EventRef;
use crate::query::{Query, QueryItem};
use crate::{Position, Revision};
use std::fmt;

/// The events of a query in the order of their positions: an iterator from both ends. See [`View::query`].
#[must_use = "an iterator does nothing until it is used"]
pub struct QueryEvents<'v> {
    events: Events<'v>,
    query: Query,
    from: Option<Revision>,
    /// Whether the events are those of one stream, counted by their revisions.
    by_revision: bool,
}

impl View {
    /// The events of a query, in order.
    ///
    /// ```
    /// use orchestrix::{Query, prelude::*};
    /// let store = Store::in_memory();
    /// for (stream, of_type) in [("room-1", "opened"), ("room-2", "opened"), ("room-1", "closed")] {
    ///     store.append(stream, Any, NewEvent::raw(of_type, b"")).wait()?;
    /// }
    /// let view = store.view();
    /// let mut found = view.query(&Query::category("room").and_types(["opened"]));
    /// assert_eq!(found.next_back().expect("an event")?.stream(), "room-2");
    /// assert_eq!(found.count(), 1);
    /// # Ok::<(), orchestrix::Error>(())
    /// ```
    pub fn query(&self, query: &Query) -> QueryEvents<'_> {
        let (events, by_revision) = match query.items() {
            [] => (self.all().before(Position::START), false),
            [item] => self.candidates(item),
            _ => (self.all(), false),
        };
        QueryEvents { events, query: query.clone(), from: None, by_revision }
    }

    /// Events that have everything that one key of an item says; whether that is its stream.
    fn candidates(&self, item: &QueryItem) -> (Events<'_>, bool) {
        match (item.stream(), item.category(), item.types()) {
            (Some(stream), ..) => (self.stream_in_order(stream), true),
            (_, Some(category), _) => (self.category(category), false),
            (_, _, Some([one])) => (self.event_type(one), false),
            _ => (self.all(), false),
        }
    }
}

impl<'v> QueryEvents<'v> {
    /// Leaves out what stands at this position or before it: pass the position that was seen last.
    pub fn after(self, position: Position) -> Self {
        Self { events: self.events.after(position), ..self }
    }

    /// Leaves out what stands at this position or behind it: where a backward read goes on.
    pub fn before(self, position: Position) -> Self {
        Self { events: self.events.before(position), ..self }
    }

    /// Leaves out what has a lower revision in its stream (inclusive).
    pub fn from(self, revision: Revision) -> Self {
        let events = match self.by_revision {
            true => self.events.from_number(revision.0),
            false => self.events,
        };
        Self { events, from: self.from.max(Some(revision)), ..self }
    }

    fn asks_for(&self, event: EventRef<'_>) -> bool {
        self.from.is_none_or(|from| event.revision() >= from) && self.query.matches(event)
    }

    /// The next event with its place.
    pub(super) fn next_placed(&mut self) -> Option<Placed<'v>> {
        loop {
            match self.events.next_placed()? {
                Ok((_, event)) if !self.asks_for(event) => {}
                asked => return Some(asked),
            }
        }
    }

    /// The next event from the end with its place.
    pub(super) fn next_back_placed(&mut self) -> Option<Placed<'v>> {
        loop {
            match self.events.next_back_placed()? {
                Ok((_, event)) if !self.asks_for(event) => {}
                asked => return Some(asked),
            }
        }
    }
}

impl<'v> Iterator for QueryEvents<'v> {
    type Item = Result<EventRef<'v>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_placed().map(|placed| placed.map(|(_, event)| event))
    }
}

impl DoubleEndedIterator for QueryEvents<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.next_back_placed().map(|placed| placed.map(|(_, event)| event))
    }
}

impl std::iter::FusedIterator for QueryEvents<'_> {}

impl fmt::Debug for QueryEvents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryEvents").field("query", &self.query).finish_non_exhaustive()
    }
}
