//! What happened over all cases: a model test in which nothing happens proves nothing.

use crate::home::Place;
use crate::plain::{Outcome, Request};
use orchestrix::IndexStats;
use std::cell::Cell;

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) events: Cell<u64>,
    commits: Cell<u64>,
    repeats: Cell<u64>,
    conflicts: Cell<u64>,
    /// Commits whose condition held.
    held: Cell<u64>,
    /// Commits whose condition failed.
    failed: Cell<u64>,
    /// Events or commits beyond a bound.
    pub(crate) refused: Cell<u64>,
    /// Events that queries found.
    pub(crate) found: Cell<u64>,
    pub(crate) reopenings: Cell<u64>,
    pub(crate) rollovers: Cell<u64>,
    /// Power cuts, and events that they took.
    pub(crate) cuts: Cell<u64>,
    pub(crate) lost: Cell<u64>,
    /// Files of the index that were damaged or removed.
    pub(crate) damages: Cell<u64>,
    /// What opening or reading said of these.
    told: Cell<u64>,
    /// Events that retention has dropped.
    pub(crate) dropped: Cell<u64>,
    /// Snapshots.
    pub(crate) saved: Cell<u64>,
    runs: Cell<u64>,
    merges: Cell<u64>,
    rebuilds: Cell<u64>,
}

impl Counts {
    pub(crate) fn add(count: &Cell<u64>, more: u64) {
        count.set(count.get() + more);
    }

    pub(crate) fn count(&self, request: &Request, outcome: &Outcome) {
        let count = match outcome {
            Outcome::Done { repeat: true, .. } => &self.repeats,
            Outcome::Done { .. } if request.condition.is_some() => {
                Self::add(&self.held, 1);
                &self.commits
            }
            Outcome::Done { .. } => &self.commits,
            Outcome::Conflict { .. } => &self.conflicts,
            Outcome::Matched(_) => &self.failed,
        };
        Self::add(count, 1);
    }

    /// What was done to the index of a store that is about to end.
    pub(crate) fn count_index(&self, index: &IndexStats) {
        Self::add(&self.runs, index.written);
        Self::add(&self.merges, index.merges);
        Self::add(&self.rebuilds, index.rebuilds);
        Self::add(&self.told, index.problems.len() as u64);
    }

    /// Each of them happened at least once in twenty cases.
    pub(crate) fn assert_enough(&self, cases: u64, place: Place) {
        let mut counts = vec![
            &self.events,
            &self.commits,
            &self.repeats,
            &self.conflicts,
            &self.held,
            &self.failed,
            &self.found,
            &self.rollovers,
            &self.dropped,
            &self.saved,
            &self.runs,
            &self.merges,
            &self.rebuilds,
        ];
        if !matches!(place, Place::Memory) {
            counts.extend([&self.reopenings, &self.damages, &self.told]);
        }
        if let Place::Machine(_) = place {
            counts.extend([&self.cuts, &self.lost]);
        }
        assert!(counts.iter().all(|count| count.get() * 20 >= cases), "{self:?} in {cases} cases");
    }
}
