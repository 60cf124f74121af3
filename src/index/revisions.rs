//! The next revision of every stream, and nothing else: what a check of a whole log needs.

use crate::event::commit::CommitRef;
use crate::log::{Base, Fault};
use std::collections::HashMap;
use std::sync::Arc;

/// Counts the events of streams behind a base. Takes memory for each stream, none for an event.
pub(crate) struct Revisions {
    base: Arc<Base>,
    next: HashMap<Box<[u8]>, u64>,
}

impl Revisions {
    pub(crate) fn behind(base: Arc<Base>) -> Self {
        Self { base, next: HashMap::new() }
    }

    /// Takes in the next commit.
    ///
    /// # Errors
    /// A stream of it doesn't go on where it ended.
    pub(crate) fn feed(&mut self, commit: CommitRef<'_>) -> Result<(), Fault> {
        for number in 0..commit.stream_count() {
            let (name, found) = (commit.stream_name(number), commit.first_revision(number).0);
            let next = self.next.get(name).copied().unwrap_or_else(|| self.base.next_revision(name));
            if next != found {
                let name = String::from_utf8_lossy(name);
                return Err(Fault::new("frame", 40, format!("revision {next} of {name}"), found));
            }
        }
        for event in commit.events() {
            let name = commit.stream_name(event.stream_number());
            match self.next.get_mut(name) {
                Some(next) => *next = event.revision().0 + 1,
                None => drop(self.next.insert(name.into(), event.revision().0 + 1)),
            }
        }
        Ok(())
    }
}
