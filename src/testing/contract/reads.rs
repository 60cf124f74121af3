//! What every read promises.

use super::check::{Check, event, events, finds, holds, put, same, texts};
use crate::expected::Expected::{Any, NoStream};
use crate::limits::BATCH_EVENTS_MAX;
use crate::store::AnyStore;
use crate::{Position, Query, Revision};

pub(super) async fn an_empty_store_has_nothing(store: AnyStore) -> Check {
    for query in [Query::all(), Query::stream("a-1"), Query::types(["happened"]), Query::tags(["x"])] {
        for backward in [false, true] {
            let read = store.read(query.clone());
            let batch = if backward { read.backward() } else { read }.fetch().await?;
            same("events of an empty store", batch.len(), 0)?;
            holds("a read of an empty store to be caught up", batch.is_caught_up())?;
            same("how far it has seen", batch.through(), Position::START)?;
        }
    }
    let mut cursor = store.read(Query::all()).cursor();
    holds("a cursor over nothing to end", cursor.next_batch().await?.is_none())
}

pub(super) async fn a_stream_is_read_both_ways(store: AnyStore) -> Check {
    for n in 0..5 {
        put(&store, "a-1", event(&n.to_string())).await?;
        put(&store, "a-2", event("other")).await?;
    }
    finds(&store, Query::stream("a-1"), &["0", "1", "2", "3", "4"]).await?;
    finds(&store, Query::stream("a-3"), &[]).await?;
    for (from, expected) in [(0, "01234"), (3, "34"), (4, "4"), (5, ""), (u64::MAX, "")] {
        let read = || store.read(Query::stream("a-1")).from(Revision(from));
        let forward = texts(&read().fetch().await?).concat();
        same(&format!("from revision {from}"), forward.as_str(), expected)?;
        let backward = texts(&read().backward().fetch().await?).concat();
        let expected: String = expected.chars().rev().collect();
        same(&format!("from revision {from}, backward"), backward, expected)?;
    }
    Ok(())
}

pub(super) async fn a_limit_makes_a_part(store: AnyStore) -> Check {
    let read = || store.read(Query::category("a"));
    store.append("a-1", NoStream, events(&["0", "1", "2", "3"])).await?;
    let last = put(&store, "b-1", event("other")).await?;
    for limit in 0..7 {
        let forward = read().limit(limit).fetch().await?;
        same(&format!("limit {limit}"), texts(&forward).concat().as_str(), &"0123"[..limit.min(4)])?;
        let backward = read().backward().limit(limit).fetch().await?;
        let expected = &"3210"[..limit.min(4)];
        same(&format!("limit {limit}, backward"), texts(&backward).concat().as_str(), expected)?;
        for part in [&forward, &backward] {
            let whole = limit > 4;
            holds(
                &format!("limit {limit}: whether it is caught up"),
                limit == 4 || part.is_caught_up() == whole,
            )?;
        }
        if limit > 4 {
            same("how far a whole read has seen", forward.through(), last)?;
        }
    }
    Ok(())
}

pub(super) async fn a_read_says_how_far_it_has_seen(store: AnyStore) -> Check {
    let first = put(&store, "a-1", event("0")).await?;
    let second = put(&store, "a-1", event("1")).await?;
    let last = put(&store, "b-1", event("other")).await?;
    for query in [Query::all(), Query::stream("a-1"), Query::types(["nothing"])] {
        let whole = store.read(query.clone()).fetch().await?;
        same(&format!("how far a whole read of {query} has seen"), whole.through(), last)?;
        let backward = store.read(query.clone()).backward().fetch().await?;
        same(&format!("how far a backward read of {query} has seen"), backward.through(), last)?;
    }
    let part = store.read(Query::stream("a-1")).limit(1).fetch().await?;
    same("how far a read of one event has seen", part.through(), first)?;
    let newest = store.read(Query::stream("a-1")).backward().limit(1).fetch().await?;
    same("how far a read of the newest event has seen", newest.through(), last)?;
    let bounded = store.read(Query::all()).before(last).fetch().await?;
    let is_between = bounded.through() >= second && bounded.through() < last;
    holds("a read before a position to have seen what stands before it", is_between)
}

pub(super) async fn a_cursor_gives_each_event_once(store: AnyStore) -> Check {
    let count = 2 * BATCH_EVENTS_MAX + 100;
    let mut written = Vec::new();
    for first in (0..count).step_by(25) {
        let batch: Vec<_> = (first..count.min(first + 25)).map(|n| event(&n.to_string())).collect();
        store.append(format!("a-{}", first % 3), Any, &batch).await?;
        written.extend((first..count.min(first + 25)).map(|n| n.to_string()));
    }
    for backward in [false, true] {
        let read = store.read(Query::category("a"));
        let mut cursor = if backward { read.backward() } else { read }.cursor();
        let mut seen = Vec::new();
        while let Some(batch) = cursor.next_batch().await? {
            holds("no batch without events", !batch.is_empty())?;
            holds("no batch beyond the limit", batch.len() <= BATCH_EVENTS_MAX)?;
            seen.extend(texts(&batch));
        }
        holds("nothing after the end of a cursor", cursor.next_batch().await?.is_none())?;
        if backward {
            seen.reverse();
        }
        holds(&format!("each event once, backward: {backward}"), seen == written)?;
    }
    let mut limited = store.read(Query::category("a")).limit(7).cursor();
    let mut seen = Vec::new();
    while let Some(batch) = limited.next_batch().await? {
        seen.extend(texts(&batch));
    }
    same("events of a cursor with a limit", &seen[..], &written[..7])
}

pub(super) async fn beyond_is_ready_once_something_stands_there(store: AnyStore) -> Check {
    let mut before = Position::START;
    for n in 0..3 {
        let position = put(&store, "a-1", event(&n.to_string())).await?;
        let reached = store.backend().beyond(before).await?;
        holds(&format!("to be let read to {position}, found {reached}"), reached >= position)?;
        let last = store.read(Query::all()).fetch().await?.through();
        holds(&format!("not to be let read past {last}, found {reached}"), reached <= last)?;
        before = position;
    }
    Ok(())
}
