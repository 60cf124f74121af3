//! What every append promises.

use super::check::{Broken, Check, conflict, event, events, finds, holds, put, refused, same, texts};
use crate::error::ErrorKind;
use crate::event::NewEvent;
use crate::expected::Expected::{self, Any, Exact, NoStream, StreamExists};
use crate::store::{AnyStore, Head};
use crate::{Query, Revision, limits};

pub(super) async fn an_event_is_read_as_it_was_appended(store: AnyStore) -> Check {
    let uuid = "0190d0c4-8a3e-7b1c-9d2e-3f4a5b6c7d8e";
    let new = NewEvent::raw("account.opened", &b"{\"owner\":\"Ada\"}"[..]).id("ci37868143");
    let new = new.content_type("application/json").schema_version(3).subject("7").source("urn:bank");
    let new = new.tag("owner:ada").tag("bank:1").correlation(uuid).causation("cause");
    let receipt = store.append("account-7", NoStream, &new).await?;
    same("the revision of the receipt", receipt.revision(), Revision(0))?;
    same("the revision in the stream", receipt.revision_of("account-7"), Some(Revision(0)))?;
    same("the revision in another stream", receipt.revision_of("account-8"), None)?;
    let batch = store.read(Query::stream("account-7")).fetch().await?;
    let event = batch.iter().next().ok_or(Broken("expected an event".to_owned()))?;
    same("stream", event.stream(), "account-7")?;
    same("revision", event.revision(), Revision(0))?;
    same("position", event.position(), receipt.position())?;
    same("id", event.id().to_string().as_str(), "ci37868143")?;
    same("type", event.event_type(), "account.opened")?;
    same("data", event.data(), new.data())?;
    same("content type", event.content_type(), Some("application/json"))?;
    same("schema version", event.schema_version(), Some(3))?;
    same("subject", event.metadata().subject(), Some("7"))?;
    same("source", event.metadata().source(), Some("urn:bank"))?;
    same("tags", event.tags().collect(), vec!["owner:ada", "bank:1"])?;
    same("correlation", event.correlation().map(|id| id.to_string()).as_deref(), Some(uuid))?;
    same("causation", event.metadata().causation().map(|id| id.to_string()).as_deref(), Some("cause"))
}

async fn conflicts(store: &AnyStore, expected: Expected, actual: Option<Revision>) -> Check {
    let what = format!("append that expects {expected}");
    let facts = conflict(&what, store.append("a-1", expected, event("no")).await)?;
    same(&format!("{what}: stream of the conflict"), facts.stream.as_str(), "a-1")?;
    same(&format!("{what}: what the conflict says was expected"), facts.expected, expected)?;
    same(&format!("{what}: what the conflict says is there"), facts.actual, actual)?;
    same(&format!("{what}: matched"), facts.matched, None)
}

pub(super) async fn an_expectation_is_met_or_conflicts_with_the_facts(store: AnyStore) -> Check {
    conflicts(&store, StreamExists, None).await?;
    conflicts(&store, Exact(Revision(0)), None).await?;
    let first = store.append("a-1", NoStream, event("0")).await?;
    conflicts(&store, NoStream, Some(Revision(0))).await?;
    conflicts(&store, Exact(Revision(1)), Some(Revision(0))).await?;
    conflicts(&store, Exact(Revision(u64::MAX)), Some(Revision(0))).await?;
    store.append("a-1", first.revision(), events(&["1", "2"])).await?;
    conflicts(&store, first.revision().into(), Some(Revision(2))).await?;
    store.append("a-1", StreamExists, event("3")).await?;
    store.append("a-1", Any, event("4")).await?;
    store.append("a-2", Any, event("5")).await?;
    finds(&store, Query::all(), &["0", "1", "2", "3", "4", "5"]).await
}

pub(super) async fn revisions_are_contiguous_and_positions_increase(store: AnyStore) -> Check {
    let mut next = [0, 0, 0];
    for n in 0..12 {
        let stream = n % 3;
        let texts: Vec<_> = (0..n % 4 + 1).map(|i| event(&format!("{n} {i}"))).collect();
        let receipt = store.append(format!("s-{stream}"), Any, &texts).await?;
        next[stream] += texts.len() as u64;
        same("the revision of the receipt", receipt.revision().0 + 1, next[stream])?;
        let newest = store.read(Query::all()).backward().limit(1).fetch().await?;
        let newest = newest.iter().next().map(|event| event.position());
        same("the position of the receipt", Some(receipt.position()), newest)?;
    }
    let all = store.read(Query::all()).fetch().await?;
    let positions: Vec<u64> = all.iter().map(|event| event.position().0).collect();
    holds("the first position beyond the start", positions[0] > 0)?;
    holds(&format!("positions that increase, found {positions:?}"), positions.is_sorted_by(|a, b| a < b))?;
    for (stream, next) in next.iter().enumerate() {
        let batch = store.read(Query::stream(format!("s-{stream}"))).fetch().await?;
        let revisions: Vec<u64> = batch.iter().map(|event| event.revision().0).collect();
        same("revisions of a stream", revisions, (0..*next).collect())?;
    }
    Ok(())
}

pub(super) async fn a_commit_is_whole_or_absent(store: AnyStore) -> Check {
    put(&store, "a-1", event("0")).await?;
    let bad = NewEvent::raw("x".repeat(limits::EVENT_TYPE_BYTES_MAX + 1), b"");
    let mut batch = events(&["1", "2", "3"]);
    batch.push(bad);
    let error = refused("a commit whose last event is bad", store.append("a-1", Any, &batch).await)?;
    same("its error", error.kind(), ErrorKind::Limit)?;
    conflict("a commit of several events", store.append("a-1", NoStream, events(&["1", "2"])).await)?;
    finds(&store, Query::all(), &["0"]).await?;
    store.append("a-1", Exact(Revision(0)), events(&["1", "2", "3"])).await?;
    finds(&store, Query::stream("a-1"), &["0", "1", "2", "3"]).await?;
    let all = store.read(Query::all()).fetch().await?;
    let times: Vec<_> = all.iter().skip(1).map(|event| event.commit_time()).collect();
    holds("one time for the events of one commit", times.windows(2).all(|pair| pair[0] == pair[1]))
}

pub(super) async fn what_may_not_be_written_is_refused(store: AnyStore) -> Check {
    let none: [NewEvent<'_>; 0] = [];
    let long = "x".repeat(limits::STREAM_NAME_BYTES_MAX + 1);
    for (stream, events, kind) in [
        ("a-1", &none[..], ErrorKind::Invalid),
        ("", &[event("x")], ErrorKind::Invalid),
        ("$all", &[event("x")], ErrorKind::Invalid),
        (&long, &[event("x")], ErrorKind::Limit),
        ("a-1", &[NewEvent::raw("", b"")], ErrorKind::Invalid),
        ("a-1", &[event("x").tag("")], ErrorKind::Invalid),
    ] {
        let what = format!("{} events for stream {:?}", events.len(), &stream[..stream.len().min(9)]);
        let error = refused(&what, store.append(stream, Any, events).await)?;
        same(&format!("{what}: error"), error.kind(), kind)?;
    }
    finds(&store, Query::all(), &[]).await
}

pub(super) async fn a_repeat_has_the_first_receipt(store: AnyStore) -> Check {
    let first = store.append("a-1", NoStream, events(&["0", "1"])).await?;
    let later = store.append("a-1", first.revision(), event("2")).await?;
    put(&store, "b-1", event("other")).await?;
    for (expected, texts, of) in [
        (NoStream, &["0", "1"][..], &first),
        (Exact(Revision(0)), &["1"], &first),
        (Exact(Revision(1)), &["2"], &later),
    ] {
        let what = format!("a repeat that expects {expected}");
        let again = match store.append("a-1", expected, events(texts)).await {
            Ok(again) => again,
            Err(error) => return Err(Broken(format!("{what}: expected the first receipt, found: {error}"))),
        };
        holds(&format!("{what} to say so"), again.is_repeat())?;
        same(&format!("{what}: position"), again.position(), of.position())?;
        same(&format!("{what}: revision"), again.revision(), of.revision())?;
    }
    holds("a first receipt to be no repeat", !first.is_repeat() && !later.is_repeat())?;
    finds(&store, Query::stream("a-1"), &["0", "1", "2"]).await
}

pub(super) async fn only_the_same_ids_in_the_same_place_are_a_repeat(store: AnyStore) -> Check {
    store.append("a-1", NoStream, events(&["0", "1"])).await?;
    store.append("a-1", Exact(Revision(1)), event("2")).await?;
    for texts in [&["0", "other"][..], &["other"], &["1"], &["0", "1", "other"]] {
        let what = format!("the events {texts:?}, which are not those that stand there,");
        conflict(&what, store.append("a-1", NoStream, events(texts)).await)?;
    }
    for expected in [Any, StreamExists] {
        let again = store.append("a-1", expected, event("2")).await?;
        holds(&format!("an append that expects {expected} to be none"), !again.is_repeat())?;
    }
    finds(&store, Query::stream("a-1"), &["0", "1", "2", "2", "2"]).await
}

pub(super) async fn the_head_is_the_newest_event(store: AnyStore) -> Check {
    same("head of no stream", store.head("a-1").await?, None)?;
    for n in 0..3 {
        let receipt = store.append("a-1", Any, events(&["x", "y"])).await?;
        let head = Head::new(Revision(2 * n + 1), receipt.position());
        same("head", store.head("a-1").await?, Some(head))?;
        put(&store, "a-2", event("z")).await?;
        same("head after an append to another stream", store.head("a-1").await?, Some(head))?;
    }
    let newest = store.read(Query::stream("a-1")).backward().limit(1).fetch().await?;
    same("the newest event", texts(&newest), vec!["y".to_owned()])?;
    same("head of a part of a name", store.head("a").await?, None)
}
