//! What happened over all cases: a model test in which nothing happens proves nothing.

use crate::plain::Outcome;
use std::cell::Cell;

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) events: Cell<u64>,
    commits: Cell<u64>,
    repeats: Cell<u64>,
    conflicts: Cell<u64>,
    /// Events or commits beyond a bound.
    pub(crate) refused: Cell<u64>,
    pub(crate) reopenings: Cell<u64>,
    pub(crate) rollovers: Cell<u64>,
}

impl Counts {
    pub(crate) fn add(count: &Cell<u64>, more: u64) {
        count.set(count.get() + more);
    }

    pub(crate) fn count(&self, outcome: &Outcome) {
        Self::add(
            match outcome {
                Outcome::Done { repeat: true, .. } => &self.repeats,
                Outcome::Done { .. } => &self.commits,
                Outcome::Conflict { .. } => &self.conflicts,
            },
            1,
        );
    }

    /// Each of them happened at least once in ten cases.
    pub(crate) fn assert_enough(&self, cases: u64, on_disk: bool) {
        let reopenings = if on_disk { &self.reopenings } else { &self.commits };
        let counts =
            [&self.events, &self.commits, &self.repeats, &self.conflicts, &self.rollovers, reopenings];
        assert!(counts.iter().all(|count| count.get() * 10 >= cases), "{self:?} in {cases} cases");
    }
}
