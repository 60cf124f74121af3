//! A read goes on from batch to batch: what is asked for next, whatever the store.

use super::batch::Batch;
use super::contract::EventStore;
use super::request::ReadRequest;
use crate::Position;
use crate::error::Error;
use crate::pending::Pending;
use std::sync::Arc;

/// Where a read stands.
pub(crate) struct Pages {
    store: Arc<dyn EventStore>,
    request: ReadRequest,
    /// Events that may still be given.
    left: usize,
    ended: bool,
}

impl Pages {
    pub(crate) fn new(store: Arc<dyn EventStore>, request: ReadRequest, limit: usize) -> Self {
        Self { store, request, left: limit, ended: limit == 0 }
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Position that the read began behind, or has come to.
    pub(crate) fn after(&self) -> Position {
        self.request.after
    }

    pub(crate) fn is_backward(&self) -> bool {
        self.request.backward
    }

    /// Asks for the next batch, of at most so many events.
    pub(crate) fn ask(&mut self, events_max: usize) -> Pending<Batch> {
        if let Err(error) = self.request.query.check_limits() {
            return Pending::ready(Err(error));
        }
        self.request.limit = events_max.min(self.left);
        self.store.read(&self.request)
    }

    /// Goes on behind a batch that was asked for.
    ///
    /// # Errors
    /// `Other`: the store says that there is more and gives nothing, so that the read would never end.
    pub(crate) fn turn(&mut self, batch: &Batch) -> Result<(), Error> {
        self.left = self.left.saturating_sub(batch.len());
        if batch.is_caught_up() || self.left == 0 {
            self.ended = true;
            return Ok(());
        }
        let from = (self.request.after, self.request.before);
        match (self.request.backward, batch.last()) {
            (false, _) => self.request.after = self.request.after.max(batch.through()),
            (true, Some(last)) => self.request.before = Some(last.position()),
            (true, None) => {}
        }
        if (self.request.after, self.request.before) == from {
            let (what, at) = ("a batch of the store is neither caught up nor beyond the one before", from.0);
            return Err(Error::other(format!("{what}, at position {at}")));
        }
        Ok(())
    }
}
