//! Looks at the runs of a store that nobody needs to have open: every checksum of each, and whether the log has what it says
//! of its segments. What keys and postings say isn't compared; see [`Index::check`](super::Index). Never changes a byte.

use super::open::{INDEX_DIR, path_of, run_range};
use super::run::Run;
use crate::error::{Corruption, Error};
use crate::event::commit::CommitRef;
use crate::log::blocks::{BlockFault, StoreFile};
use crate::log::{Place, read_store_file};
use crate::medium::{Entry, Medium};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// What a walk over the log tells of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Walked {
    first_position: u64,
    last_position: u64,
    last_frame: u64,
    /// Behind the last frame.
    end: u64,
    epoch: u64,
}

/// A check of the runs, beside one of the log.
pub(crate) struct Inspect {
    /// `None`: there is no store file that holds, so there is nothing to compare with.
    store: Option<StoreFile>,
    /// Runs that were there before the walk began, so that the walk meets whatever they cover.
    listed: Vec<Entry>,
    segments: BTreeMap<u64, Walked>,
    /// The walk has told all of the log.
    whole: bool,
}

impl Inspect {
    /// Begins, before the log is walked.
    ///
    /// # Errors
    /// `Io`: the folder can't be listed.
    pub(crate) fn begin(medium: &Medium) -> Result<Self, Error> {
        let store = read_store_file(medium).ok().flatten();
        let mut listed = match medium.files.list(INDEX_DIR) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Vec::new()
            }
            Err(error) => return Err(Error::io("listing", Path::new(INDEX_DIR), error)),
        };
        listed.retain(|entry| run_range(&entry.name).is_some());
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { store, listed, segments: BTreeMap::new(), whole: false })
    }

    /// Takes in the next commit of the walk.
    pub(crate) fn feed(&mut self, commit: CommitRef<'_>, place: Place) {
        let Some(StoreFile { geometry, .. }) = &self.store else { return };
        let first = commit.first_position().0;
        let walked = self.segments.entry(geometry.segment(place)).or_insert(Walked {
            first_position: first,
            last_position: 0,
            last_frame: 0,
            end: 0,
            epoch: 0,
        });
        walked.last_position = commit.last_position().0;
        walked.last_frame = geometry.offset(place);
        walked.end = walked.last_frame + u64::from(commit.length());
        walked.epoch = commit.epoch();
    }

    /// What is wrong with the runs. `whole`: the walk has told all of the log; else nothing is said of where it ended.
    ///
    /// # Errors
    /// `Io`: a run can't be opened.
    pub(crate) fn finish(mut self, medium: &Medium, whole: bool) -> Result<Vec<Corruption>, Error> {
        self.whole = whole;
        if !whole {
            self.segments.pop_last();
        }
        let mut problems = Vec::new();
        if let Some(store) = &self.store {
            for entry in &self.listed {
                self.run(medium, store, entry, &mut problems)?;
            }
        }
        Ok(problems)
    }

    fn run(
        &self,
        medium: &Medium,
        store: &StoreFile,
        entry: &Entry,
        problems: &mut Vec<Corruption>,
    ) -> Result<(), Error> {
        let path = format!("{INDEX_DIR}/{}", entry.name);
        let mut wrong = |at, expected, found| {
            problems.push(Corruption::new("index", &path, None, at, expected, found));
        };
        if !entry.is_file || entry.bytes == 0 || !entry.bytes.is_multiple_of(8) {
            wrong(0, "a run".to_owned(), format!("{} bytes", entry.bytes));
            return Ok(());
        }
        let run = match Run::open(&*medium.files, &path, &store.id, store.geometry.segment_log2) {
            Ok(Ok(run)) => run,
            Ok(Err(BlockFault::Damaged(at, expected, found))) => {
                wrong(at, expected, found);
                return Ok(());
            }
            // Of a later program, which is no damage.
            Ok(Err(BlockFault::Later(_))) => return Ok(()),
            // Replaced by a living writer since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("opening", Path::new(&path), error)),
        };
        if path_of(&run) != path {
            wrong(40, "the segments of its name".to_owned(), path_of(&run));
            return Ok(());
        }
        let mut intact = true;
        for (at, expected, found) in run.bad_blocks() {
            intact = false;
            wrong(at, format!("checksum {expected:#010x}"), format!("{found:#010x}"));
        }
        if intact && let Some((expected, found)) = self.differs(&run) {
            wrong(0, expected, found);
        }
        Ok(())
    }

    /// What the log has of a run's segments, and what the run says, if that isn't the same.
    fn differs(&self, run: &Run) -> Option<(String, String)> {
        let covered = run.covered();
        let last = self.segments.last_key_value().map(|(segment, _)| *segment);
        if self.whole && last.is_none_or(|last| last < covered.last_segment()) {
            let found = last.map_or("none".to_owned(), |last| format!("the last one is {last}"));
            return Some((format!("segment {} in the log", covered.last_segment()), found));
        }
        for number in 0..covered.segments {
            let segment = covered.first_segment + u64::from(number);
            let Some(walked) = self.segments.get(&segment) else {
                // Damage ended the walk before it, or it was removed.
                continue;
            };
            let (first_position, end) = run.segment(number).ok()?;
            let mut said = Walked { first_position, end, ..*walked };
            if segment == covered.last_segment() {
                said.last_position = covered.last_position;
                said.last_frame = covered.last_frame;
                said.epoch = covered.epoch;
            }
            if said != *walked {
                return Some((in_words(segment, walked), in_words(segment, &said)));
            }
        }
        None
    }
}

fn in_words(segment: u64, walked: &Walked) -> String {
    let Walked { first_position, last_position, last_frame, end, epoch } = walked;
    format!(
        "segment {segment} with positions {first_position} to {last_position}, a last frame of epoch {epoch:#x} from \
         {last_frame} to {end}"
    )
}
