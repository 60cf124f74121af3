//! Commits with a condition.

use super::check::{Broken, Check, conflict, event, finds, holds, put, same};
use super::threads::on_threads;
use crate::error::Error;
use crate::event::NewEvent;
use crate::expected::Expected::{Any, Exact, NoStream};
use crate::store::{AnyStore, Receipt};
use crate::{Position, Query, Revision};

async fn commit(store: &AnyStore, text: &str, query: Query, after: Position) -> Result<Receipt, Error> {
    store.transaction().append("new-1", Any, event(text)).fail_if_any(query, after).commit().await
}

pub(super) async fn a_condition_fails_on_what_it_matches(store: AnyStore) -> Check {
    put(&store, "a-1", event("0")).await?;
    put(&store, "a-1", NewEvent::raw("t", &b"1"[..]).tag("x").tag("y")).await?;
    let last = put(&store, "a-2", NewEvent::raw("u", &b"2"[..]).tag("x").correlation("story")).await?;
    let matching = [
        Query::all(),
        Query::stream("a-1"),
        Query::category("a"),
        Query::types(["u", "nothing"]),
        Query::tags(["x", "y"]),
        Query::correlation("story"),
        Query::stream("nothing").or(Query::category("a").and_types(["t"]).and_tags(["y"])),
    ];
    for query in matching {
        let what = format!("a condition on {query}");
        let facts = conflict(&what, commit(&store, "no", query.clone(), Position::START).await)?;
        same(&format!("{what}: condition of the conflict"), facts.condition, Some((query, Position::START)))?;
        let matched = facts.matched.is_some_and(|matched| matched > Position::START && matched <= last);
        holds(&format!("{what}: a position that matched, found {:?}", facts.matched), matched)?;
    }
    finds(&store, Query::category("new"), &[]).await?;
    let others = [
        Query::stream("a"),
        Query::types(["t"]).and_tags(["z"]),
        Query::stream("a-2").and_tags(["x", "y"]),
        Query::tags(Vec::<String>::new()),
    ];
    for query in others {
        commit(&store, "yes", query, Position::START).await?;
    }
    finds(&store, Query::category("new"), &["yes"; 4]).await
}

pub(super) async fn a_condition_counts_from_its_position(store: AnyStore) -> Check {
    let first = put(&store, "a-1", event("0")).await?;
    let second = put(&store, "a-1", event("1")).await?;
    let last = put(&store, "b-1", event("2")).await?;
    let about = || Query::stream("a-1");
    let facts = conflict("a condition after the first", commit(&store, "no", about(), first).await)?;
    same("what it found", facts.matched, Some(second))?;
    commit(&store, "after the second", about(), second).await?;
    commit(&store, "after the last", about(), last).await?;
    let seen = store.read(Query::category("new")).fetch().await?.through();
    commit(&store, "after what was read", Query::all(), seen).await?;
    conflict("a condition on what has come since", commit(&store, "no", Query::all(), seen).await)?;
    same(
        "events of the commits that went through",
        store.read(Query::category("new")).fetch().await?.len(),
        3,
    )
}

pub(super) async fn a_repeat_comes_before_its_condition(store: AnyStore) -> Check {
    let commit = |text: &str| {
        let transaction = store.transaction().append("a-1", NoStream, event(text));
        transaction.fail_if_any(Query::category("a"), Position::START).commit()
    };
    let (first, again) = (commit("0").await?, commit("0").await);
    let again =
        again.map_err(|error| Broken(format!("a repeat: expected the first receipt, found: {error}")))?;
    holds("a repeat to say so", again.is_repeat() && !first.is_repeat())?;
    same("position of a repeat", again.position(), first.position())?;
    conflict("what is no repeat", commit("other").await)?;
    finds(&store, Query::all(), &["0"]).await
}

pub(super) async fn an_expectation_and_a_condition_must_both_hold(store: AnyStore) -> Check {
    let seen = put(&store, "a-1", event("0")).await?;
    let commit = |expected, query: Query, after| {
        let transaction = store.transaction().append("a-1", expected, event("1").id("fresh"));
        transaction.fail_if_any(query, after).commit()
    };
    let facts = conflict("a stream that is otherwise", commit(Exact(Revision(4)), Query::all(), seen).await)?;
    same("stream of its conflict", facts.stream.as_str(), "a-1")?;
    let unmet = commit(Exact(Revision(0)), Query::all(), Position::START).await;
    let facts = conflict("a condition that fails", unmet)?;
    same("what it found", facts.matched, Some(seen))?;
    finds(&store, Query::all(), &["0"]).await?;
    commit(Exact(Revision(0)), Query::all(), seen).await?;
    finds(&store, Query::all(), &["0", "1"]).await
}

pub(super) async fn of_decisions_on_one_state_one_is_committed(store: AnyStore) -> Check {
    const WRITERS: usize = 8;
    for round in 0..10 {
        let seen = store.read(Query::all()).fetch().await?.through();
        let shared = store.clone();
        let results = on_threads(WRITERS, move |n| {
            let new = event(&format!("{round} {n}")).tag(if n % 2 == 0 { "even" } else { "odd" });
            let others = Query::tags(["even"]).or(Query::tags(["odd"]));
            let transaction = shared.transaction().append(format!("a-{n}"), Any, new);
            transaction.fail_if_any(others, seen).commit().wait()
        });
        let mut wins = 0;
        for result in results.await? {
            match result {
                Ok(_) => wins += 1,
                Err(error) => holds(&format!("a conflict, found {error}"), error.is_conflict())?,
            }
        }
        same("how many decisions on one state are committed", wins, 1)?;
    }
    same("events", store.read(Query::all()).fetch().await?.len(), 10)
}

pub(super) async fn a_condition_holds_for_all_streams_or_none(store: AnyStore) -> Check {
    let seen = put(&store, "a-1", event("0")).await?;
    let commit = |after| {
        let transaction = store.transaction().append("b-1", NoStream, event("1"));
        let transaction = transaction.append("c-1", NoStream, event("2"));
        transaction.fail_if_any(Query::category("a"), after).commit()
    };
    conflict("a condition that fails", commit(Position::START).await)?;
    finds(&store, Query::all(), &["0"]).await?;
    commit(seen).await?;
    finds(&store, Query::all(), &["0", "1", "2"]).await
}
