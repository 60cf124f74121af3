//! The embedded back end, and what a store can do only on it.

use super::backup::{self, Backup};
use super::batch::Batch;
use super::blocking::Blocking;
use super::checkpoints;
use super::clock::Clock;
use super::commit;
use super::contract::{Capabilities, Checkpoint, EventStore, SentRequest, Snapshot};
use super::core::Core;
use super::following;
use super::handle::Store;
use super::holds::Hold;
use super::lease::{self, Lease, Partition};
use super::letters::Letters;
use super::options::Options;
use super::reading;
use super::receipt::{Head, Receipt};
use super::request::{Commit, ReadRequest};
use super::requests;
use super::retention::{self, Retention, RetentionPlan};
use super::snapshots;
use super::start::{Lag, Located, Subscription};
use super::stats::Stats;
#[cfg(feature = "metrics")]
use super::subscribers;
use super::subscribers::Subscriber;
use super::view::View;
use crate::Position;
use crate::error::Error;
use crate::expected::{Durability, Watermark};
use crate::log::RecoveryReport;
use crate::medium::Medium;
use crate::pending::Pending;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The embedded back end: an event log in a directory, or in memory. Users hold it as a [`Store`].
pub struct Embedded {
    core: Arc<Core>,
    report: RecoveryReport,
    durability: Durability,
    dir: Option<PathBuf>,
    closing: OnceLock<Arc<Blocking>>,
}

impl Embedded {
    pub(super) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }
}

#[cfg(any(test, feature = "testing"))]
impl Embedded {
    /// See [`crate::testing::while_writer_is_stopped`].
    pub(crate) fn while_writer_is_stopped<T>(&self, work: impl FnOnce() -> T) -> T {
        let side = self.core.log.write_side().expect("a store that is written to");
        let _writer = side.writer();
        let layers = self.core.index.layers_now();
        let _keys = layers.tail().write();
        work()
    }
}

impl EventStore for Embedded {
    #[inline]
    fn commit(&self, commit: Commit<'_>) -> Pending<Receipt> {
        commit::commit(&self.core, &commit)
    }

    fn read(&self, request: &ReadRequest) -> Pending<Batch> {
        Pending::ready(match request.spot {
            Some(spot) => following::batch(&self.core, request, spot),
            None => reading::batch(&View::committed(&self.core), request),
        })
    }

    fn head(&self, stream: &str) -> Pending<Option<Head>> {
        Pending::ready(View::committed(&self.core).head(stream))
    }

    fn progress(&self, consumer: &str) -> Pending<Option<Vec<u8>>> {
        Pending::ready(checkpoints::progress(&self.core, consumer))
    }

    fn checkpoint(&self, consumer: &str) -> Pending<Option<Checkpoint>> {
        Pending::ready(checkpoints::load(&self.core, consumer))
    }

    fn save_checkpoint(&self, consumer: &str, checkpoint: Checkpoint) -> Pending<()> {
        checkpoints::save(&self.core, consumer, checkpoint)
    }

    fn consumers(&self) -> Pending<Vec<String>> {
        Pending::ready(checkpoints::consumers(&self.core))
    }

    fn forget_checkpoint(&self, consumer: &str) -> Pending<()> {
        checkpoints::forget(&self.core, consumer)
    }

    fn lease(&self, consumer: &str, partition: Partition) -> Pending<Lease> {
        Pending::ready(lease::take(&self.core, consumer, partition))
    }

    fn send_request(&self, consumer: &str, data: Vec<u8>) -> Pending<u64> {
        requests::send(&self.core, consumer, data)
    }

    fn requests(&self, consumer: &str) -> Pending<Vec<SentRequest>> {
        Pending::ready(requests::list(&self.core, consumer))
    }

    fn answer_request(&self, consumer: &str, id: u64, answer: Vec<u8>) -> Pending<()> {
        requests::answer(&self.core, consumer, id, answer)
    }

    fn remove_request(&self, consumer: &str, id: u64) -> Pending<()> {
        requests::remove(&self.core, consumer, id)
    }

    fn dead_letters(&self) -> Result<Arc<dyn EventStore>, Error> {
        Ok(Arc::new(Letters::of(&self.core)))
    }

    fn clock(&self) -> Clock {
        Clock::of(&self.core.log.medium)
    }

    fn snapshot(&self, stream: &str) -> Pending<Option<Snapshot>> {
        Pending::ready(snapshots::load(&self.core, stream))
    }

    fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Pending<()> {
        snapshots::save(&self.core, stream, snapshot)
    }

    fn beyond(&self, position: Position) -> Pending<Position> {
        reading::beyond(&self.core, position, Watermark::Synced)
    }

    fn committed_beyond(&self, position: Position) -> Pending<Position> {
        reading::beyond(&self.core, position, Watermark::Committed)
    }

    fn locate(&self, subscription: &Subscription) -> Pending<Located> {
        Pending::ready(following::locate(&self.core, subscription).map(|located| {
            let subscriber = self.core.subscribers.add(subscription, &located);
            located.watched(subscriber)
        }))
    }

    fn lag(&self, request: &ReadRequest, watermark: Watermark) -> Lag {
        request
            .spot
            .map_or_else(Lag::default, |spot| following::lag(&self.core, request.after, spot, watermark))
    }

    #[inline]
    fn default_durability(&self) -> Durability {
        self.durability
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
            .with_contiguous_positions()
            .with_multi_stream()
            .with_query_conditions()
            .with_snapshots()
            .with_committed_watermark()
            .with_resume()
            .with_lag()
            .with_progress()
            .with_checkpoints()
            .with_leases()
            .with_dead_letters()
            .with_requests()
    }
}

/// What only the embedded store can do.
impl Store {
    pub(super) fn new(
        core: Arc<Core>,
        report: RecoveryReport,
        durability: Durability,
        dir: Option<&Path>,
    ) -> Self {
        let dir = dir.map(Path::to_path_buf);
        Self::with(Embedded { core, report, durability, dir, closing: OnceLock::new() })
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

    /// Everything that is committed now, to be read without copying. After a failed sync: what is synced.
    pub fn view(&self) -> View {
        View::committed(&self.backend().core)
    }

    /// What survives power loss now: for who acts on the world outside.
    pub fn view_synced(&self) -> View {
        View::synced(&self.backend().core)
    }

    /// Waits until everything that is committed now survives power loss.
    ///
    /// # Errors
    /// `Poisoned`: a sync failed. `Invalid`: the store is read-only.
    pub fn sync(&self) -> Pending<()> {
        match self.backend().core.log.write_side() {
            Err(error) => Pending::ready(Err(error)),
            Ok(side) => Pending::working(side.clone(), side.committed_position(), ()),
        }
    }

    /// Sizes and watermarks.
    ///
    /// # Errors
    /// `Io`: the directory can't be read.
    pub fn stats(&self) -> Result<Stats, Error> {
        Stats::of(&self.backend().core)
    }

    /// Compares the index with the log, which is read whole. Returns what differs: nothing, if all is well.
    ///
    /// # Errors
    /// `Corrupt`: the log is damaged. `Io`.
    pub fn check_index(&self) -> Result<Vec<String>, Error> {
        self.backend().core.index.check(&self.backend().core.log)
    }

    /// Makes the index again from the log, which is read whole. Never needed for a right answer: a part that is damaged is
    /// made again when that shows.
    ///
    /// # Errors
    /// `Corrupt`: the log is damaged. `Invalid`: the store is read-only. `DiskFull`, `Io`.
    pub fn rebuild_index(&self) -> Result<(), Error> {
        let core = &self.backend().core;
        core.log.write_side()?;
        core.index.rebuild_all(&core.log)
    }

    /// Who follows the store now by this handle or a clone of it, in the order in which they began, each with how far it is behind.
    ///
    /// ```
    /// use orchestrix::prelude::*;
    /// let store = Store::in_memory();
    /// let live = store.subscribe().name("mailer").open()?;
    /// store.append("room-1", NoStream, NewEvent::raw("opened", b"")).wait()?;
    /// let [mailer] = &store.subscribers()[..] else { panic!("there is one") };
    /// assert_eq!((mailer.name.as_str(), mailer.lag.events), ("mailer", 1));
    /// drop(live);
    /// assert!(store.subscribers().is_empty());
    /// # Ok::<(), orchestrix::Error>(())
    /// ```
    pub fn subscribers(&self) -> Vec<Subscriber> {
        self.backend().core.subscribers.list(&self.backend().core)
    }

    /// Sets what every subscriber comes to as gauges of the facade `metrics`, for whichever exporter the program has installed:
    /// `orchestrix_subscriber_lag_events`, `orchestrix_subscriber_lag_bytes` and `orchestrix_subscriber_lag_seconds`, with the
    /// label `subscriber`, its [name](crate::Subscribe::name). Of several with one name, the one that is furthest behind counts.
    /// Costs as much as [`subscribers`](Self::subscribers); call it as often as the figures are looked at.
    #[cfg(feature = "metrics")]
    pub fn record_metrics(&self) {
        subscribers::record(&self.subscribers());
    }

    /// Keeps what stands behind a position from retention, for as long as the result is kept. `name` says in plans who needs it.
    pub fn hold(&self, name: &str, after: Position) -> Hold {
        Hold::new(&self.backend().core, name, after)
    }

    /// Says which segments a retention would drop, and why; changes nothing.
    ///
    /// # Errors
    /// `Invalid`: the store is read-only. `Corrupt`: the log is damaged where the limits are looked for. `DiskFull`, `Io`.
    pub fn plan_retention(&self, limits: Retention) -> Result<RetentionPlan, Error> {
        retention::plan(&self.backend().core, &limits)
    }

    /// Copies everything that is committed now to `dir`, while the store is written to: a new directory, or an earlier backup of
    /// this store, to which only what is missing is copied. The result is a store that opens as it is. Blocks until it is done.
    ///
    /// What is copied is checked, frame by frame; a first backup is also verified as a whole afterwards. Interrupted, the target
    /// says so ([`Error::is_incomplete_backup`]), and the next backup to it completes it. A target that is opened for writing
    /// becomes a store of its own, and is refused from then on.
    ///
    /// From a store that was opened read-only, what was synced when it was opened is copied.
    ///
    /// ```
    /// use orchestrix::prelude::*;
    /// # let dir = tempfile::tempdir()?;
    /// # let (dir, copy) = (dir.path().join("store"), dir.path().join("copy"));
    /// let store = Store::open(&dir)?;
    /// store.append("room-1", NoStream, [NewEvent::raw("opened", b"")]).wait()?;
    /// let backup = store.backup(&copy)?;
    /// assert_eq!(backup.position, Position(1));
    /// assert_eq!(Store::options().read_only().open(&copy)?.view().all().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid`: `dir` is neither empty nor a backup of this store's history. `Locked`: somebody else backs up to it. `Corrupt`: an
    /// event that would be copied is damaged. `Truncated`: another process has removed events meanwhile; open the store again.
    /// `DiskFull`, `Io`.
    pub fn backup(&self, dir: impl AsRef<Path>) -> Result<Backup, Error> {
        self.backup_on(&Medium::real(dir.as_ref(), None))
    }

    pub(crate) fn backup_on(&self, target: &Medium) -> Result<Backup, Error> {
        backup::backup(&self.backend().core, target)
    }

    /// What opening found.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.backend().report
    }

    /// The directory; `None` in memory.
    pub fn dir(&self) -> Option<&Path> {
        self.backend().dir()
    }

    /// Ends the store for all its clones: no append after this call succeeds. Syncs what was committed, gives back disk
    /// space that was reserved ahead, lets the next writer in. Views stay readable, and subscriptions end once they have given
    /// everything. A second call gives the same result.
    ///
    /// # Errors
    /// That of the last sync, or of one before.
    pub fn close(&self) -> Pending<()> {
        let Ok(side) = self.backend().core.log.write_side() else {
            self.backend().core.log.end_following();
            return Pending::ready(Ok(()));
        };
        side.begin_close();
        let closing = self.backend().closing.get_or_init(|| {
            let side = side.clone();
            Blocking::new(&side.medium.jobs.clone(), move || side.close())
        });
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

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("dir", &self.dir).finish_non_exhaustive()
    }
}
