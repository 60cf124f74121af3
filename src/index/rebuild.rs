//! Makes the index of a range of the log again, from the log: for a run that is damaged, at any time.

use super::feed::{Resolved, feed_read};
use super::index::{Counts, Index};
use super::layers::Layers;
use super::run::{Covered, Damaged, Run, Stop};
use super::tail::{Tail, Through};
use super::upkeep::replace;
use crate::error::Error;
use crate::log::{Log, Walk};
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
        let Some(number) = self.layers().runs.iter().position(|run| damaged.is(run)) else { return Ok(()) };
        self.replace_run(log, number)?;
        self.problems.lock().push(damaged.to_string());
        Ok(())
    }

    /// Makes run `number` again, and those before it that turn out to be damaged. Returns how many took its place, and how many
    /// stand before these now.
    fn replace_run(&self, log: &Log, number: usize) -> Result<(usize, usize), Error> {
        let run = self.layers().runs[number].clone();
        loop {
            let layers = self.layers();
            let number = layers.runs.iter().position(|other| Arc::ptr_eq(other, &run));
            let number = number.expect("only upkeep takes runs away");
            let mut before =
                Layers { runs: layers.runs[..number].to_vec(), frozen: Vec::new(), ..(*layers).clone() };
            let make = |tail: &Tail| match log.write_side() {
                Ok(_) if !self.is_stopping() => self.store_tail(&*log.medium.files, tail),
                _ => self.pack(tail),
            };
            match self.again(log, &mut before, run.covered(), make) {
                Ok(runs) => {
                    self.change(|now| replace(&mut now.runs, std::slice::from_ref(&run), &runs));
                    Counts::add(&self.counts.rebuilds);
                    return Ok((runs.len(), number));
                }
                Err(Failed::Damaged(earlier)) => self.rebuild_locked(log, &earlier)?,
                Err(Failed::Error(error)) => return Err(error),
            }
        }
    }

    /// A run for each segment of a range, which begins behind the runs of `before`.
    fn again(
        &self,
        log: &Log,
        before: &mut Layers,
        covered: &Covered,
        make: impl Fn(&Tail) -> Result<Run, Stop>,
    ) -> Result<Vec<Arc<Run>>, Failed> {
        let kept = before.runs.len();
        let mut through = match before.runs.last() {
            Some(run) => super::index::through(run, self.geometry),
            None => Through { position: covered.first_position - 1, ..Through::START },
        };
        for segment in covered.first_segment..covered.next_segment() {
            before.tail = Arc::new(Tail::new(segment, through));
            self.scan(log, before, segment)?;
            through = before.through();
            before.runs.push(Arc::new(make(&before.tail)?));
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

    /// Reads the log again behind the runs.
    ///
    /// # Errors
    /// As [`rebuild`](Self::rebuild).
    pub(super) fn read_again(&self, log: &Log) -> Result<(), Error> {
        let last = log.table().last().map_or(0, |segment| segment.number);
        'again: loop {
            let behind = Layers::behind(self.layers().runs.clone(), &self.store, self.geometry);
            let first = behind.tail.segment;
            self.change(|layers| *layers = behind);
            for segment in first..=last {
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
        while done < self.layers().runs.len() {
            let (made, before) = self.replace_run(log, done)?;
            done = before + made;
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
        let covered = run.covered();
        let made = self.again(log, before, covered, |tail| self.pack(tail))?;
        let merged = self.write_merged(&crate::medium::HeapFiles::new(), "run", &made, &|| true)?;
        let same = run.same_as(&merged);
        before.runs.push(Arc::new(merged));
        let (first, last) = (covered.first_segment, covered.last_segment());
        Ok((!same?)
            .then(|| format!("index of segments {first} to {last}: the log has other keys or postings")))
    }
}
