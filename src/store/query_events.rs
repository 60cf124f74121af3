//! The events that a query asks for: by the postings of keys that every one of them has, else by a walk over everything. Which
//! way is taken, and which keys are compared, changes only how long it takes; what `Query::matches` says is what is given.

use super::common::CommonEvents;
use super::events::{Events, Placed};
use super::key_events::KeyEvents;
use super::merge::{Merge, Part};
use super::view::View;
use crate::error::Error;
use crate::event::{EventId, EventRef};
use crate::index::{Key, KeyKind};
use crate::query::{Query, QueryItem};
use crate::{Position, Revision};
use std::fmt;

/// The events of a query in the order of their positions: an iterator from both ends. See [`View::query`].
#[must_use = "an iterator does nothing until it is used"]
pub struct QueryEvents<'v> {
    view: &'v View,
    way: Way<'v>,
    query: Query,
    from: Option<Revision>,
}

enum Way<'v> {
    Scan(Box<Events<'v>>),
    Keyed(Merge<'v>),
    Failed(Option<Error>),
}

/// A walk over everything reads an event so many times faster than postings do.
const SCAN_IS_FASTER: u64 = 3;
/// Postings are compared with those of a key that has up to so many times the events of the rarest one: passing so many takes
/// about as long as reading one event.
const COMPARED_TIMES_MAX: u64 = 32;
/// A key that more than one event in so many has leaves out too little to be compared with.
const COMPARED_SHARE: u64 = 3;

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
        let way = match self.keyed(query) {
            Some(keys) => Way::Keyed(Merge::new(keys)),
            None => Way::Scan(Box::new(self.all())),
        };
        QueryEvents { view: self, way, query: query.clone(), from: None }
    }

    /// For each item what has each of its events and the fewest others; `None` if a walk is faster.
    fn keyed(&self, query: &Query) -> Option<Vec<Part<'_>>> {
        let mut parts = Vec::new();
        for item in query.items() {
            parts.extend(self.parts(item)?);
        }
        let is_stream = |item: &QueryItem| item.stream().is_some();
        let events: u64 = parts.iter().map(Part::len_max).sum();
        let few = events.saturating_mul(SCAN_IS_FASTER) <= self.pinned().event_count();
        (few || query.items().iter().all(is_stream)).then_some(parts)
    }

    /// The events of an item's rarest keys, as far as other keys that it asks for have them, too.
    fn parts(&self, item: &QueryItem) -> Option<Vec<Part<'_>>> {
        let mut choices = self.choices(item);
        let events = |keys: &[KeyEvents<'_>]| keys.iter().map(KeyEvents::len).sum::<u64>();
        choices.sort_by_cached_key(|keys| events(keys));
        let mut choices = choices.into_iter();
        let rarest = choices.next()?;
        let most = events(&rarest)
            .saturating_mul(COMPARED_TIMES_MAX)
            .min(self.pinned().event_count() / COMPARED_SHARE);
        let is_compared =
            |keys: &Vec<KeyEvents<'_>>| matches!(&keys[..], [one] if one.len() <= most && !one.has_failed());
        let others: Vec<KeyEvents<'_>> = choices.filter(is_compared).flatten().collect();
        let part = |key| match &others[..] {
            [] => Part::Key(key),
            others => Part::Common(CommonEvents::new(key, others.to_vec())),
        };
        Some(rarest.into_iter().map(part).collect())
    }

    /// The keys of which each event of an item has one, in each way to say that.
    fn choices(&self, item: &QueryItem) -> Vec<Vec<KeyEvents<'_>>> {
        let key = |kind, name: &[u8]| vec![self.key_events_of(Key { kind, name })];
        let mut choices: Vec<Vec<KeyEvents<'_>>> = Vec::new();
        if let Some(name) = item.stream() {
            choices.push(key(KeyKind::Stream, name.as_bytes()));
        }
        if let Some(name) = item.category() {
            choices.push(key(KeyKind::Category, name.as_bytes()));
        }
        choices.extend(item.tags().iter().map(|tag| key(KeyKind::Tag, tag.as_bytes())));
        if let Some(id) = item.correlation() {
            choices.push(match EventId::from(id).as_uuid() {
                Some(uuid) => key(KeyKind::CorrelationUuid, uuid.as_bytes()),
                None => key(KeyKind::CorrelationText, id.as_bytes()),
            });
        }
        if let Some(types) = item.types() {
            let each = types.iter().map(|name| Key { kind: KeyKind::Type, name: name.as_bytes() });
            choices.push(each.map(|key| self.key_events_of(key)).collect());
        }
        choices
    }
}

impl<'v> QueryEvents<'v> {
    /// Leaves out what stands at this position or before it: pass the position that was seen last. If retention has removed what
    /// stands behind it, the only item is the error `Truncated`; [`Position::START`] stands before the first event that is there.
    pub fn after(mut self, position: Position) -> Self {
        if let Err(error) = self.view.pinned().check_after(position) {
            self.way = Way::Failed(Some(error));
        }
        match &mut self.way {
            Way::Failed(_) => {}
            Way::Scan(events) => events.leave_out_to(position),
            Way::Keyed(keys) => keys.each(|events| events.after(position.0)),
        }
        self
    }

    /// Leaves out what stands at this position or behind it: where a backward read goes on.
    pub fn before(mut self, position: Position) -> Self {
        match &mut self.way {
            Way::Failed(_) => {}
            Way::Scan(events) => events.leave_out_from(position),
            Way::Keyed(keys) => keys.each(|events| events.before_position(position.0)),
        }
        self
    }

    /// Leaves out what has a lower revision in its stream (inclusive). If a stream is named whose event of this revision
    /// retention has removed, there is the error `Truncated`.
    pub fn from(mut self, revision: Revision) -> Self {
        let pinned = self.view.pinned();
        let gone = |item: &&QueryItem| {
            item.stream().is_some_and(|stream| revision.0 < self.view.base().next_revision(stream.as_bytes()))
        };
        if let Some(stream) = self.query.items().iter().find(gone).and_then(QueryItem::stream) {
            let error = Error::truncated_stream(stream, revision, pinned.first_position());
            self.way = Way::Failed(Some(error));
        }
        if let Way::Keyed(keys) = &mut self.way {
            keys.each(|events| events.start_at(revision));
        }
        Self { from: self.from.max(Some(revision)), ..self }
    }

    fn asks_for(&self, event: EventRef<'_>) -> bool {
        self.from.is_none_or(|from| event.revision() >= from) && self.query.matches(event)
    }

    /// The next event with its place.
    pub(super) fn next_placed(&mut self) -> Option<Placed<'v>> {
        loop {
            let next = match &mut self.way {
                Way::Failed(error) => return error.take().map(Err),
                Way::Scan(events) => events.next_placed(),
                Way::Keyed(keys) => keys.next_placed(),
            };
            match next? {
                Ok((_, event)) if !self.asks_for(event) => {}
                asked => return Some(asked),
            }
        }
    }

    /// The next event from the end with its place.
    pub(super) fn next_back_placed(&mut self) -> Option<Placed<'v>> {
        loop {
            let next = match &mut self.way {
                Way::Failed(error) => return error.take().map(Err),
                Way::Scan(events) => events.next_back_placed(),
                Way::Keyed(keys) => keys.next_back_placed(),
            };
            match next? {
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
