//! The process that is killed: threads that append, and say on stdout what they were told. A line is written at once:
//! `ack POSITION STREAM:REVISION ID ... STREAM:REVISION ID ...` for a commit, where numbers are those of the last event,
//! `no ID ...` for what was refused as a conflict, and `done`.

use crate::words::{Id, Random, THREADS, name, own, shared};
use orchestrix::prelude::*;
use orchestrix::{Durability, Pending, Receipt};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// Small enough that a round rolls over.
pub(crate) const SEGMENT_BYTES: u64 = 1 << 20;
/// Most events of a batch.
const BATCH_MAX: u64 = 20;
/// Commits of a thread whose waits are under way at once.
const PENDING_MAX: usize = 4;

/// What a commit writes: streams and ids.
type Writes = Vec<(u16, Vec<Id>)>;

struct Writer<'s> {
    store: &'s Store,
    random: Random,
    thread: u8,
    round: u32,
    numbers: u32,
    pending: Vec<(Pending<Receipt>, Writes)>,
    /// A shared stream, as it was some time ago.
    seen: Option<(u16, Expected)>,
}

/// Appends from several threads until the log has so many events.
pub(crate) fn run(dir: &Path, seed: u64, round: u32, events_max: u64) {
    let options = Store::options().segment_bytes(SEGMENT_BYTES).durability(Durability::Process);
    let store = options.open(dir).expect("a store");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let random = Random(seed ^ u64::from(round) << 16 ^ u64::from(thread) << 8);
            let pending = Vec::new();
            let store = &store;
            let mut writer = Writer { store, random, thread, round, numbers: 0, pending, seen: None };
            scope.spawn(move || while writer.step().0 < events_max {});
        }
    });
    store.close().wait().expect("a close");
    say("done");
}

/// One line in one call, so that what the parent gets of it is all or not a line.
fn say(line: &str) {
    let line = format!("{line}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).expect("the parent reads");
}

impl Writer<'_> {
    /// One commit. Returns a position that the log has reached.
    fn step(&mut self) -> Position {
        let mine = own(self.thread, &mut self.random);
        match self.random.below(20) {
            0..8 => {
                let ids = self.ids(1);
                self.append_own(mine, ids)
            }
            8..11 => {
                let ids = self.batch();
                self.append_own(mine, ids)
            }
            11..15 => {
                let (stream, ids) = (shared(&mut self.random), self.batch());
                let receipt = self.store.append(name(stream), Any, events(&ids)).wait().expect("an append");
                acknowledge(&receipt, &[(stream, ids)])
            }
            15..17 => self.append_shared_if_unchanged(),
            _ => self.transaction(mine),
        }
    }

    fn ids(&mut self, count: u64) -> Vec<Id> {
        let first = self.numbers;
        self.numbers += count as u32;
        let (round, thread) = (self.round, self.thread);
        (first..self.numbers).map(|number| Id { round, thread, number }).collect()
    }

    fn batch(&mut self) -> Vec<Id> {
        let count = 1 + self.random.below(BATCH_MAX);
        self.ids(count)
    }

    fn expected(&self, stream: u16) -> Expected {
        let head = self.store.head(name(stream)).wait().expect("a head");
        head.map_or(NoStream, |head| Exact(head.revision))
    }

    /// To a stream that nobody else writes to, so that its revision is known; at times once more.
    fn append_own(&mut self, stream: u16, ids: Vec<Id>) -> Position {
        let (expected, events) = (self.expected(stream), events(&ids));
        let receipt = self.store.append(name(stream), expected, &events).wait().expect("an append");
        if self.random.below(16) == 0 {
            let again = self.store.append(name(stream), expected, &events).wait().expect("a repeat");
            let places = [&receipt, &again].map(|receipt| (receipt.position(), receipt.revision()));
            assert!(again.is_repeat() && places[0] == places[1], "{receipt:?}, {again:?}");
        }
        acknowledge(&receipt, &[(stream, ids)])
    }

    /// To a stream that others write to as well, and that was looked at some time before: often refused.
    fn append_shared_if_unchanged(&mut self) -> Position {
        let (next, ids) = (shared(&mut self.random), self.batch());
        let looked = (next, self.expected(next));
        let (stream, expected) = self.seen.replace(looked).unwrap_or(looked);
        match self.store.append(name(stream), expected, events(&ids)).wait() {
            Ok(receipt) => acknowledge(&receipt, &[(stream, ids)]),
            Err(error) => {
                assert!(error.is_conflict(), "{error}");
                let line = ids.iter().fold("no".to_owned(), |line, id| format!("{line} {id}"));
                say(&line);
                Position::START
            }
        }
    }

    /// Over an own stream, a shared one, and the own one again; at times safe from power loss, which is waited for later.
    fn transaction(&mut self, mine: u16) -> Position {
        let common = shared(&mut self.random);
        let writes: Writes = [mine, common, mine].map(|stream| (stream, self.batch())).into();
        let expected = [self.expected(mine), Any, StreamExists];
        let power = self.random.below(8) == 0;
        let durability = if power { Durability::Power } else { Durability::Process };
        let transaction = writes.iter().zip(expected).fold(
            self.store.transaction().durability(durability),
            |transaction, ((stream, ids), expected)| transaction.append(name(*stream), expected, events(ids)),
        );
        self.pending.push((transaction.commit(), writes));
        if self.pending.len() < PENDING_MAX {
            return Position::START;
        }
        let mut reached = Position::START;
        for (pending, writes) in std::mem::take(&mut self.pending) {
            reached = acknowledge(&pending.wait().expect("a commit"), &writes);
        }
        reached
    }
}

fn events(ids: &[Id]) -> Vec<NewEvent<'static>> {
    ids.iter().map(|id| id.event()).collect()
}

fn acknowledge(receipt: &Receipt, writes: &[(u16, Vec<Id>)]) -> Position {
    let mut line = format!("ack {}", receipt.position());
    for (number, (stream, ids)) in writes.iter().enumerate() {
        // The receipt knows the last event of a stream; what later writes add to it stands behind this one.
        let later = writes[number + 1..].iter().filter(|(other, _)| other == stream);
        let later: usize = later.map(|(_, ids)| ids.len()).sum();
        let last = receipt.revision_of(&name(*stream)).expect("a stream of the commit");
        write!(line, " {stream}:{}", last.0 - later as u64).expect("text");
        ids.iter().for_each(|id| write!(line, " {id}").expect("text"));
    }
    say(&line);
    receipt.position()
}
