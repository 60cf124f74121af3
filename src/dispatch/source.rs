//! Where a consumer's events come from: it follows the store, and reads streams again that were held back.

use super::engine::Engine;
use super::schedule::Schedule;
use super::state::poll;
use crate::Position;
use crate::error::Error;
use crate::pending::Pending;
use crate::query::Query;
use crate::store::{Batch, Kept, Lag, ReadRequest};
use crate::subscribe::Cursor;
use futures_core::Stream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Most events of a stream that are read again at once.
const REFILL_MAX: usize = 256;

pub(super) struct Source {
    /// `None` once the consumer is over.
    cursor: Option<Cursor>,
    /// Events that were read and that the schedule had no room for.
    incoming: VecDeque<Kept>,
    /// Everything up to here was read, once those are taken.
    reached: Position,
    /// Nothing new is there.
    waits: bool,
    refill: Option<Refill>,
    is_closed: bool,
}

/// A stream that is read again.
struct Refill {
    stream: Arc<str>,
    through: Position,
    pending: Pending<Batch>,
}

impl Source {
    pub(super) fn new(cursor: Cursor) -> Self {
        Self {
            reached: cursor.position(),
            cursor: Some(cursor),
            incoming: VecDeque::new(),
            waits: false,
            refill: None,
            is_closed: false,
        }
    }

    /// Something new may be there.
    pub(super) fn wake(&mut self) {
        self.waits = false;
    }

    /// The store was closed, and everything was read.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub(super) fn close(&mut self) {
        (self.cursor, self.refill) = (None, None);
        self.incoming.clear();
    }

    /// How far the consumer is behind what was appended: what it has read and not finished is part of it.
    pub(super) fn lag(&self, outstanding: usize) -> Lag {
        let lag = self.cursor.as_ref().map_or_else(Lag::default, Cursor::lag);
        Lag { events: lag.events + (outstanding + self.incoming.len()) as u64, ..lag }
    }

    /// Gives the schedule what it has room for.
    pub(super) fn feed(&mut self, engine: &Engine, schedule: &mut Schedule<Kept>) -> Result<(), Error> {
        loop {
            if !self.refill(engine, schedule)? {
                return Ok(());
            }
            while !schedule.is_full()
                && let Some(kept) = self.incoming.pop_front()
            {
                let event = kept.event();
                let (position, stream) = (event.position(), event.stream());
                schedule.add(position, stream, kept.clone());
            }
            if !self.incoming.is_empty() {
                return Ok(());
            }
            schedule.pass(self.reached);
            if schedule.is_full() || self.waits || self.is_closed {
                return Ok(());
            }
            let Some(cursor) = &mut self.cursor else { return Ok(()) };
            match Pin::new(&mut *cursor).poll_next(&mut Context::from_waker(&engine.waker)) {
                Poll::Ready(Some(batch)) => batch?.keep(|kept| self.incoming.push_back(kept)),
                Poll::Ready(None) => self.is_closed = true,
                Poll::Pending => self.waits = true,
            }
            self.reached = cursor.position();
        }
    }

    /// Reads streams again that may go on. `false` while one is under way.
    fn refill(&mut self, engine: &Engine, schedule: &mut Schedule<Kept>) -> Result<bool, Error> {
        loop {
            let mut refill = match self.refill.take() {
                Some(refill) => refill,
                None => match schedule.wanted() {
                    Some((stream, after)) => Refill::begin(engine, stream, after, schedule),
                    None => return Ok(true),
                },
            };
            let Some(batch) = poll(&mut refill.pending, &engine.waker) else {
                self.refill = Some(refill);
                return Ok(false);
            };
            let batch = batch?;
            let through = if batch.is_caught_up() { refill.through } else { batch.through() };
            let mut events = Vec::with_capacity(batch.len());
            batch.keep(|kept| events.push(kept));
            let query = &engine.settings.query;
            events.retain(|kept| query.matches(kept.event()) && kept.event().stream() == &*refill.stream);
            schedule.fill(through, events.into_iter().map(|kept| (kept.event().position(), kept)));
        }
    }
}

impl Refill {
    fn begin(engine: &Engine, stream: Arc<str>, after: Position, schedule: &Schedule<Kept>) -> Self {
        let through = schedule.through();
        let mut request = ReadRequest::new(Query::stream(&*stream));
        (request.after, request.before) = (after, Some(Position(through.0.saturating_add(1))));
        request.limit = schedule.room().clamp(1, REFILL_MAX);
        Self { stream, through, pending: engine.store.read(&request) }
    }
}
