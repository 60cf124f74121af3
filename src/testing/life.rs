//! One life of a store on a machine: opened, compared with what was promised, used, and crashed at its hooks.

use super::crash::{Cut, DEPTH_MAX, Run};
use super::history::{Commit, History};
use super::{Call, Chance, Hook, Machine, When};
use crate::error::{Error, ErrorKind};
use crate::expected::{Durability, Expected};
use crate::pending::Pending;
use crate::store::{Receipt, Store};
use crate::{Position, Revision};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(super) struct Life {
    pub(super) run: Arc<Run>,
    pub(super) path: String,
    machine: Machine,
    shared: Arc<Shared>,
    /// How the machine was lost before; `None` in a first life.
    before: Option<Cut>,
    chance: Chance,
}

/// What the life and its hooks share.
struct Shared {
    run: Arc<Run>,
    path: String,
    depth: u32,
    cuts_of_thousand: u64,
    history: Mutex<History>,
    store: Mutex<Option<Store>>,
    waiting: Mutex<Vec<(usize, Pending<Receipt>)>>,
    chance: Mutex<Chance>,
    /// An append from a hook is under way.
    appending: AtomicBool,
}

type Step = Result<(), String>;

impl Life {
    pub(super) fn first(run: &Arc<Run>, machine: Machine) -> Self {
        Self::new(run, machine, History::default(), None, 0, String::new())
    }

    pub(super) fn after(
        run: &Arc<Run>,
        machine: Machine,
        mut history: History,
        cut: Cut,
        depth: u32,
        path: String,
    ) -> Self {
        if cut == Cut::Power {
            history.lose_power(run.may_damage());
        }
        Self::new(run, machine, history, Some(cut), depth, path)
    }

    fn new(
        run: &Arc<Run>,
        machine: Machine,
        history: History,
        before: Option<Cut>,
        depth: u32,
        path: String,
    ) -> Self {
        // A second life meets some hundred hooks; about one of two is crashed once more.
        let cuts_of_thousand = [run.plan.cuts_of_thousand, 3, 3, 0][depth as usize];
        let shared = Arc::new(Shared {
            run: run.clone(),
            path: path.clone(),
            depth,
            cuts_of_thousand,
            history: Mutex::new(history),
            store: Mutex::new(None),
            waiting: Mutex::default(),
            chance: Mutex::new(Chance::new(run.deal())),
            appending: AtomicBool::new(false),
        });
        Self { run: run.clone(), path, machine, shared, before, chance: Chance::new(run.deal()) }
    }

    /// # Errors
    /// What was not as it must be.
    pub(super) fn live(mut self) -> Step {
        let shared = self.shared.clone();
        self.machine.watch(move |machine, hook| shared.at(machine, hook));
        let lived = self.open().and_then(|opened| if opened { self.use_it() } else { Ok(()) });
        self.machine.unwatch();
        self.run.seen(&self.machine);
        self.shared.waiting.lock().clear();
        let store = self.shared.store.lock().take();
        drop(store);
        lived
    }

    fn options(&self) -> crate::Options {
        Store::options().segment_bytes(self.run.segment_bytes).pad_syncs(self.run.padded)
    }

    /// Opens the store and compares it. `false` if it was refused, as it may be on a medium that damages.
    fn open(&mut self) -> Result<bool, String> {
        let store = match self.machine.open(self.options()) {
            Ok(store) => store,
            Err(error) if self.run.may_damage() && error.is_corrupt() => {
                self.run.was_refused();
                return Ok(false);
            }
            Err(error) => return Err(format!("opening: {error}")),
        };
        let mut history = self.shared.history.lock().clone();
        let (count, doubtful) = history.compare(&store)?;
        let report = store.recovery();
        if self.before.is_some() {
            self.run.recovered(count);
        }
        if !report.is_clean() {
            self.run.tail_was_cut();
        }
        let least = match self.before {
            Some(Cut::Kill) => history.seen(),
            Some(Cut::Power) | None => history.promised(),
        };
        if count < least {
            return Err(format!(
                "{count} commits are left of {least} that were promised and {} in all; {report}",
                history.len()
            ));
        }
        let (events, commits) = (store.view().watermark().0, count as u64);
        if (report.events, report.commits) != (events, commits) {
            return Err(format!("the report says {report}, and there are {events} events in {commits} commits"));
        }
        let synced = store.view_synced().watermark().0;
        if synced != events {
            return Err(format!("{events} events were recovered and {synced} of them count as synced"));
        }
        history.survive(count, doubtful);
        if self.chance.happens(200) {
            history.compare_keys(&store, count)?;
        }
        *self.shared.history.lock() = history;
        *self.shared.store.lock() = Some(store);
        Ok(true)
    }

    fn use_it(&mut self) -> Step {
        let steps = if self.shared.depth == 0 { 40 + self.chance.below(40) } else { self.chance.below(7) };
        for _ in 0..steps {
            if self.run.is_over() {
                return Ok(());
            }
            self.step()?;
            self.shared.learn();
        }
        if self.shared.depth > 0 || self.chance.happens(500) { self.reopen() } else { Ok(()) }
    }

    fn store(&self) -> Store {
        self.shared.store.lock().clone().expect("a store is open while steps are made")
    }

    fn step(&mut self) -> Step {
        match self.chance.below(100) {
            0..40 => self.shared.append(1, false),
            40..52 => {
                let streams = 2 + self.chance.below(3);
                self.shared.append(streams, false)
            }
            52..60 => self.wait_for_all(),
            60..66 => self.wait_for_one(),
            66..72 => self.poll_one(),
            72..76 => self.store().sync().wait().map_err(|error| format!("sync: {error}")),
            76..88 => {
                self.machine.run_one(&mut self.chance);
                Ok(())
            }
            88..91 => {
                let millis = [10, 60, 1_500][self.chance.below(3) as usize];
                self.machine.pass(Duration::from_millis(millis));
                Ok(())
            }
            91..94 => self.repeat(),
            94..96 => self.conflict(),
            96..97 => {
                self.machine.jump_clock(self.chance.any() as i64 >> 20);
                Ok(())
            }
            97..98 => self.look_beside(),
            98..99 => self.store().stats().map(drop).map_err(|error| format!("stats: {error}")),
            _ => self.reopen(),
        }
    }

    /// Every `Ok` of a receipt promises everything up to it.
    fn wait_for_all(&mut self) -> Step {
        let waiting = std::mem::take(&mut *self.shared.waiting.lock());
        waiting.into_iter().try_for_each(|(count, pending)| self.shared.kept(count, pending.wait()))
    }

    fn wait_for_one(&mut self) -> Step {
        let taken = {
            let mut waiting = self.shared.waiting.lock();
            let index = self.chance.below(waiting.len() as u64) as usize;
            (index < waiting.len()).then(|| waiting.swap_remove(index))
        };
        taken.map_or(Ok(()), |(count, pending)| self.shared.kept(count, pending.wait()))
    }

    /// A task polls, background work runs, the task polls again.
    fn poll_one(&mut self) -> Step {
        let Some((count, mut pending)) = self.shared.waiting.lock().pop() else { return Ok(()) };
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..2 {
            if let std::task::Poll::Ready(result) = std::pin::Pin::new(&mut pending).poll(&mut cx) {
                return self.shared.kept(count, result);
            }
            while self.chance.happens(700) && self.machine.run_one(&mut self.chance) {}
        }
        self.shared.waiting.lock().push((count, pending));
        Ok(())
    }

    /// The same commit again: a success, and nothing is added.
    fn repeat(&mut self) -> Step {
        let (commit, count) = {
            let history = self.shared.history.lock();
            let index = self.chance.below(history.len() as u64) as usize;
            match history.get(index) {
                Some(commit) => (commit, index + 1),
                None => return Ok(()),
            }
        };
        let pending = send(&self.store(), &commit, |first| exactly(first), Durability::Power);
        let receipt = pending.wait().map_err(|error| format!("a repeat: {error}"))?;
        if !receipt.is_repeat() || receipt.position() != Position(commit.last) {
            return Err(format!("the repeat of a commit that ends at {} gave {receipt:?}", commit.last));
        }
        self.shared.history.lock().promise(count);
        Ok(())
    }

    /// An append that must be refused, and change nothing.
    fn conflict(&mut self) -> Step {
        let (commit, actual) = {
            let mut history = self.shared.history.lock().clone();
            let commit = history.invent(&mut self.chance, 1);
            let actual = history.count(commit.events[0].stream);
            (commit, actual)
        };
        let wrong = Expected::Exact(Revision(actual + 1));
        match send(&self.store(), &commit, |_| wrong, Durability::Process).wait() {
            Err(error) if error.is_conflict() => Ok(()),
            other => Err(format!("expected a conflict with revision {actual}, found {other:?}")),
        }
    }

    /// Another process reads while this one has the store open.
    fn look_beside(&mut self) -> Step {
        let beside = self.machine.open(Store::options().read_only()).map_err(|error| format!("reading beside: {error}"))?;
        let history = self.shared.history.lock().clone();
        let (count, _) = history.compare(&beside).map_err(|what| format!("reading beside: {what}"))?;
        if count < history.seen() {
            return Err(format!("a reader beside saw {count} of {} commits", history.seen()));
        }
        Ok(())
    }

    /// Closes, and opens again: everything is there.
    fn reopen(&mut self) -> Step {
        self.wait_for_all()?;
        let store = self.store();
        store.close().wait().map_err(|error| format!("closing: {error}"))?;
        {
            let mut history = self.shared.history.lock();
            let all = history.len();
            history.promise(all);
            history.compare(&store).map_err(|what| format!("after closing: {what}"))?;
        }
        *self.shared.store.lock() = None;
        drop(store);
        if !self.open()? {
            return Err("a closed store was refused".into());
        }
        let store = self.store();
        if store.recovery().is_clean() { Ok(()) } else { Err(format!("after a close: {}", store.recovery())) }
    }
}

impl Shared {
    /// At every hook: perhaps a crash, perhaps an append by another thread.
    fn at(self: &Arc<Self>, machine: &Machine, hook: Hook<'_>) {
        if self.run.is_over() {
            return;
        }
        let (cuts, appends) = {
            let mut chance = self.chance.lock();
            (chance.happens(self.cuts_of_thousand), chance.happens(150))
        };
        if cuts && self.depth < DEPTH_MAX {
            self.learn();
            let history = self.history.lock().clone();
            let path = format!("{} / hook {} {:?} {:?} {}", self.path, hook.number, hook.when, hook.call, hook.path);
            self.run.cut(machine, &history, self.depth + 1, &path);
        }
        if appends && is_unlocked(hook) && !self.appending.swap(true, Ordering::Relaxed) {
            if let Err(what) = self.append_beside() {
                self.run.fail(format!("{} / append at {:?} {}: {what}", self.path, hook.call, hook.path));
            }
            self.appending.store(false, Ordering::Relaxed);
        }
    }

    fn append_beside(&self) -> Step {
        let is_open = self.store.lock().is_some() && self.history.lock().is_idle();
        if is_open { self.append(1, true) } else { Ok(()) }
    }

    /// What the store calls synced is promised.
    fn learn(&self) {
        let store = self.store.lock().clone();
        if let Some(store) = store {
            let synced = store.view_synced().watermark().0;
            self.history.lock().promise_through(synced);
        }
    }

    /// Appends, and leaves the waiting for later. `beside`: the store may be closing, which is fine.
    fn append(&self, streams: u64, beside: bool) -> Step {
        let store = self.store.lock().clone().expect("a store is open while it is appended to");
        let (commit, expects, durability) = {
            let (mut history, mut chance) = (self.history.lock(), self.chance.lock());
            let commit = history.invent(&mut chance, streams);
            history.begin(commit.clone());
            let durability = if chance.happens(700) { Durability::Power } else { Durability::Process };
            (commit, chance.below(3), durability)
        };
        let expect = |first: u64| match expects {
            0 => Expected::Any,
            1 if first > 0 => Expected::StreamExists,
            _ => exactly(first),
        };
        let pending = send(&store, &commit, expect, durability);
        self.settle(&commit, pending, durability, beside)
    }

    /// The append has returned: did it commit?
    fn settle(&self, commit: &Commit, pending: Pending<Receipt>, durability: Durability, beside: bool) -> Step {
        match pending.known() {
            None | Some(Ok(_)) => {
                let count = self.history.lock().publish();
                if let Some(Ok(receipt)) = pending.known()
                    && (receipt.is_repeat() || receipt.position() != Position(commit.last))
                {
                    return Err(format!("an append that should end at {} gave {receipt:?}", commit.last));
                }
                if durability == Durability::Power {
                    self.waiting.lock().push((count, pending));
                }
                Ok(())
            }
            Some(Err(error)) => {
                self.history.lock().withdraw();
                if beside && error.kind() == ErrorKind::Closed { Ok(()) } else { Err(format!("an append: {error}")) }
            }
        }
    }

    /// The outcome of the waiting for the commit of this number.
    fn kept(&self, count: usize, result: Result<Receipt, Error>) -> Step {
        match result {
            Ok(_) => {
                self.history.lock().promise(count);
                Ok(())
            }
            Err(error) => Err(format!("waiting for commit {count}: {error}")),
        }
    }
}

/// Whether the engine holds no lock at this hook that an append would wait for.
fn is_unlocked(hook: Hook<'_>) -> bool {
    let syncing = hook.call == Call::SyncRange && hook.path.starts_with("log/");
    let preparing = hook.path == "log/next" && hook.call != Call::Rename && hook.when != When::During;
    syncing || preparing
}

/// The expectation that a stream has this many events.
fn exactly(count: u64) -> Expected {
    match count.checked_sub(1) {
        Some(newest) => Expected::Exact(Revision(newest)),
        None => Expected::NoStream,
    }
}

/// Appends a commit; `expect` is given the first revision in each stream.
fn send(store: &Store, commit: &Commit, expect: impl Fn(u64) -> Expected, durability: Durability) -> Pending<Receipt> {
    let mut transaction = store.transaction().durability(durability);
    for events in commit.events.chunk_by(|one, other| one.stream == other.stream) {
        let new: Vec<_> = events.iter().map(super::history::Event::to_new).collect();
        transaction = transaction.append(events[0].stream, expect(events[0].revision), &new);
    }
    transaction.commit()
}
