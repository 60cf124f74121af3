//! The crash test of the engine: lives of a store on simulated machines, cut short at any hook, and again during the
//! recovery from that, and every time compared with what was promised.

use super::history::History;
use super::life::Life;
use super::{Bugs, Chance, Crash, Machine};
use crate::medium::WriteMode;
use crate::medium::sim::{Call, When};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How deep crashes nest: one in the first life, one in the recovery from it, one in the recovery from that.
pub const DEPTH_MAX: u32 = 3;

/// What a crash test does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// How many crashed machines are looked at, about.
    pub states: u64,
    /// How many hooks of a thousand of the first life are crashed at.
    pub cuts_of_thousand: u64,
    /// At so many of a thousand crashes of a first life all combinations of keeping and losing what is unsynced are tried
    /// (deeper down, where they would multiply, at few) ...
    pub combinations_of_thousand: u64,
    /// ... where at most so many things are unsynced; none if 0.
    pub undecided_max: u32,
    /// Whether calls fail.
    pub faults: bool,
    /// Whether a bit rots, or a piece turns to zeros, in a segment of each killed process's store (F40, F47, F52).
    pub rot: bool,
    /// Leaves out what would notice a mistake in the engine before it does harm.
    pub lenient: bool,
    /// Whether syncs are padded; `None`: each life is dealt one.
    pub padded: Option<bool>,
    /// How the unsynced suffers; `None`: each life is dealt one.
    pub crash: Option<Crash>,
    /// How stores write; `None`: each life is dealt one.
    pub mode: Option<WriteMode>,
    /// Mistakes in the engine, to show that they are noticed.
    pub bugs: Bugs,
}

impl Plan {
    /// A plan of so many states with this seed.
    pub fn new(seed: u64, states: u64) -> Self {
        Self {
            seed,
            states,
            cuts_of_thousand: 100,
            combinations_of_thousand: 15,
            undecided_max: 6,
            faults: false,
            rot: false,
            lenient: false,
            padded: None,
            crash: None,
            mode: None,
            bugs: Bugs::default(),
        }
    }
}

/// What a crash test saw.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// First lives that were lived.
    pub lives: u64,
    /// Crashed machines that were looked at.
    pub states: u64,
    /// Of these, by depth of the crash.
    pub states_by_depth: [u64; DEPTH_MAX as usize],
    /// Of these, killed processes instead of power cuts.
    pub kills: u64,
    /// Of these, power cuts that are one of all combinations of keeping and losing what was unsynced.
    pub combinations: u64,
    /// Stores that opening refused as corrupt, which only a medium without power-safe overwrite may bring about.
    pub refused: u64,
    /// Openings that cut a torn tail.
    pub tails: u64,
    /// Commits that were recovered, over all openings.
    pub commits: u64,
    /// Segments that retention has dropped.
    pub dropped: u64,
    /// Each kind of hook that was met, and how often.
    pub visited: BTreeMap<(Call, When), u64>,
}

/// The first state that was not as it must be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Seed of the life: `Plan::new(seed, ..)` with the same settings repeats it at once.
    pub seed: u64,
    /// The crashes that led there, and what was wrong.
    pub what: String,
    /// States that were looked at before.
    pub states: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, after {} states: {}", self.seed, self.states, self.what)
    }
}

impl std::error::Error for Failure {}

/// Lives through the plan.
///
/// # Errors
/// The first state that broke a promise.
pub fn run(plan: &Plan) -> Result<Summary, Failure> {
    let mut sum = Summary::default();
    let mut seed = plan.seed;
    while sum.states < plan.states {
        let run = Arc::new(Run::new(plan, seed));
        live(&run);
        let before = sum.states;
        run.add_to(&mut sum);
        if let Some(what) = run.failure.lock().take() {
            return Err(Failure { seed, what, states: before + run.states() });
        }
        seed = seed.wrapping_add(1);
    }
    Ok(sum)
}

/// The settings of one first life, and what it and its descendants have seen.
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) segment_bytes: u64,
    pub(super) padded: bool,
    pub(super) mode: WriteMode,
    crash: Crash,
    chance: Mutex<Chance>,
    seed: u64,
    failure: Mutex<Option<String>>,
    depths: [AtomicU64; DEPTH_MAX as usize],
    kills: AtomicU64,
    combinations: AtomicU64,
    refused: AtomicU64,
    tails: AtomicU64,
    commits: AtomicU64,
    dropped: AtomicU64,
    visited: Mutex<BTreeMap<(Call, When), u64>>,
}

/// How a machine is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Power,
    Kill,
}

/// What is certain of a machine that is about to be lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certain {
    /// What is synced stands in the mark too, so that no damage to it can look like a torn tail.
    pub(super) synced_marked: bool,
    /// A sync may have failed: what wasn't promised may be lost by the death of the process too.
    pub(super) synced_only: bool,
}

impl Run {
    fn new(plan: &Plan, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let crash = [Crash::Torn, Crash::Torn, Crash::Garbage, Crash::Wild][chance.below(4) as usize];
        let mode = [WriteMode::Mapped, WriteMode::Positioned][chance.below(2) as usize];
        let padded = chance.happens(if crash == Crash::Wild { 700 } else { 200 });
        let padded = plan.padded.unwrap_or(padded);
        Self {
            plan: plan.clone(),
            segment_bytes: if padded { 32 << 10 } else { 8 << 10 },
            padded,
            mode: plan.mode.unwrap_or(mode),
            crash: plan.crash.unwrap_or(crash),
            chance: Mutex::new(chance),
            seed,
            failure: Mutex::new(None),
            depths: Default::default(),
            kills: AtomicU64::new(0),
            combinations: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            tails: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            visited: Mutex::default(),
        }
    }

    fn states(&self) -> u64 {
        self.depths.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn add_to(&self, sum: &mut Summary) {
        sum.lives += 1;
        sum.states += self.states();
        for (sum, count) in sum.states_by_depth.iter_mut().zip(&self.depths) {
            *sum += count.load(Ordering::Relaxed);
        }
        sum.kills += self.kills.load(Ordering::Relaxed);
        sum.combinations += self.combinations.load(Ordering::Relaxed);
        sum.refused += self.refused.load(Ordering::Relaxed);
        sum.tails += self.tails.load(Ordering::Relaxed);
        sum.commits += self.commits.load(Ordering::Relaxed);
        sum.dropped += self.dropped.load(Ordering::Relaxed);
        for (hook, count) in &*self.visited.lock() {
            *sum.visited.entry(*hook).or_default() += count;
        }
    }

    /// Synced bytes may suffer: without power-safe overwrite and without padding, or because they rot. Then a store may
    /// be refused.
    pub(super) fn may_damage(&self) -> bool {
        self.may_lose() || self.plan.rot
    }

    /// Damage may look like a torn tail, and synced commits be lost with it.
    pub(super) fn may_lose(&self) -> bool {
        self.crash == Crash::Wild && !self.padded
    }

    pub(super) fn is_over(&self) -> bool {
        self.failure.lock().is_some()
    }

    /// Keeps the first failure.
    pub(super) fn fail(&self, what: impl Into<String>) {
        self.failure.lock().get_or_insert(what.into());
    }

    pub(super) fn recovered(&self, commits: usize, tail: bool) {
        self.commits.fetch_add(commits as u64, Ordering::Relaxed);
        self.tails.fetch_add(u64::from(tail), Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, segments: usize) {
        self.dropped.fetch_add(segments as u64, Ordering::Relaxed);
    }

    pub(super) fn was_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn seen(&self, machine: &Machine) {
        let mut visited = self.visited.lock();
        for (hook, count) in machine.visited() {
            *visited.entry(hook).or_default() += count;
        }
    }

    /// A number for something new.
    pub(super) fn deal(&self) -> u64 {
        self.chance.lock().any()
    }

    /// Loses the machine at this moment, in one way or in all, and looks at what is left.
    pub(super) fn cut(
        self: &Arc<Self>,
        machine: &Machine,
        history: &History,
        depth: u32,
        path: &str,
        certain: Certain,
    ) {
        let seed = self.deal();
        let mut chance = Chance::new(seed);
        let limit = self.plan.undecided_max;
        let often = if depth == 1 { self.plan.combinations_of_thousand } else { 5 };
        if limit > 0 && chance.happens(often) && machine.undecided() <= limit {
            for (left, number) in machine.power_cuts_all().zip(0..) {
                self.combinations.fetch_add(1, Ordering::Relaxed);
                self.examine(left, history, Cut::Power, depth, format!("{path} / combination {number}"));
            }
        } else if chance.happens(if self.plan.rot { 900 } else { 150 }) {
            let left = machine.kill(seed);
            let rots = self.plan.rot && certain.synced_marked;
            if rots {
                rot(&left, &mut chance);
            }
            let mut history = history.clone();
            if rots || certain.synced_only {
                history.lose_power(false);
            }
            if rots {
                history.rot();
            }
            self.examine(left, &history, Cut::Kill, depth, format!("{path} / kill"));
        } else {
            let left = machine.power_cut(seed, self.crash);
            self.examine(left, history, Cut::Power, depth, format!("{path} / {:?} power cut", self.crash));
        }
    }

    fn examine(self: &Arc<Self>, machine: Machine, history: &History, cut: Cut, depth: u32, path: String) {
        if self.is_over() {
            return;
        }
        self.depths[depth as usize - 1].fetch_add(1, Ordering::Relaxed);
        if cut == Cut::Kill {
            self.kills.fetch_add(1, Ordering::Relaxed);
        }
        machine.set_space(None);
        machine.set_flusher(if self.deal().is_multiple_of(3) { 100 } else { 0 });
        let life = Life::after(self, machine, history.clone(), cut, depth, path);
        life.live_guarded();
    }
}

/// Damages some bytes of a segment, its header and seal among them.
fn rot(machine: &Machine, chance: &mut Chance) {
    let segments: Vec<_> = machine.files().into_iter().filter(|path| path.ends_with(".seg")).collect();
    let Some(path) = segments.get(chance.below(segments.len() as u64) as usize) else { return };
    let Some(mut bytes) = machine.read_file(path) else { return };
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    let at = chance.below(used) as usize;
    let piece = &mut bytes[at..used as usize];
    match chance.below(4) {
        0 => piece.iter_mut().take(512).for_each(|byte| *byte = 0),
        1 => piece.iter_mut().take(64).for_each(|byte| *byte = chance.any() as u8),
        _ => piece.iter_mut().take(1).for_each(|byte| *byte ^= 1 << chance.below(8)),
    }
    machine.put_file(path, &bytes);
}

fn live(run: &Arc<Run>) {
    let machine = Machine::with_mode(run.seed, run.mode).with_bugs(run.plan.bugs);
    machine.set_flusher([0, 30, 200][run.deal() as usize % 3]);
    Life::first(run, machine).live_guarded();
}

impl Life {
    /// Lives it; a panic is a failure like another.
    fn live_guarded(self) {
        let (run, path) = (self.run.clone(), self.path.clone());
        let lived = catch_unwind(AssertUnwindSafe(|| self.live()));
        let what = match lived {
            Ok(Ok(())) => return,
            Ok(Err(what)) => what,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                format!("panic: {}", text.unwrap_or("without a text"))
            }
        };
        run.fail(format!("{path}: {what}"));
    }
}
