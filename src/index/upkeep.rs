//! Background work on the index: a run for each segment that is sealed, and merges of neighbouring runs in tiers, so that a key
//! is looked for in few of them. One step at a time; whatever fails is tried again when the next segment is sealed.

use super::index::{Counts, Index};
use super::open::{DRAFT_PATH, INDEX_DIR, path_of};
use super::run::{Run, Stop};
use crate::log::Log;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// So many neighbouring runs of one tier become one of the next.
pub(super) const FAN_IN: usize = 4;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There may be more to do.
    Done,
    Nothing,
}

impl Index {
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Whether there may be something to do.
    pub(crate) fn wants_upkeep(&self) -> bool {
        let layers = self.layers();
        !layers.frozen.is_empty()
            || layers.runs.iter().any(|run| !run.is_in_file())
            || mergeable(&layers.runs).is_some()
    }

    /// Does one step: writes a run, or merges some.
    pub(crate) fn step(&self, log: &Log) -> Step {
        let _one = self.upkeep.lock();
        if self.is_stopping() {
            return Step::Nothing;
        }
        match self.one_step(log) {
            Ok(step) => step,
            Err(Stop::Damaged(damaged)) => match self.rebuild_locked(log, &damaged) {
                Ok(()) => Step::Done,
                // Told to who reads there.
                Err(_) => Step::Nothing,
            },
            Err(Stop::Io(_) | Stop::Interrupted | Stop::TooLarge) => Step::Nothing,
        }
    }

    /// Ends background work, after the step that is under way, and writes what is complete: the next opening reads less.
    pub(crate) fn stop(&self, log: &Log) {
        self.stopping.store(true, Ordering::Release);
        let _one = self.upkeep.lock();
        while matches!(self.write_one(log), Ok(Step::Done)) {}
    }

    fn one_step(&self, log: &Log) -> Result<Step, Stop> {
        match self.write_one(log)? {
            Step::Done => Ok(Step::Done),
            Step::Nothing => self.merge_one(log),
        }
    }

    /// Writes the run of the first complete tail, or of the first run that is in memory only, if all of it is synced and its
    /// segment sealed: else the log may go on in it.
    pub(super) fn write_one(&self, log: &Log) -> Result<Step, Stop> {
        let Ok(side) = log.write_side() else { return Ok(Step::Nothing) };
        if side.sync.failure().is_some() {
            return Ok(Step::Nothing);
        }
        let synced = side.sync.synced();
        let layers = self.layers();
        let files = &*log.medium.files;
        if let Some(run) = layers.runs.iter().find(|run| !run.is_in_file()) {
            if run.covered().last_position > synced || !side.is_sealed(run.covered().last_segment()) {
                return Ok(Step::Nothing);
            }
            let stored = Arc::new(self.store_merged(files, std::slice::from_ref(run))?);
            self.change(|layers| replace(&mut layers.runs, std::slice::from_ref(run), &[stored]));
        } else {
            let Some(tail) = layers.frozen.first() else { return Ok(Step::Nothing) };
            if tail.read().through().position > synced || !side.is_sealed(tail.segment) {
                return Ok(Step::Nothing);
            }
            let stored = Arc::new(self.store_tail(files, tail)?);
            self.change(|layers| {
                assert!(Arc::ptr_eq(&layers.frozen[0], tail), "only upkeep takes tails away");
                layers.frozen.remove(0);
                layers.runs.push(stored);
            });
        }
        Counts::add(&self.counts.runs_written);
        Ok(Step::Done)
    }

    /// Merges the first neighbours of one tier that are enough.
    fn merge_one(&self, log: &Log) -> Result<Step, Stop> {
        let layers = self.layers();
        let Some(from) = mergeable(&layers.runs) else { return Ok(Step::Nothing) };
        let parts = &layers.runs[from..from + FAN_IN];
        let files = &*log.medium.files;
        let merged = Arc::new(self.store_merged(files, parts)?);
        self.change(|layers| replace(&mut layers.runs, parts, &[merged]));
        // Leftovers lie within the new run, so that opening passes them over.
        for run in parts {
            files.remove(&path_of(run))?;
        }
        Counts::add(&self.counts.merges);
        Ok(Step::Done)
    }

    /// Removes what opening left out: leftovers of a crash, and what is damaged. Failing to changes no answer.
    pub(super) fn tidy(&self, log: &Log) {
        let files = &*log.medium.files;
        let layers = self.layers();
        let is_used = |path: &str| layers.runs.iter().any(|run| run.is_in_file() && path_of(run) == path);
        for entry in files.list(INDEX_DIR).unwrap_or_default() {
            let path = format!("{INDEX_DIR}/{}", entry.name);
            let is_ours = entry.name.ends_with(".run") || path == DRAFT_PATH;
            if entry.is_file && is_ours && !is_used(&path) {
                let _ = files.remove(&path);
            }
        }
    }
}

/// Where neighbours of one tier begin that are enough for a merge. A tier holds runs of four times the segments of the one
/// before.
fn mergeable(runs: &[Arc<Run>]) -> Option<usize> {
    let tier = |run: &Run| run.covered().segments.ilog(FAN_IN as u32);
    runs.windows(FAN_IN).position(|window| {
        let first = tier(&window[0]);
        window.iter().all(|run| run.is_in_file() && tier(run) == first)
    })
}

/// Puts runs in the place of others, which follow each other.
pub(super) fn replace(runs: &mut Vec<Arc<Run>>, old: &[Arc<Run>], new: &[Arc<Run>]) {
    let at = runs.iter().position(|run| Arc::ptr_eq(run, &old[0])).expect("only upkeep takes runs away");
    runs.splice(at..at + old.len(), new.iter().cloned());
}

/// While a log is being read: complete tails become runs in memory, which take a fraction.
pub(super) fn pack_frozen(index: &Index) {
    let layers = index.layers();
    for tail in &layers.frozen {
        // Without memory for it the tail stays as it is.
        let Ok(run) = index.pack(tail) else { return };
        index.change(|layers| {
            layers.frozen.remove(0);
            layers.runs.push(Arc::new(run));
        });
    }
}
