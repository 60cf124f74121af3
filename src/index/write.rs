//! Makes runs: of a tail, in a file or in memory, and of neighbouring runs. Gives a file its name only when it is whole.

use super::index::Index;
use super::key::Key;
use super::open::{DRAFT_PATH, INDEX_DIR, path_of};
use super::run::{Input, KeyInput, Merge, Parts, Run, Stop, write};
use super::tail::{KeyId, Keys, Tail};
use crate::log::Place;
use crate::medium::{Files, Found, HeapFiles};
use std::sync::Arc;

/// A tail as the input of a run.
struct TailInput<'k> {
    keys: &'k Keys,
    /// Keys by hash, kind and name.
    order: Vec<(u64, Key<'k>, KeyId)>,
    /// Place of the first byte of the segment.
    origin: u64,
}

impl<'k> TailInput<'k> {
    fn new(index: &Index, keys: &'k Keys, segment: u64) -> Self {
        let seed = index.layers().seed;
        let mut order: Vec<(u64, Key<'_>, KeyId)> =
            keys.keys().map(|(key, id)| (seed.hash(key), key, id)).collect();
        order.sort_unstable_by(|(a, x, _), (b, y, _)| {
            (a, x.kind as u8, x.name).cmp(&(b, y.kind as u8, y.name))
        });
        Self { keys, order, origin: index.geometry.place(segment, 0).0 }
    }
}

impl Input for TailInput<'_> {
    fn each(&self, visit: &mut dyn FnMut(&KeyInput<'_>) -> Result<(), Stop>) -> Result<(), Stop> {
        for (hash, key, id) in &self.order {
            let numbers = |n: u32, out: &mut [u64]| -> Result<(), Stop> {
                let mut places = [Place(0); super::packed::GROUP];
                let places = &mut places[..out.len()];
                let copied = self.keys.copy(*id, n.into(), places);
                assert_eq!(copied, out.len(), "postings are there as they are counted");
                out.iter_mut().zip(places).for_each(|(number, place)| *number = place.0 - self.origin);
                Ok(())
            };
            let earlier = self.keys.earlier(*id);
            let count = u32::try_from(self.keys.count(*id) - earlier).map_err(|_| Stop::TooLarge)?;
            visit(&KeyInput { hash: *hash, key: *key, earlier, count, numbers: &numbers })?;
        }
        Ok(())
    }
}

impl Index {
    /// Writes the run of a tail to a new file at `path`.
    fn write_tail(&self, files: &dyn Files, path: &str, tail: &Tail) -> Result<Run, Stop> {
        let keys = tail.read();
        let (geometry, segment) = (self.geometry, tail.segment);
        let covered = keys.covered(segment, |place| geometry.offset(place));
        let end = geometry.offset(keys.through().place);
        // A segment that is full to its last byte ends where the next one begins.
        let end = if end == 0 { geometry.segment_bytes() } else { end };
        let sparse = keys.sparse();
        let parts = Parts {
            covered,
            segments: &[(covered.first_position, end)],
            sparse: &|number| Ok(sparse[number as usize]),
            sparse_count: sparse.len() as u64,
        };
        let input = TailInput::new(self, &keys, segment);
        write(files, path, &self.store, geometry.segment_log2, &parts, &input)
    }

    /// The run of a tail, in memory.
    pub(super) fn pack(&self, tail: &Tail) -> Result<Run, Stop> {
        self.write_tail(&HeapFiles::new(), "run", tail)
    }

    /// Merges neighbouring runs into a new file at `path`.
    pub(super) fn write_merged(
        &self,
        files: &dyn Files,
        path: &str,
        runs: &[Arc<Run>],
        go_on: &dyn Fn() -> bool,
    ) -> Result<Run, Stop> {
        let merge = Merge::new(runs, go_on);
        let segments = merge.segments()?;
        let parts = Parts {
            covered: merge.covered(),
            segments: &segments,
            sparse: &|number| merge.sparse(number),
            sparse_count: merge.sparse_count(),
        };
        write(files, path, &self.store, self.geometry.segment_log2, &parts, &merge)
    }

    /// As [`write_tail`](Self::write_tail), under its name in the store.
    pub(super) fn store_tail(&self, files: &dyn Files, tail: &Tail) -> Result<Run, Stop> {
        self.store_run(files, |path| self.write_tail(files, path, tail))
    }

    /// As [`write_merged`](Self::write_merged), under its name in the store.
    pub(super) fn store_merged(&self, files: &dyn Files, runs: &[Arc<Run>]) -> Result<Run, Stop> {
        let go_on = || !self.is_stopping();
        self.store_run(files, |path| self.write_merged(files, path, runs, &go_on))
    }

    pub(super) fn store_run(
        &self,
        files: &dyn Files,
        make: impl Fn(&str) -> Result<Run, Stop>,
    ) -> Result<Run, Stop> {
        if files.found(INDEX_DIR)? == Found::Nothing {
            files.create_dir(INDEX_DIR)?;
            files.sync_dir("")?;
        }
        if files.found(DRAFT_PATH)? != Found::Nothing {
            files.remove(DRAFT_PATH)?;
        }
        let run = make(DRAFT_PATH)?;
        files.rename(DRAFT_PATH, &path_of(&run))?;
        files.sync_dir(INDEX_DIR)?;
        Ok(run.in_file())
    }
}
