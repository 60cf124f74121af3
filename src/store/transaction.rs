//! Several streams, one commit.

use super::commit::Write;
use super::embedded::Store;
use super::receipt::Receipt;
use crate::event::NewEvent;
use crate::expected::{Durability, Expected};
use crate::pending::Pending;

/// Events for several streams that become one commit: all or nothing.
///
/// Expectations are checked in the order of the appends; one on a stream that an earlier append of the same transaction
/// has written to sees what that one adds.
#[must_use = "a transaction does nothing until `commit`"]
pub struct Transaction<'s> {
    store: &'s Store,
    writes: Vec<(String, Expected, Vec<NewEvent<'static>>)>,
    durability: Durability,
}

impl<'s> Transaction<'s> {
    pub(super) fn new(store: &'s Store, durability: Durability) -> Self {
        Self { store, writes: Vec::new(), durability }
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

    /// What the `Ok` of this commit has survived. Default: that of the store.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Commits at this call; waiting gives the receipt once the durability is reached.
    ///
    /// # Errors
    /// As [`Store::append`]; a transaction without events is `Invalid`.
    pub fn commit(self) -> Pending<Receipt> {
        let writes: Vec<Write<'_>> = self
            .writes
            .iter()
            .map(|(stream, expected, events)| Write { stream, expected: *expected, events })
            .collect();
        self.store.commit(&writes, self.durability)
    }
}
