//! Makes the index of a range of the log again, from the log: for a run that is damaged, at any time.

use super::feed::{Resolved, feed_read};
use super::index::{Counts, Index};
use super::layers::Layers;
use super::run::{Damaged, Run, Stop};
use super::tail::{Tail, Through};
use super::upkeep::replace;
use crate::error::Error;
use crate::log::{Log, Place, Walk};
use std::path::Path;
use std::sync::Arc;

/// Why a rebuild ended.
enum Failed {
    /// An earlier run is damaged, too.
    Damaged(Damaged),
    Error(Error),
}

impl From<Damaged> for Failed {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged)
    }
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Damaged(damaged) => Self::Damaged(damaged),
            Stop::Io(error) => Self::Error(Error::io("writing", Path::new(super::open::INDEX_DIR), error)),
            Stop::Interrupted => Self::Error(Error::closed()),
            Stop::TooLarge => Self::Error(Error::limit("keys of a run", u32::MAX.into(), u64::MAX)),
        }
    }
}

impl Index {
    /// Makes a damaged run again. Does nothing if it is no longer part of the index.
    ///
    /// # Errors
    /// `Corrupt`: the log is damaged where the run's events stand. `Io`.
    pub(crate) fn rebuild(&self, log: &Log, damaged: &Damaged) -> Result<(), Error> {
        let _one = self.upkeep.lock();
        self.rebuild_locked(log, damaged)
    }

    pub(super) fn rebuild_locked(&self, log: &Log, damaged: &Damaged) -> Result<(), Error> {
        loop {
            let layers = self.layers();
            let Some(number) = layers.runs.iter().position(|run| damaged.is(run)) else { return Ok(()) };
            match self.again(log, &layers, number) {
                Ok(runs) => {
                    self.change(|now| replace(&mut now.runs, &layers.runs[number..=number], &runs));
                    self.problems.lock().push(damaged.to_string());
                    Counts::add(&self.counts.rebuilds);
                    return Ok(());
                }
                Err(Failed::Damaged(earlier)) => self.rebuild_locked(log, &earlier)?,
                Err(Failed::Error(error)) => return Err(error),
            }
        }
    }

    /// A run for each segment of a damaged one.
    fn again(&self, log: &Log, layers: &Layers, number: usize) -> Result<Vec<Arc<Run>>, Failed> {
        let covered = *layers.runs[number].covered();
        let mut before = Layers {
            runs: layers.runs[..number].to_vec(),
            frozen: Vec::new(),
            tail: Arc::new(Tail::new(covered.first_segment, Through::START)),
            ..layers.clone()
        };
        let mut through = match before.runs.last() {
            Some(run) => super::index::through(run, self.geometry),
            None => Through { position: covered.first_position - 1, ..Through::START },
        };
        let kept = before.runs.len();
        for segment in covered.first_segment..covered.next_segment() {
            before.tail = Arc::new(Tail::new(segment, through));
            self.scan(log, &before, segment)?;
            let tail = before.tail.clone();
            through = tail.read().through();
            let run = match log.write_side() {
                Ok(_) if !self.is_stopping() => self.store_tail(&*log.medium.files, &tail)?,
                _ => self.pack(&tail)?,
            };
            before.runs.push(Arc::new(run));
        }
        Ok(before.runs.split_off(kept))
    }

    /// Takes the frames of a segment into the tail of `layers`.
    fn scan(&self, log: &Log, layers: &Layers, segment: u64) -> Result<(), Failed> {
        let table = log.table();
        let start = self.geometry.place(segment, crate::log::FRAMES_AT);
        let end = self.geometry.place(segment + 1, 0);
        let mut walk = Walk::from(&table, self.geometry, start);
        let mut resolved = Resolved::default();
        while let Some(walked) = walk.next(end) {
            let walked = walked.map_err(Failed::Error)?;
            if let Err(fault) = feed_read(layers, &self.state, &mut resolved, walked.commit, walked.place)? {
                return Err(Failed::Error(log.refused(walked.place, fault)));
            }
        }
        Ok(())
    }

    /// Reads the log again behind the runs, up to `end`.
    ///
    /// # Errors
    /// As [`rebuild`](Self::rebuild).
    pub(super) fn read_again(&self, log: &Log, end: Place) -> Result<(), Error> {
        'again: loop {
            let runs = self.layers().runs.clone();
            let fresh = Self::new(self.state.clone(), &self.store, self.geometry, runs);
            let first = fresh.layers().tail.segment;
            self.change(|layers| *layers = Layers::clone(&fresh.layers()));
            for segment in first..=self.geometry.segment(Place(end.0.saturating_sub(1))) {
                self.roll(segment);
                match self.scan(log, &self.layers(), segment) {
                    Ok(()) => super::upkeep::pack_frozen(self),
                    Err(Failed::Damaged(damaged)) => {
                        self.rebuild(log, &damaged)?;
                        continue 'again;
                    }
                    Err(Failed::Error(error)) => return Err(error),
                }
            }
            return Ok(());
        }
    }

    /// Makes every run again.
    ///
    /// # Errors
    /// As [`rebuild`](Self::rebuild).
    pub(crate) fn rebuild_all(&self, log: &Log) -> Result<(), Error> {
        let _one = self.upkeep.lock();
        let mut done = 0;
        while let Some(run) = self.layers().runs.get(done).cloned() {
            let layers = self.layers();
            match self.again(log, &layers, done) {
                Ok(runs) => {
                    self.change(|now| replace(&mut now.runs, std::slice::from_ref(&run), &runs));
                    done += runs.len();
                    Counts::add(&self.counts.rebuilds);
                }
                Err(Failed::Damaged(earlier)) => self.rebuild_locked(log, &earlier)?,
                Err(Failed::Error(error)) => return Err(error),
            }
        }
        self.tidy(log);
        Ok(())
    }

    /// Compares every run with the log. Returns what differs, nothing if all is right.
    ///
    /// # Errors
    /// As [`rebuild`](Self::rebuild).
    pub(crate) fn check(&self, log: &Log) -> Result<Vec<String>, Error> {
        let _one = self.upkeep.lock();
        let layers = self.layers();
        let mut wrong = Vec::new();
        let mut before = Layers { runs: Vec::new(), frozen: Vec::new(), ..Layers::clone(&layers) };
        for run in &layers.runs {
            match self.differs(log, &mut before, run) {
                Ok(None) => {}
                Ok(Some(what)) => wrong.push(what),
                Err(Failed::Damaged(damaged)) => wrong.push(damaged.to_string()),
                Err(Failed::Error(error)) => return Err(error),
            }
        }
        Ok(wrong)
    }

    /// Makes the run of the same range in memory: it must have the same bytes.
    fn differs(&self, log: &Log, before: &mut Layers, run: &Arc<Run>) -> Result<Option<String>, Failed> {
        let covered = *run.covered();
        let kept = before.runs.len();
        for segment in covered.first_segment..covered.next_segment() {
            let through = match before.runs.last() {
                Some(run) => super::index::through(run, self.geometry),
                None => Through { position: covered.first_position - 1, ..Through::START },
            };
            before.tail = Arc::new(Tail::new(segment, through));
            self.scan(log, before, segment)?;
            before.runs.push(Arc::new(self.pack(&before.tail)?));
        }
        let made = before.runs.split_off(kept);
        let merged = self.write_merged(&crate::medium::HeapFiles::new(), "run", &made, &|| true)?;
        let same = run.same_as(&merged)?;
        before.runs.push(Arc::new(merged));
        let (first, last) = (covered.first_segment, covered.next_segment() - 1);
        Ok((!same)
            .then(|| format!("index of segments {first} to {last}: the log has other keys or postings")))
    }
}
