//! Looking at a store from outside, and mending it: verify, inspect, repair.

use super::checkpoints;
use super::letters::LETTER_DIR;
use super::nested::Nested;
use super::requests;
use super::snapshots::SNAPSHOT_DIR;
use crate::error::Error;
use crate::index::{Inspect, Revisions};
use crate::log::{self, RepairStep, VerifyReport};
use crate::medium::{Files, Medium, RealFiles};
use std::cell::RefCell;
use std::path::Path;

/// Checks a store without opening it: every checksum, position, revision and reserved byte. Takes no lock, changes no byte.
///
/// Beside a living writer it sees what that one has written so far. The unsynced tail that a crash left is no problem; its
/// bytes are counted. The files of the index are checked, too: every checksum, and whether the log has the frames that they
/// end with, and the logs of snapshots and of dead letters. What is wrong with them stands apart: no event is lost by it.
///
/// # Errors
/// `Invalid`: `dir` is no store. `Unsupported`: a later version wrote it. `Io`. Damage is no error but in the report.
pub fn verify(dir: impl AsRef<Path>) -> Result<VerifyReport, Error> {
    verify_on(&Medium::real(dir.as_ref(), None))
}

pub(crate) fn verify_on(medium: &Medium) -> Result<VerifyReport, Error> {
    log::check_complete(medium)?;
    verify_any(medium)
}

/// Checks a store, or a backup that isn't complete yet.
pub(super) fn verify_any(medium: &Medium) -> Result<VerifyReport, Error> {
    let runs = RefCell::new(Inspect::begin(medium)?);
    let mut report = log::verify(medium, |base| {
        *runs.borrow_mut() = Inspect::begin(medium)?;
        let (runs, mut revisions) = (&runs, Revisions::behind(base.clone()));
        Ok(Box::new(move |commit, place| {
            runs.borrow_mut().feed(commit, place);
            revisions.feed(commit)
        }))
    })?;
    report.index_problems = runs.into_inner().finish(medium, report.is_clean())?;
    report.snapshot_problems = Nested::verify(medium, SNAPSHOT_DIR)?;
    report.dead_letter_problems = Nested::verify(medium, LETTER_DIR)?;
    report.checkpoint_problems = checkpoints::verify(medium)?;
    report.request_problems = requests::verify(medium)?;
    Ok(report)
}

/// What would bring a damaged store back to what still holds; see [`repair`].
#[derive(Clone)]
pub struct RepairPlan {
    /// What would be done, in order. Empty: nothing needs to be.
    pub steps: Vec<RepairStep>,
    medium: Medium,
}

/// Plans the repair of a store that opening refuses as `Corrupt`. Nothing is changed before [`RepairPlan::apply`].
///
/// A log is cut before the first event that is damaged: what follows it can't be trusted to be whole. What is cut off is
/// kept in the folder `removed/` of the store, where `inspect` shows it.
///
/// # Errors
/// `Invalid`: `dir` is no store. `Corrupt`: its store file is damaged, which can't be mended. `Unsupported`, `Io`.
pub fn repair(dir: impl AsRef<Path>) -> Result<RepairPlan, Error> {
    repair_on(Medium::real(dir.as_ref(), None))
}

pub(crate) fn repair_on(medium: Medium) -> Result<RepairPlan, Error> {
    Ok(RepairPlan { steps: log::plan_repair(&medium)?, medium })
}

impl RepairPlan {
    /// Carries the plan out, under the writer's lock.
    ///
    /// # Errors
    /// `Locked`: a writer has the store. `Invalid`: it has changed since the plan was made. `DiskFull`, `Io`.
    pub fn apply(&self) -> Result<(), Error> {
        log::apply_repair(&self.medium, &self.steps)
    }
}

impl std::fmt::Debug for RepairPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RepairPlan").field("steps", &self.steps).finish_non_exhaustive()
    }
}

/// Shows a segment file as annotated hex: one text for its header, its seal, and each frame or gap. Needs no store around
/// the file.
///
/// # Errors
/// `Io`: the file can't be read. `Corrupt`: it doesn't begin like a segment.
pub fn inspect_segment(path: impl AsRef<Path>) -> Result<impl Iterator<Item = String>, Error> {
    let path = path.as_ref();
    let (dir, name) = match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
        (Some(dir), Some(name)) => (dir, name),
        _ => return Err(Error::invalid(format!("{}: expected the path of a segment file", path.display()))),
    };
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let files = RealFiles::new(dir, None);
    let bytes = files.read(name, crate::limits::SEGMENT_BYTES_MAX as usize);
    log::inspect(name, bytes.map_err(|error| Error::io("reading", path, error))?)
}
