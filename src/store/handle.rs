//! The handle that users hold: what every back end can do, written once.

use super::contract::{Capabilities, EventStore, Snapshot};
use super::embedded::Embedded;
use super::read::Read;
use super::receipt::{Head, Receipt};
use super::request::{Commit, Write};
use super::transaction::Transaction;
use crate::event::NewEvent;
use crate::expected::Expected;
use crate::pending::Pending;
use crate::query::Query;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// An event store: a cheap clone of one handle, for any number of threads and tasks. `Store` alone is the embedded one; code
/// for any back end takes a `&Store<B>`, where `B` is an [`EventStore`].
///
/// ```
/// use orchestrix::prelude::*;
/// # let dir = tempfile::tempdir()?;
/// let store = Store::open(dir.path())?;
/// let receipt = store.append("account-7", NoStream, NewEvent::raw("opened", b"{}")).wait()?;
/// assert_eq!(receipt.revision(), Revision(0));
/// for event in store.view().stream("account-7") {
///     println!("{}", event?.event_type());
/// }
/// store.close().wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping the last clone closes an embedded store too, but can't tell what went wrong; [`close`](Store::close) does.
pub struct Store<B: EventStore = Embedded>(Arc<B>);

impl<B: EventStore> Store<B> {
    /// A store over a back end.
    pub fn with(backend: B) -> Self {
        Self(Arc::new(backend))
    }

    pub(super) fn of(shared: Arc<B>) -> Self {
        Self(shared)
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<B> {
        &self.0
    }

    /// The back end itself: for what only it can do, and for authors of stores who build on another one.
    #[inline]
    pub fn backend(&self) -> &B {
        &self.0
    }

    /// Appends one event or several to a stream, if the stream is what is expected. The embedded store commits at this call;
    /// the `Ok` that waiting gives means what the store's [`Durability`](crate::Durability) promises.
    ///
    /// The same events with the same ids again are a success with the first receipt, where the expectation is `NoStream`
    /// or `Exact`; for `Any` and `StreamExists` they are appended again.
    ///
    /// # Errors
    /// `Conflict`: the stream is otherwise; nothing was appended. `Invalid`, `Limit`: a name, an event or their number
    /// is out of bounds. `DiskFull`: no room; works again once there is. `Poisoned`, `Closed`, `Io`.
    #[inline]
    pub fn append<'e>(
        &self,
        stream: impl AsRef<str>,
        expected: impl Into<Expected>,
        events: impl AsRef<[NewEvent<'e>]>,
    ) -> Pending<Receipt> {
        let write = Write::new(stream.as_ref(), expected.into(), events.as_ref());
        self.0.commit(Commit::new(&[write], self.0.default_durability()))
    }

    /// Begins a commit over several streams, or one with a condition.
    pub fn transaction(&self) -> Transaction<'_> {
        Transaction::new(&*self.0)
    }

    /// Begins to read what a query asks for.
    pub fn read(&self, query: Query) -> Read {
        Read::new(self.0.clone(), query)
    }

    /// The newest event of a stream; `None` if there is no such stream.
    ///
    /// # Errors
    /// Those of the back end.
    pub fn head(&self, stream: impl AsRef<str>) -> Pending<Option<Head>> {
        self.0.head(stream.as_ref())
    }

    /// The newest snapshot of a stream that holds: who loads the stream goes on at the revision behind it. `None` if there is
    /// none, or the store keeps none.
    ///
    /// ```
    /// use orchestrix::{Snapshot, prelude::*};
    /// let store = Store::in_memory();
    /// let last = store.append("cart-1", NoStream, [NewEvent::raw("added", b"a"), NewEvent::raw("added", b"b")]).wait()?;
    /// store.save_snapshot("cart-1", Snapshot::new(last.revision(), 1, b"a, b".to_vec())).wait()?;
    /// let snapshot = store.snapshot("cart-1").wait()?.expect("it was saved");
    /// assert_eq!((snapshot.revision, snapshot.data.as_slice()), (Revision(1), &b"a, b"[..]));
    /// # Ok::<(), orchestrix::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt`: the log is damaged where the event stands that a snapshot is as of. `Io`. A snapshot that is damaged itself is
    /// no error: the one before it counts.
    pub fn snapshot(&self, stream: impl AsRef<str>) -> Pending<Option<Snapshot>> {
        self.backend().snapshot(stream.as_ref())
    }

    /// Keeps a snapshot of a stream as of a revision that it has; it survives power loss once this is `Ok`. One that is older
    /// than what is kept changes nothing.
    ///
    /// # Errors
    /// `Invalid`: the stream has no such revision. `Limit`: it takes more than an eighth of a segment of the log that snapshots
    /// are kept in (128 KiB, or the store's segments if these are larger). `Corrupt`: that log is damaged where it is opened.
    /// `Poisoned`, `Closed`, `DiskFull`, `Io`.
    pub fn save_snapshot(&self, stream: impl AsRef<str>, snapshot: Snapshot) -> Pending<()> {
        self.backend().save_snapshot(stream.as_ref(), snapshot)
    }

    /// What the store does of what not every one does.
    pub fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

impl<B: EventStore> Clone for Store<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: EventStore> fmt::Debug for Store<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Store");
        if let Some(embedded) = (self.backend() as &dyn Any).downcast_ref::<Embedded>() {
            shown.field("dir", &embedded.dir());
        }
        shown.finish_non_exhaustive()
    }
}
