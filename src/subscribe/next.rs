//! The next batch of a cursor, however it is waited for.

use super::cursor::{Asked, Cursor};
use crate::error::Error;
use crate::pending::deadline;
use crate::store::Batch;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The next batch of a [`Cursor`]: `.wait()` for it in a thread, `.await` it in a task.
#[must_use = "no batch is taken until `.wait()` or `.await`; dropping it loses nothing"]
pub struct NextBatch<'c>(&'c mut Cursor);

impl<'c> NextBatch<'c> {
    pub(super) fn new(cursor: &'c mut Cursor) -> Self {
        Self(cursor)
    }

    /// Blocks this thread until the batch is there. `None` at the end.
    ///
    /// # Errors
    /// Those of the back end. Of the embedded store: `Truncated`: retention has removed what would be next. `Corrupt`, `Unsupported`:
    /// an event can't be read. `Poisoned`: a sync failed, and everything up to the synced position was given. `Io`.
    pub fn wait(self) -> Result<Option<Batch>, Error> {
        loop {
            match self.0.ask(|under_way| under_way.wait(None))? {
                Asked::NotYet | Asked::Yields => {}
                asked => return Ok(self.0.or_nothing(asked)),
            }
        }
    }

    /// Blocks this thread for at most about `limit`. A batch without events if none came in time.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(self, limit: Duration) -> Result<Option<Batch>, Error> {
        let Some(deadline) = deadline(limit) else { return self.wait() };
        loop {
            match self.0.ask(|under_way| under_way.wait(Some(deadline)))? {
                Asked::Yields => {}
                asked => return Ok(self.0.or_nothing(asked)),
            }
        }
    }
}

impl Future for NextBatch<'_> {
    type Output = Result<Option<Batch>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl fmt::Debug for NextBatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NextBatch").field(self.0).finish()
    }
}
