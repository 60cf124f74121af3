//! Keys and postings of one segment, in memory: the end of the index, which grows, and segments whose run isn't written yet.
//! A stream, a category, a type, a tag and a correlation id are each a key.
//!
//! One writer feeds it under the writer's lock; readers look things up and copy postings out in pieces. Never reads the log.

use super::key::{Key, KeyKind};
use super::postings::Postings;
use super::run::Covered;
use crate::log::Place;
use hashbrown::HashTable;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A key that a tail has. Stays valid for the life of the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyId(u32);

struct Entry {
    hash: u64,
    postings: Postings,
    /// Events of a stream before this tail; 0 for other keys.
    earlier: u64,
    name: Box<[u8]>,
    kind: KeyKind,
    /// The key of a stream's category.
    category: KeyId,
    /// Position of the last event under the key in this tail.
    last_position: u64,
}

/// One frame in so many bytes of log has its position noted.
const SPARSE_BYTES: u64 = 8_192;

/// How far the index goes, and the log with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Through {
    pub(crate) position: u64,
    /// The first byte after the last frame.
    pub(crate) place: Place,
    /// The latest time of a commit so far.
    pub(crate) time_max: i64,
}

/// A frame that is fed: what isn't a key of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FedFrame {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) place: Place,
    pub(crate) end: Place,
    pub(crate) time: i64,
    pub(crate) epoch: u64,
}

/// A frame whose place is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    /// Position of its first event.
    pub(crate) first: u64,
    pub(crate) place: Place,
    /// The latest time of a commit so far, its own among them.
    pub(crate) time_max: i64,
}

/// The keys of one segment.
pub(crate) struct Tail {
    pub(crate) segment: u64,
    keys: RwLock<Keys>,
}

/// What the lock protects.
pub(crate) struct Keys {
    table: HashTable<u32>,
    entries: Vec<Entry>,
    new_streams: u64,
    /// Some frames, ascending.
    sparse: Vec<Noted>,
    through: Through,
    first: u64,
    commits: u64,
    last_frame: Place,
    epoch: u64,
    last_type: Option<KeyId>,
}

impl Tail {
    /// The keys of a segment, of which nothing was fed. `before` is how far the index goes without it.
    pub(crate) fn new(segment: u64, before: Through) -> Self {
        let keys = Keys {
            table: HashTable::new(),
            entries: Vec::new(),
            new_streams: 0,
            sparse: Vec::new(),
            through: before,
            first: before.position + 1,
            commits: 0,
            last_frame: before.place,
            epoch: 0,
            last_type: None,
        };
        Self { segment, keys: RwLock::new(keys) }
    }

    #[inline]
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read()
    }

    #[inline]
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write()
    }
}

impl Keys {
    /// Notes a frame whose events were posted.
    #[inline]
    pub(crate) fn note(&mut self, frame: &FedFrame) {
        let time_max = self.through.time_max.max(frame.time);
        if self.sparse.last().is_none_or(|noted| frame.place.0 >= noted.place.0 + SPARSE_BYTES) {
            self.sparse.push(Noted { first: frame.first, place: frame.place, time_max });
        }
        self.through = Through { position: frame.last, place: frame.end, time_max };
        self.last_frame = frame.place;
        self.epoch = frame.epoch;
        self.commits += 1;
    }

    #[inline]
    fn entry(&self, id: KeyId) -> &Entry {
        &self.entries[id.0 as usize]
    }

    #[inline]
    pub(crate) fn find(&self, key: Key<'_>, hash: u64) -> Option<KeyId> {
        let same = |index: &u32| {
            let entry = &self.entries[*index as usize];
            entry.hash == hash && entry.kind == key.kind && *entry.name == *key.name
        };
        self.table.find(mix(hash, key.kind), same).map(|index| KeyId(*index))
    }

    /// Adds a key that isn't there.
    #[cold]
    pub(crate) fn add(&mut self, key: Key<'_>, hash: u64, earlier: u64, category: Option<KeyId>) -> KeyId {
        let id = KeyId(
            u32::try_from(self.entries.len()).expect("fewer keys than memory for four thousand million"),
        );
        self.entries.push(Entry {
            hash,
            postings: Postings::default(),
            earlier,
            name: key.name.into(),
            kind: key.kind,
            category: category.unwrap_or(id),
            last_position: 0,
        });
        let entries = &self.entries;
        let rehash = |index: &u32| mix(entries[*index as usize].hash, entries[*index as usize].kind);
        self.table.insert_unique(mix(hash, key.kind), id.0, rehash);
        id
    }

    /// The key of the type of the commit before, if it is this one.
    #[inline]
    pub(crate) fn last_type(&self, name: &[u8], hash: u64) -> Option<KeyId> {
        let id = self.last_type?;
        let entry = self.entry(id);
        (entry.hash == hash && *entry.name == *name).then_some(id)
    }

    #[inline]
    pub(crate) fn set_last_type(&mut self, id: KeyId) {
        self.last_type = Some(id);
    }

    /// The key of a stream's category.
    #[inline]
    pub(crate) fn category(&self, stream: KeyId) -> KeyId {
        self.entry(stream).category
    }

    /// Adds a posting. One that is there already is added once.
    #[inline]
    pub(crate) fn post(&mut self, id: KeyId, place: Place, position: u64) {
        let entry = &mut self.entries[id.0 as usize];
        match entry.postings.last() {
            None if entry.kind == KeyKind::Stream && entry.earlier == 0 => self.new_streams += 1,
            Some(last) if last == place => return,
            last => assert!(last < Some(place), "postings ascend"),
        }
        entry.postings.push(place);
        entry.last_position = position;
    }

    /// Adds a posting each for many events of one key, which ascend. `position` is that of the first.
    #[inline]
    pub(crate) fn post_all(&mut self, id: KeyId, mut places: impl Iterator<Item = Place>, position: u64) {
        let Some(first) = places.next() else { return };
        self.post(id, first, position);
        let entry = &mut self.entries[id.0 as usize];
        let before = entry.postings.len();
        entry.postings.extend(places);
        entry.last_position = position + (entry.postings.len() - before) as u64;
    }

    /// How far the index goes.
    #[inline]
    pub(crate) fn through(&self) -> Through {
        self.through
    }

    /// Streams whose first event is in this tail.
    pub(crate) fn new_streams(&self) -> u64 {
        self.new_streams
    }

    /// Whether no frame was fed.
    pub(crate) fn is_empty(&self) -> bool {
        self.commits == 0
    }

    /// Number of events under a key; of a stream those before this tail among them.
    #[inline]
    pub(crate) fn count(&self, id: KeyId) -> u64 {
        let entry = self.entry(id);
        entry.earlier + entry.postings.len() as u64
    }

    /// Number of events of a stream before this tail; 0 for other keys.
    #[inline]
    pub(crate) fn earlier(&self, id: KeyId) -> u64 {
        self.entry(id).earlier
    }

    /// The place of the last event under a key in this tail.
    #[inline]
    pub(crate) fn last(&self, id: KeyId) -> Option<Place> {
        self.entry(id).postings.last()
    }

    /// Position of the last event under a key, if it is in this tail.
    pub(crate) fn last_position(&self, id: KeyId) -> Option<u64> {
        Some(self.entry(id).last_position).filter(|position| *position > 0)
    }

    /// Number of events under a key in this tail that stand before `place`.
    pub(crate) fn before(&self, id: KeyId, place: Place) -> u64 {
        self.entry(id).postings.before(place) as u64
    }

    /// Copies places from event `n` of this tail on. Returns how many.
    pub(crate) fn copy(&self, id: KeyId, n: u64, out: &mut [Place]) -> usize {
        usize::try_from(n).map_or(0, |n| self.entry(id).postings.copy(n, out))
    }

    /// The last noted frame that `is_before` holds for; it holds for none behind one that it doesn't hold for.
    pub(crate) fn noted(&self, is_before: impl Fn(&Noted) -> bool) -> Option<Noted> {
        let after = self.sparse.partition_point(is_before);
        self.sparse.get(after.checked_sub(1)?).copied()
    }

    /// The noted frames.
    pub(crate) fn sparse(&self) -> &[Noted] {
        &self.sparse
    }

    /// The first stream at or after number `from`, in the order of their making, whose first event is in this tail; with the
    /// number to go on from.
    pub(crate) fn new_stream_from(&self, from: usize) -> Option<(&[u8], usize)> {
        let is_new =
            |entry: &Entry| entry.kind == KeyKind::Stream && entry.earlier == 0 && entry.postings.len() > 0;
        let found = self.entries.get(from..)?.iter().position(is_new)? + from;
        Some((&self.entries[found].name, found + 1))
    }

    /// Every key that has a posting here.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (Key<'_>, KeyId)> {
        let held = self.entries.iter().zip(0..).filter(|(entry, _)| entry.postings.len() > 0);
        held.map(|(entry, id)| (Key { kind: entry.kind, name: &entry.name }, KeyId(id)))
    }

    /// What a run of this tail covers. The tail has a frame.
    pub(crate) fn covered(&self, segment: u64, offset_of: impl Fn(Place) -> u64) -> Covered {
        Covered {
            first_segment: segment,
            segments: 1,
            first_position: self.first,
            last_position: self.through.position,
            commits: self.commits,
            last_frame: offset_of(self.last_frame),
            epoch: self.epoch,
            time_max: self.through.time_max,
        }
    }
}

/// Keys of different kinds with one name are different keys.
#[inline]
fn mix(hash: u64, kind: KeyKind) -> u64 {
    hash ^ (kind as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
