//! Several streams, one commit; and conditions over more than streams.

use super::contract::EventStore;
use super::receipt::Receipt;
use super::request::{Commit, Write};
use crate::Position;
use crate::error::Error;
use crate::event::NewEvent;
use crate::expected::{Durability, Expected};
use crate::pending::Pending;
use crate::query::Query;
use std::fmt;

/// Events for several streams that become one commit: all or nothing.
///
/// Expectations are checked in the order of the appends; one on a stream that an earlier append of the same transaction
/// has written to sees what that one adds.
#[must_use = "a transaction does nothing until `commit`"]
pub struct Transaction<'s> {
    store: &'s dyn EventStore,
    writes: Vec<(String, Expected, Vec<NewEvent<'static>>)>,
    condition: Option<(Query, Position)>,
    /// Why it can't be committed.
    refused: Option<Error>,
    durability: Durability,
}

impl<'s> Transaction<'s> {
    pub(super) fn new(store: &'s dyn EventStore) -> Self {
        let durability = store.default_durability();
        Self { store, writes: Vec::new(), condition: None, refused: None, durability }
    }

    /// Adds events for a stream, and what must be true of it.
    pub fn append<'e>(
        mut self,
        stream: impl AsRef<str>,
        expected: impl Into<Expected>,
        events: impl AsRef<[NewEvent<'e>]>,
    ) -> Self {
        let events = events.as_ref().iter().map(|event| event.clone().into_owned()).collect();
        self.writes.push((stream.as_ref().to_owned(), expected.into(), events));
        self
    }

    /// Makes the commit fail with a conflict if any event after `after` matches the query: what a decision was made on still
    /// holds, or nothing is written. `after` is what was read to, [`Batch::through`](crate::Batch::through);
    /// [`Position::START`] means every event that is there. It is checked together with what is expected of the streams.
    ///
    /// A second condition with the same `after` adds its query to the first (`or`); with another one the commit is refused
    /// as `Invalid`.
    ///
    /// A transaction that is repeated is recognised before its condition is checked, and only by its streams' expectations:
    /// of several `NoStream` or `Exact` ones, one is enough; if all are `Any`, it conflicts with what it has written itself,
    /// where that matches.
    ///
    /// ```
    /// use orchestrix::{Query, prelude::*};
    /// let store = Store::in_memory();
    /// let taken = Query::types(["seat.taken"]).and_tags(["seat:9"]);
    /// let take = || {
    ///     let seen = store.read(taken.clone()).fetch().wait()?;
    ///     let event = NewEvent::raw("seat.taken", b"").tag("seat:9");
    ///     let commit = store.transaction().append("guest-1", Any, event);
    ///     Ok::<_, orchestrix::Error>(commit.fail_if_any(taken.clone(), Position::START).commit().wait())
    /// };
    /// assert!(take()?.is_ok());
    /// let refused = take()?.expect_err("the seat is taken");
    /// assert_eq!(refused.conflict().expect("facts").matched, Some(Position(1)));
    /// # Ok::<(), orchestrix::Error>(())
    /// ```
    pub fn fail_if_any(mut self, query: Query, after: Position) -> Self {
        self.condition = match self.condition.take() {
            None => Some((query, after)),
            Some((first, same)) if same == after => Some((first.or(query), after)),
            Some((first, other)) => {
                let what = "conditions of one transaction: expected one position for all";
                self.refused = Some(Error::invalid(format!("{what}, found {other} and {after}")));
                Some((first, other))
            }
        };
        self
    }

    /// What the `Ok` of this commit has survived. Default: that of the store.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Commits at this call; waiting gives the receipt once the durability is reached.
    ///
    /// # Errors
    /// As [`Store::append`](crate::Store::append); a transaction without events is `Invalid`. `Conflict` if the condition
    /// fails. `Truncated`: the condition's `after` lies before the first event that retention has left, and isn't
    /// [`Position::START`]. `Limit`: its query is too large. `Unsupported`: the back end has no such transactions.
    pub fn commit(self) -> Pending<Receipt> {
        let limits = self.condition.as_ref().map_or(Ok(()), |(query, _)| query.check_limits());
        if let Some(error) = self.refused.or(limits.err()) {
            return Pending::ready(Err(error));
        }
        let writes = self.writes.iter();
        let writes: Vec<Write<'_>> =
            writes.map(|(stream, expected, events)| Write::new(stream, *expected, events)).collect();
        let mut commit = Commit::new(&writes, self.durability);
        commit.fail_if_any = self.condition.as_ref().map(|(query, after)| (query, *after));
        self.store.commit(commit)
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams: Vec<_> = self.writes.iter().map(|(stream, expected, _)| (stream, expected)).collect();
        let condition = &self.condition;
        f.debug_struct("Transaction")
            .field("writes", &streams)
            .field("condition", condition)
            .finish_non_exhaustive()
    }
}
