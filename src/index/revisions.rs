//! The next revision of every stream, and nothing else: what a check of a whole log needs.

use crate::event::commit::CommitRef;
use crate::log::Fault;
use std::collections::HashMap;

/// Counts the events of streams. Takes memory for each stream, none for an event.
#[derive(Default)]
pub(crate) struct Revisions(HashMap<Box<[u8]>, u64>);

impl Revisions {
    /// Takes in the next commit.
    ///
    /// # Errors
    /// A stream of it doesn't go on where it ended.
    pub(crate) fn feed(&mut self, commit: CommitRef<'_>) -> Result<(), Fault> {
        for number in 0..commit.stream_count() {
            let (name, found) = (commit.stream_name(number), commit.first_revision(number).0);
            let next = self.0.get(name).copied().unwrap_or(0);
            if next != found {
                let name = String::from_utf8_lossy(name);
                return Err(Fault::new("frame", 40, format!("revision {next} of {name}"), found));
            }
        }
        for event in commit.events() {
            let name = commit.stream_name(event.stream_number());
            match self.0.get_mut(name) {
                Some(next) => *next = event.revision().0 + 1,
                None => drop(self.0.insert(name.into(), event.revision().0 + 1)),
            }
        }
        Ok(())
    }
}
