//! Subscriptions.

use super::check::{Broken, Check, event, holds, owned, same, texts};
use super::threads::on_threads;
use crate::event::NewEvent;
use crate::expected::Durability;
use crate::expected::Expected::Any;
use crate::limits::BATCH_EVENTS_MAX;
use crate::store::{AnyStore, Batch, Start};
use crate::subscribe::Cursor;
use crate::{Position, Query, ResumeToken};
use std::time::Duration;

/// Appends one event that a subscriber may see at once: it is synced.
async fn keep(store: &AnyStore, stream: &str, new: NewEvent<'_>) -> Result<Position, Broken> {
    let one = store.transaction().durability(Durability::Power).append(stream, Any, new);
    Ok(one.commit().await?.position())
}

/// What a subscription gives until it has caught up, which a store must reach soon.
async fn caught_up(live: &mut Cursor) -> Result<Vec<String>, Broken> {
    let mut seen = Vec::new();
    loop {
        let batch = open(live.next_batch().await?)?;
        seen.extend(texts(&batch));
        if batch.is_caught_up() {
            return Ok(seen);
        }
    }
}

fn open(batch: Option<Batch>) -> Result<Batch, Broken> {
    batch.ok_or_else(|| Broken("expected a subscription that goes on, found its end".to_owned()))
}

pub(super) async fn a_subscription_gives_each_event_once(store: AnyStore) -> Check {
    let mut live = store.subscribe().category("a").open()?;
    same("what an empty store has", caught_up(&mut live).await?, Vec::new())?;
    let mut filtered = store.subscribe().query(Query::stream("a-1")).batch_max(3).open()?;
    let mut written = Vec::new();
    for first in (0..BATCH_EVENTS_MAX + 200).step_by(25) {
        let batch: Vec<_> = (first..first + 25).map(|n| event(&n.to_string())).collect();
        store.append(format!("a-{}", first % 2), Any, &batch).await?;
        keep(&store, "b-1", event(&format!("other {first}"))).await?;
        written.extend((first..first + 25).map(|n| (first % 2, n.to_string())));
    }
    let all: Vec<String> = written.iter().map(|(_, text)| text.clone()).collect();
    let last = keep(&store, "b-1", event("last")).await?;
    same("events of a category", &up_to(&mut live, last)?[..], &all)?;
    let of_one: Vec<String> = written.iter().filter(|(n, _)| *n == 1).map(|(_, text)| text.clone()).collect();
    same("events of a stream", &up_to(&mut filtered, last)?[..], &of_one)
}

/// Times that nothing may come before a subscription counts as stuck.
const TRIES: usize = 100;

/// The events up to a position, which is there.
fn up_to(live: &mut Cursor, last: Position) -> Result<Vec<String>, Broken> {
    let (mut seen, mut tries) = (Vec::new(), TRIES);
    while live.position() < last {
        let from = live.position();
        let batch = open(live.next_batch().wait_timeout(Duration::from_millis(20))?)?;
        holds("no batch beyond the limit", batch.len() <= BATCH_EVENTS_MAX)?;
        seen.extend(texts(&batch));
        tries = if live.position() == from { tries - 1 } else { TRIES };
        holds(&format!("to be given what stands up to {last}, found {from}"), tries > 0)?;
    }
    Ok(seen)
}

pub(super) async fn a_subscription_begins_where_it_is_asked_to(store: AnyStore) -> Check {
    let mut positions = Vec::new();
    for n in 0..6 {
        positions.push(keep(&store, "a-1", event(&n.to_string())).await?);
    }
    let starts = [
        (Start::Beginning, &["0", "1", "2", "3", "4", "5", "6"][..]),
        (Start::After(Position::START), &["0", "1", "2", "3", "4", "5", "6"]),
        (Start::After(positions[3]), &["4", "5", "6"]),
        (Start::After(positions[5]), &["6"]),
        (Start::End, &["6"]),
    ];
    let mut live = Vec::new();
    for (start, expected) in starts {
        live.push((start, expected, store.subscribe().start(start).open()?));
    }
    let last = keep(&store, "a-1", event("6")).await?;
    for (start, expected, cursor) in &mut live {
        let seen = up_to(cursor, last)?;
        same(&format!("from {start:?}"), &seen[..], &owned(expected))?;
    }
    Ok(())
}

pub(super) async fn a_subscriber_that_waits_is_woken(store: AnyStore) -> Check {
    let shared = store.clone();
    let results = on_threads(4, move |n| -> Result<Vec<String>, Broken> {
        if n == 0 {
            (0..9).try_for_each(|n| shared.append("a-1", Any, event(&n.to_string())).wait().map(|_| ()))?;
            return Ok((0..9).map(|n| n.to_string()).collect());
        }
        let mut live = shared.subscribe().open()?;
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last| last != "8") {
            seen.extend(texts(&open(live.next_batch().wait()?)?));
        }
        Ok(seen)
    });
    let seen: Vec<_> = results.await?.into_iter().collect::<Result<_, _>>()?;
    seen[1..].iter().try_for_each(|one| same("what a subscriber sees", one, &seen[0]))
}

pub(super) async fn a_subscription_goes_on_from_its_token(store: AnyStore) -> Check {
    let mut last = Position::START;
    for n in 0..6 {
        last = keep(&store, "a-1", event(&n.to_string())).await?;
    }
    let mut live = store.subscribe().batch_max(4).open()?;
    same("events of the first batch", open(live.next_batch().await?)?.len(), 4)?;
    let token: ResumeToken = live.token().to_string().parse()?;
    let mut again = store.subscribe().start(Start::Resume(token)).open()?;
    same("behind the token", &up_to(&mut again, last)?[..], &owned(&["4", "5"]))?;
    let other = ResumeToken::new(token.position(), token.epoch().wrapping_add(1).max(1));
    let ahead = store.subscribe().start(Start::Resume(other)).open();
    holds("a token of another history to be refused", ahead.is_err_and(|error| error.is_ahead()))?;
    let mut by_time = store.subscribe().start(Start::Time(std::time::SystemTime::UNIX_EPOCH)).open()?;
    same("since the beginning of time", up_to(&mut by_time, last)?.len(), 6)
}

pub(super) async fn what_is_committed_is_seen_at_once(store: AnyStore) -> Check {
    let mut live = store.subscribe().committed().open()?;
    for n in 0..3 {
        // What it waits for is only the sync.
        let pending = store.append("a-1", Any, event(&n.to_string()));
        let batch = loop {
            let batch = open(live.poll_batch()?)?;
            if !batch.is_empty() {
                break batch;
            }
        };
        same("what is seen", &texts(&batch)[..], &[n.to_string()])?;
        pending.await?;
    }
    same("lag of who has seen everything", live.lag().events, 0)
}

pub(super) async fn who_is_behind_knows_how_far(store: AnyStore) -> Check {
    let live = store.subscribe().open()?;
    for n in 0..5 {
        keep(&store, "a-1", event(&n.to_string())).await?;
    }
    let lag = live.lag();
    same("events that weren't passed", lag.events, 5)?;
    holds("bytes that weren't passed", lag.bytes > 0)
}
