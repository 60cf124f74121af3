//! Moves the beginning of a log, and of its index, on: whole segments go, with their runs. What is lost is noted in the base
//! first, so that every stream keeps its head and goes on where it was.

use super::index::Index;
use super::open::path_of;
use super::run::{Clip, Parts, Run, Stop, write};
use super::upkeep::Step;
use crate::error::{Corruption, Error};
use crate::log::{Anchor, BaseDraft, FRAMES_AT, Log, Walk};
use crate::medium::bug;
use std::path::Path;
use std::sync::Arc;

/// What keeps the new beginning together until it is in place.
struct Cut {
    draft: BaseDraft,
    /// Runs that go, wholly or in part.
    gone: Vec<Arc<Run>>,
    /// What is left of the last of them.
    left: Option<Arc<Run>>,
}

impl Index {
    /// Number of the segment that the log could begin with at most: those before it are complete, synced and in runs. Writes
    /// the runs that are due.
    ///
    /// # Errors
    /// `DiskFull`, `Io`, `Corrupt`.
    pub(crate) fn first_that_must_stay(&self, log: &Log) -> Result<u64, Error> {
        let _one = self.upkeep.lock();
        self.write_due(log)?;
        let layers = self.layers();
        let runs = layers.runs.iter().take_while(|run| run.is_in_file());
        Ok(runs.last().map_or(layers.base.first_segment(), |run| run.covered().next_segment()))
    }

    fn write_due(&self, log: &Log) -> Result<(), Error> {
        loop {
            match self.write_one(log) {
                Ok(Step::Done) => {}
                Ok(Step::Nothing) => return Ok(()),
                Err(stop) => self.mend_after(log, stop)?,
            }
        }
    }

    /// A damaged run is made again; anything else is an error.
    fn mend_after(&self, log: &Log, stop: Stop) -> Result<(), Error> {
        match stop {
            Stop::Damaged(damaged) => self.rebuild_locked(log, &damaged),
            stop => Err(super::rebuild::failed(stop)),
        }
    }

    /// Removes the segments before number `first`. `anchors` are events of streams that may be removed and that something is as
    /// of. Does nothing if the log begins there already, or behind.
    ///
    /// # Errors
    /// `Invalid`: a segment before `first` is still written to. `Corrupt`: what goes is damaged. `DiskFull`, `Io`, `Closed`.
    pub(crate) fn drop_before(
        &self,
        log: &Log,
        first: u64,
        anchors: &[(String, Anchor)],
    ) -> Result<(), Error> {
        let bound = self.first_that_must_stay(log)?;
        let _one = self.upkeep.lock();
        if self.is_stopping() {
            return Err(Error::closed());
        }
        if first > bound {
            return Err(Error::invalid(format!(
                "segment to begin with: expected at most {bound}, found {first}"
            )));
        }
        if first <= self.layers().base.first_segment() {
            return Ok(());
        }
        let cut = loop {
            match self.cut(log, first)? {
                Ok(cut) => break cut,
                Err(stop) => self.mend_after(log, stop)?,
            }
        };
        let files = &*log.medium.files;
        if bug!(log.medium, remove_before_base) {
            log.remove_files_before(first)?;
        }
        // Should this fail, what was made of a run lies within that one: whoever opens the store passes it over.
        let base = Arc::new(cut.draft.store(&log.medium, &self.store, first, anchors)?);
        self.change(|layers| {
            layers.base = base.clone();
            layers.runs.splice(..cut.gone.len(), cut.left.iter().cloned());
        });
        log.remove_before(first)?;
        for run in &cut.gone {
            let path = path_of(run);
            files.remove(&path).map_err(|error| Error::io("removing", Path::new(&path), error))?;
        }
        Ok(())
    }

    /// Reads what goes, and makes what is left of a run that only begins in it. Of the inner kind: a run is damaged.
    fn cut(&self, log: &Log, first: u64) -> Result<Result<Cut, Stop>, Error> {
        let layers = self.layers();
        let gone: Vec<_> =
            layers.runs.iter().take_while(|run| run.covered().first_segment < first).cloned().collect();
        let straddles = gone.last().filter(|run| run.covered().next_segment() > first).cloned();
        let mut draft = BaseDraft::from(&layers.base);
        let table = log.table();
        let start = self.geometry.place(layers.base.first_segment(), FRAMES_AT);
        let end = self.geometry.place(first, 0);
        let mut walk = Walk::from(&table, self.geometry, start);
        let mut commits = 0;
        while let Some(walked) = walk.next(end) {
            let walked = walked?;
            let segment = self.geometry.segment(walked.place);
            if straddles.as_ref().is_some_and(|run| run.covered().first_segment <= segment) {
                commits += 1;
            }
            draft.feed(walked.commit);
        }
        let left = match &straddles {
            None => None,
            Some(run) => match self.store_clip(log, run, first, commits) {
                Ok(run) => Some(Arc::new(run)),
                Err(stop) => return Ok(Err(stop)),
            },
        };
        let known = left.as_ref().map(|run| run.covered().first_position);
        let known = known.or_else(|| gone.last().map(|run| run.covered().last_position + 1));
        if let Some(known) = known.filter(|known| *known != draft.first_position()) {
            let expected = format!("positions up to {}", known - 1);
            let found = format!("position {}", draft.first_position() - 1);
            let file = crate::log::segment_path(first - 1);
            return Err(Error::corrupt(Corruption::new(
                "log",
                file,
                Some(first - 1),
                FRAMES_AT,
                expected,
                found,
            )));
        }
        Ok(Ok(Cut { draft, gone, left }))
    }

    fn store_clip(&self, log: &Log, run: &Run, first: u64, commits: u64) -> Result<Run, Stop> {
        let files = &*log.medium.files;
        let clip = Clip::new(run, first, self.geometry.place(first, 0), commits)?;
        let (segments, sparse) = (clip.segments()?, clip.sparse()?);
        let parts = Parts {
            covered: clip.covered(),
            segments: &segments,
            sparse: &|number| Ok(sparse[number as usize]),
            sparse_count: sparse.len() as u64,
        };
        self.store_run(files, |path| {
            write(files, path, &self.store, self.geometry.segment_log2, &parts, &clip)
        })
    }
}
