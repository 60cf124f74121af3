//! What a life and its hooks share, and what happens at a hook: perhaps a crash, perhaps an append by another thread.

use super::crash::{Certain, DEPTH_MAX, Run};
use super::history::{Commit, Event, History};
use super::{Call, Chance, Hook, Machine, Site, When};
use crate::Position;
use crate::Revision;
use crate::error::{Error, ErrorKind};
use crate::expected::{Durability, Expected};
use crate::pending::Pending;
use crate::store::{Receipt, Store};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a step was not as it should be.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A promise was broken.
    Broken(String),
    /// A call of the store failed; where calls are made to fail that may be right.
    Failed(String, Error),
}

impl Trouble {
    pub(super) fn failed(what: impl Into<String>, error: Error) -> Self {
        Self::Failed(what.into(), error)
    }
}

impl From<String> for Trouble {
    fn from(what: String) -> Self {
        Self::Broken(what)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(what) => f.write_str(what),
            Self::Failed(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

pub(super) type Step = Result<(), Trouble>;

pub(super) struct Shared {
    pub(super) depth: u32,
    pub(super) history: Mutex<History>,
    pub(super) store: Mutex<Option<Store>>,
    /// Receipts that are waited for later, each with the number of commits that its `Ok` promises.
    pub(super) waiting: Mutex<Vec<(usize, Pending<Receipt>)>>,
    run: Arc<Run>,
    machine: Machine,
    path: String,
    cuts_of_thousand: u64,
    chance: Mutex<Chance>,
    /// An append from a hook is under way.
    appending: AtomicBool,
    /// Calls have been told to fail in this life.
    faults: AtomicBool,
}

impl Shared {
    pub(super) fn new(run: &Arc<Run>, machine: &Machine, history: History, depth: u32, path: String) -> Self {
        Self {
            depth,
            history: Mutex::new(history),
            store: Mutex::new(None),
            waiting: Mutex::default(),
            run: run.clone(),
            machine: machine.clone(),
            path,
            // A later life meets some hundred hooks; about one of three is crashed once more.
            cuts_of_thousand: [run.plan.cuts_of_thousand, 3, 3, 0][depth as usize],
            chance: Mutex::new(Chance::new(run.deal())),
            appending: AtomicBool::new(false),
            faults: AtomicBool::new(false),
        }
    }

    pub(super) fn has_faults(&self) -> bool {
        self.faults.load(Ordering::Relaxed)
    }

    pub(super) fn set_faults(&self) {
        self.faults.store(true, Ordering::Relaxed);
    }

    /// Nothing fails any more, and there is room.
    pub(super) fn heal(&self) {
        self.machine.heal();
        self.machine.set_space(None);
    }

    /// At every hook: perhaps a crash, perhaps an append by another thread.
    pub(super) fn at(self: &Arc<Self>, machine: &Machine, hook: Hook<'_>) {
        if self.run.is_over() {
            return;
        }
        // The first word is stored last: what a crash or a failed write has left there was zeroed, or is no matter.
        let is_clean = !self.has_faults() && !self.run.plan.lenient;
        if is_clean
            && hook.call == Call::Stored(Site::Header)
            && machine.read_word(hook.path, hook.at - 8) != Some(0)
        {
            self.run.fail(format!("{}: a frame has its first word before its header", self.path));
        }
        let (cuts, appends) = {
            let mut chance = self.chance.lock();
            (chance.happens(self.cuts_of_thousand), chance.happens(150))
        };
        if cuts && self.depth < DEPTH_MAX {
            self.learn();
            let history = self.history.lock().clone();
            let Hook { call, when, path, number, .. } = hook;
            let path = format!("{} / hook {number} {when:?} {call:?} {path}", self.path);
            let certain =
                Certain { synced_marked: self.store.lock().is_some(), synced_only: self.has_faults() };
            self.run.cut(machine, &history, self.depth + 1, &path, certain);
        }
        if appends && is_unlocked(hook) && !self.appending.swap(true, Ordering::Relaxed) {
            if let Err(trouble) = self.append_beside() {
                self.run.fail(format!("{} / append at {:?} {}: {trouble}", self.path, hook.call, hook.path));
            }
            self.appending.store(false, Ordering::Relaxed);
        }
    }

    fn append_beside(&self) -> Step {
        let is_open = self.store.lock().is_some() && self.history.lock().is_idle();
        match is_open.then(|| self.append(1)) {
            Some(Err(Trouble::Failed(_, error)))
                if self.has_faults() || error.kind() == ErrorKind::Closed =>
            {
                Ok(())
            }
            Some(appended) => appended,
            None => Ok(()),
        }
    }

    /// What the store calls synced is promised.
    pub(super) fn learn(&self) {
        let store = self.store.lock().clone();
        if let Some(store) = store {
            let synced = store.view_synced().watermark().0;
            self.history.lock().promise_through(synced);
        }
    }

    /// Appends over so many streams, and leaves the waiting for later.
    pub(super) fn append(&self, streams: u64) -> Step {
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
        self.settle(&commit, pending, durability)
    }

    /// The append has returned: did it commit?
    fn settle(&self, commit: &Commit, pending: Pending<Receipt>, durability: Durability) -> Step {
        match pending.known() {
            Some(Err(error)) => {
                self.history.lock().withdraw();
                let passes = error.is_disk_full() || error.is_retryable();
                if self.has_faults() && passes {
                    // F34, F43: nothing has changed, and it works again once there is room.
                    self.heal();
                    return Ok(());
                }
                Err(Trouble::failed("an append", error.clone()))
            }
            known => {
                let count = self.history.lock().publish();
                if let Some(Ok(receipt)) = known
                    && (receipt.is_repeat() || receipt.position() != Position(commit.last))
                {
                    return Err(
                        format!("an append that should end at {} gave {receipt:?}", commit.last).into()
                    );
                }
                if durability == Durability::Power {
                    self.waiting.lock().push((count, pending));
                }
                Ok(())
            }
        }
    }

    /// The outcome of the waiting for the commit of this number.
    pub(super) fn kept(&self, count: usize, result: Result<Receipt, Error>) -> Step {
        match result {
            Ok(_) => {
                self.history.lock().promise(count);
                Ok(())
            }
            Err(error) => Err(Trouble::failed(format!("waiting for commit {count}"), error)),
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
pub(super) fn exactly(count: u64) -> Expected {
    match count.checked_sub(1) {
        Some(newest) => Expected::Exact(Revision(newest)),
        None => Expected::NoStream,
    }
}

/// Appends a commit; `expect` is given the first revision in each stream.
pub(super) fn send(
    store: &Store,
    commit: &Commit,
    expect: impl Fn(u64) -> Expected,
    durability: Durability,
) -> Pending<Receipt> {
    let mut transaction = store.transaction().durability(durability);
    for events in commit.events.chunk_by(|one, other| one.stream == other.stream) {
        let new: Vec<_> = events.iter().map(Event::to_new).collect();
        transaction = transaction.append(events[0].stream, expect(events[0].revision), &new);
    }
    transaction.commit()
}
