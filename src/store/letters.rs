//! The dead-letter log of a store, as a store of its own: what consumers gave up on.

use super::batch::Batch;
use super::commit;
use super::contract::{Capabilities, EventStore};
use super::core::Core;
use super::reading;
use super::receipt::{Head, Receipt};
use super::request::{Commit, ReadRequest};
use super::reserve;
use super::retention::{self, Retention};
use super::view::View;
use crate::Position;
use crate::error::Error;
use crate::expected::Watermark;
use crate::limits::SEGMENT_BYTES_MAX;
use crate::medium::Job;
use crate::pending::Pending;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Folder of the dead-letter log.
pub(super) const LETTER_DIR: &str = "dead-letters";
/// Smallest segments of the dead-letter log.
const SEGMENT_BYTES_MIN: u64 = 128 << 10;

/// The dead-letter log of a store. It is made by the first commit.
pub(super) struct Letters(Arc<Core>);

impl Letters {
    pub(super) fn of(core: &Arc<Core>) -> Self {
        Self(core.clone())
    }

    fn log(&self) -> Result<Option<Arc<Core>>, Error> {
        match self.0.letters.broken() {
            Some(error) => Err(error.clone()),
            None => Ok(self.0.letters.log()),
        }
    }

    /// What fits into a commit of the store fits into one of this, with what is said of it.
    fn log_to_write(&self) -> Result<Arc<Core>, Error> {
        let bytes = self.0.log.geometry.segment_bytes().saturating_mul(2);
        self.0.letters.log_to_write(&self.0, bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX))
    }
}

impl EventStore for Letters {
    fn commit(&self, commit: Commit<'_>) -> Pending<Receipt> {
        if commit.progress.is_some() {
            return Pending::ready(Err(Error::unsupported(
                "the progress of a consumer in a dead-letter log",
            )));
        }
        // Whether there is room is known at once.
        let begin = || match commit::commit(&self.log_to_write()?, &commit).now() {
            Ok(over) => over.map(|receipt| Pending::ready(Ok(receipt))),
            Err(under_way) => Ok(under_way),
        };
        reserve::with_room(&self.0, begin).unwrap_or_else(|error| Pending::ready(Err(error)))
    }

    fn read(&self, request: &ReadRequest) -> Pending<Batch> {
        Pending::ready(self.log().and_then(|log| match log {
            Some(log) => reading::batch(&View::committed(&log), request),
            None => Ok(Batch::new(Vec::new(), request.after, true)),
        }))
    }

    fn head(&self, stream: &str) -> Pending<Option<Head>> {
        Pending::ready(self.log().and_then(|log| match log {
            Some(log) => View::committed(&log).head(stream),
            None => Ok(None),
        }))
    }

    fn beyond(&self, position: Position) -> Pending<Position> {
        match self.log_to_write() {
            Ok(log) => reading::beyond(&log, position, Watermark::Synced),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    fn trim(&self, before: Position) -> Pending<()> {
        if let Ok(Some(log)) = self.log()
            && log.log.write_side().is_ok()
        {
            let job = TrimJob { log: Arc::downgrade(&log), before };
            log.log.medium.jobs.schedule(Duration::ZERO, Arc::new(job));
        }
        Pending::ready(Ok(()))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().with_contiguous_positions().with_multi_stream().with_query_conditions()
    }
}

/// Drops whole segments of the log that stand before a position. Those that can't be dropped now are tried with the next.
struct TrimJob {
    log: Weak<Core>,
    before: Position,
}

impl Job for TrimJob {
    fn step(&self) -> Option<Duration> {
        let log = self.log.upgrade()?;
        let plan = retention::plan(&log, &Retention::default().before(self.before));
        let _ = plan.and_then(|plan| plan.apply());
        None
    }
}
