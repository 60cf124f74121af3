//! What a back end is asked for: a commit, or a part of what is there.

use super::receipt::Receipt;
use crate::event::{EventRef, NewEvent};
use crate::expected::{Durability, Expected};
use crate::log::Place;
use crate::query::Query;
use crate::{Position, Revision};

/// One commit: all or nothing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Commit<'a> {
    /// What is written. Expectations are checked in this order; one on a stream that an earlier write of the commit has
    /// written to sees what that one adds.
    pub writes: &'a [Write<'a>],
    /// Fails with a `Conflict` if an event after the position matches the query.
    pub fail_if_any: Option<(&'a Query, Position)>,
    /// A consumer's progress, which becomes durable with the events or not at all.
    pub progress: Option<Progress<'a>>,
    /// What its `Ok` has survived.
    pub durability: Durability,
}

impl<'a> Commit<'a> {
    /// A commit without condition and progress.
    pub fn new(writes: &'a [Write<'a>], durability: Durability) -> Self {
        Self { writes, fail_if_any: None, progress: None, durability }
    }

    /// For authors of stores: the receipt of this commit. Its last event stands at `position`; `revision_of` says of a
    /// stream the revision of its last event.
    ///
    /// # Panics
    /// If the commit writes nothing.
    #[track_caller]
    pub fn receipt(&self, position: Position, mut revision_of: impl FnMut(&str) -> Revision) -> Receipt {
        let mut names: Vec<&str> = Vec::with_capacity(self.writes.len());
        for write in self.writes {
            if !names.contains(&write.stream) {
                names.push(write.stream);
            }
        }
        let mut streams = names.into_iter().map(|name| (name, revision_of(name)));
        let (stream, revision) = streams.next().expect("a commit that has a write");
        streams.fold(Receipt::new(position, stream, revision), |receipt, (stream, revision)| {
            receipt.with_stream(stream, revision)
        })
    }
}

/// Events for one stream, and what must be true of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Write<'a> {
    /// The stream.
    pub stream: &'a str,
    /// What must be true of it.
    pub expected: Expected,
    /// What is added to it.
    pub events: &'a [NewEvent<'a>],
}

impl<'a> Write<'a> {
    /// Events for a stream.
    pub fn new(stream: &'a str, expected: Expected, events: &'a [NewEvent<'a>]) -> Self {
        Self { stream, expected, events }
    }
}

/// How far a consumer has come, in bytes of its own.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Name of the consumer.
    pub consumer: &'a str,
    /// Its progress.
    pub data: &'a [u8],
}

impl<'a> Progress<'a> {
    /// Progress of a consumer.
    pub fn new(consumer: &'a str, data: &'a [u8]) -> Self {
        Self { consumer, data }
    }
}

/// A part of what is there. The bounds hold for both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadRequest {
    /// Which events.
    pub query: Query,
    /// What stands at this position or before it is left out.
    pub after: Position,
    /// What stands at this position or behind it is left out.
    pub before: Option<Position>,
    /// Events with a lower revision in their stream are left out.
    pub from: Option<Revision>,
    /// The newest first.
    pub backward: bool,
    /// Most events of the batch, at least 1.
    pub limit: usize,
    /// Where the embedded store goes on for who follows it.
    pub(crate) spot: Option<Place>,
}

impl ReadRequest {
    /// All events of a query, oldest first, as many as the store likes to give.
    pub fn new(query: Query) -> Self {
        let (after, before, from) = (Position::START, None, None);
        Self { query, after, before, from, backward: false, limit: usize::MAX, spot: None }
    }

    /// For authors of stores that scan: whether the event is asked for, limit and direction aside.
    pub fn matches(&self, event: EventRef<'_>) -> bool {
        event.position() > self.after
            && self.before.is_none_or(|before| event.position() < before)
            && self.from.is_none_or(|from| event.revision() >= from)
            && self.query.matches(event)
    }

    /// For authors of stores: the position that a batch reaches if nothing more is left, where `watermark` is that of the
    /// last event of the store. Everything that was asked for up to there was seen.
    pub fn through(&self, watermark: Position) -> Position {
        let before = self.before.map_or(u64::MAX, |before| before.0.saturating_sub(1));
        Position(watermark.0.min(before)).max(self.after)
    }
}
