//! That a read gives what stands within its bounds, compared with a choice from everything by hand.

use super::check::{Check, event, holds, put, same};
use crate::expected::Expected::Any;
use crate::store::{AnyStore, ReadRequest};
use crate::{Position, Query, Revision};

/// Fills a store, and gives position and revision of each event of the category `a`.
async fn fill(store: &AnyStore) -> Result<Vec<(Position, Revision)>, super::check::Broken> {
    for n in 0..6 {
        let batch: Vec<_> = (0..n % 3 + 1).map(|i| event(&format!("{n} {i}"))).collect();
        store.append(format!("a-{}", n % 2), Any, &batch).await?;
        put(store, "b-1", event("other")).await?;
    }
    let all = store.read(Query::all()).fetch().await?;
    let of_a = all.iter().filter(|event| event.category() == "a");
    Ok(of_a.map(|event| (event.position(), event.revision())).collect())
}

pub(super) async fn a_read_keeps_to_its_bounds(store: AnyStore) -> Check {
    let all = fill(&store).await?;
    let end = Position(all[all.len() - 1].0.0 + 9);
    let bounds: Vec<Position> = [Position::START, end].into_iter().chain(all.iter().map(|e| e.0)).collect();
    for after in &bounds {
        for before in &bounds {
            for (from, backward, limit) in [(0, false, 99), (0, true, 99), (2, false, 3), (1, true, 2)] {
                let is_within = |(position, revision): &&(Position, Revision)| {
                    position > after && position < before && revision.0 >= from
                };
                let mut expected: Vec<_> = all.iter().filter(is_within).copied().collect();
                if backward {
                    expected.reverse();
                }
                expected.truncate(limit);
                let read = store.read(Query::category("a")).after(*after).before(*before);
                let read = read.from(Revision(from)).limit(limit);
                let read = if backward { read.backward() } else { read };
                let what = format!("{read:?}");
                let batch = read.fetch().await?;
                let found: Vec<_> = batch.iter().map(|e| (e.position(), e.revision())).collect();
                same(&what, found, expected)?;
            }
        }
    }
    Ok(())
}

pub(super) async fn pages_go_on_where_a_batch_ended(store: AnyStore) -> Check {
    let all = fill(&store).await?;
    for backward in [false, true] {
        for limit in 1..5 {
            let mut request = ReadRequest::new(Query::category("a"));
            (request.backward, request.limit) = (backward, limit);
            let mut found = Vec::new();
            loop {
                let batch = store.backend().read(&request).await?;
                holds("no batch beyond its limit", batch.len() <= limit)?;
                found.extend(batch.iter().map(|event| (event.position(), event.revision())));
                if batch.is_caught_up() {
                    break;
                }
                let moved = match found.last() {
                    Some((last, _)) if backward => {
                        let moved = request.before.is_none_or(|before| *last < before);
                        request.before = Some(*last);
                        moved
                    }
                    _ => {
                        let moved = batch.through() > request.after;
                        request.after = batch.through();
                        moved && !backward
                    }
                };
                holds("a batch that is not caught up to have moved", moved)?;
            }
            if backward {
                found.reverse();
            }
            same(&format!("pages of {limit}, backward: {backward}"), &found, &all)?;
        }
    }
    Ok(())
}
