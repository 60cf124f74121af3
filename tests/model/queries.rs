//! Compares what a query finds with the model: by a view, from both ends; by a read of the store, with a limit, whole and in
//! batches.

use crate::ops::QueryRead;
use crate::plain::Plain;
use crate::reads::{assert_truncated, gone, scaled};
use orchestrix::prelude::*;
use orchestrix::{QueryEvents, View};
use std::collections::VecDeque;

/// What a query asks for between its bounds, ascending; the bounds as positions and a revision.
struct Expected {
    positions: VecDeque<u64>,
    after: Option<Position>,
    before: Option<Position>,
    from: Option<Revision>,
    /// A bound says that what is gone is wanted.
    truncated: bool,
}

impl Expected {
    fn of(plain: &Plain, gone: u64, seen: usize, read: &QueryRead) -> Self {
        let after = read.after.map(|part| Position(scaled(part, seen)));
        let before = read.before.map(|part| Position(scaled(part, seen)));
        let from = read.from.map(|revision| Revision(revision.into()));
        let truncated = after.is_some_and(|after| 0 < after.0 && after.0 < gone)
            || from.is_some_and(|from| read.ask.streams().any(|stream| from.0 < plain.gone_of(stream, gone)));
        let mut positions: VecDeque<u64> = plain.asked_for(&read.ask, gone, seen).into();
        positions.retain(|position| {
            let revision = Revision(plain.events[*position as usize - 1].revision);
            after.is_none_or(|after| *position > after.0)
                && before.is_none_or(|before| *position < before.0)
                && from.is_none_or(|from| revision >= from)
        });
        Self { positions, after, before, from, truncated }
    }
}

/// One query of a view that sees the first `seen` events. Returns how many it found.
pub(crate) fn check_query(plain: &mut Plain, view: &View, seen: usize, read: &QueryRead) -> u64 {
    let gone = gone(view);
    let Expected { mut positions, after, before, from, truncated } = Expected::of(plain, gone, seen, read);
    let found = positions.len() as u64;
    let mut events = view.query(&read.ask.query());
    events = after.into_iter().fold(events, QueryEvents::after);
    events = before.into_iter().fold(events, QueryEvents::before);
    events = from.into_iter().fold(events, QueryEvents::from);
    if truncated {
        let items = [read.ends & 1 != 0, false, true];
        let items = items.map(|back| if back { events.next_back() } else { events.next() });
        assert_truncated(items, gone);
        return 0;
    }
    for bit in (0..64).cycle() {
        let back = read.ends & (1 << bit) != 0;
        let position = if back { positions.pop_back() } else { positions.pop_front() };
        match (if back { events.next_back() } else { events.next() }, position) {
            (None, None) => break,
            (Some(event), Some(position)) => plain.assert_is(position, event.expect("an event")),
            (event, position) => panic!("expected position {position:?}, found {event:?} in {read:?}"),
        }
    }
    assert!(events.next().is_none() && events.next_back().is_none(), "{read:?}");
    found
}

/// The same by a read of the store, as it is now.
pub(crate) fn check_fetch(plain: &mut Plain, store: &Store, read: &QueryRead) {
    let seen = plain.events.len();
    let gone = plain.gone;
    let Expected { positions, after, before, from, truncated } = Expected::of(plain, gone, seen, read);
    let backward = read.ends & 1 != 0;
    let ask = || {
        let ask = store.read(read.ask.query());
        let ask = after.into_iter().fold(ask, orchestrix::Read::after);
        let ask = before.into_iter().fold(ask, orchestrix::Read::before);
        let ask = from.into_iter().fold(ask, orchestrix::Read::from);
        let ask = if backward { ask.backward() } else { ask };
        read.limit.into_iter().fold(ask, |ask, limit| ask.limit(limit.into()))
    };
    let mut wanted = Vec::from(positions);
    let all = wanted.len();
    if backward {
        wanted.reverse();
    }
    wanted.truncate(read.limit.map_or(usize::MAX, usize::from));
    if truncated && read.limit != Some(0) {
        let errors = [ask().fetch().wait().map(drop), ask().cursor().next_batch().wait().map(drop)];
        for error in errors {
            let error = error.expect_err("an error");
            assert_eq!(error.first_position(), Some(Position(gone + 1)), "{error}");
        }
        return;
    }
    let batch = ask().fetch().wait().expect("a batch");
    assert_eq!(batch.iter().map(|event| event.position().0).collect::<Vec<_>>(), wanted, "{read:?}");
    for (position, event) in wanted.iter().zip(batch.iter()) {
        plain.assert_is(*position, event);
    }
    if all < read.limit.map_or(usize::MAX, usize::from) {
        let end = before.map_or(u64::MAX, |before| before.0.saturating_sub(1)).min(seen as u64);
        let through = Position(end).max(after.unwrap_or(Position::START));
        assert_eq!((batch.through(), batch.is_caught_up()), (through, true), "{read:?}");
    }
    let mut cursor = ask().cursor();
    let batches: Vec<_> = cursor.blocking().map(|batch| batch.expect("a batch")).collect();
    let positions = batches.iter().flat_map(|batch| batch.iter()).map(|event| event.position().0);
    assert!(positions.eq(wanted), "in batches, {read:?}");
}
