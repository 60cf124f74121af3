//! The handle that users hold.

use super::closing::Closing;
use super::commit::{self, Write};
use super::core::Core;
use super::options::Options;
use super::receipt::{Head, Receipt};
use super::stats::Stats;
use super::transaction::Transaction;
use super::view::View;
use crate::error::Error;
use crate::event::NewEvent;
use crate::expected::{Durability, Expected};
use crate::log::RecoveryReport;
use crate::pending::Pending;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// An embedded event store: a cheap clone of one handle, for any number of threads and tasks.
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
/// Dropping the last clone closes the store too, but can't tell what went wrong; [`close`](Store::close) does.
#[derive(Clone)]
pub struct Store(Arc<Embedded>);

struct Embedded {
    core: Arc<Core>,
    report: RecoveryReport,
    durability: Durability,
    dir: Option<PathBuf>,
    closing: OnceLock<Arc<Closing>>,
}

impl Store {
    pub(super) fn new(
        core: Arc<Core>,
        report: RecoveryReport,
        durability: Durability,
        dir: Option<&Path>,
    ) -> Self {
        let dir = dir.map(Path::to_path_buf);
        Self(Arc::new(Embedded { core, report, durability, dir, closing: OnceLock::new() }))
    }

    /// Opens the store in `dir` with default options; a missing or empty directory becomes a new one.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::options().open(dir)
    }

    /// How to open a store otherwise.
    pub fn options() -> Options {
        Options::default()
    }

    /// A new store in the memory of this process: the same engine, nothing on disk.
    ///
    /// # Panics
    /// If the first segment can't be mapped for lack of memory; [`Options::in_memory`] returns the error.
    pub fn in_memory() -> Self {
        Self::options().in_memory().expect("memory for a store")
    }

    /// Appends one event or several to a stream, if the stream is what is expected. The commit happens at this call; the
    /// `Ok` that waiting gives means what the store's [`Durability`] promises.
    ///
    /// The same events with the same ids again are a success with the first receipt, where the expectation is `NoStream`
    /// or `Exact`; for `Any` and `StreamExists` they are appended again.
    ///
    /// # Errors
    /// `Conflict`: the stream is otherwise; nothing was appended. `Invalid`, `Limit`: a name, an event or their number
    /// is out of bounds. `DiskFull`: no room; works again once there is. `Poisoned`, `Closed`, `Io`.
    pub fn append<'e>(
        &self,
        stream: impl AsRef<str>,
        expected: impl Into<Expected>,
        events: impl AsRef<[NewEvent<'e>]>,
    ) -> Pending<Receipt> {
        let write = Write { stream: stream.as_ref(), expected: expected.into(), events: events.as_ref() };
        self.commit(&[write], self.0.durability)
    }

    /// Begins a commit over several streams.
    pub fn transaction(&self) -> Transaction<'_> {
        Transaction::new(self, self.0.durability)
    }

    pub(super) fn commit(&self, writes: &[Write<'_>], durability: Durability) -> Pending<Receipt> {
        commit::commit(&self.0.core, writes, durability)
    }

    /// The newest event of a stream; `None` if there is no such stream.
    pub fn head(&self, stream: impl AsRef<str>) -> Pending<Option<Head>> {
        Pending::ready(self.view().head(stream))
    }

    /// Everything that is committed now, to be read without copying. After a failed sync: what is synced.
    pub fn view(&self) -> View {
        View::committed(&self.0.core)
    }

    /// What survives power loss now: for who acts on the world outside.
    pub fn view_synced(&self) -> View {
        View::synced(&self.0.core)
    }

    /// Waits until everything that is committed now survives power loss.
    ///
    /// # Errors
    /// `Poisoned`: a sync failed. `Invalid`: the store is read-only.
    pub fn sync(&self) -> Pending<()> {
        match self.0.core.log.write_side() {
            Err(error) => Pending::ready(Err(error)),
            Ok(side) => Pending::working(side.clone(), side.committed_position(), ()),
        }
    }

    /// Sizes and watermarks.
    ///
    /// # Errors
    /// `Io`: the directory can't be read.
    pub fn stats(&self) -> Result<Stats, Error> {
        Stats::of(&self.0.core)
    }

    /// What opening found.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.0.report
    }

    /// The directory; `None` in memory.
    pub fn dir(&self) -> Option<&Path> {
        self.0.dir.as_deref()
    }

    /// Ends the store for all its clones: no append after this call succeeds. Syncs what was committed, gives back disk
    /// space that was reserved ahead, lets the next writer in. Views stay readable. A second call gives the same result.
    ///
    /// # Errors
    /// That of the last sync, or of one before.
    pub fn close(&self) -> Pending<()> {
        let Ok(side) = self.0.core.log.write_side() else { return Pending::ready(Ok(())) };
        side.begin_close();
        let closing = self.0.closing.get_or_init(|| Closing::begin(side.clone()));
        Pending::working(closing.clone(), 0, ())
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Ok(side) = self.core.log.write_side() {
            // Nobody is left to be told.
            let _ = side.close();
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dir", &self.0.dir).finish_non_exhaustive()
    }
}
