//! Several neighbouring runs as the input of one: keys in order, the postings of each one after another.

use super::Slot;
use super::header::Covered;
use super::input::{Input, KeyInput, Stop};
use super::reader::Run;
use crate::index::key::Key;
use crate::index::tail::Noted;
use std::sync::Arc;

/// Runs that follow each other without a gap.
pub(crate) struct Merge<'r> {
    runs: &'r [Arc<Run>],
    /// Asked now and then whether to go on.
    go_on: &'r dyn Fn() -> bool,
}

/// Keys between two looks at whether to go on.
const KEYS_A_LOOK: u32 = 1_024;

impl<'r> Merge<'r> {
    /// # Panics
    /// Without a run, or if they don't follow each other.
    pub(crate) fn new(runs: &'r [Arc<Run>], go_on: &'r dyn Fn() -> bool) -> Self {
        assert!(!runs.is_empty(), "a merge has runs");
        for pair in runs.windows(2) {
            assert_eq!(
                pair[0].covered().next_segment(),
                pair[1].covered().first_segment,
                "runs are neighbours"
            );
        }
        Self { runs, go_on }
    }

    /// What they cover together.
    pub(crate) fn covered(&self) -> Covered {
        let (first, last) = (self.runs[0].covered(), self.runs[self.runs.len() - 1].covered());
        Covered {
            first_segment: first.first_segment,
            segments: self.runs.iter().map(|run| run.covered().segments).sum(),
            first_position: first.first_position,
            commits: self.runs.iter().map(|run| run.covered().commits).sum(),
            ..*last
        }
    }

    /// First position and end of every segment.
    pub(crate) fn segments(&self) -> Result<Vec<(u64, u64)>, Stop> {
        let each = |run: &Arc<Run>| {
            let run = run.clone();
            (0..run.covered().segments).map(move |number| run.segment(number).map_err(Stop::from))
        };
        self.runs.iter().flat_map(each).collect()
    }

    pub(crate) fn sparse_count(&self) -> u64 {
        self.runs.iter().map(|run| run.sparse_count()).sum()
    }

    /// Noted frame `number` of all.
    pub(crate) fn sparse(&self, mut number: u64) -> Result<Noted, Stop> {
        for run in self.runs {
            match number.checked_sub(run.sparse_count()) {
                Some(rest) => number = rest,
                None => return Ok(run.sparse(number)?),
            }
        }
        unreachable!("asked for one that was counted")
    }
}

/// What slots are ordered by: hash, kind, name.
type Order<'r> = (u64, u8, &'r [u8]);

/// One run during a merge: the slot that is next.
struct Head<'r> {
    run: &'r Run,
    number: u32,
    slot: Option<Slot>,
}

impl<'r> Head<'r> {
    fn read(&mut self) -> Result<(), Stop> {
        self.slot = if self.number < self.run.keys() { Some(self.run.slot(self.number)?) } else { None };
        Ok(())
    }

    /// What slots are ordered by.
    fn order(&self) -> Result<Option<Order<'r>>, Stop> {
        let Some(slot) = &self.slot else { return Ok(None) };
        Ok(Some((slot.hash, slot.kind, self.run.name(slot)?)))
    }
}

impl Input for Merge<'_> {
    fn each(&self, visit: &mut dyn FnMut(&KeyInput<'_>) -> Result<(), Stop>) -> Result<(), Stop> {
        let mut heads: Vec<Head<'_>> =
            self.runs.iter().map(|run| Head { run, number: 0, slot: None }).collect();
        heads.iter_mut().try_for_each(Head::read)?;
        let origin = self.runs[0].origin();
        let (mut seen, mut parts) = (0, Vec::with_capacity(heads.len()));
        loop {
            let mut least: Option<Order<'_>> = None;
            for head in &heads {
                if let Some(order) = head.order()?
                    && least.is_none_or(|least| order < least)
                {
                    least = Some(order);
                }
            }
            let Some(least) = least else { return Ok(()) };
            parts.clear();
            for head in &mut heads {
                if head.order()? == Some(least) {
                    parts.push((head.run, head.slot.expect("it has an order")));
                    head.number += 1;
                    head.read()?;
                }
            }
            visit_key(&parts, least, origin, visit)?;
            seen += 1;
            if seen % KEYS_A_LOOK == 0 && !(self.go_on)() {
                return Err(Stop::Interrupted);
            }
        }
    }
}

fn visit_key(
    parts: &[(&Run, Slot)],
    (hash, _, name): Order<'_>,
    origin: u64,
    visit: &mut dyn FnMut(&KeyInput<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let (first_run, first) = &parts[0];
    let count = parts.iter().try_fold(0u32, |sum, (_, slot)| sum.checked_add(slot.count));
    let numbers = |n: u32, out: &mut [u64]| -> Result<(), Stop> {
        let (mut n, mut filled) = (n, 0);
        for (run, slot) in parts {
            if n >= slot.count {
                n -= slot.count;
                continue;
            }
            let many = ((slot.count - n) as usize).min(out.len() - filled);
            let piece = &mut out[filled..filled + many];
            run.numbers(slot, n, piece)?;
            piece.iter_mut().for_each(|number| *number += run.origin() - origin);
            filled += many;
            n = 0;
            if filled == out.len() {
                break;
            }
        }
        Ok(())
    };
    visit(&KeyInput {
        hash,
        key: Key { kind: first_run.kind(first)?, name },
        earlier: first.earlier,
        count: count.ok_or(Stop::TooLarge)?,
        numbers: &numbers,
    })
}
