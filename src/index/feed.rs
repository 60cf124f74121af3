//! Takes commits into a tail: every stream is looked up and every key found or made, then the postings are added. So whatever
//! may fail has happened before a frame is written.

use super::key::{Key, KeyKind};
use super::layers::Layers;
use super::run::Damaged;
use super::tail::{FedFrame, KeyId, Keys};
use crate::event::EventRef;
use crate::event::commit::CommitRef;
use crate::event::names::{category_bytes, name_hash};
use crate::log::{Fault, Place};
use foldhash::fast::FixedState;

/// A stream of a commit.
#[derive(Clone, Copy)]
pub(crate) struct FeedStream<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) hash: u64,
    /// Events that it has before this commit.
    pub(crate) count: u64,
    /// The key, where a lookup has found it in the tail.
    pub(crate) known: Option<KeyId>,
}

/// A name of a commit that isn't a stream's: its kind in the frame, its bytes, its hash.
pub(crate) type FeedName<'a> = (u8, &'a [u8], u64);

/// An event of a commit that is fed: the offset of its record in the frame, the numbers of its stream and type.
pub(crate) type FeedEvent = (u32, u16, u16);

/// The keys of a commit, by the numbers that its frame has for them.
#[derive(Default)]
pub(crate) struct Resolved {
    streams: Vec<KeyId>,
    /// What stands behind the streams in the directory; `None` for a kind that this version doesn't index.
    names: Vec<Option<KeyId>>,
    /// There are names that aren't of types.
    keyed: bool,
}

impl Resolved {
    /// Finds or makes the keys of a commit in a tail.
    #[inline]
    pub(crate) fn find<'a>(
        &mut self,
        keys: &mut Keys,
        state: &FixedState,
        streams: impl Iterator<Item = FeedStream<'a>>,
        names: impl Iterator<Item = FeedName<'a>>,
    ) {
        self.streams.clear();
        self.streams.extend(streams.map(|stream| resolve_stream(keys, state, &stream)));
        self.find_names(keys, names);
    }

    fn find_names<'a>(&mut self, keys: &mut Keys, names: impl Iterator<Item = FeedName<'a>>) {
        self.names.clear();
        self.keyed = false;
        for (kind, name, hash) in names {
            let is_type = KeyKind::of_name(kind) == Some(KeyKind::Type);
            self.keyed |= !is_type;
            self.names.push(match is_type {
                true => Some(resolve_type(keys, name, hash)),
                false => resolve_name(keys, (kind, name, hash)),
            });
        }
    }
}

/// The key of a stream in the tail, if it has one there, and how many events the stream has.
#[inline]
pub(crate) fn stream_in(
    keys: &Keys,
    layers: &Layers,
    name: &[u8],
    hash: u64,
) -> Result<(Option<KeyId>, u64), Damaged> {
    let key = Key { kind: KeyKind::Stream, name };
    Ok(match keys.find(key, hash) {
        Some(id) => (Some(id), keys.count(id)),
        None => (None, layers.revisions_before_tail(key, hash)?),
    })
}

#[inline]
pub(crate) fn resolve_stream(keys: &mut Keys, state: &FixedState, stream: &FeedStream<'_>) -> KeyId {
    let key = Key { kind: KeyKind::Stream, name: stream.name };
    match stream.known.or_else(|| keys.find(key, stream.hash)) {
        Some(id) => id,
        None => add_stream(keys, state, key, stream),
    }
}

#[cold]
fn add_stream(keys: &mut Keys, state: &FixedState, key: Key<'_>, stream: &FeedStream<'_>) -> KeyId {
    let category = Key { kind: KeyKind::Category, name: &key.name[..category_bytes(key.name)] };
    let category = resolve_key(keys, category, name_hash(state, category.name));
    keys.add(key, stream.hash, stream.count, Some(category))
}

#[inline]
pub(crate) fn resolve_type(keys: &mut Keys, name: &[u8], hash: u64) -> KeyId {
    if let Some(id) = keys.last_type(name, hash) {
        return id;
    }
    let id = resolve_key(keys, Key { kind: KeyKind::Type, name }, hash);
    keys.set_last_type(id);
    id
}

/// The key of a name of a commit that isn't a stream's; `None` for a kind that this version doesn't index.
#[inline]
pub(crate) fn resolve_name(keys: &mut Keys, (kind, name, hash): FeedName<'_>) -> Option<KeyId> {
    Some(resolve_key(keys, Key { kind: KeyKind::of_name(kind)?, name }, hash))
}

/// A key that isn't a stream's: what is there is counted, nothing before it.
fn resolve_key(keys: &mut Keys, key: Key<'_>, hash: u64) -> KeyId {
    match keys.find(key, hash) {
        Some(id) => id,
        None => keys.add(key, hash, 0, None),
    }
}

impl Resolved {
    /// Adds the postings of a frame, and notes it. `bytes` are those of the frame, whose header isn't looked at, `events` its
    /// events in order.
    #[inline]
    pub(crate) fn post(
        &self,
        keys: &mut Keys,
        frame: &FedFrame,
        events: impl Iterator<Item = FeedEvent> + Clone,
        bytes: &[u8],
    ) {
        let place = |offset: u32| Place(frame.place.0 + u64::from(offset));
        match (&self.streams[..], &self.names[..]) {
            // All events have the same keys: key by key.
            ([stream], [Some(of_type)]) => {
                for id in [*stream, keys.category(*stream), *of_type] {
                    keys.post_all(id, events.clone().map(|(offset, ..)| place(offset)), frame.first);
                }
            }
            _ => {
                for (position, (offset, stream, of_type)) in (frame.first..).zip(events.clone()) {
                    let stream = self.streams[usize::from(stream)];
                    let ids = [Some(stream), Some(keys.category(stream)), self.names[usize::from(of_type)]];
                    ids.into_iter().flatten().for_each(|id| keys.post(id, place(offset), position));
                }
            }
        }
        if self.keyed {
            self.post_keys(keys, frame, events, bytes);
        }
        keys.note(frame);
    }

    fn post_keys(
        &self,
        keys: &mut Keys,
        frame: &FedFrame,
        events: impl Iterator<Item = FeedEvent>,
        bytes: &[u8],
    ) {
        for (position, (offset, ..)) in (frame.first..).zip(events) {
            for number in EventRef::new(bytes, offset).key_numbers() {
                let name = (number as usize).checked_sub(self.streams.len());
                if let Some(id) = name.and_then(|name| self.names.get(name).copied().flatten()) {
                    keys.post(id, Place(frame.place.0 + u64::from(offset)), position);
                }
            }
        }
    }
}

/// Takes a commit that was read from the log into the tail of `layers`, which is of its segment. Where a stream was last seen
/// in a run, it goes on as the commit says: a search of the runs for each stream would make opening slower the larger the log
/// is, and who reads the stream, or verifies the log, compares every revision.
///
/// # Errors
/// A stream of the commit doesn't go on where it ended.
pub(crate) fn feed_read(
    layers: &Layers,
    state: &FixedState,
    resolved: &mut Resolved,
    commit: CommitRef<'_>,
    place: Place,
) -> Result<(), Fault> {
    let mut tail = layers.tail().write();
    let keys = &mut *tail;
    let streams = commit.stream_count();
    resolved.streams.clear();
    for number in 0..streams {
        let (name, found) = (commit.stream_name(number), commit.first_revision(number).0);
        let hash = name_hash(state, name);
        let key = Key { kind: KeyKind::Stream, name };
        let known = keys.find(key, hash);
        let next = match known {
            Some(id) => keys.count(id),
            // An event before it for each revision, at most.
            None => layers.revisions_in_memory(key, hash).unwrap_or(found.min(commit.first_position().0 - 1)),
        };
        if next != found {
            let name = String::from_utf8_lossy(name);
            return Err(Fault::new("frame", 40, format!("revision {next} of {name}"), found));
        }
        let stream = FeedStream { name, hash, count: next, known };
        resolved.streams.push(resolve_stream(keys, state, &stream));
    }
    let names = (u32::from(streams)..commit.name_count()).map(|number| {
        let (kind, name) = commit.name(number);
        (kind, name, name_hash(state, name))
    });
    resolved.find_names(keys, names);
    let frame = FedFrame {
        first: commit.first_position().0,
        last: commit.last_position().0,
        place,
        end: Place(place.0 + u64::from(commit.length())),
        time: commit.time(),
        epoch: commit.epoch(),
    };
    let events = commit.events().map(|event| (event.offset(), event.stream_number(), event.type_number()));
    resolved.post(keys, &frame, events, commit.bytes());
    Ok(())
}
