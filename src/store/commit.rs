//! One commit: encoded outside of the writer's lock; checked, written, indexed and published under it.

use super::checkpoints;
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
use crate::index::{
    Damaged, FedFrame, FeedEvent, FeedStream, KeyId, Keys, Layers, Resolved, resolve_name, resolve_stream,
    resolve_type, stream_in,
};
use crate::log::{Place, WriteSide, Writer, Written};
use crate::pending::Pending;
use crate::{Position, Revision};
use std::cell::RefCell;
use std::sync::Arc;

/// What a thread keeps between its commits, so that one allocates nothing.
struct Scratch {
    body: BodyEncoder,
    single: SingleEncoder,
    /// Tags and correlation id of a single event.
    others: Vec<KeyId>,
    streams: Streams,
    resolved: Resolved,
}

/// The streams of a commit, in the order of their numbers.
#[derive(Default)]
pub(super) struct Streams {
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
        [Write { events: [event], .. }] if commit.fail_if_any.is_none() && commit.progress.is_none() => {
            with_scratch(core, |scratch| commit_single(core, side, scratch, &writes[0], event))
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
            body: BodyEncoder::new(core.index.state().clone()),
            single: SingleEncoder::new(core.index.state().clone()),
            others: Vec::new(),
            streams: Streams::default(),
            resolved: Resolved::default(),
        }
    }
}

/// The commit of one event, which is written most.
fn commit_single(
    core: &Core,
    side: &WriteSide,
    scratch: &mut Scratch,
    write: &Write<'_>,
    event: &NewEvent<'_>,
) -> Short {
    let Scratch { single, others, .. } = scratch;
    if let Err(error) = single.encode(write.stream, event, core.log.geometry.segment_bytes()) {
        return Short::Failed(error);
    }
    let time = core.log.medium.time.now();
    let mut writer = side.writer();
    if let Err(error) = side.check_open(&writer) {
        return Short::Failed(error);
    }
    let layers = core.index.layers_now();
    let mut keys = layers.tail().write();
    let found = single_keys(core, &layers, &mut keys, single, write);
    let (stream, of_type, first) = match found {
        Ok(Some(found)) => found,
        // The general way finds out what that means, or mends the index.
        Ok(None) | Err(_) => return Short::Unmet,
    };
    resolve_others(&mut keys, single, others);
    // Whoever is called in between may read the index.
    let mut keys = Some(keys).filter(|_| writer.writes_plainly());
    let frame = match write_single(side, &mut writer, single, first, time) {
        Ok(frame) => frame,
        Err(error) => return Short::Failed(error),
    };
    let done = match &mut keys {
        Some(keys) if layers.tail().segment == core.log.geometry.segment(frame.place) => {
            post_single(keys, [stream, of_type], others, &frame, single);
            Short::Done(frame.first, Revision(first))
        }
        _ => {
            drop(keys);
            drop(layers);
            feed_single(core, single, others, write.stream, first, &frame)
        }
    };
    writer.announce(side);
    done
}

/// Writes and publishes a commit of one event.
#[inline]
fn write_single(
    side: &WriteSide,
    writer: &mut Writer,
    single: &mut SingleEncoder,
    revision: u64,
    time: i64,
) -> Result<FedFrame, Error> {
    let written = writer.write(side, single, &[revision], time)?;
    writer.publish(side);
    Ok(fed_frame(side, writer, &written, time))
}

/// The keys of stream and type in the tail, and the revision of the event; `None` if the expectation isn't met.
#[inline]
fn single_keys(
    core: &Core,
    layers: &Layers,
    keys: &mut Keys,
    single: &SingleEncoder,
    write: &Write<'_>,
) -> Result<Option<(KeyId, KeyId, u64)>, Damaged> {
    let (name, hash) = (write.stream.as_bytes(), single.stream_hash());
    let (known, count) = stream_in(keys, layers, name, hash)?;
    if !write.expected.is_met_by(count.checked_sub(1).map(Revision)) {
        return Ok(None);
    }
    let stream = FeedStream { name, hash, count, known };
    let stream = resolve_stream(keys, core.index.state(), &stream);
    let (name, hash) = single.event_type();
    Ok(Some((stream, resolve_type(keys, name, hash), count)))
}

/// The keys of the tags and the correlation id in the tail.
#[inline]
fn resolve_others(keys: &mut Keys, single: &SingleEncoder, others: &mut Vec<KeyId>) {
    others.clear();
    for name in single.keys() {
        if let Some(id) = resolve_name(keys, name) {
            others.push(id);
        }
    }
}

#[inline]
fn post_single(
    keys: &mut Keys,
    [stream, of_type]: [KeyId; 2],
    others: &[KeyId],
    frame: &FedFrame,
    single: &SingleEncoder,
) {
    let place = Place(frame.place.0 + single.record_at() as u64);
    for id in [stream, keys.category(stream), of_type] {
        keys.post(id, place, frame.first);
    }
    for id in others {
        keys.post(*id, place, frame.first);
    }
    keys.note(frame);
}

/// Feeds a commit of one event whose keys were let go of, or whose frame begins a segment.
#[cold]
fn feed_single(
    core: &Core,
    single: &SingleEncoder,
    others: &mut Vec<KeyId>,
    stream: &str,
    count: u64,
    frame: &FedFrame,
) -> Short {
    core.index.roll(core.log.geometry.segment(frame.place));
    let layers = core.index.layers_now();
    let mut keys = layers.tail().write();
    let stream = FeedStream { name: stream.as_bytes(), hash: single.stream_hash(), count, known: None };
    let state = core.index.state();
    let (name, hash) = single.event_type();
    let ids = [resolve_stream(&mut keys, state, &stream), resolve_type(&mut keys, name, hash)];
    resolve_others(&mut keys, single, others);
    post_single(&mut keys, ids, others, frame, single);
    Short::Done(frame.first, Revision(count))
}

fn fed_frame(side: &WriteSide, writer: &Writer, written: &Written, time: i64) -> FedFrame {
    FedFrame {
        first: written.first,
        last: writer.next_position() - 1,
        place: written.place,
        end: writer.end_place(side),
        time,
        epoch: writer.epoch(),
    }
}

fn commit_with(
    core: &Arc<Core>,
    side: &WriteSide,
    scratch: &mut Scratch,
    commit: &Commit<'_>,
) -> Result<Done, Error> {
    let writes = commit.writes;
    let Scratch { body, streams, resolved, .. } = scratch;
    encode(body, commit, core.log.geometry.segment_bytes())?;
    let time = core.log.medium.time.now();
    let mut writer = side.writer();
    side.check_open(&writer)?;
    core.mending(|| streams.look_up(core, body))?;
    if let Some(unmet) = streams.first_unmet(body, writes) {
        let found = repeat::find(core, writes, unmet)?;
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
    streams.resolve(core, body, resolved);
    let written = writer.write(side, body, &streams.first, time)?;
    let frame = fed_frame(side, &writer, &written, time);
    writer.publish(side);
    feed(core, body, streams, resolved, &frame);
    writer.announce(side);
    drop(writer);
    Ok(Done { receipt: streams.receipt(body, frame.last), target: frame.last })
}

fn events(body: &BodyEncoder) -> impl Iterator<Item = FeedEvent> + Clone {
    body.records().iter().map(|record| (record.offset, record.stream, record.event_type))
}

fn encode(body: &mut BodyEncoder, commit: &Commit<'_>, segment_bytes: u64) -> Result<(), Error> {
    fn as_ref<'w>(write: &Write<'w>) -> WriteRef<'w> {
        WriteRef { stream: write.stream, events: write.events }
    }
    let progress = commit.progress.map(|progress| (progress.consumer, progress.data));
    if let Some(progress) = &commit.progress {
        checkpoints::check_progress(progress)?;
    }
    match commit.writes {
        [one] => body.encode_with(&[as_ref(one)], progress, segment_bytes),
        writes => body.encode_with(&writes.iter().map(as_ref).collect::<Vec<_>>(), progress, segment_bytes),
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
    fn look_up(&mut self, core: &Core, body: &BodyEncoder) -> Result<(), Damaged> {
        let layers = core.index.layers_now();
        let keys = layers.tail().read();
        self.first.clear();
        for stream in body.streams() {
            self.first.push(stream_in(&keys, &layers, stream.name, stream.hash)?.1);
        }
        Ok(())
    }

    /// Finds or makes every key of the commit in the tail.
    fn resolve(&self, core: &Core, body: &BodyEncoder, resolved: &mut Resolved) {
        let layers = core.index.layers_now();
        let mut keys = layers.tail().write();
        let own = body.streams().zip(&self.first);
        let own = own.map(|(stream, first)| FeedStream {
            name: stream.name,
            hash: stream.hash,
            count: *first,
            known: None,
        });
        resolved.find(&mut keys, core.index.state(), own, body.other_names());
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

/// Adds the postings of a commit whose keys were found before it was written.
fn feed(core: &Core, body: &BodyEncoder, streams: &Streams, resolved: &mut Resolved, frame: &FedFrame) {
    let segment = core.log.geometry.segment(frame.place);
    if core.index.layers_now().tail().segment != segment {
        core.index.roll(segment);
        streams.resolve(core, body, resolved);
    }
    let layers = core.index.layers_now();
    resolved.post(&mut layers.tail().write(), frame, events(body), body.bytes());
}
