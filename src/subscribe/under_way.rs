//! What a cursor waits for: a batch, or the watermark.

use crate::Position;
use crate::error::Error;
use crate::pending::Pending;
use crate::store::Batch;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

pub(super) enum UnderWay {
    Batch(Pending<Batch>),
    Beyond(Pending<Position>),
}

pub(super) enum Done {
    Batch(Result<Batch, Error>),
    Beyond(Result<Position, Error>),
}

impl UnderWay {
    /// What came of it, if that is known now.
    pub(super) fn now(self) -> Result<Done, Self> {
        match self {
            Self::Batch(pending) => pending.now().map(Done::Batch).map_err(Self::Batch),
            Self::Beyond(pending) => pending.now().map(Done::Beyond).map_err(Self::Beyond),
        }
    }

    /// The same, and another back end is asked for it.
    pub(super) fn peek(self) -> Result<Done, Self> {
        match self {
            Self::Batch(pending) => pending.peek().map(Done::Batch).map_err(Self::Batch),
            Self::Beyond(pending) => pending.peek().map(Done::Beyond).map_err(Self::Beyond),
        }
    }

    /// Blocks this thread, until the deadline if there is one.
    pub(super) fn wait(self, deadline: Option<Instant>) -> Result<Done, Self> {
        match self {
            Self::Batch(pending) => pending.wait_until(deadline).map(Done::Batch).map_err(Self::Batch),
            Self::Beyond(pending) => pending.wait_until(deadline).map(Done::Beyond).map_err(Self::Beyond),
        }
    }

    /// Has the task woken once more is known.
    pub(super) fn poll(mut self, cx: &mut Context<'_>) -> Result<Done, Self> {
        let polled = match &mut self {
            Self::Batch(pending) => Pin::new(pending).poll(cx).map(Done::Batch),
            Self::Beyond(pending) => Pin::new(pending).poll(cx).map(Done::Beyond),
        };
        match polled {
            Poll::Ready(done) => Ok(done),
            Poll::Pending => Err(self),
        }
    }
}
