//! Commits over several streams.

use super::check::{Check, conflict, event, events, finds, holds, put, refused, same};
use crate::event::NewEvent;
use crate::expected::Expected::{Any, Exact, NoStream, StreamExists};
use crate::store::AnyStore;
use crate::{Query, Revision, limits};

pub(super) async fn a_transaction_is_all_or_nothing(store: AnyStore) -> Check {
    put(&store, "b-1", event("0")).await?;
    let transaction = store.transaction().append("a-1", NoStream, events(&["1", "2"]));
    let refusal = transaction.append("b-1", NoStream, event("3")).commit().await;
    let facts = conflict("a transaction whose second stream is otherwise", refusal)?;
    same("stream of the conflict", facts.stream.as_str(), "b-1")?;
    same("what is there", facts.actual, Some(Revision(0)))?;
    let bad = NewEvent::raw("x".repeat(limits::EVENT_TYPE_BYTES_MAX + 1), b"");
    let transaction = store.transaction().append("a-1", NoStream, event("1")).append("b-1", Any, bad);
    refused("a transaction whose second event is bad", transaction.commit().await)?;
    finds(&store, Query::all(), &["0"]).await?;
    same("head of a stream that was not written", store.head("a-1").await?, None)?;

    let transaction = store.transaction().append("a-1", NoStream, events(&["1", "2"]));
    let receipt = transaction.append("b-1", StreamExists, event("3")).commit().await?;
    same("revision in the first stream", receipt.revision(), Revision(1))?;
    same("revision in the second stream", receipt.revision_of("b-1"), Some(Revision(1)))?;
    same("revision in no stream of it", receipt.revision_of("c-1"), None)?;
    let head = store.head("b-1").await?.map(|head| head.position);
    same("position of its last event", head, Some(receipt.position()))?;
    finds(&store, Query::all(), &["0", "1", "2", "3"]).await
}

pub(super) async fn an_expectation_sees_what_the_transaction_adds(store: AnyStore) -> Check {
    let transaction = store.transaction().append("a-1", NoStream, event("0")).append("b-1", Any, event("1"));
    let receipt = transaction.append("a-1", Exact(Revision(0)), event("2")).commit().await?;
    same("revision of its last event in the first stream", receipt.revision(), Revision(1))?;
    let transaction = store.transaction().append("c-1", NoStream, event("3"));
    conflict("a second `NoStream`", transaction.append("c-1", NoStream, event("4")).commit().await)?;
    finds(&store, Query::stream("a-1"), &["0", "2"]).await?;
    finds(&store, Query::all(), &["0", "1", "2"]).await
}

pub(super) async fn a_repeated_transaction_has_the_first_receipt(store: AnyStore) -> Check {
    let commit = |last: &str| {
        let transaction = store.transaction().append("a-1", NoStream, events(&["0", "1"]));
        transaction.append("b-1", Any, event(last)).commit()
    };
    let (first, again) = (commit("2").await?, commit("2").await?);
    holds("the second to be a repeat", again.is_repeat() && !first.is_repeat())?;
    same("position", again.position(), first.position())?;
    for stream in ["a-1", "b-1", "c-1"] {
        same(&format!("revision in {stream}"), again.revision_of(stream), first.revision_of(stream))?;
    }
    conflict("a transaction with another event", commit("other").await)?;
    finds(&store, Query::all(), &["0", "1", "2"]).await
}
