//! The index of this version: all keys and postings in memory, derived from the log when it is opened. A stream, a category
//! and a type are each a key; a stream's n-th posting is its revision n.
//!
//! One writer feeds it under the writer's lock; readers look things up and copy postings out in pieces. Never reads the log.

use super::postings::Postings;
use crate::event::names::name_hash;
use crate::log::{Fault, Place};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use parking_lot::{RwLock, RwLockReadGuard};

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
    // Numbers of the frame being fed.
    stream_ids: Vec<KeyId>,
    type_ids: Vec<KeyId>,
}

/// A stream of a commit that is fed.
pub(crate) struct FeedStream<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) hash: u64,
    pub(crate) category: &'a [u8],
    pub(crate) category_hash: u64,
    pub(crate) first_revision: u64,
    /// The key, where a lookup has found it before.
    pub(crate) known: Option<KeyId>,
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

    /// Takes in one commit: its streams and types in the order of their numbers, its events in order.
    ///
    /// # Errors
    /// A first revision that doesn't continue its stream; the index then must not be used.
    pub(crate) fn feed<'a>(
        &self,
        streams: impl Iterator<Item = FeedStream<'a>>,
        types: impl Iterator<Item = (&'a [u8], u64)>,
        events: impl Iterator<Item = FeedEvent>,
        (first, place, end): (u64, Place, Place),
    ) -> Result<(), Fault> {
        let mut keys = self.keys.write();
        let keys = &mut *keys;
        keys.stream_ids.clear();
        for stream in streams {
            let id = keys.stream(&stream);
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
            let id = keys.find_or_add(KeyKind::Type, name, hash);
            keys.type_ids.push(id);
        }
        let mut position = first;
        for (offset, stream, of_type) in events {
            let at = Place(place.0 + u64::from(offset));
            let stream = keys.stream_ids[usize::from(stream)];
            let category = keys.entry(stream).category;
            for id in [stream, category, keys.type_ids[usize::from(of_type)]] {
                let entry = &mut keys.entries[id.0 as usize];
                entry.postings.push(at);
                entry.last_position = position;
            }
            position += 1;
        }
        if keys.sparse.last().is_none_or(|(_, last)| place.0 >= last.0 + SPARSE_BYTES) {
            keys.sparse.push((first, place));
        }
        keys.through = Through { position: position - 1, place: end };
        Ok(())
    }
}

impl Keys {
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

    fn find_or_add(&mut self, kind: KeyKind, name: &[u8], hash: u64) -> KeyId {
        match self.find(kind, name, hash) {
            Some(id) => id,
            None => self.add(kind, name, hash, KeyId(u32::MAX)),
        }
    }

    fn stream(&mut self, stream: &FeedStream<'_>) -> KeyId {
        if let Some(id) = stream.known.or_else(|| self.find(KeyKind::Stream, stream.name, stream.hash)) {
            return id;
        }
        let category = self.find_or_add(KeyKind::Category, stream.category, stream.category_hash);
        self.streams += 1;
        self.add(KeyKind::Stream, stream.name, stream.hash, category)
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
