//! The index of this version: all keys and postings in memory, derived from the log when it is opened. A stream, a category
//! and a type are each a key; a stream's n-th posting is its revision n.
//!
//! One writer feeds it under the writer's lock; readers look things up and copy postings out in pieces. Never reads the log.

use super::postings::Postings;
use crate::event::body::StreamMark;
use crate::event::names::{category_bytes, name_hash};
use crate::log::{Fault, Place};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What a key is a name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Stream,
    Category,
    Type,
}

/// A key that the index has. Stays valid for the life of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyId(u32);

struct Entry {
    hash: u64,
    postings: Postings,
    name: Box<[u8]>,
    kind: KeyKind,
    /// The key of a stream's category.
    category: KeyId,
    /// Position of the last event under the key.
    last_position: u64,
}

/// One frame in so many bytes of log has its position noted.
const SPARSE_BYTES: u64 = 4_096;

/// How far the index goes, and the log with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Through {
    pub(crate) position: u64,
    /// The first byte after the last frame.
    pub(crate) place: Place,
}

/// Keys and postings.
pub(crate) struct Index {
    state: FixedState,
    keys: RwLock<Keys>,
}

/// What the lock protects.
#[derive(Default)]
pub(crate) struct Keys {
    table: HashTable<u32>,
    entries: Vec<Entry>,
    streams: u64,
    /// Position of the first event, and place, of some frames, ascending.
    sparse: Vec<(u64, Place)>,
    through: Through,
    last_type: Option<KeyId>,
    // Numbers of the frame being fed.
    stream_ids: Vec<KeyId>,
    type_ids: Vec<KeyId>,
}

/// A stream of a commit that is fed.
pub(crate) struct FeedStream<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) hash: u64,
    pub(crate) first_revision: u64,
    /// The key, where a lookup has found it before.
    pub(crate) known: Option<KeyId>,
}

impl<'a> FeedStream<'a> {
    /// A stream of a commit that was encoded here.
    #[inline]
    pub(crate) fn of(stream: &StreamMark<'a>, first_revision: u64, known: Option<KeyId>) -> Self {
        Self { name: stream.name, hash: stream.hash, first_revision, known }
    }
}

/// An event of a commit that is fed: the offset of its record in the frame, the numbers of its stream and type.
pub(crate) type FeedEvent = (u32, u16, u16);

impl Index {
    /// `seed` is what names are hashed with.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: FixedState::with_seed(seed), keys: RwLock::new(Keys::default()) }
    }

    pub(crate) fn state(&self) -> FixedState {
        self.state.clone()
    }

    pub(crate) fn hash(&self, name: &[u8]) -> u64 {
        name_hash(&self.state, name)
    }

    #[inline]
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read()
    }

    /// For who looks something up and feeds what follows from it.
    #[inline]
    pub(crate) fn write(&self) -> Feeding<'_> {
        Feeding { state: &self.state, keys: self.keys.write() }
    }

    /// Takes in one commit: its streams and types in the order of their numbers, its events in order.
    ///
    /// # Errors
    /// A first revision that doesn't continue its stream; the index then must not be used.
    pub(crate) fn feed<'a>(
        &self,
        streams: impl Iterator<Item = FeedStream<'a>>,
        types: impl Iterator<Item = (&'a [u8], u64)>,
        events: impl Iterator<Item = FeedEvent> + Clone,
        (first, place, end): (u64, Place, Place),
    ) -> Result<(), Fault> {
        let mut keys = self.keys.write();
        let keys = &mut *keys;
        keys.stream_ids.clear();
        for stream in streams {
            let id = keys.fed_stream(&self.state, &stream);
            let next = keys.entry(id).postings.len() as u64;
            if next != stream.first_revision {
                let name = String::from_utf8_lossy(stream.name).into_owned();
                return Err(Fault::new(
                    "frame",
                    40,
                    format!("revision {next} of {name}"),
                    stream.first_revision,
                ));
            }
            keys.stream_ids.push(id);
        }
        keys.type_ids.clear();
        for (name, hash) in types {
            let id = keys.of_type(name, hash);
            keys.type_ids.push(id);
        }
        let last = match (&keys.stream_ids[..], &keys.type_ids[..]) {
            ([stream], [of_type]) => {
                let ids = [*stream, keys.entry(*stream).category, *of_type];
                keys.post_alike(ids, first, place, events)
            }
            _ => keys.post(first, place, events),
        };
        keys.note(first, place, last, end);
        Ok(())
    }
}

/// The right to feed the index, for a commit of one event.
pub(crate) struct Feeding<'i> {
    state: &'i FixedState,
    keys: RwLockWriteGuard<'i, Keys>,
}

/// A commit of one event that is fed.
pub(crate) struct FeedSingle<'a> {
    /// The stream's key, if it has one, and its name with hash.
    pub(crate) known: Option<KeyId>,
    pub(crate) stream: (&'a [u8], u64),
    /// The place of the stream's last event.
    pub(crate) last: Option<Place>,
    pub(crate) event_type: (&'a [u8], u64),
    pub(crate) position: u64,
    pub(crate) frame: Place,
    /// Offset of the record in the frame.
    pub(crate) record: u64,
    pub(crate) end: Place,
}

impl Feeding<'_> {
    /// The key of a stream, if it has one, its next revision, and the place of its last event.
    #[inline]
    pub(crate) fn stream(&self, name: &[u8], hash: u64) -> (Option<KeyId>, u64, Option<Place>) {
        let Some(key) = self.keys.find(KeyKind::Stream, name, hash) else { return (None, 0, None) };
        let postings = &self.keys.entry(key).postings;
        (Some(key), postings.len() as u64, postings.last())
    }

    /// Takes in a commit of one event, whose stream was looked up under the writer's lock.
    #[inline]
    pub(crate) fn single(mut self, fed: &FeedSingle<'_>) {
        let keys = &mut *self.keys;
        let stream = match fed.known {
            Some(known) => known,
            None => keys.add_stream(self.state, fed.stream.0, fed.stream.1),
        };
        let of_type = keys.of_type(fed.event_type.0, fed.event_type.1);
        let place = Place(fed.frame.0 + fed.record);
        // Looked up before the frame was written, so that it is there by now.
        assert!(fed.last.is_none_or(|last| last < place), "postings ascend");
        for id in [stream, keys.entry(stream).category, of_type] {
            let entry = &mut keys.entries[id.0 as usize];
            entry.postings.push(place);
            entry.last_position = fed.position;
        }
        keys.note(fed.position, fed.frame, fed.position, fed.end);
    }
}

impl Keys {
    /// Notes a frame that was fed.
    #[inline]
    fn note(&mut self, first: u64, place: Place, last: u64, end: Place) {
        if self.sparse.last().is_none_or(|(_, noted)| place.0 >= noted.0 + SPARSE_BYTES) {
            self.sparse.push((first, place));
        }
        self.through = Through { position: last, place: end };
    }

    #[inline]
    fn entry(&self, id: KeyId) -> &Entry {
        &self.entries[id.0 as usize]
    }

    #[inline]
    pub(crate) fn find(&self, kind: KeyKind, name: &[u8], hash: u64) -> Option<KeyId> {
        let same = |index: &u32| {
            let entry = &self.entries[*index as usize];
            entry.hash == hash && entry.kind == kind && *entry.name == *name
        };
        self.table.find(mix(hash, kind), same).map(|index| KeyId(*index))
    }

    /// Adds the postings of a frame whose events are of several streams or types. Returns the last position.
    fn post(&mut self, first: u64, frame: Place, events: impl Iterator<Item = FeedEvent>) -> u64 {
        let mut next = first;
        for (offset, stream, of_type) in events {
            let place = Place(frame.0 + u64::from(offset));
            let stream = self.stream_ids[usize::from(stream)];
            let category = self.entry(stream).category;
            for id in [stream, category, self.type_ids[usize::from(of_type)]] {
                let entry = &mut self.entries[id.0 as usize];
                entry.postings.push(place);
                entry.last_position = next;
            }
            next += 1;
        }
        next - 1
    }

    /// The same where all events have the same keys: key by key.
    #[inline]
    fn post_alike(
        &mut self,
        ids: [KeyId; 3],
        first: u64,
        frame: Place,
        events: impl Iterator<Item = FeedEvent> + Clone,
    ) -> u64 {
        let mut last = first;
        for id in ids {
            let entry = &mut self.entries[id.0 as usize];
            let before = entry.postings.len();
            entry.postings.extend(events.clone().map(|(offset, ..)| Place(frame.0 + u64::from(offset))));
            last = first + (entry.postings.len() - before) as u64 - 1;
            entry.last_position = last;
        }
        last
    }

    /// The key of a type. The one of the commit before is looked at first.
    #[inline]
    fn of_type(&mut self, name: &[u8], hash: u64) -> KeyId {
        if let Some(id) = self.last_type {
            let entry = self.entry(id);
            if entry.hash == hash && *entry.name == *name {
                return id;
            }
        }
        let id = self.find_or_add(KeyKind::Type, name, hash);
        self.last_type = Some(id);
        id
    }

    fn find_or_add(&mut self, kind: KeyKind, name: &[u8], hash: u64) -> KeyId {
        match self.find(kind, name, hash) {
            Some(id) => id,
            None => self.add(kind, name, hash, KeyId(u32::MAX)),
        }
    }

    #[inline]
    fn fed_stream(&mut self, state: &FixedState, stream: &FeedStream<'_>) -> KeyId {
        if let Some(id) = stream.known.or_else(|| self.find(KeyKind::Stream, stream.name, stream.hash)) {
            return id;
        }
        self.add_stream(state, stream.name, stream.hash)
    }

    #[cold]
    fn add_stream(&mut self, state: &FixedState, name: &[u8], hash: u64) -> KeyId {
        let category = &name[..category_bytes(name)];
        let category = self.find_or_add(KeyKind::Category, category, name_hash(state, category));
        self.streams += 1;
        self.add(KeyKind::Stream, name, hash, category)
    }

    #[cold]
    fn add(&mut self, kind: KeyKind, name: &[u8], hash: u64, category: KeyId) -> KeyId {
        let id = KeyId(
            u32::try_from(self.entries.len()).expect("fewer keys than memory for four thousand million"),
        );
        self.entries.push(Entry {
            hash,
            postings: Postings::default(),
            name: name.into(),
            kind,
            category,
            last_position: 0,
        });
        let entries = &self.entries;
        let rehash = |index: &u32| mix(entries[*index as usize].hash, entries[*index as usize].kind);
        self.table.insert_unique(mix(hash, kind), id.0, rehash);
        id
    }

    /// How far the index goes.
    pub(crate) fn through(&self) -> Through {
        self.through
    }

    /// Number of streams.
    pub(crate) fn streams(&self) -> u64 {
        self.streams
    }

    /// Number of events under a key.
    #[inline]
    pub(crate) fn len(&self, id: KeyId) -> u64 {
        self.entry(id).postings.len() as u64
    }

    /// Position of the last event under a key.
    pub(crate) fn last_position(&self, id: KeyId) -> u64 {
        self.entry(id).last_position
    }

    /// Number of events under a key that stand before `place`.
    pub(crate) fn len_before(&self, id: KeyId, place: Place) -> u64 {
        self.entry(id).postings.before(place) as u64
    }

    /// The place of event `n` under a key.
    pub(crate) fn posting(&self, id: KeyId, n: u64) -> Option<Place> {
        self.entry(id).postings.get(usize::try_from(n).ok()?)
    }

    /// Copies places from event `n` on. Returns how many.
    pub(crate) fn copy(&self, id: KeyId, n: u64, out: &mut [Place]) -> usize {
        usize::try_from(n).map_or(0, |n| self.entry(id).postings.copy(n, out))
    }

    /// The last noted frame whose first event stands at or before `position`.
    pub(crate) fn noted_before(&self, position: u64) -> Option<(u64, Place)> {
        let after = self.sparse.partition_point(|(first, _)| *first <= position);
        self.sparse.get(after.checked_sub(1)?).copied()
    }

    /// The first stream at or after number `from` in the order of their making, with the number of the next.
    pub(crate) fn stream_from(&self, from: usize) -> Option<(&[u8], KeyId, usize)> {
        let rest = self.entries.get(from..)?;
        let found = rest.iter().position(|entry| entry.kind == KeyKind::Stream)? + from;
        Some((&self.entries[found].name, KeyId(found as u32), found + 1))
    }
}

/// Keys of different kinds with one name are different keys.
fn mix(hash: u64, kind: KeyKind) -> u64 {
    hash ^ (kind as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
