//! Recognises an append that has happened before: all its events stand there, in one commit, with the same ids.

use super::core::Core;
use super::receipt::{Name, Receipt};
use super::request::Write;
use crate::error::Error;
use crate::event::EventRef;
use crate::event::commit::CommitRef;
use crate::expected::Expected;
use crate::index::{Damaged, Key, KeyKind, Layers, Numbered};
use crate::log::Place;
use crate::{Position, Revision};

/// Looks for the commit at the place that the unmet expectation names. Returns its receipt, and the position that must be
/// synced for it.
pub(super) fn find(core: &Core, writes: &[Write<'_>], unmet: usize) -> Result<Option<(Receipt, u64)>, Error> {
    let Some(first) = expected_next(writes[unmet].expected) else { return Ok(None) };
    let key = Key { kind: KeyKind::Stream, name: writes[unmet].stream.as_bytes() };
    let hash = core.index.hash(key.name);
    let found = core.look(&core.index.layers(), |layers| posting(layers, key, hash, first))?;
    let Some(place) = found else { return Ok(None) };
    let table = core.log.table();
    let commit = core.event_at(&table, place)?.commit();
    Ok(repeated(commit, writes))
}

/// The place of the `n`-th event under a key.
fn posting(layers: &Layers, key: Key<'_>, hash: u64, n: u64) -> Result<Option<Place>, Damaged> {
    let parts = layers.parts(key, hash)?;
    let Some(Numbered { first, part }) = parts.iter().rev().find(|part| part.first <= n) else {
        return Ok(None);
    };
    let mut place = [Place(0)];
    let copied = part.copy(n - first, &mut place)?;
    Ok((copied == 1).then_some(place[0]))
}

/// The receipt of a commit, if all events of the writes stand in it.
fn repeated(commit: CommitRef<'_>, writes: &[Write<'_>]) -> Option<(Receipt, u64)> {
    let mut last = Position::START;
    let mut streams: Vec<(Name, Revision)> = Vec::with_capacity(writes.len());
    for write in writes {
        let known = streams.iter_mut().find(|(name, _)| name.is(write.stream));
        let from = known.as_ref().map_or(0, |(_, revision)| revision.0 + 1);
        let end = stands_in(commit, write, from)?;
        last = last.max(end.position());
        // As in the first receipt, a stream stands once, with its last event.
        match known {
            Some((_, revision)) => *revision = end.revision().max(*revision),
            None => streams.push((Name::new(write.stream), end.revision())),
        }
    }
    let first = streams.remove(0);
    Some((Receipt::of_streams(last, true, first, streams), commit.last_position().0))
}

/// The revision that the first event of a write gets, where the expectation says it.
fn expected_next(expected: Expected) -> Option<u64> {
    match expected {
        Expected::NoStream => Some(0),
        Expected::Exact(Revision(revision)) => revision.checked_add(1),
        _ => None,
    }
}

/// The last event of a write, if all its events stand in the commit one after another: where its expectation says, else
/// at or after revision `from`, behind what earlier writes have put into the stream.
fn stands_in<'a>(commit: CommitRef<'a>, write: &Write<'_>, from: u64) -> Option<EventRef<'a>> {
    let begins = |event: &EventRef<'_>| match expected_next(write.expected) {
        Some(first) => event.revision().0 == first,
        None => {
            let first = write.events.first();
            event.revision().0 >= from && first.is_some_and(|first| event.id() == first.event_id())
        }
    };
    let of_stream = commit.events().filter(|event| event.stream() == write.stream);
    let mut from_first = of_stream.skip_while(|event| !begins(event));
    let mut last = None;
    for event in write.events {
        last = Some(from_first.next().filter(|stored| stored.id() == event.event_id())?);
    }
    last
}
