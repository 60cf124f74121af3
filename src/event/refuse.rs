//! The errors of an append that is refused for its size, and the place that a message names.

use super::check;
use crate::{Error, limits};
use std::fmt;

/// Which event a message is about.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) stream: &'a str,
    pub(super) index: usize,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {} of the append to stream {}", self.index, check::shown(self.stream))
    }
}

#[cold]
pub(super) fn bad_event_count(events: usize) -> Error {
    match events {
        0 => Error::invalid("commit: expected at least one event, found none"),
        _ => Error::limit("commit, events", limits::COMMIT_EVENTS_MAX as u64, events as u64),
    }
}

#[cold]
pub(super) fn too_large_commit(limit: u64, found: u64) -> Error {
    Error::limit("commit, bytes", limit, found)
}

#[cold]
pub(super) fn too_large(place: Place<'_>, limit: u64, found: u64) -> Error {
    Error::limit(format!("{place}: event record, bytes"), limit, found)
}
