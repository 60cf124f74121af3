//! The end of a run as the input of another: what is left of it when the segments that it begins with are removed.

use super::header::Covered;
use super::input::{Input, KeyInput, Stop};
use super::reader::Run;
use crate::index::key::{Key, KeyKind};
use crate::index::tail::Noted;
use crate::log::Place;

/// A run without its first segments.
pub(crate) struct Clip<'r> {
    run: &'r Run,
    /// Place of the first byte of the first segment that is left.
    from: Place,
    covered: Covered,
}

impl<'r> Clip<'r> {
    /// What is left of a run from segment `first` on, which is one of its own. `commits` of it are removed.
    ///
    /// # Errors
    /// The run is damaged.
    pub(crate) fn new(run: &'r Run, first: u64, from: Place, commits: u64) -> Result<Self, Stop> {
        let covered = run.covered();
        let gone = (first - covered.first_segment) as u32;
        let covered = Covered {
            first_segment: first,
            segments: covered.segments - gone,
            first_position: run.segment(gone)?.0,
            commits: covered.commits.saturating_sub(commits),
            ..*covered
        };
        Ok(Self { run, from, covered })
    }

    pub(crate) fn covered(&self) -> Covered {
        self.covered
    }

    /// First position and end of every segment.
    pub(crate) fn segments(&self) -> Result<Vec<(u64, u64)>, Stop> {
        let all = self.run.covered().segments;
        (all - self.covered.segments..all).map(|number| Ok(self.run.segment(number)?)).collect()
    }

    /// The noted frames.
    pub(crate) fn sparse(&self) -> Result<Vec<Noted>, Stop> {
        let all = (0..self.run.sparse_count()).map(|number| Ok(self.run.sparse(number)?));
        let left = all.filter(|noted| noted.as_ref().map_or(true, |noted: &Noted| noted.place >= self.from));
        left.collect()
    }
}

impl Input for Clip<'_> {
    fn each(&self, visit: &mut dyn FnMut(&KeyInput<'_>) -> Result<(), Stop>) -> Result<(), Stop> {
        let shift = self.from.0 - self.run.origin();
        for number in 0..self.run.keys() {
            let slot = self.run.slot(number)?;
            let gone = self.run.before(&slot, self.from)?;
            if gone >= slot.count {
                continue;
            }
            let numbers = |n: u32, out: &mut [u64]| -> Result<(), Stop> {
                self.run.numbers(&slot, n + gone, out)?;
                out.iter_mut().for_each(|number| *number -= shift);
                Ok(())
            };
            let kind = self.run.kind(&slot)?;
            visit(&KeyInput {
                hash: slot.hash,
                key: Key { kind, name: self.run.name(&slot)? },
                earlier: if kind == KeyKind::Stream { slot.earlier + u64::from(gone) } else { 0 },
                count: slot.count - gone,
                numbers: &numbers,
            })?;
        }
        Ok(())
    }
}
