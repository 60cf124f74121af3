//! What a store and everything that reads from it share: the log and the index over it.

use super::checkpoints::Checkpoints;
use super::holds::Holds;
use super::lease::Leases;
use super::letters::LETTER_DIR;
use super::nested::Nested;
use super::reserve::Reserve;
use super::snapshots::Snapshots;
use super::subscribers::Subscribers;
use super::upkeep::Upkeep;
use crate::Position;
use crate::error::Error;
use crate::event::EventRef;
use crate::index::{Damaged, Index, Layers, Opening};
use crate::log::{self, Log, OpenLog, Place, RecoveryReport, Table};
use crate::medium::Medium;
use parking_lot::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

/// The log and its index.
pub(crate) struct Core {
    pub(crate) log: Log,
    pub(crate) index: Index,
    /// What a store that is only read knows to be synced, as of its opening.
    pub(crate) read_only_synced: u64,
    pub(super) holds: Holds,
    pub(super) snapshots: Snapshots,
    pub(super) checkpoints: Checkpoints,
    pub(super) leases: Leases,
    pub(super) reserve: Reserve,
    /// The id of the last request that was sent through this handle.
    pub(super) last_request: AtomicU64,
    /// The dead-letter log.
    pub(super) letters: Nested,
    pub(super) subscribers: Arc<Subscribers>,
    /// Held by who moves the beginning of the log on.
    pub(super) retaining: Mutex<()>,
}

impl Core {
    /// Opens a store's log, and those below it.
    pub(crate) fn open(medium: &Medium, how: &OpenLog) -> Result<(Arc<Self>, RecoveryReport), Error> {
        Self::open_with(medium, how, |medium| {
            Ok((Snapshots::open(medium, how)?, Nested::open(medium, LETTER_DIR, how)?))
        })
    }

    /// Opens a log that has none below it.
    pub(super) fn open_log(medium: &Medium, how: &OpenLog) -> Result<(Arc<Self>, RecoveryReport), Error> {
        Self::open_with(medium, how, |_| Ok((Snapshots::default(), Nested::default())))
    }

    fn open_with(
        medium: &Medium,
        how: &OpenLog,
        below: impl FnOnce(&Medium) -> Result<(Snapshots, Nested), Error>,
    ) -> Result<(Arc<Self>, RecoveryReport), Error> {
        let mut opening = Opening::new(name_seed(medium));
        let opened = log::open(medium, how, &mut opening)?;
        let index = opening.finish(&opened.log);
        let (snapshots, letters) = below(medium)?;
        let core = Arc::new(Self {
            log: opened.log,
            index,
            read_only_synced: opened.report.synced,
            holds: Holds::default(),
            checkpoints: Checkpoints::default(),
            subscribers: Arc::default(),
            leases: Leases::default(),
            reserve: Reserve::default(),
            last_request: AtomicU64::new(0),
            letters,
            snapshots,
            retaining: Mutex::new(()),
        });
        if let Ok(side) = core.log.write_side() {
            let upkeep = Upkeep::new(&core);
            upkeep.begin();
            side.accompany(Box::new(upkeep));
        }
        Ok((core, opened.report))
    }

    /// The event whose record begins at a place that the index gave.
    ///
    /// # Errors
    /// `Corrupt`: its frame is damaged. `Unsupported`.
    #[inline]
    pub(crate) fn event_at<'t>(&self, table: &'t Table, place: Place) -> Result<EventRef<'t>, Error> {
        let geometry = self.log.geometry;
        let Some(segment) = table.get(geometry.segment(place)) else {
            return Err(self.log.no_segment(place));
        };
        let at = geometry.offset(place);
        let commit = segment.frame_of_record(at)?;
        let start = at - u64::from(segment.back_to_frame(at));
        Ok(commit.event_at((at - start) as u32))
    }

    /// Looks something up in these layers; in newer ones if a run among them is damaged, which is made again then.
    ///
    /// # Errors
    /// `Corrupt`: the log is damaged where that run's events stand. `Truncated`: retention has removed them meanwhile. `Io`.
    #[inline]
    pub(crate) fn look<T>(
        &self,
        layers: &Layers,
        look: impl Fn(&Layers) -> Result<T, Damaged>,
    ) -> Result<T, Error> {
        match look(layers) {
            Ok(found) => Ok(found),
            Err(damaged) => self.look_again(layers, damaged, look),
        }
    }

    #[cold]
    fn look_again<T>(
        &self,
        layers: &Layers,
        damaged: Damaged,
        look: impl Fn(&Layers) -> Result<T, Damaged>,
    ) -> Result<T, Error> {
        self.mend(&damaged)?;
        self.mending(|| {
            let now = self.index.layers();
            look(&now).map(|found| (found, now))
        })
        .and_then(|(found, now)| check_base(layers, &now).map(|()| found))
    }

    /// Does what may meet a damaged run until it meets none: each is made again.
    ///
    /// # Errors
    /// As [`mend`](Self::mend).
    #[inline]
    pub(crate) fn mending<T>(&self, mut work: impl FnMut() -> Result<T, Damaged>) -> Result<T, Error> {
        loop {
            match work() {
                Ok(done) => return Ok(done),
                Err(damaged) => self.mend(&damaged)?,
            }
        }
    }

    /// Makes a damaged run again.
    ///
    /// # Errors
    /// `Corrupt`: the log is damaged where that run's events stand. `Io`.
    #[cold]
    pub(crate) fn mend(&self, damaged: &Damaged) -> Result<(), Error> {
        self.index.rebuild(&self.log, damaged)
    }
}

/// What was looked up in newer layers is as of the older ones only if retention has removed nothing since.
///
/// # Errors
/// `Truncated`.
pub(super) fn check_base(then: &Layers, now: &Layers) -> Result<(), Error> {
    let [asked, first] = [then, now].map(|layers| Position(layers.base().first_position()));
    if asked == first { Ok(()) } else { Err(Error::truncated(asked, first)) }
}

/// One seed for all stores of the process, so that a thread's encoder serves every one of them.
fn name_seed(medium: &Medium) -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| medium.entropy.u64())
}
