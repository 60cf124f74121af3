//! Batches one after another, waited for or awaited: the same cursor for threads, tasks and streams of tasks, over a read that
//! ends and over a subscription that goes on.

use super::next::NextBatch;
use super::tail::Tail;
use super::under_way::{Done, UnderWay};
use crate::Position;
use crate::error::Error;
use crate::limits::BATCH_EVENTS_MAX;
use crate::store::pages::Pages;
use crate::store::{Batch, Lag, Read, ResumeToken};
use futures_core::Stream;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Yields batches. From a read it ends once it has caught up with the watermark; from a subscription it goes on until the store
/// is closed. It is a [`Stream`] of the same batches, too.
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
#[must_use = "a cursor gives nothing until it is asked"]
pub struct Cursor {
    way: Way,
    /// What was asked for and isn't there yet.
    under_way: Option<UnderWay>,
    position: Position,
}

enum Way {
    /// Through what is there.
    Read(Pages),
    /// On and on.
    Follow(Box<Tail>),
}

/// How asking for a batch came out.
pub(super) enum Asked {
    Given(Batch),
    /// There is nothing more, ever.
    Ended,
    /// It isn't there yet; who was to be woken will be.
    NotYet,
    /// Much was looked through and nothing found: others should have a turn.
    Yields,
}

impl Read {
    /// The same as [`fetch`](Read::fetch) in batches of at most [`BATCH_EVENTS_MAX`] events, without any bound on the whole.
    pub fn cursor(self) -> Cursor {
        let pages = self.into_pages();
        Cursor { position: pages.after(), way: Way::Read(pages), under_way: None }
    }
}

impl Cursor {
    pub(super) fn following(tail: Tail) -> Self {
        Self { position: tail.position(), way: Way::Follow(Box::new(tail)), under_way: None }
    }

    /// The next batch; `None` at the end of a read, and once the store is closed. After an error the same batch is asked for again.
    ///
    /// A batch of a read has at least one event. A subscription also gives one without events to say that it has caught up, once
    /// each time, if the batch before didn't say so.
    pub fn next_batch(&mut self) -> NextBatch<'_> {
        NextBatch::new(self)
    }

    /// What is there now, without waiting; a batch without events if nothing is. `None` as [`next_batch`](Self::next_batch).
    ///
    /// # Errors
    /// As [`NextBatch::wait`].
    pub fn poll_batch(&mut self) -> Result<Option<Batch>, Error> {
        loop {
            match self.ask(UnderWay::peek)? {
                Asked::Yields => {}
                asked => return Ok(self.or_nothing(asked)),
            }
        }
    }

    /// An iterator that blocks this thread between batches.
    pub fn blocking(&mut self) -> impl Iterator<Item = Result<Batch, Error>> {
        std::iter::from_fn(|| self.next_batch().wait().transpose())
    }

    /// Everything that was asked for, up to here, has been seen (backward: is being seen, the newest first).
    pub fn position(&self) -> Position {
        self.position
    }

    /// Where a subscription stands, to go on there later: see [`Start::Resume`](crate::Start::Resume). The batch that was given
    /// last counts as seen. Of a read it has the position alone.
    pub fn token(&self) -> ResumeToken {
        match &self.way {
            Way::Follow(tail) => tail.token(),
            Way::Read(_) => ResumeToken::new(self.position, 0),
        }
    }

    /// How far a subscription is behind what it may see; nothing, of a read.
    pub fn lag(&self) -> Lag {
        match &self.way {
            Way::Follow(tail) => tail.lag(),
            Way::Read(_) => Lag::default(),
        }
    }

    /// Asks until there is something to give or a batch gave nothing, and for that has `wait` wait.
    pub(super) fn ask(
        &mut self,
        mut wait: impl FnMut(UnderWay) -> Result<Done, UnderWay>,
    ) -> Result<Asked, Error> {
        loop {
            let Some(under_way) = self.next_step() else { return Ok(Asked::Ended) };
            let says_so = self.is_to_say_so(&under_way);
            let known =
                under_way.now().or_else(|under_way| if says_so { under_way.peek() } else { Err(under_way) });
            let done = match known {
                Ok(done) => done,
                Err(under_way) if says_so => {
                    self.under_way = Some(under_way);
                    return Ok(self.caught_up());
                }
                Err(under_way) => match wait(under_way) {
                    Ok(done) => done,
                    Err(under_way) => {
                        self.under_way = Some(under_way);
                        return Ok(Asked::NotYet);
                    }
                },
            };
            let looked = matches!(done, Done::Batch(_));
            match self.take(done)? {
                Some(asked) => return Ok(asked),
                None if looked => return Ok(Asked::Yields),
                None => {}
            }
        }
    }

    /// Whether a subscription that has nothing to read has to say that it has caught up.
    fn is_to_say_so(&self, under_way: &UnderWay) -> bool {
        matches!((&self.way, under_way), (Way::Follow(tail), UnderWay::Beyond(_)) if !tail.has_told())
    }

    fn caught_up(&mut self) -> Asked {
        match &mut self.way {
            Way::Follow(tail) => Asked::Given(tail.tell_caught_up()),
            Way::Read(_) => Asked::Ended,
        }
    }

    fn next_step(&mut self) -> Option<UnderWay> {
        if let Some(under_way) = self.under_way.take() {
            return Some(under_way);
        }
        match &mut self.way {
            Way::Read(pages) if pages.is_ended() => None,
            Way::Read(pages) => Some(UnderWay::Batch(pages.ask(BATCH_EVENTS_MAX))),
            Way::Follow(tail) => Some(tail.ask()),
        }
    }

    fn take(&mut self, done: Done) -> Result<Option<Asked>, Error> {
        let given = match (&mut self.way, done) {
            (Way::Follow(_), Done::Beyond(Err(error))) if error.is_closed() => return Ok(Some(Asked::Ended)),
            (Way::Follow(tail), done) => {
                let given = tail.take(done)?;
                self.position = tail.position();
                given
            }
            (Way::Read(pages), Done::Batch(batch)) => {
                let batch = batch?;
                pages.turn(&batch)?;
                self.position = self.position.max(batch.through());
                Some(batch).filter(|batch| !batch.is_empty())
            }
            (Way::Read(_), Done::Beyond(_)) => None,
        };
        Ok(given.map(Asked::Given))
    }

    /// The batch; one without events if there was none in time.
    pub(super) fn or_nothing(&self, asked: Asked) -> Option<Batch> {
        match asked {
            Asked::Given(batch) => Some(batch),
            Asked::Ended => None,
            Asked::NotYet | Asked::Yields => {
                let waits = matches!(self.under_way, Some(UnderWay::Beyond(_)));
                Some(Batch::new(Vec::new(), self.position, waits))
            }
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Batch>, Error>> {
        match self.ask(|under_way| under_way.poll(cx))? {
            Asked::Given(batch) => Poll::Ready(Ok(Some(batch))),
            Asked::Ended => Poll::Ready(Ok(None)),
            Asked::NotYet => Poll::Pending,
            Asked::Yields => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Stream for Cursor {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx).map(Result::transpose)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("position", &self.position.0).finish_non_exhaustive()
    }
}
