//! The index as its layers: runs on disk, tails whose run isn't written yet, and the tail that grows. A key's postings are
//! those of all layers, one after another. A list of layers never changes: a roll-over, a new run or a merge makes another.

use super::key::{HashSeed, Key, KeyKind};
use super::run::{Damaged, Run, Slot};
use super::tail::{KeyId, Noted, Tail, Through};
use crate::log::blocks::StoreId;
use crate::log::{Base, Geometry, Place};
use std::sync::Arc;

/// All layers as of one moment, ascending.
#[derive(Clone)]
pub(crate) struct Layers {
    pub(super) runs: Vec<Arc<Run>>,
    /// What retention removed, before the runs.
    pub(super) base: Arc<Base>,
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
    /// These runs behind a base, with an empty tail behind them.
    pub(super) fn behind(base: Arc<Base>, runs: Vec<Arc<Run>>, store: &StoreId, geometry: Geometry) -> Self {
        let (segment, through) = match runs.last() {
            None => (base.first_segment(), through_base(&base, geometry)),
            Some(run) => (run.covered().next_segment(), super::index::through(run, geometry)),
        };
        let tail = Arc::new(Tail::new(segment, through));
        Self { base, runs, frozen: Vec::new(), tail, seed: HashSeed::new(store) }
    }

    /// What retention removed.
    #[inline]
    pub(crate) fn base(&self) -> &Arc<Base> {
        &self.base
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

    /// Number of events of a stream in all layers before the tail, those that retention removed among them. `hash` is that of
    /// memory.
    pub(crate) fn revisions_before_tail(&self, key: Key<'_>, hash: u64) -> Result<u64, Damaged> {
        if let Some(count) = self.revisions_in_memory(key, hash) {
            return Ok(count);
        }
        let stable = self.seed.hash(key);
        for run in self.runs.iter().rev() {
            if let Some(slot) = run.find(key, stable)? {
                return Ok(slot.earlier + u64::from(slot.count));
            }
        }
        Ok(self.base.next_revision(key.name))
    }

    /// As [`revisions_before_tail`](Self::revisions_before_tail), if no run has to be asked.
    pub(crate) fn revisions_in_memory(&self, key: Key<'_>, hash: u64) -> Option<u64> {
        for tail in self.frozen.iter().rev() {
            let keys = tail.read();
            if let Some(id) = keys.find(key, hash) {
                return Some(keys.count(id));
            }
        }
        self.runs.is_empty().then(|| self.base.next_revision(key.name))
    }

    /// The parts of a key's postings, ascending. Postings of a stream are numbered by revision, those of another key from its
    /// first one that is there.
    pub(crate) fn parts(&self, key: Key<'_>, hash: u64) -> Result<Vec<Numbered>, Damaged> {
        let mut parts = Vec::new();
        let stable = self.seed.hash(key);
        let mut next = 0;
        let mut add = |parts: &mut Vec<Numbered>, earlier: u64, count: u64, part: Part| {
            let first = if key.kind == KeyKind::Stream { earlier } else { next };
            next = first + count;
            parts.push(Numbered { first, part });
        };
        for run in &self.runs {
            if let Some(slot) = run.find(key, stable)? {
                add(&mut parts, slot.earlier, slot.count.into(), Part::Run(run.clone(), slot));
            }
        }
        for tail in self.frozen.iter().chain([&self.tail]) {
            let keys = tail.read();
            if let Some(id) = keys.find(key, hash)
                && keys.last(id).is_some()
            {
                let (earlier, count) = (keys.earlier(id), keys.count(id) - keys.earlier(id));
                add(&mut parts, earlier, count, Part::Tail(tail.clone(), id));
            }
        }
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

    /// Number of streams that have had an event, one that retention removed included.
    pub(crate) fn streams(&self) -> u64 {
        let runs: u64 = self.runs.iter().map(|run| run.new_streams()).sum();
        let tails = self.frozen.iter().chain([&self.tail]);
        self.base.stream_count() + runs + tails.map(|tail| tail.read().new_streams()).sum::<u64>()
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

/// How far an index goes that has nothing behind a base.
pub(super) fn through_base(base: &Base, geometry: Geometry) -> Through {
    Through {
        position: base.first_position() - 1,
        place: geometry.place(base.first_segment(), 0),
        time_max: base.time_max(),
    }
}
