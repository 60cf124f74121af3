//! Reading on any back end: everything at once, or batch by batch.

use super::batch::Batch;
use super::contract::EventStore;
use super::pages::Pages;
use super::request::ReadRequest;
use crate::error::Error;
use crate::limits::{FETCH_BYTES_MAX, FETCH_EVENTS_MAX};
use crate::pending::Pending;
use crate::query::Query;
use crate::{Position, Revision};
use std::fmt;
use std::sync::Arc;

/// A read that any back end can do: [`fetch`](Self::fetch) for decisions, [`cursor`](Self::cursor) for more than fits into
/// memory. Bounds hold for both directions.
///
/// ```
/// use orchestrix::{Query, prelude::*};
/// let store = Store::in_memory();
/// store.append("room-1", NoStream, [NewEvent::raw("opened", b""), NewEvent::raw("closed", b"")]).wait()?;
/// let newest = store.read(Query::stream("room-1")).backward().limit(1).fetch().wait()?;
/// assert_eq!(newest.iter().next().expect("an event").event_type(), "closed");
/// let rest = store.read(Query::all()).after(Position(1)).fetch().wait()?;
/// assert_eq!((rest.len(), rest.is_caught_up()), (1, true));
/// # Ok::<(), orchestrix::Error>(())
/// ```
#[must_use = "a read does nothing until `fetch` or `cursor`"]
pub struct Read {
    store: Arc<dyn EventStore>,
    request: ReadRequest,
    limit: Option<usize>,
}

impl Read {
    pub(super) fn new(store: Arc<dyn EventStore>, query: Query) -> Self {
        Self { store, request: ReadRequest::new(query), limit: None }
    }

    /// Leaves out what has a lower revision in its stream (inclusive).
    pub fn from(mut self, revision: Revision) -> Self {
        self.request.from = Some(revision);
        self
    }

    /// Leaves out what stands at this position or before it (exclusive): pass the position that was seen last.
    pub fn after(mut self, position: Position) -> Self {
        self.request.after = position;
        self
    }

    /// Leaves out what stands at this position or behind it (exclusive).
    pub fn before(mut self, position: Position) -> Self {
        self.request.before = Some(position);
        self
    }

    /// The newest first.
    pub fn backward(mut self) -> Self {
        self.request.backward = true;
        self
    }

    /// At most so many events: what is given may be a part of what is there.
    pub fn limit(mut self, events: usize) -> Self {
        self.limit = Some(events);
        self
    }

    /// Everything that was asked for, up to the limit, as one batch.
    ///
    /// # Errors
    /// `Limit`: there is more than [`FETCH_EVENTS_MAX`] or [`FETCH_BYTES_MAX`] allow, or the query is too large. A part is
    /// never taken for the whole. `Truncated`: retention has removed some of it. Those of the back end.
    pub fn fetch(self) -> Pending<Batch> {
        let left = self.limit.unwrap_or(usize::MAX).min(FETCH_EVENTS_MAX + 1);
        if left == 0 {
            return Pending::ready(Ok(Batch::new(Vec::new(), self.request.after, false)));
        }
        let mut fetch =
            Fetch { pages: Pages::new(self.store, self.request, left), got: Vec::new(), bytes: 0 };
        loop {
            // What is known at once needs no future.
            match fetch.pages.ask(usize::MAX).now() {
                Ok(page) => match fetch.take(page) {
                    Ok(false) => {}
                    done => return Pending::ready(done.map(|_| fetch.whole())),
                },
                Err(page) => return Pending::new(fetch.go_on(page)),
            }
        }
    }

    pub(crate) fn into_pages(self) -> Pages {
        Pages::new(self.store, self.request, self.limit.unwrap_or(usize::MAX))
    }
}

/// A fetch that is under way.
struct Fetch {
    pages: Pages,
    got: Vec<Batch>,
    bytes: u64,
}

impl Fetch {
    /// Takes a batch. Whether it was the last one.
    fn take(&mut self, batch: Result<Batch, Error>) -> Result<bool, Error> {
        let batch = batch?;
        self.bytes += batch.iter().map(|event| u64::from(event.length())).sum::<u64>();
        self.pages.turn(&batch)?;
        self.got.push(batch);
        let events: usize = self.got.iter().map(Batch::len).sum();
        if events > FETCH_EVENTS_MAX {
            return Err(Error::limit("events of one fetch", FETCH_EVENTS_MAX as u64, events as u64));
        }
        if self.bytes > FETCH_BYTES_MAX {
            return Err(Error::limit("bytes of one fetch", FETCH_BYTES_MAX, self.bytes));
        }
        Ok(self.pages.is_ended())
    }

    fn whole(&self) -> Batch {
        let (Some(first), Some(last)) = (self.got.first(), self.got.last()) else {
            return Batch::new(Vec::new(), Position::START, false);
        };
        let through = if self.pages.is_backward() { first.through() } else { last.through() };
        match &self.got[..] {
            [one] => one.clone(),
            several => Batch::joined(several, through, last.is_caught_up()),
        }
    }

    async fn go_on(mut self, mut page: Pending<Batch>) -> Result<Batch, Error> {
        while !self.take(page.await)? {
            page = self.pages.ask(usize::MAX);
        }
        Ok(self.whole())
    }
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (request, limit) = (&self.request, &self.limit);
        f.debug_struct("Read").field("request", request).field("limit", limit).finish_non_exhaustive()
    }
}
