//! The events that are waiting to be committed, each with where it came from.

use hashbrown::HashTable;
use orchestrix::{EventIdRef, NewEvent};
use std::hash::{BuildHasher, RandomState};

/// A batch is full at this many bytes of lines, however few they are.
const BATCH_BYTES: usize = 4 << 20;

/// Where an event came from, and where it goes.
pub(crate) struct Origin {
    pub(crate) stream: String,
    /// Number of its line.
    pub(crate) line: u64,
    /// The line, if it may have to be set aside.
    pub(crate) raw: Option<Vec<u8>>,
}

/// Events in the order of their lines.
pub(crate) struct Batch {
    events: Vec<NewEvent<'static>>,
    origins: Vec<Origin>,
    /// Places in `events`, by stream and id.
    places: HashTable<usize>,
    hasher: RandomState,
    bytes: usize,
    events_max: usize,
}

impl Batch {
    pub(crate) fn new(events_max: usize) -> Self {
        Self {
            events: Vec::with_capacity(events_max.min(1 << 10)),
            origins: Vec::new(),
            places: HashTable::new(),
            hasher: RandomState::new(),
            bytes: 0,
            events_max,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.events.len() >= self.events_max || self.bytes >= BATCH_BYTES
    }

    pub(crate) fn events(&self) -> &[NewEvent<'static>] {
        &self.events
    }

    pub(crate) fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// The event of `stream` that has this id.
    pub(crate) fn find(&self, stream: &str, id: EventIdRef<'_>) -> Option<&NewEvent<'static>> {
        let is_it =
            |place: &usize| self.events[*place].event_id() == id && self.origins[*place].stream == stream;
        let place = self.places.find(self.hasher.hash_one((stream, id)), is_it)?;
        Some(&self.events[*place])
    }

    /// Adds an event that [`find`](Self::find) doesn't find, made from a line of so many bytes.
    pub(crate) fn push(&mut self, origin: Origin, event: NewEvent<'static>, line_bytes: usize) {
        let Self { events, origins, places, hasher, .. } = self;
        let hash = hasher.hash_one((origin.stream.as_str(), event.event_id()));
        places.insert_unique(hash, events.len(), |place| {
            hasher.hash_one((origins[*place].stream.as_str(), events[*place].event_id()))
        });
        events.push(event);
        origins.push(origin);
        self.bytes += line_bytes;
    }

    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.origins.clear();
        self.places.clear();
        self.bytes = 0;
    }
}
