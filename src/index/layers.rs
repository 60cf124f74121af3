//! The index as its layers: runs on disk, tails whose run isn't written yet, and the tail that grows. A key's postings are
//! those of all layers, one after another. A list of layers never changes: a roll-over, a new run or a merge makes another.

use super::key::{HashSeed, Key};
use super::run::{Damaged, Run, Slot};
use super::tail::{KeyId, Noted, Tail, Through};
use crate::log::blocks::StoreId;
use crate::log::{Geometry, Place};
use std::sync::Arc;

/// All layers as of one moment, ascending.
#[derive(Clone)]
pub(crate) struct Layers {
    pub(super) runs: Vec<Arc<Run>>,
    /// Complete tails, behind the runs.
    pub(super) frozen: Vec<Arc<Tail>>,
    pub(super) tail: Arc<Tail>,
    pub(super) seed: HashSeed,
}

/// A part of a key's postings.
#[derive(Clone)]
pub(crate) enum Part {
    Run(Arc<Run>, Slot),
    Tail(Arc<Tail>, KeyId),
}

/// A part with the number of its first posting.
#[derive(Clone)]
pub(crate) struct Numbered {
    pub(crate) first: u64,
    pub(crate) part: Part,
}

impl Part {
    fn of_tail(tail: &Arc<Tail>, key: Key<'_>, hash: u64) -> Option<Numbered> {
        let keys = tail.read();
        let id = keys.find(key, hash)?;
        keys.last(id)?;
        Some(Numbered { first: keys.earlier(id), part: Self::Tail(tail.clone(), id) })
    }

    /// Number of its postings before `place`.
    pub(crate) fn before(&self, place: Place) -> Result<u64, Damaged> {
        match self {
            Self::Run(run, slot) => run.before(slot, place).map(u64::from),
            Self::Tail(tail, id) => Ok(tail.read().before(*id, place)),
        }
    }

    /// Copies places from its posting `n` on. Returns how many.
    pub(crate) fn copy(&self, n: u64, out: &mut [Place]) -> Result<usize, Damaged> {
        match self {
            Self::Run(run, slot) => u32::try_from(n).map_or(Ok(0), |n| run.copy(slot, n, out)),
            Self::Tail(tail, id) => Ok(tail.read().copy(*id, n, out)),
        }
    }
}

impl Layers {
    /// These runs, with an empty tail behind them.
    pub(super) fn behind(runs: Vec<Arc<Run>>, store: &StoreId, geometry: Geometry) -> Self {
        let (segment, through) = match runs.last() {
            None => (0, Through::START),
            Some(run) => (run.covered().next_segment(), super::index::through(run, geometry)),
        };
        let tail = Arc::new(Tail::new(segment, through));
        Self { runs, frozen: Vec::new(), tail, seed: HashSeed::new(store) }
    }

    /// The tail that grows.
    #[inline]
    pub(crate) fn tail(&self) -> &Arc<Tail> {
        &self.tail
    }

    /// The complete tails.
    pub(crate) fn frozen(&self) -> &[Arc<Tail>] {
        &self.frozen
    }

    pub(crate) fn runs(&self) -> &[Arc<Run>] {
        &self.runs
    }

    /// How far the index goes.
    #[inline]
    pub(crate) fn through(&self) -> Through {
        self.tail.read().through()
    }

    /// Number of events under a key in all layers before the tail. `hash` is that of memory.
    pub(crate) fn count_before_tail(&self, key: Key<'_>, hash: u64) -> Result<u64, Damaged> {
        for tail in self.frozen.iter().rev() {
            let keys = tail.read();
            if let Some(id) = keys.find(key, hash) {
                return Ok(keys.count(id));
            }
        }
        let stable = self.seed.hash(key);
        for run in self.runs.iter().rev() {
            if let Some(slot) = run.find(key, stable)? {
                return Ok(slot.earlier + u64::from(slot.count));
            }
        }
        Ok(0)
    }

    /// The parts of a key's postings, ascending.
    pub(crate) fn parts(&self, key: Key<'_>, hash: u64) -> Result<Vec<Numbered>, Damaged> {
        let mut parts = Vec::new();
        let stable = self.seed.hash(key);
        for run in &self.runs {
            if let Some(slot) = run.find(key, stable)? {
                parts.push(Numbered { first: slot.earlier, part: Part::Run(run.clone(), slot) });
            }
        }
        parts
            .extend(self.frozen.iter().chain([&self.tail]).filter_map(|tail| Part::of_tail(tail, key, hash)));
        Ok(parts)
    }

    /// The newest tail that has postings of a key.
    pub(crate) fn newest_tail(&self, key: Key<'_>, hash: u64) -> Option<(&Tail, KeyId)> {
        let tails = [&self.tail].into_iter().chain(self.frozen.iter().rev());
        tails.into_iter().find_map(|tail| {
            let keys = tail.read();
            let id = keys.find(key, hash)?;
            keys.last(id).map(|_| (&**tail, id))
        })
    }

    /// Number of streams that have had an event.
    pub(crate) fn streams(&self) -> u64 {
        let runs: u64 = self.runs.iter().map(|run| run.new_streams()).sum();
        let tails = self.frozen.iter().chain([&self.tail]);
        runs + tails.map(|tail| tail.read().new_streams()).sum::<u64>()
    }

    /// The last noted frame whose first event stands at or before `position`.
    pub(crate) fn noted_before(&self, position: u64) -> Result<Option<Place>, Damaged> {
        self.noted(|noted| noted.first <= position)
    }

    /// The last noted frame before which, itself among them, no commit has a time of `time` or later.
    pub(crate) fn noted_until(&self, time: i64) -> Result<Option<Place>, Damaged> {
        self.noted(|noted| noted.time_max < time)
    }

    fn noted(&self, is_before: impl Fn(&Noted) -> bool) -> Result<Option<Place>, Damaged> {
        for tail in [&self.tail].into_iter().chain(self.frozen.iter().rev()) {
            if let Some(noted) = tail.read().noted(&is_before) {
                return Ok(Some(noted.place));
            }
        }
        for run in self.runs.iter().rev() {
            if let Some(noted) = run.noted(&is_before)? {
                return Ok(Some(noted.place));
            }
        }
        Ok(None)
    }
}
