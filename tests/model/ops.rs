//! What a case does: operations that mean something in any state, so that proptest may leave some out when it shrinks.

use crate::asks::{Ask, ask};
use orchestrix::testing::Crash;
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Names of the streams: several categories, one that is the beginning of another, one without a category.
pub(crate) const STREAMS: [&str; 7] =
    ["cart-1", "cart-2", "cart-2-late", "user-1", "user-é", "lonely", "us-9"];
pub(crate) const CATEGORIES: [&str; 6] = ["cart", "user", "lonely", "us", "cart-2", "none"];
pub(crate) const TYPES: [&str; 5] = ["opened", "paid", "paid.late", "closed", "geschloßen"];
pub(crate) const TAGS: [&str; 5] = ["a", "room:kitchen", "urgent", "ünïcode", "z"];

#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// One commit; `power` and several writes make it a transaction.
    Commit {
        writes: Vec<Write>,
        condition: Option<Condition>,
        power: bool,
        waits: bool,
    },
    /// So many commits of one event, so that segments fill.
    Fill {
        stream: u8,
        commits: u8,
    },
    /// An earlier request once more, counted from the newest.
    Repeat {
        back: u8,
        twist: Twist,
    },
    Read(Read),
    Query(QueryRead),
    /// Heads, streams and counts of a view.
    Heads(u8),
    /// Keeps a view, to be read later.
    Pin,
    Sync,
    /// So many steps of background work: syncs, runs, merges.
    Step(u8),
    /// The index is made again.
    Rebuild,
    /// Old segments go, up to a part of what is there at most.
    Retain(u16),
    /// The state of a stream is saved as of so many revisions before its newest.
    Snapshot {
        stream: u8,
        back: u8,
    },
    /// The index is compared with the log.
    CheckIndex,
    /// A file of the index is damaged while the store is closed.
    Damage(Damage),
    Close,
    /// The last handle is dropped without a close.
    Drop,
    /// The files as a kill would leave them are what the case goes on with.
    Kill(u64),
    /// What a power cut leaves.
    PowerCut {
        seed: u64,
        crash: Crash,
    },
    /// Another handle opens the store for reading alone.
    ReadOnly,
    Verify,
}

#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) stream: u8,
    pub(crate) expect: Expect,
    pub(crate) events: Vec<Event>,
}

/// An expectation, in words that hold for any stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect {
    Any,
    NoStream,
    Exists,
    /// What is true of the stream.
    Right,
    /// So much more than the newest revision, or less.
    Off(i8),
    /// A revision that no stream reaches.
    Last,
}

/// How a repeat differs from the request that it repeats.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Twist {
    Same,
    /// Every write expects anything.
    Any,
    /// Only the first write.
    FirstWrite,
    /// Only the last write.
    LastWrite,
    /// Without the last event of the last write.
    Shorter,
    /// The last event of the last write has another id.
    OtherId,
    /// The ids stay, the data doesn't.
    OtherData,
}

/// No event that is asked for may stand after a position.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) ask: Ask,
    pub(crate) after: After,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum After {
    /// Before the first event.
    Start,
    /// The last event: what was decided on is what is there.
    Now,
    /// A part of what is there, as in [`Read`].
    Part(u16),
}

/// What happens to a file of the index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Damage {
    pub(crate) file: u8,
    pub(crate) how: How,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// A bit is turned over, this part of the way through the file.
    Flip(u16, u8),
    /// Words of 8 bytes are cut off, down to this part.
    Cut(u16),
    Remove,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) event_type: u8,
    pub(crate) id: Id,
    pub(crate) data: Data,
    pub(crate) tags: Vec<u8>,
    /// One bit for each field of the metadata.
    pub(crate) metadata: u16,
    pub(crate) time: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Id {
    /// The one that an event has from its making on.
    Own,
    Uuid(u128),
    Text(u32),
    /// One of a few, which events share.
    Shared(u8),
}

#[derive(Clone, Debug)]
pub(crate) enum Data {
    Bytes(Vec<u8>),
    /// So many times one byte.
    Much(u16, u8),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    All,
    Stream(u8),
    Category(u8),
    Type(u8),
}

/// Bounds are parts of what is there, in 1/60,000; beyond that they are past all.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) view: u8,
    pub(crate) what: What,
    pub(crate) low: Option<u16>,
    pub(crate) high: Option<u16>,
    /// Whether the bounds are set after a few steps.
    pub(crate) late: bool,
    /// Which end each step takes, one bit a step, over and over.
    pub(crate) ends: u64,
}

/// A query of a view, and of the store. Bounds as in [`Read`].
#[derive(Clone, Debug)]
pub(crate) struct QueryRead {
    pub(crate) view: u8,
    pub(crate) ask: Ask,
    pub(crate) after: Option<u16>,
    pub(crate) before: Option<u16>,
    pub(crate) from: Option<u8>,
    pub(crate) limit: Option<u8>,
    /// Which end each step takes, one bit a step, over and over.
    pub(crate) ends: u64,
}

impl Event {
    /// One of some size, with nothing beside its data.
    pub(crate) fn plain(n: u8) -> Self {
        let data = Data::Much(200 + 10 * u16::from(n), n);
        Self {
            event_type: n % TYPES.len() as u8,
            id: Id::Own,
            data,
            tags: Vec::new(),
            metadata: 0,
            time: None,
        }
    }
}

impl Data {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Much(count, byte) => vec![*byte; usize::from(*count)],
        }
    }
}

/// A moment between the years 1678 and 2261.
pub(crate) fn time(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

fn event() -> impl Strategy<Value = Event> {
    let id = prop_oneof![
        3 => any::<u32>().prop_map(Id::Text),
        2 => any::<u128>().prop_map(Id::Uuid),
        2 => Just(Id::Own),
        2 => (0..3_u8).prop_map(Id::Shared),
    ];
    let data = prop_oneof![
        12 => vec(any::<u8>(), 0..24).prop_map(Data::Bytes),
        8 => (0..400_u16, any::<u8>()).prop_map(|(count, byte)| Data::Much(count, byte)),
        1 => (600..1_100_u16, any::<u8>()).prop_map(|(count, byte)| Data::Much(count, byte)),
    ];
    let tags = prop_oneof![3 => Just(Vec::new()), 1 => vec(0..TAGS.len() as u8, 1..5)];
    let metadata = prop_oneof![3 => Just(0), 1 => any::<u16>()];
    let time = prop_oneof![3 => Just(None), 1 => any::<i64>().prop_map(Some)];
    (0..TYPES.len() as u8, id, data, tags, metadata, time).prop_map(
        |(event_type, id, data, tags, metadata, time)| Event { event_type, id, data, tags, metadata, time },
    )
}

fn write() -> impl Strategy<Value = Write> {
    let expect = prop_oneof![
        12 => Just(Expect::Right),
        4 => Just(Expect::Any),
        2 => Just(Expect::NoStream),
        2 => Just(Expect::Exists),
        2 => (-3..3_i8).prop_map(Expect::Off),
        1 => Just(Expect::Last),
    ];
    let events = prop_oneof![3 => vec(event(), 1..2), 1 => vec(event(), 1..6)];
    let stream = prop_oneof![1 => 0..2_u8, 2 => 0..STREAMS.len() as u8];
    (stream, expect, events).prop_map(|(stream, expect, events)| Write { stream, expect, events })
}

fn read() -> impl Strategy<Value = Read> {
    let what = prop_oneof![
        2 => Just(What::All),
        2 => (0..STREAMS.len() as u8 + 1).prop_map(What::Stream),
        1 => (0..CATEGORIES.len() as u8).prop_map(What::Category),
        1 => (0..TYPES.len() as u8).prop_map(What::Type),
    ];
    let bound = || proptest::option::of(any::<u16>());
    let ends = prop_oneof![Just(0), Just(u64::MAX), any::<u64>()];
    (any::<u8>(), what, bound(), bound(), proptest::bool::weighted(0.2), ends)
        .prop_map(|(view, what, low, high, late, ends)| Read { view, what, low, high, late, ends })
}

fn query() -> impl Strategy<Value = QueryRead> {
    let bound = || weighted(0.3, any::<u16>());
    let ends = prop_oneof![Just(0), Just(u64::MAX), any::<u64>()];
    (any::<u8>(), ask(), bound(), bound(), weighted(0.2, 0..9_u8), of(0..12_u8), ends).prop_map(
        |(view, ask, after, before, from, limit, ends)| QueryRead {
            view,
            ask,
            after,
            before,
            from,
            limit,
            ends,
        },
    )
}

fn condition() -> impl Strategy<Value = Condition> {
    let after =
        prop_oneof![2 => Just(After::Start), 3 => Just(After::Now), 2 => any::<u16>().prop_map(After::Part)];
    (ask(), after).prop_map(|(ask, after)| Condition { ask, after })
}

fn damage() -> impl Strategy<Value = Damage> {
    let how = prop_oneof![
        8 => (any::<u16>(), 0..8_u8).prop_map(|(at, bit)| How::Flip(at, bit)),
        1 => any::<u16>().prop_map(How::Cut),
        1 => Just(How::Remove),
    ];
    (any::<u8>(), how).prop_map(|(file, how)| Damage { file, how })
}

fn twist() -> impl Strategy<Value = Twist> {
    prop_oneof![
        6 => Just(Twist::Same),
        2 => Just(Twist::Any),
        1 => Just(Twist::FirstWrite),
        1 => Just(Twist::LastWrite),
        1 => Just(Twist::Shorter),
        1 => Just(Twist::OtherId),
        1 => Just(Twist::OtherData),
    ]
}

fn commit(writes: impl Strategy<Value = Vec<Write>>) -> impl Strategy<Value = Op> {
    (writes, weighted(0.3, condition()), proptest::bool::weighted(0.05), proptest::bool::weighted(0.9))
        .prop_map(|(writes, condition, power, waits)| Op::Commit { writes, condition, power, waits })
}

/// What asks, and what adds.
fn use_it() -> impl Strategy<Value = Op> {
    prop_oneof![
        36 => commit(vec(write(), 1..2)),
        14 => commit(vec(write(), 1..5)),
        4 => (0..STREAMS.len() as u8, 1..24_u8).prop_map(|(stream, commits)| Op::Fill { stream, commits }),
        14 => (any::<u8>(), twist()).prop_map(|(back, twist)| Op::Repeat { back, twist }),
        16 => read().prop_map(Op::Read),
        16 => query().prop_map(Op::Query),
        4 => any::<u8>().prop_map(Op::Heads),
        4 => Just(Op::Pin),
    ]
}

/// What changes how and where things stand, and nothing of what they say.
fn keep_it() -> impl Strategy<Value = Op> {
    let crash = prop_oneof![2 => Just(Crash::Torn), 1 => Just(Crash::Garbage)];
    prop_oneof![
        4 => Just(Op::Sync),
        8 => (1..12_u8).prop_map(Op::Step),
        1 => Just(Op::Rebuild),
        3 => any::<u16>().prop_map(Op::Retain),
        3 => (0..STREAMS.len() as u8, 0..4_u8).prop_map(|(stream, back)| Op::Snapshot { stream, back }),
        1 => Just(Op::CheckIndex),
        2 => damage().prop_map(Op::Damage),
        2 => Just(Op::Close),
        1 => Just(Op::Drop),
        1 => any::<u64>().prop_map(Op::Kill),
        1 => (any::<u64>(), crash).prop_map(|(seed, crash)| Op::PowerCut { seed, crash }),
        1 => Just(Op::ReadOnly),
        1 => Just(Op::Verify),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![108 => use_it(), 29 => keep_it()]
}

/// What one case does.
pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..120)
}
