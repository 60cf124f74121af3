//! How a subscription is asked for.

use super::cursor::Cursor;
use super::tail::Tail;
use crate::error::Error;
use crate::expected::Watermark;
use crate::limits::BATCH_EVENTS_MAX;
use crate::pending::Pending;
use crate::query::Query;
use crate::store::{EventStore, Located, ReadRequest, Start, Store, Subscription};
use std::fmt;
use std::sync::Arc;

/// What is followed, from where on, and how. Default: everything, from the beginning, as far as it is synced, in batches of at
/// most [`BATCH_EVENTS_MAX`] events.
#[must_use = "a subscription starts with `open`"]
pub struct Subscribe {
    store: Arc<dyn EventStore>,
    query: Query,
    batch_max: usize,
    subscription: Subscription,
}

impl<B: EventStore> Store<B> {
    /// Begins to follow the store: a [`Cursor`] that gives what is there, then what is appended, for as long as it is kept. There
    /// may be any number; who appends doesn't notice them. Where nothing new stands, a thread waits and a task is woken.
    ///
    /// A subscription keeps no events from retention: one that is overtaken gets `Truncated`. It keeps the store open, as a clone of
    /// the handle does.
    ///
    /// ```
    /// use orchestrix::{Start, prelude::*};
    /// let store = Store::in_memory();
    /// let mut live = store.subscribe().category("room").start(Start::End).open()?;
    /// store.append("room-1", NoStream, NewEvent::raw("opened", b"")).wait()?;
    /// for batch in live.blocking() {
    ///     let batch = batch?;
    ///     for event in &batch {
    ///         assert_eq!(event.stream(), "room-1");
    ///     }
    ///     if !batch.is_empty() {
    ///         break;
    ///     }
    /// }
    /// # Ok::<(), orchestrix::Error>(())
    /// ```
    pub fn subscribe(&self) -> Subscribe {
        Subscribe::over(self.shared().clone())
    }
}

impl Subscribe {
    pub(crate) fn over(store: Arc<dyn EventStore>) -> Self {
        Self {
            store,
            query: Query::all(),
            batch_max: BATCH_EVENTS_MAX,
            subscription: Subscription::new(Start::Beginning, Watermark::default()),
        }
    }

    /// Only the events of a stream. As [`query`](Self::query), the last one of these counts.
    pub fn stream(self, name: impl Into<String>) -> Self {
        self.query(Query::stream(name))
    }

    /// Only the events of a category.
    pub fn category(self, name: impl Into<String>) -> Self {
        self.query(Query::category(name))
    }

    /// Only the events of any of these types.
    pub fn types<T: Into<String>>(self, any_of: impl IntoIterator<Item = T>) -> Self {
        self.query(Query::types(any_of))
    }

    /// Only the events that have all of these tags.
    pub fn tags<T: Into<String>>(self, all_of: impl IntoIterator<Item = T>) -> Self {
        self.query(Query::tags(all_of))
    }

    /// Only what a query asks for.
    pub fn query(mut self, query: Query) -> Self {
        self.query = query;
        self
    }

    /// Where it begins. Default: at the first event that is there.
    pub fn start(mut self, start: Start) -> Self {
        self.subscription.start = start;
        self
    }

    /// Most events of a batch, 1 to [`COMMIT_EVENTS_MAX`](crate::limits::COMMIT_EVENTS_MAX). Default: [`BATCH_EVENTS_MAX`].
    pub fn batch_max(mut self, events: usize) -> Self {
        self.batch_max = events;
        self
    }

    /// Sees events at once, before they are synced. Power loss may take what was seen; [`Start::Resume`] tells.
    pub fn committed(mut self) -> Self {
        self.subscription.watermark = Watermark::Committed;
        self
    }

    /// What it is called in [`Store::subscribers`]. Needs not be its own.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.subscription.name = name.into();
        self
    }

    /// Begins. On a store that answers by network this waits for an answer.
    ///
    /// # Errors
    /// `Ahead`: the store doesn't have the position that it is to begin behind, or has another history there. `Truncated`: retention
    /// has removed what follows it. `Limit`: the query is too large. `Invalid`: the size of a batch is out of its bounds.
    /// `Unsupported`: the store can't begin there. `Corrupt`, `Io`.
    pub fn open(self) -> Result<Cursor, Error> {
        let max = crate::limits::COMMIT_EVENTS_MAX;
        if !(1..=max).contains(&self.batch_max) {
            let found = self.batch_max;
            return Err(Error::invalid(format!("batch_max: expected 1 to {max}, found {found}")));
        }
        self.query.check_limits()?;
        let begin = self.locate().wait()?;
        Ok(self.following(begin))
    }

    /// Where it begins.
    pub(crate) fn locate(&self) -> Pending<Located> {
        self.store.locate(&self.subscription)
    }

    /// Begins there.
    pub(crate) fn following(self, begin: Located) -> Cursor {
        let mut request = ReadRequest::new(self.query);
        request.limit = self.batch_max;
        Cursor::following(Tail::new(self.store, request, begin, self.subscription.watermark))
    }
}

impl fmt::Debug for Subscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { query, batch_max, subscription, .. } = self;
        f.debug_struct("Subscribe")
            .field("query", query)
            .field("batch_max", batch_max)
            .field("subscription", subscription)
            .finish_non_exhaustive()
    }
}
