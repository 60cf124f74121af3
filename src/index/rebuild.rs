//! Makes the index of a range of the log again, from the log: for a run that is damaged, at any time.

use super::feed::{Resolved, feed_read};
use super::index::{Counts, Index};
use super::layers::Layers;
use super::run::{Covered, Damaged, Run, Stop};
use super::tail::Tail;
use super::upkeep::replace;
use crate::error::Error;
use crate::log::{Log, Walk};
use std::path::Path;
use std::sync::Arc;

/// Why a run wasn't written, for who asked for what needs it.
pub(super) fn failed(stop: Stop) -> Error {
    match stop {
        Stop::Damaged(damaged) => Error::other(damaged.to_string()),
        Stop::Io(error) => Error::io("writing", Path::new(super::open::INDEX_DIR), error),
        Stop::Interrupted => Error::closed(),
        Stop::TooLarge => Error::limit("keys of a run", u32::MAX.into(), u64::MAX),
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
        let Some(number) = self.layers().runs.iter().position(|run| damaged.is(run)) else { return Ok(()) };
        self.replace_run(log, number)?;
        self.problems.lock().push(damaged.to_string());
        Ok(())
    }

    /// Makes run `number` again. Returns how many took its place.
    fn replace_run(&self, log: &Log, number: usize) -> Result<usize, Error> {
        let layers = self.layers();
        let run = &layers.runs[number];
        let mut before =
            Layers { runs: layers.runs[..number].to_vec(), frozen: Vec::new(), ..(*layers).clone() };
        let make = |tail: &Tail| match log.write_side() {
            Ok(_) if !self.is_stopping() => self.store_tail(&*log.medium.files, tail),
            _ => self.pack(tail),
        };
        let runs = self.again(log, &mut before, run.covered(), make)?;
        self.change(|now| replace(&mut now.runs, std::slice::from_ref(run), &runs));
        Counts::add(&self.counts.rebuilds);
        Ok(runs.len())
    }

    /// A run for each segment of a range, which begins behind the runs of `before`.
    fn again(
        &self,
        log: &Log,
        before: &mut Layers,
        covered: &Covered,
        make: impl Fn(&Tail) -> Result<Run, Stop>,
    ) -> Result<Vec<Arc<Run>>, Error> {
        let kept = before.runs.len();
        let mut through = match before.runs.last() {
            Some(run) => super::index::through(run, self.geometry),
            None => super::layers::through_base(&before.base, self.geometry),
        };
        for segment in covered.first_segment..covered.next_segment() {
            before.tail = Arc::new(Tail::new(segment, through));
            self.scan(log, before, segment)?;
            through = before.through();
            before.runs.push(Arc::new(make(&before.tail).map_err(failed)?));
        }
        Ok(before.runs.split_off(kept))
    }

    /// Takes the frames of a segment into the tail of `layers`.
    fn scan(&self, log: &Log, layers: &Layers, segment: u64) -> Result<(), Error> {
        let table = log.table();
        let start = self.geometry.place(segment, crate::log::FRAMES_AT);
        let end = self.geometry.place(segment + 1, 0);
        let mut walk = Walk::from(&table, self.geometry, start);
        let mut resolved = Resolved::default();
        while let Some(walked) = walk.next(end) {
            let walked = walked?;
            let fed = feed_read(layers, &self.state, &mut resolved, walked.commit, walked.place);
            fed.map_err(|fault| log.refused(walked.place, fault))?;
        }
        Ok(())
    }

    /// Makes every run again.
    ///
    /// # Errors
    /// As [`rebuild`](Self::rebuild).
    pub(crate) fn rebuild_all(&self, log: &Log) -> Result<(), Error> {
        let _one = self.upkeep.lock();
        let mut done = 0;
        while done < self.layers().runs.len() {
            done += self.replace_run(log, done)?;
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
            wrong.extend(self.differs(log, &mut before, run)?);
        }
        Ok(wrong)
    }

    /// Makes the run of the same range in memory: it must have the same bytes.
    fn differs(&self, log: &Log, before: &mut Layers, run: &Arc<Run>) -> Result<Option<String>, Error> {
        let covered = run.covered();
        let made = self.again(log, before, covered, |tail| self.pack(tail))?;
        let merged = self.write_merged(&crate::medium::HeapFiles::new(), "run", &made, &|| true);
        let merged = merged.map_err(failed)?;
        let same = run.same_as(&merged);
        before.runs.push(Arc::new(merged));
        let (first, last) = (covered.first_segment, covered.last_segment());
        Ok(match same {
            Ok(true) => None,
            Ok(false) => {
                Some(format!("index of segments {first} to {last}: the log has other keys or postings"))
            }
            Err(damaged) => Some(damaged.to_string()),
        })
    }
}
