//! Batches one after another, waited for or awaited: the same cursor for threads and tasks.

use super::batch::Batch;
use super::pages::Pages;
use crate::Position;
use crate::error::Error;
use crate::limits::BATCH_EVENTS_MAX;
use crate::pending::Pending;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Yields batches. From a read it ends once it has caught up with the watermark.
///
/// ```
/// use orchestrix::{Query, prelude::*};
/// let store = Store::in_memory();
/// for n in 0..3_000 {
///     drop(store.append("meter-1", Any, NewEvent::raw("read", [n as u8].to_vec())));
/// }
/// let mut cursor = store.read(Query::category("meter")).cursor();
/// let mut count = 0;
/// while let Some(batch) = cursor.next_batch().wait()? {
///     count += batch.len(); // or `.await?` in a task
/// }
/// assert_eq!((count, cursor.position()), (3_000, Position(3_000)));
/// # Ok::<(), orchestrix::Error>(())
/// ```
pub struct Cursor {
    pages: Pages,
    /// A batch that was asked for and isn't there yet.
    under_way: Option<Pending<Batch>>,
    position: Position,
}

impl Cursor {
    pub(super) fn new(pages: Pages) -> Self {
        Self { position: pages.after(), pages, under_way: None }
    }

    /// The next batch, which has at least one event; `None` at the end. After an error the same batch is asked for again.
    pub fn next_batch(&mut self) -> NextBatch<'_> {
        NextBatch(self)
    }

    /// An iterator that blocks this thread between batches.
    pub fn blocking(&mut self) -> impl Iterator<Item = Result<Batch, Error>> {
        std::iter::from_fn(|| self.next_batch().wait().transpose())
    }

    /// Everything that was asked for, up to here, has been seen (backward: is being seen, the newest first).
    pub fn position(&self) -> Position {
        self.position
    }

    /// The batch that is under way, or the next one; `None` at the end.
    fn ask(&mut self) -> Option<Pending<Batch>> {
        match self.under_way.take() {
            None if self.pages.is_ended() => None,
            None => Some(self.pages.ask(BATCH_EVENTS_MAX)),
            under_way => under_way,
        }
    }

    /// Takes a batch in. `None`: it has no event.
    fn take(&mut self, batch: Result<Batch, Error>) -> Result<Option<Batch>, Error> {
        let batch = batch?;
        self.pages.turn(&batch)?;
        self.position = self.position.max(batch.through());
        Ok(Some(batch).filter(|batch| !batch.is_empty()))
    }
}

/// The next batch of a [`Cursor`]: `.wait()` for it in a thread, `.await` it in a task.
#[must_use = "no batch is taken until `.wait()` or `.await`; dropping it loses nothing"]
pub struct NextBatch<'c>(&'c mut Cursor);

impl NextBatch<'_> {
    /// Blocks this thread until the batch is there. `None` at the end.
    ///
    /// # Errors
    /// Those of the back end.
    pub fn wait(self) -> Result<Option<Batch>, Error> {
        while let Some(pending) = self.0.ask() {
            if let Some(batch) = self.0.take(pending.wait())? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

impl Future for NextBatch<'_> {
    type Output = Result<Option<Batch>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let cursor = &mut *self.0;
        while let Some(mut pending) = cursor.ask() {
            match Pin::new(&mut pending).poll(cx) {
                Poll::Pending => {
                    cursor.under_way = Some(pending);
                    return Poll::Pending;
                }
                Poll::Ready(batch) => {
                    if let Some(batch) = cursor.take(batch)? {
                        return Poll::Ready(Ok(Some(batch)));
                    }
                }
            }
        }
        Poll::Ready(Ok(None))
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("position", &self.position.0).finish_non_exhaustive()
    }
}

impl fmt::Debug for NextBatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NextBatch").field(self.0).finish()
    }
}
