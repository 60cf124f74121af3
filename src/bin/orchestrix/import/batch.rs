//! The events that are waiting to be committed, each with where it came from.

use hashbrown::HashTable;
use orchestrix::{EventIdRef, NewEvent};
use std::hash::{BuildHasher, RandomState};

/// A batch is full at this many bytes of lines, however few they are.
const BATCH_BYTES: usize = 4 << 20;
/// What an event record may have beyond the bytes of its line: fixed fields, and an id that stands in its data too.
const EVENT_BYTES_BESIDE_LINE: usize = 512;

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
    /// A longer line may hold an event that is too large for the store.
    safe_line_bytes: usize,
    /// Such an event is the last of the batch.
    doubtful_last: bool,
}

impl Batch {
    /// A batch of at most so many events, for a store that takes events of at most so many bytes.
    pub(crate) fn new(events_max: usize, event_bytes_max: u64) -> Self {
        let event_bytes_max = usize::try_from(event_bytes_max).unwrap_or(usize::MAX);
        Self {
            events: Vec::with_capacity(events_max.min(1 << 10)),
            origins: Vec::new(),
            places: HashTable::new(),
            hasher: RandomState::new(),
            bytes: 0,
            events_max,
            safe_line_bytes: event_bytes_max.saturating_sub(EVENT_BYTES_BESIDE_LINE),
            doubtful_last: false,
        }
    }

    /// It is time to commit. An event that the store may refuse isn't kept waiting, so that what stands behind it is
    /// looked at only once its fate is known.
    pub(crate) fn is_full(&self) -> bool {
        self.doubtful_last || self.events.len() >= self.events_max || self.bytes >= BATCH_BYTES
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
        self.doubtful_last = line_bytes > self.safe_line_bytes;
    }

    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.origins.clear();
        self.places.clear();
        self.bytes = 0;
        self.doubtful_last = false;
    }
}
