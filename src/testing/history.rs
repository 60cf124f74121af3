//! The oracle of the crash tests: what was committed, in order, and what of it was promised. It lives outside of the
//! engine and learns only from what the engine's callers are told.

use super::Chance;
use crate::event::{EventRef, NewEvent};
use crate::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;

const STREAMS: [&str; 6] = ["account-1", "account-2", "order-7", "order-8-late", "solo", "reading-Ä"];
const TYPES: [&str; 3] = ["opened", "credited", "closed"];
/// Bytes of payload that a commit may have in the smallest segment, with room for all its headers.
const COMMIT_PAYLOAD_MAX: u64 = 900;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) stream: &'static str,
    pub(super) revision: u64,
    id: String,
    event_type: &'static str,
    data: Vec<u8>,
}

impl Event {
    pub(super) fn to_new(&self) -> NewEvent<'_> {
        NewEvent::raw(self.event_type, &self.data).id(self.id.as_str())
    }

    /// What of an event that was read is not as it was written.
    fn difference(&self, position: u64, found: EventRef<'_>) -> Option<String> {
        let equal = found.stream() == self.stream
            && found.revision().0 == self.revision
            && found.position().0 == position
            && found.event_type() == self.event_type
            && found.data() == self.data
            && found.id() == self.id.as_str();
        (!equal).then(|| {
            let (stream, revision, id) = (found.stream(), found.revision(), found.id());
            format!(
                "position {position} should be {} of {} at {}, and is {id} of {stream} at {revision}",
                self.id, self.stream, self.revision
            )
        })
    }
}

/// One commit as it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) events: Vec<Event>,
    /// Position of the last event.
    pub(super) last: u64,
}

/// What a store holds of a history.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// So many commits, those that retention removed among them.
    pub(super) count: usize,
    /// So many were removed.
    gone: usize,
    /// Position of the first event that is there, or would be.
    first: u64,
    /// The last of them, if it is one that had failed.
    doubtful: Option<Arc<Commit>>,
}

/// Everything that was committed on a machine.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    commits: Vec<Arc<Commit>>,
    /// How many of them their callers know to be committed; one more may be under way.
    published: usize,
    /// How many of them were promised to survive power loss.
    promised: usize,
    /// How many of them the death of the process must leave.
    seen: usize,
    /// Commits that failed, each of which may be there all the same, in the place of the next one.
    doubtful: Vec<Arc<Commit>>,
    rotten: bool,
    /// A repair has begun on this store, or on one that it goes back to.
    repaired: bool,
    heads: BTreeMap<&'static str, u64>,
    made: u64,
    /// How many commits retention has removed.
    gone: usize,
    /// How many it will have, if one is under way.
    going: usize,
}

impl Found {
    /// Events and commits that are there, if the last event stands at `last`.
    pub(super) fn there(&self, last: u64) -> (u64, u64) {
        (last + 1 - self.first, (self.count - self.gone) as u64)
    }
}

impl History {
    /// Thinks up a commit over so many streams that goes where the log ends.
    pub(super) fn invent(&mut self, chance: &mut Chance, streams: u64) -> Commit {
        let mut heads = self.heads.clone();
        let mut payload = COMMIT_PAYLOAD_MAX;
        let mut events = Vec::new();
        let first = chance.below(STREAMS.len() as u64);
        for number in 0..streams {
            let stream = STREAMS[((first + number) % STREAMS.len() as u64) as usize];
            for _ in 0..1 + chance.below(3) {
                let head = heads.entry(stream).or_default();
                let bytes =
                    if chance.happens(100) { chance.below(payload) } else { chance.below(payload.min(90)) };
                payload -= bytes;
                events.push(self.event(stream, *head, bytes));
                *head += 1;
            }
        }
        let last = self.last() + events.len() as u64;
        Commit { events, last }
    }

    fn event(&mut self, stream: &'static str, revision: u64, bytes: u64) -> Event {
        self.made += 1;
        let made = self.made;
        let id = if made.is_multiple_of(4) {
            format!("an-event-with-a-long-id-{made}")
        } else {
            format!("e{made}")
        };
        let mut content = Chance::new(made);
        let data = (0..bytes).map(|_| content.any() as u8).collect();
        Event { stream, revision, id, event_type: TYPES[(made % 3) as usize], data }
    }

    /// Position of the last event.
    pub(super) fn last(&self) -> u64 {
        self.commits.last().map_or(0, |commit| commit.last)
    }

    pub(super) fn len(&self) -> usize {
        self.commits.len()
    }

    /// How many events a stream has.
    pub(super) fn count(&self, stream: &str) -> u64 {
        self.heads.get(stream).copied().unwrap_or(0)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.published == self.commits.len()
    }

    /// The call that commits it begins.
    pub(super) fn begin(&mut self, commit: Commit) {
        assert!(self.is_idle(), "one commit at a time");
        for event in &commit.events {
            self.heads.insert(event.stream, event.revision + 1);
        }
        self.commits.push(Arc::new(commit));
    }

    /// The call has returned, and not with an error. How many commits there are now.
    pub(super) fn publish(&mut self) -> usize {
        self.published = self.commits.len();
        self.seen = self.published;
        self.doubtful.clear();
        self.published
    }

    /// The call has failed. What it was about may be there all the same, until another one takes its place.
    pub(super) fn withdraw(&mut self) {
        let last = self.commits.pop();
        for event in last.iter().flat_map(|commit| &commit.events).rev() {
            self.heads.insert(event.stream, event.revision);
        }
        self.heads.retain(|_, count| *count > 0);
        self.doubtful.extend(last);
    }

    /// The first `count` commits survive power loss from now on.
    pub(super) fn promise(&mut self, count: usize) {
        self.promised = self.promised.max(count);
    }

    /// Everything up to this position survives power loss from now on.
    pub(super) fn promise_through(&mut self, position: u64) {
        self.promise(self.commits.partition_point(|commit| commit.last <= position));
    }

    /// The first `count` commits are left, and have been made durable; the last of them may be one that had failed.
    pub(super) fn survive(&mut self, Found { count, gone, doubtful, .. }: Found) {
        (self.gone, self.going) = (gone, gone);
        self.commits.truncate(count - usize::from(doubtful.is_some()));
        self.commits.extend(doubtful);
        self.heads.clear();
        for event in self.commits.iter().flat_map(|commit| &commit.events) {
            self.heads.insert(event.stream, event.revision + 1);
        }
        (self.published, self.promised, self.seen) = (count, count, count);
        self.rotten = false;
        self.doubtful.clear();
    }

    /// A retention begins, after which the first event stands at `first`.
    pub(super) fn retain(&mut self, first: u64) {
        self.going = self.commits.partition_point(|commit| commit.last < first);
        // What goes was synced.
        self.promise(self.going);
    }

    /// It has succeeded.
    pub(super) fn retained(&mut self) {
        self.gone = self.going;
    }

    /// A commit that is there, and its index.
    pub(super) fn any_there(&self, chance: &mut Chance) -> Option<(Arc<Commit>, usize)> {
        let index = self.gone + chance.below((self.len() - self.gone) as u64) as usize;
        self.commits.get(index).cloned().map(|commit| (commit, index))
    }

    /// Something was damaged behind the back of the store. Until it is opened, the mark alone tells that from a torn tail.
    pub(super) fn rot(&mut self) {
        self.rotten = true;
    }

    /// A repair begins, which keeps what it can.
    pub(super) fn repair(&mut self) {
        self.lose_power(true);
        self.repaired = true;
    }

    /// Whether the watermark file may be as a crash during its creation left it: until the first event, and after a
    /// repair, which may have moved the one that was there away.
    pub(super) fn may_lack_watermark(&self, events: u64) -> bool {
        events == 0 || self.repaired
    }

    /// Only what was promised is certain any more, and on a medium that damages what was synced not even that.
    pub(super) fn lose_power(&mut self, damages: bool) {
        if damages || self.rotten {
            self.promised = 0;
        }
        self.seen = self.promised;
    }

    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    pub(super) fn promised(&self) -> usize {
        self.promised
    }

    /// Reads the whole store and says what it holds, if that is the beginning of this history, whole and in order; else
    /// what is wrong.
    pub(super) fn compare(&self, store: &Store) -> Result<Found, String> {
        let view = store.view();
        let end = view.watermark().0;
        let mut found = view.all();
        let first = view.first_position().0;
        let gone = self.commits.partition_point(|commit| commit.last < first);
        let ends = gone.checked_sub(1).map_or(0, |last| self.commits[last].last);
        if (gone != self.gone && gone != self.going) || ends + 1 != first {
            return Err(format!(
                "the log begins at {first}, behind {gone} commits, and {} were removed",
                self.gone
            ));
        }
        let (mut count, mut position) = (gone, ends);
        let mut doubtful = None;
        while position < end {
            if doubtful.is_some() {
                return Err(format!("the log goes on after a commit that failed, at {position}"));
            }
            let first =
                found.next().ok_or_else(|| format!("the log ends at {position}, its watermark is {end}"))?;
            let first = first.map_err(|error| format!("reading position {}: {error}", position + 1))?;
            let commit = self.candidate(count, first)?;
            doubtful = self.doubtful.iter().find(|doubtful| Arc::ptr_eq(doubtful, commit)).cloned();
            for (number, event) in commit.events.iter().enumerate() {
                position += 1;
                let read = if number == 0 { Some(Ok(first)) } else { found.next() };
                let read =
                    read.ok_or_else(|| format!("commit {count} is there in part, up to {}", position - 1))?;
                let read = read.map_err(|error| format!("reading position {position}: {error}"))?;
                if let Some(difference) = event.difference(position, read) {
                    return Err(difference);
                }
            }
            count += 1;
        }
        match found.next() {
            None => Ok(Found { count, gone, first, doubtful }),
            Some(_) => Err(format!("the log goes on after its watermark {end}")),
        }
    }

    /// The commit that begins with this event, if it may be the one of this number.
    fn candidate(&self, number: usize, first: EventRef<'_>) -> Result<&Arc<Commit>, String> {
        let failed = self.doubtful.iter().filter(|_| number == self.published);
        let mut candidates = self.commits.get(number).into_iter().chain(failed);
        let id = first.id().to_string();
        candidates.find(|commit| commit.events[0].id == id).ok_or_else(|| {
            let (stream, all) = (first.stream(), self.len());
            format!("commit {number} of {all} begins with {id} of {stream}, which was not written there")
        })
    }

    /// Reads a store that holds the first `count` commits by its streams, categories and types, both ways.
    pub(super) fn compare_keys(&self, store: &Store, count: usize) -> Result<(), String> {
        let view = store.view();
        let events = || self.commits[..count].iter().flat_map(|commit| &commit.events).zip(1_u64..);
        let first = view.first_position().0;
        let same = |what: &str, wanted: Vec<u64>, found: Result<Vec<u64>, crate::Error>| match found {
            Err(error) => Err(format!("reading {what}: {error}")),
            Ok(found) if found == wanted => Ok(()),
            Ok(found) => Err(format!("{what} has positions {found:?}, and should have {wanted:?}")),
        };
        let position = |event: Result<EventRef<'_>, crate::Error>| event.map(|event| event.position().0);
        for stream in STREAMS {
            let wanted: Vec<u64> =
                events().filter(|(event, _)| event.stream == stream).map(|(_, n)| n).collect();
            let head = view.head(stream).map_err(|error| format!("the head of {stream}: {error}"))?;
            let head = head.map(|head| (head.revision.0 + 1, head.position.0));
            let expected = wanted.last().map(|last| (wanted.len() as u64, *last));
            if head != expected {
                return Err(format!("the head of {stream} is {head:?}, and should be {expected:?}"));
            }
            let wanted: Vec<u64> = wanted.into_iter().filter(|n| *n >= first).collect();
            same(stream, wanted.clone(), view.stream(stream).map(position).collect())?;
            let backward = wanted.into_iter().rev().collect();
            same(stream, backward, view.stream(stream).rev().map(position).collect())?;
        }
        for category in ["account", "order", "solo", "reading"] {
            let of = |event: &Event| event.stream.split('-').next() == Some(category);
            let wanted = events().filter(|(event, n)| of(event) && *n >= first).map(|(_, n)| n).collect();
            same(category, wanted, view.category(category).map(position).collect())?;
        }
        for event_type in TYPES {
            let of = |event: &Event, n: u64| event.event_type == event_type && n >= first;
            let wanted = events().filter(|(event, n)| of(event, *n)).map(|(_, n)| n).collect();
            same(event_type, wanted, view.event_type(event_type).map(position).collect())?;
        }
        let backward: Vec<u64> = (first..=view.watermark().0).rev().collect();
        same("the log backward", backward, view.all().rev().map(position).collect())
    }
}
