//! One commit: encoded outside of the writer's lock; checked, written, indexed and published under it.

use super::condition;
use super::core::Core;
use super::receipt::{Name, Receipt};
use super::repeat;
use super::request::{Commit, Write};
use crate::error::Error;
use crate::event::NewEvent;
use crate::event::body::{BodyEncoder, WriteRef};
use crate::event::single::SingleEncoder;
use crate::expected::Durability;
use crate::index::{FeedEvent, FeedSingle, FeedStream, KeyId, KeyKind};
use crate::log::{WriteSide, Writer};
use crate::pending::Pending;
use crate::{Position, Revision};
use std::cell::RefCell;
use std::sync::Arc;

/// What a thread keeps between its commits, so that one allocates nothing.
struct Scratch {
    body: BodyEncoder,
    single: SingleEncoder,
    streams: Streams,
}

/// The streams of a commit, in the order of their numbers.
#[derive(Default)]
pub(super) struct Streams {
    /// Their keys in the index, where they exist.
    pub(super) keys: Vec<Option<KeyId>>,
    /// Revision of the first event of this commit in each.
    pub(super) first: Vec<u64>,
    /// Events of this commit that earlier writes have put into each.
    added: Vec<u64>,
}

thread_local! {
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
}

/// What is promised of a commit once it has happened.
struct Done {
    receipt: Receipt,
    /// Position that must be synced for `Durability::Power`.
    target: u64,
}

/// What the short way came to.
enum Short {
    /// Position and revision of the event.
    Done(u64, Revision),
    /// The expectation isn't met: the general way finds out what that means.
    Unmet,
    Failed(Error),
}

/// Commits at once; the `Ok` of what is returned waits for the durability.
pub(crate) fn commit(core: &Arc<Core>, commit: &Commit<'_>) -> Pending<Receipt> {
    let Commit { writes, durability, .. } = *commit;
    let side = match core.log.write_side() {
        Ok(side) => side,
        Err(error) => return Pending::ready(Err(error)),
    };
    let one = match writes {
        [Write { events: [event], .. }] if commit.fail_if_any.is_none() && SingleEncoder::takes(event) => {
            with_scratch(core, |scratch| commit_single(core, side, &mut scratch.single, &writes[0], event))
        }
        _ => Short::Unmet,
    };
    match one {
        Short::Done(position, revision) => {
            // Made where it is returned: copying what was just written is slow.
            if durability == Durability::Power && side.sync.synced() < position {
                side.sync.ask();
                return Pending::working(
                    side.clone(),
                    position,
                    Receipt::of_one(writes[0].stream, position, revision),
                );
            }
            Pending::ready(Ok(Receipt::of_one(writes[0].stream, position, revision)))
        }
        Short::Failed(error) => Pending::ready(Err(error)),
        Short::Unmet => match with_scratch(core, |scratch| commit_with(core, side, scratch, commit)) {
            Ok(done) if durability == Durability::Power && side.sync.synced() < done.target => {
                side.sync.ask();
                Pending::working(side.clone(), done.target, done.receipt)
            }
            done => Pending::ready(done.map(|done| done.receipt)),
        },
    }
}

#[inline]
fn with_scratch<T>(core: &Core, work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => work(scratch.get_or_insert_with(|| Scratch::new(core))),
        // A commit inside of a commit: from a hook of the simulator.
        Err(_) => work(&mut Scratch::new(core)),
    })
}

impl Scratch {
    #[cold]
    fn new(core: &Core) -> Self {
        Self {
            body: BodyEncoder::new(core.index.state()),
            single: SingleEncoder::new(core.index.state()),
            streams: Streams::default(),
        }
    }
}

/// The commit of one event without keys, which is written most.
fn commit_single(
    core: &Core,
    side: &WriteSide,
    single: &mut SingleEncoder,
    write: &Write<'_>,
    event: &NewEvent<'_>,
) -> Short {
    if let Err(error) = single.encode(write.stream, event, core.log.geometry.segment_bytes()) {
        return Short::Failed(error);
    }
    let time = core.log.medium.time.now();
    let mut writer = side.writer();
    if let Err(error) = side.check_open(&writer) {
        return Short::Failed(error);
    }
    let stream = (write.stream.as_bytes(), single.stream_hash());
    let index = core.index.write();
    let (known, first, last) = index.stream(stream.0, stream.1);
    if !write.expected.is_met_by(first.checked_sub(1).map(Revision)) {
        return Short::Unmet;
    }
    // Whoever is called in between may read the index.
    let index = if writer.writes_plainly() {
        Some(index)
    } else {
        drop(index);
        None
    };
    let written = match writer.write(side, single, &[first], time) {
        Ok(written) => written,
        Err(error) => return Short::Failed(error),
    };
    let end = writer.end_place(side);
    writer.publish(side);
    let index = index.unwrap_or_else(|| core.index.write());
    index.single(&FeedSingle {
        known,
        stream,
        last,
        event_type: single.event_type(),
        position: written.first,
        frame: written.place,
        record: single.record_at() as u64,
        end,
    });
    Short::Done(written.first, Revision(first))
}

fn commit_with(
    core: &Arc<Core>,
    side: &WriteSide,
    scratch: &mut Scratch,
    commit: &Commit<'_>,
) -> Result<Done, Error> {
    let writes = commit.writes;
    let Scratch { body, streams, .. } = scratch;
    encode(body, writes, core.log.geometry.segment_bytes())?;
    let time = core.log.medium.time.now();
    let mut writer = side.writer();
    side.check_open(&writer)?;
    streams.look_up(core, body);
    if let Some(unmet) = streams.first_unmet(body, writes) {
        let found =
            repeat::find(core, writes, unmet, streams.keys[usize::from(number(body, &writes[unmet]))]);
        drop(writer);
        return match found {
            Some((receipt, target)) => Ok(Done { receipt, target }),
            None => Err(streams.conflict(body, writes, unmet)),
        };
    }
    if let Some((query, after)) = commit.fail_if_any
        && let Some(matched) = condition::newest_match(core, query, after)?
    {
        return Err(Error::new_condition_conflict(query.clone(), after, matched));
    }
    let written = writer.write(side, body, &streams.first, time)?;
    let end = writer.end_place(side);
    writer.publish(side);
    feed(core, body, streams, (written.first, written.place, end));
    let last = last_position(&writer);
    drop(writer);
    Ok(Done { receipt: streams.receipt(body, last), target: last })
}

fn events(body: &BodyEncoder) -> impl Iterator<Item = FeedEvent> + Clone {
    body.records().iter().map(|record| (record.offset, record.stream, record.event_type))
}

fn last_position(writer: &Writer) -> u64 {
    writer.next_position() - 1
}

fn encode(body: &mut BodyEncoder, writes: &[Write<'_>], segment_bytes: u64) -> Result<(), Error> {
    fn as_ref<'w>(write: &Write<'w>) -> WriteRef<'w> {
        WriteRef { stream: write.stream, events: write.events }
    }
    match writes {
        [one] => body.encode(&[as_ref(one)], segment_bytes),
        _ => body.encode(&writes.iter().map(as_ref).collect::<Vec<_>>(), segment_bytes),
    }
}

/// The number in the commit of a write's stream.
fn number(body: &BodyEncoder, write: &Write<'_>) -> u16 {
    if body.stream_count() == 1 {
        return 0;
    }
    body.stream_number(write.stream).expect("every write's stream was encoded")
}

impl Streams {
    /// Finds every stream of the commit, and where it goes on.
    fn look_up(&mut self, core: &Core, body: &BodyEncoder) {
        let keys = core.index.read();
        self.keys.clear();
        self.first.clear();
        for stream in body.streams() {
            let key = keys.find(KeyKind::Stream, stream.name, stream.hash);
            self.keys.push(key);
            self.first.push(key.map_or(0, |key| keys.len(key)));
        }
    }

    /// The first write whose expectation isn't met, earlier writes of the same commit taken into account.
    fn first_unmet(&mut self, body: &BodyEncoder, writes: &[Write<'_>]) -> Option<usize> {
        self.added.clear();
        self.added.resize(self.first.len(), 0);
        writes.iter().position(|write| {
            let number = usize::from(number(body, write));
            let count = self.first[number] + self.added[number];
            self.added[number] += write.events.len() as u64;
            !write.expected.is_met_by(count.checked_sub(1).map(Revision))
        })
    }

    fn conflict(&self, body: &BodyEncoder, writes: &[Write<'_>], unmet: usize) -> Error {
        let Write { stream, expected, .. } = writes[unmet];
        let actual = self.first[usize::from(number(body, &writes[unmet]))].checked_sub(1).map(Revision);
        Error::new_conflict(stream, expected, actual)
    }

    fn receipt(&self, body: &BodyEncoder, last: u64) -> Receipt {
        let mut streams = body.streams().zip(&self.first).map(|(stream, first)| {
            let name = std::str::from_utf8(stream.name).expect("names are encoded from text");
            (Name::new(name), Revision(first + u64::from(stream.events) - 1))
        });
        let first = streams.next().expect("a commit has a stream");
        Receipt::of_streams(Position(last), false, first, streams.collect())
    }
}

fn feed(
    core: &Core,
    body: &BodyEncoder,
    streams: &Streams,
    place: (u64, crate::log::Place, crate::log::Place),
) {
    let own = body.streams().zip(&streams.keys).zip(&streams.first);
    let own = own.map(|((stream, key), first)| FeedStream::of(&stream, *first, *key));
    let fed = core.index.feed(own, body.event_types(), events(body), place);
    assert!(fed.is_ok(), "revisions are taken from the index");
}

/// Takes a commit that was read from the log into the index.
pub(super) fn feed_read(
    core_index: &crate::index::Index,
    commit: crate::event::commit::CommitRef<'_>,
    place: crate::log::Place,
) -> Result<(), crate::log::Fault> {
    let streams = commit.stream_count();
    let own = (0..streams).map(|number| {
        let name = commit.stream_name(number);
        let first_revision = commit.first_revision(number).0;
        FeedStream { name, hash: core_index.hash(name), first_revision, known: None }
    });
    let names = (u32::from(streams)..commit.name_count()).map(|number| commit.name(number));
    let types = names.take_while(|(kind, _)| *kind == crate::event::layout::kind::TYPE);
    let types = types.map(|(_, name)| (name, core_index.hash(name)));
    let events = commit.events().map(|event| (event.offset(), event.stream_number(), event.type_number()));
    let end = crate::log::Place(place.0 + u64::from(commit.length()));
    core_index.feed(own, types, events, (commit.first_position().0, place, end))
}
