//! What not every store does, and that those which don't say so.

use super::check::{Check, event, finds, holds, refused, same};
use crate::error::Error;
use crate::expected::Durability;
use crate::expected::Expected::{Any, NoStream};
use crate::store::{
    AnyStore, Checkpoint, Commit, Partition, Progress, ReadRequest, SentRequest, Snapshot, Write,
};
use crate::{Position, Query, Revision};
use std::fmt::Debug;

fn unsupported<T: Debug>(what: &str, result: Result<T, Error>) -> Check {
    let error = refused(what, result)?;
    holds(&format!("{what} to be unsupported, found: {error}"), error.is_unsupported())
}

pub(super) async fn what_is_not_claimed_is_refused(store: AnyStore) -> Check {
    let claims = store.capabilities();
    let transaction = || store.transaction().append("a-1", Any, event("x"));
    if !claims.multi_stream {
        let two = transaction().append("b-1", Any, event("y")).commit().await;
        unsupported("a transaction over two streams", two)?;
    }
    if !claims.query_conditions {
        let condition = transaction().fail_if_any(Query::types(["nothing"]), Position::START).commit().await;
        unsupported("a condition", condition)?;
    }
    if !claims.progress {
        let events = [event("x")];
        let writes = [Write::new("a-1", Any, &events)];
        let mut commit = Commit::new(&writes, Durability::Power);
        commit.progress = Some(Progress::new("mailer", b"7"));
        let progress = store.backend().commit(commit).await;
        unsupported("a consumer's progress", progress)?;
        same("the progress of a consumer", store.backend().progress("mailer").await?, None)?;
    }
    if !claims.checkpoints {
        let saved = store.backend().save_checkpoint("mailer", Checkpoint::default()).await;
        unsupported("a checkpoint", saved)?;
        same("the checkpoint of a consumer", store.backend().checkpoint("mailer").await?, None)?;
    }
    if !claims.partitions {
        let half = store.backend().lease("mailer", Partition::new(0, 2)?).await;
        unsupported("a lease of a part of the streams", half)?;
    }
    if !claims.requests {
        unsupported("a request", store.backend().send_request("mailer", vec![1]).await)?;
        same("requests", store.backend().requests("mailer").await?, vec![])?;
    }
    if !claims.dead_letters {
        unsupported("a dead-letter log", store.backend().dead_letters().map(drop))?;
    }
    if !claims.snapshots {
        store.append("s-1", NoStream, event("0")).await?;
        store.backend().save_snapshot("s-1", Snapshot::new(Revision(0), 1, vec![7])).await?;
        same("the snapshot of a stream", store.backend().snapshot("s-1").await?, None)?;
    }
    finds(&store, Query::category("a").or(Query::category("b")), &[]).await
}

pub(super) async fn positions_are_contiguous(store: AnyStore) -> Check {
    for n in 0..9 {
        let batch: Vec<_> = (0..n % 3 + 1).map(|i| event(&format!("{n} {i}"))).collect();
        store.append(format!("a-{}", n % 2), Any, &batch).await?;
    }
    let all = store.read(Query::all()).fetch().await?;
    let positions: Vec<u64> = all.iter().map(|event| event.position().0).collect();
    same("positions", positions, (1..=18).collect())
}

pub(super) async fn progress_comes_with_its_commit(store: AnyStore) -> Check {
    same("progress of nobody", store.backend().progress("mailer").await?, None)?;
    let commit = |expected, data: &'static [u8]| {
        let events = [event("x")];
        let writes = [Write::new("a-1", expected, &events)];
        let mut commit = Commit::new(&writes, Durability::Power);
        commit.progress = Some(Progress::new("mailer", data));
        store.backend().commit(commit)
    };
    commit(Any, b"1").await?;
    same("progress", store.backend().progress("mailer").await?, Some(b"1".to_vec()))?;
    commit(Any, b"22").await?;
    let other = event("other");
    let events = [other];
    let writes = [Write::new("a-1", NoStream, &events)];
    let mut unmet = Commit::new(&writes, Durability::Power);
    unmet.progress = Some(Progress::new("mailer", b"no"));
    holds("a conflict", store.backend().commit(unmet).await.is_err_and(|error| error.is_conflict()))?;
    same("progress", store.backend().progress("mailer").await?, Some(b"22".to_vec()))?;
    same("progress of another", store.backend().progress("mail").await?, None)
}

pub(super) async fn the_checkpoint_is_the_one_saved_last(store: AnyStore) -> Check {
    let back = store.backend();
    same("checkpoint of nobody", back.checkpoint("mailer").await?, None)?;
    let mut positions = vec![Position::START];
    for n in 0..4 {
        positions.push(store.append("a-1", Any, event(&n.to_string())).await?.position());
    }
    let saves: [(usize, usize, &[u8]); 5] =
        [(0, 0, b""), (1, 1, b"1"), (1, 4, &[7; 10_000]), (4, 4, b""), (0, 2, b"back")];
    for (low, through, data) in saves {
        let checkpoint = Checkpoint::new(positions[low], positions[through], data.to_vec());
        back.save_checkpoint("mailer", checkpoint.clone()).await?;
        same("checkpoint", back.checkpoint("mailer").await?, Some(checkpoint))?;
    }
    same("checkpoint of another", back.checkpoint("mail").await?, None)?;
    back.save_checkpoint("mail", Checkpoint::new(positions[3], positions[3], vec![3])).await?;
    let mut names = back.consumers().await?;
    names.sort();
    same("consumers that have a checkpoint", names, vec!["mail".to_owned(), "mailer".to_owned()])?;
    back.forget_checkpoint("mailer").await?;
    back.forget_checkpoint("nobody").await?;
    same("checkpoint that was forgotten", back.checkpoint("mailer").await?, None)?;
    same("consumers that have a checkpoint", back.consumers().await?, vec!["mail".to_owned()])?;
    let other = back.checkpoint("mail").await?.map(|checkpoint| checkpoint.low);
    same("low position of another", other, Some(positions[3]))?;
    let beyond = Position(positions[4].0 + 1);
    let ahead = refused(
        "a checkpoint ahead",
        back.save_checkpoint("mail", Checkpoint::new(beyond, beyond, vec![])).await,
    )?;
    holds(&format!("it to be ahead, found: {ahead}"), ahead.is_ahead())?;
    for name in ["", "a\nb", &"n".repeat(256)] {
        refused("a bad name", back.save_checkpoint(name, Checkpoint::default()).await)?;
    }
    let reversed = Checkpoint::new(positions[2], positions[1], vec![]);
    refused("a low position beyond the other", back.save_checkpoint("mail", reversed).await).map(drop)
}

pub(super) async fn a_consumer_runs_once_at_a_time(store: AnyStore) -> Check {
    let back = store.backend();
    let lease = |consumer| back.lease(consumer, Partition::WHOLE);
    let held = lease("mailer").await?;
    let other = lease("mail").await?;
    let taken = refused("a second lease", lease("mailer").await)?;
    holds(&format!("it to be locked, found: {taken}"), taken.is_locked())?;
    drop(held);
    let again = lease("mailer").await?;
    drop((again, other));
    Ok(())
}

pub(super) async fn processes_share_a_consumer(store: AnyStore) -> Check {
    let part = |number, of| Partition::new(number, of);
    let lease = |part: Partition| store.backend().lease("mailer", part);
    let first = lease(part(0, 3)?).await?;
    let second = lease(part(1, 3)?).await?;
    let other = store.backend().lease("mail", Partition::WHOLE).await?;
    for overlapping in [part(0, 3)?, part(1, 2)?, part(3, 6)?, Partition::WHOLE] {
        let taken = refused("a lease of streams that are taken", lease(overlapping).await)?;
        holds(&format!("{overlapping} to be locked, found: {taken}"), taken.is_locked())?;
    }
    let third = lease(part(5, 6)?).await?;
    drop((first, second, third));
    let whole = lease(Partition::WHOLE).await?;
    let taken = refused("a lease of a part", lease(part(0, 2)?).await)?;
    holds(&format!("a part to be locked, found: {taken}"), taken.is_locked())?;
    drop((whole, other));
    Ok(())
}

pub(super) async fn a_request_is_kept_until_it_is_removed(store: AnyStore) -> Check {
    let back = store.backend();
    same("requests to nobody", back.requests("mailer").await?, vec![])?;
    let mut ids = Vec::new();
    for data in [b"1".to_vec(), Vec::new(), vec![7; 10_000]] {
        ids.push(back.send_request("mailer", data).await?);
    }
    let other = back.send_request("mail", b"other".to_vec()).await?;
    holds(&format!("ids that ascend, found: {ids:?}"), ids.is_sorted_by(|one, next| one < next))?;
    let [first, second, third] = ids[..] else { return holds("three ids", false) };
    back.answer_request("mailer", second, b"done".to_vec()).await?;
    let wanted = vec![
        SentRequest::new(first, b"1".to_vec()),
        SentRequest::new(second, Vec::new()).with_answer(Some(b"done".to_vec())),
        SentRequest::new(third, vec![7; 10_000]),
    ];
    same("requests", back.requests("mailer").await?, wanted.clone())?;
    back.remove_request("mailer", second).await?;
    back.remove_request("mailer", second).await?;
    back.answer_request("mailer", second, b"too late".to_vec()).await?;
    same("requests", back.requests("mailer").await?, vec![wanted[0].clone(), wanted[2].clone()])?;
    same(
        "requests to another",
        back.requests("mail").await?,
        vec![SentRequest::new(other, b"other".to_vec())],
    )?;
    for name in ["", "a\nb", &"n".repeat(256)] {
        refused("a bad name", back.send_request(name, Vec::new()).await)?;
    }
    let large = vec![0; crate::limits::REQUEST_BYTES_MAX + 1];
    refused("a request that is too large", back.send_request("mailer", large).await).map(drop)
}

pub(super) async fn dead_letters_are_kept_apart(store: AnyStore) -> Check {
    let letters = store.backend().dead_letters()?;
    let all = ReadRequest::new(Query::all());
    same("dead letters of a new store", letters.read(&all).await?.len(), 0)?;
    same("their head", letters.head("a-1").await?.map(|head| head.revision), None)?;
    let events = [event("x"), event("y")];
    let writes = [Write::new("a-1", NoStream, &events)];
    letters.commit(Commit::new(&writes, Durability::Power)).await?;
    letters.trim(Position::START).await?;
    let again = store.backend().dead_letters()?;
    same("dead letters", again.read(&all).await?.len(), 2)?;
    same("their head", again.head("a-1").await?.map(|head| head.revision), Some(Revision(1)))?;
    finds(&store, Query::all(), &[]).await
}

pub(super) async fn the_snapshot_is_the_one_saved_last(store: AnyStore) -> Check {
    for n in 0..6 {
        store.append("a-1", Any, event(&n.to_string())).await?;
    }
    let back = store.backend();
    same("snapshot of a stream without one", back.snapshot("a-1").await?, None)?;
    for (revision, version, data) in [(2, 1, vec![]), (3, 1, vec![7; 10_000]), (5, 2, vec![8])] {
        let snapshot = Snapshot::new(Revision(revision), version, data);
        back.save_snapshot("a-1", snapshot.clone()).await?;
        same("snapshot", back.snapshot("a-1").await?, Some(snapshot))?;
    }
    same("snapshot of another stream", back.snapshot("a-2").await?, None)
}
