//! Many threads on one store.

use super::check::{Broken, Check, event, holds, same};
use super::threads::on_threads;
use crate::expected::Expected::{Any, Exact, NoStream};
use crate::store::AnyStore;
use crate::{Position, Query, Revision};
use std::sync::atomic::{AtomicUsize, Ordering};

const WRITERS: usize = 50;
const ROUNDS: u64 = 3;

pub(super) async fn of_fifty_writers_one_wins_each_revision(store: AnyStore) -> Check {
    for round in 0..ROUNDS {
        let shared = store.clone();
        let expected = if round == 0 { NoStream } else { Exact(Revision(round - 1)) };
        let results = on_threads(WRITERS, move |n| {
            shared.append("a-1", expected, event(&format!("{round} {n}"))).wait()
        });
        let mut wins = 0;
        for result in results.await? {
            match result {
                Ok(receipt) => {
                    wins += 1;
                    same("the revision of who wins", receipt.revision(), Revision(round))?;
                }
                Err(error) => {
                    let actual = error.conflict().and_then(|conflict| conflict.actual);
                    same(&format!("what is there, by {error}"), actual, Some(Revision(round)))?;
                }
            }
        }
        same("how many of fifty win", wins, 1)?;
    }
    same("events", store.read(Query::all()).fetch().await?.len() as u64, ROUNDS)
}

pub(super) async fn a_reader_sees_whole_commits(store: AnyStore) -> Check {
    const EVENTS: usize = 7;
    const COMMITS: usize = 40;
    let (writing, readers) = (AtomicUsize::new(2), store.clone());
    let results = on_threads(4, move |n| -> Check {
        let store = &readers;
        if n < 2 {
            for commit in 0..COMMITS {
                let batch: Vec<_> = (0..EVENTS).map(|i| event(&format!("{n} {commit} {i}"))).collect();
                let receipt = store.append(format!("a-{n}"), Any, &batch).wait();
                if receipt.is_err() {
                    writing.fetch_sub(1, Ordering::Release);
                }
                receipt?;
            }
            writing.fetch_sub(1, Ordering::Release);
            return Ok(());
        }
        let mut seen = Position::START;
        loop {
            let last_round = writing.load(Ordering::Acquire) == 0;
            let all = store.read(Query::all()).fetch().wait()?;
            holds(&format!("whole commits, found {} events", all.len()), all.len() % EVENTS == 0)?;
            holds("no event that comes late", all.through() >= seen)?;
            seen = all.through();
            if last_round {
                return same("events at the end", all.len(), 2 * COMMITS * EVENTS);
            }
        }
    });
    results.await?.into_iter().collect()
}

pub(super) async fn who_waits_is_woken(store: AnyStore) -> Check {
    let shared = store.clone();
    let results = on_threads(5, move |n| -> Result<Position, Broken> {
        match n {
            0 => Ok(shared.append("a-1", NoStream, event("0")).wait()?.position()),
            _ => Ok(shared.backend().beyond(Position::START).wait()?),
        }
    });
    let reached: Vec<Position> = results.await?.into_iter().collect::<Result<_, _>>()?;
    same("how far who waited may read", reached[1..].iter().min(), reached.first())
}
