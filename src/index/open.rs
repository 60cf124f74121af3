//! Opens the index: finds the runs that fit together, says where the log may be read from, takes in what follows. A file that
//! is damaged, of another store or superseded is left out, and removed by who may write.

use super::feed::{Resolved, feed_read};
use super::index::Index;
use super::run::{Damaged, Run};
use super::upkeep;
use crate::error::Error;
use crate::event::commit::CommitRef;
use crate::log::blocks::StoreFile;
use crate::log::{Base, Checkpoint, Fault, Follow, Log, Place};
use crate::medium::Medium;
use foldhash::fast::FixedState;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// Folder of the runs.
pub(crate) const INDEX_DIR: &str = "index";
/// A run that is being written; gets its name when it is done.
pub(super) const DRAFT_PATH: &str = "index/next";

/// Path of the run of a range of segments, relative to the store.
fn run_path(first: u64, last: u64) -> String {
    format!("{INDEX_DIR}/{first:020}-{last:020}.run")
}

/// Path of a run.
pub(super) fn path_of(run: &Run) -> String {
    run_path(run.covered().first_segment, run.covered().last_segment())
}

/// First and last segment of a run, from its name.
pub(super) fn run_range(name: &str) -> Option<(u64, u64)> {
    let (first, last) = name.strip_suffix(".run")?.split_once('-')?;
    let number = |digits: &str| {
        (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
    };
    Some((number(first)?, number(last)?)).filter(|(first, last)| first <= last)
}

/// An index that is being opened, along with its log.
pub(crate) struct Opening {
    state: FixedState,
    index: Option<Index>,
    candidates: Vec<Arc<Run>>,
    resolved: Resolved,
    problems: Vec<String>,
}

impl Opening {
    /// `seed` is what names are hashed with in memory.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: FixedState::with_seed(seed),
            index: None,
            candidates: Vec::new(),
            resolved: Resolved::default(),
            problems: Vec::new(),
        }
    }

    /// The index, once the log has been read.
    ///
    /// # Panics
    /// If the log wasn't read.
    pub(crate) fn finish(self, log: &Log) -> Index {
        let index = self.index.expect("opening a log begins to follow it");
        index.problems.lock().extend(self.problems);
        if log.write_side().is_ok() {
            index.tidy(log);
        }
        index
    }

    /// Runs that follow each other from a segment on; of several that begin at one, the longest that holds.
    fn find(&mut self, medium: &Medium, store: &StoreFile, from: u64) -> Result<(), Error> {
        let failed = |error| Error::io("listing", Path::new(INDEX_DIR), error);
        let entries = match medium.files.list(INDEX_DIR) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(error) => return Err(failed(error)),
        };
        let mut ranges = Vec::new();
        for entry in &entries {
            match run_range(&entry.name) {
                // What isn't made of words can't be mapped.
                Some(_) if !entry.is_file || entry.bytes == 0 || !entry.bytes.is_multiple_of(8) => {
                    let (name, bytes) = (&entry.name, entry.bytes);
                    self.problems.push(format!("{INDEX_DIR}/{name}: expected a run, found {bytes} bytes"));
                }
                Some(range) => ranges.push(range),
                None => {}
            }
        }
        ranges.sort_unstable_by_key(|(first, last)| (*first, std::cmp::Reverse(*last)));
        let mut next = from;
        for (first, last) in ranges {
            if first == next
                && let Some(run) = self.open(medium, store, first, last)?
            {
                next = last + 1;
                self.candidates.push(Arc::new(run));
            }
        }
        Ok(())
    }

    fn open(
        &mut self,
        medium: &Medium,
        store: &StoreFile,
        first: u64,
        last: u64,
    ) -> Result<Option<Run>, Error> {
        let path = run_path(first, last);
        match Run::open(&*medium.files, &path, &store.id, store.geometry.segment_log2) {
            Ok(Ok(run)) if path_of(&run) == path => Ok(Some(run)),
            Ok(Ok(_)) => {
                self.problems.push(format!("{path}: expected the segments of its name, found others"));
                Ok(None)
            }
            Ok(Err(fault)) => {
                self.problems.push(fault.into_error("index", &path, None).to_string());
                Ok(None)
            }
            // Replaced by a living writer since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("opening", Path::new(&path), error)),
        }
    }

    /// What each candidate says of the end of its range, up to the first that is damaged.
    fn offered(&mut self) -> Vec<Checkpoint> {
        let mut offered = Vec::new();
        for run in &self.candidates {
            match checkpoint(run) {
                Ok(checkpoint) => offered.push(checkpoint),
                Err(damaged) => {
                    self.problems.push(damaged.to_string());
                    break;
                }
            }
        }
        self.candidates.truncate(offered.len());
        offered
    }
}

fn checkpoint(run: &Run) -> Result<Checkpoint, Damaged> {
    let covered = run.covered();
    Ok(Checkpoint {
        segments: (0..covered.segments).map(|number| run.segment(number)).collect::<Result<_, _>>()?,
        position: covered.last_position,
        last_frame: covered.last_frame,
        epoch: covered.epoch,
        commits: covered.commits,
    })
}

impl Follow for Opening {
    fn checkpoints(
        &mut self,
        medium: &Medium,
        store: &StoreFile,
        base: &Base,
    ) -> Result<Vec<Checkpoint>, Error> {
        self.candidates.clear();
        self.problems.clear();
        self.find(medium, store, base.first_segment())?;
        Ok(self.offered())
    }

    fn begin(&mut self, store: &StoreFile, base: &Arc<Base>, held: usize) {
        if held < self.candidates.len() {
            let run = self.candidates[held].covered();
            self.problems.push(format!(
                "index of segments {} to {}: expected a log that has its last frame, found another",
                run.first_segment,
                run.last_segment()
            ));
        }
        self.candidates.truncate(held);
        let runs = std::mem::take(&mut self.candidates);
        self.index = Some(Index::new(self.state.clone(), &store.id, store.geometry, base.clone(), runs));
    }

    fn commit(&mut self, commit: CommitRef<'_>, place: Place) -> Result<(), Fault> {
        let index = self.index.as_ref().expect("it was begun");
        let segment = index.geometry.segment(place);
        if index.layers_now().tail().segment != segment {
            index.roll(segment);
            upkeep::pack_frozen(index);
        }
        feed_read(&index.layers(), &self.state, &mut self.resolved, commit, place)
    }
}
