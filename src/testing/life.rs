//! One life of a store on a machine: looked at, opened, compared with what was promised, used, and crashed at its hooks.

use super::crash::{Certain, Cut, DEPTH_MAX, Run};
use super::history::History;
use super::shared::{Shared, Step, Trouble};
use super::{Call, Chance, Fault, Machine};
use crate::error::{Error, ErrorKind};
use crate::store::{Options, Store};
use std::sync::Arc;

pub(super) struct Life {
    pub(super) run: Arc<Run>,
    pub(super) path: String,
    pub(super) machine: Machine,
    pub(super) shared: Arc<Shared>,
    /// How the machine was lost before; `None` in a first life.
    before: Option<Cut>,
    pub(super) chance: Chance,
}

/// Calls that a fault is dealt for.
const FAULTY: [Call; 21] = [
    Call::SyncRange,
    Call::SyncRange,
    Call::SyncFile,
    Call::SyncDir,
    Call::WriteAt,
    Call::WriteAt,
    Call::Reserve,
    Call::Populate,
    Call::CreateRegion,
    Call::OpenRegion,
    Call::Rename,
    Call::Remove,
    Call::Punch,
    Call::Read,
    Call::List,
    Call::Found,
    Call::Write,
    Call::CreateDir,
    Call::TryLock,
    Call::NextData,
    Call::DataEnd,
];
const ERRNOS: [i32; 6] = [libc::EIO, libc::EIO, libc::ENOSPC, libc::EMFILE, libc::ENOMEM, libc::EDQUOT];

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
            history.lose_power(run.may_lose());
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
        let shared = Arc::new(Shared::new(run, &machine, history, depth, path.clone()));
        Self { run: run.clone(), path, machine, shared, before, chance: Chance::new(run.deal()) }
    }

    /// # Errors
    /// What was not as it must be.
    pub(super) fn live(mut self) -> Result<(), String> {
        let shared = self.shared.clone();
        self.machine.watch(move |machine, hook| shared.at(machine, hook));
        let lived = match self.begin() {
            Err(Trouble::Failed(what, error)) if self.shared.has_faults() => self.after_fault(&what, &error),
            lived => lived,
        };
        self.machine.unwatch();
        self.run.seen(&self.machine);
        self.shared.waiting.lock().clear();
        let store = self.shared.store.lock().take();
        drop(store);
        lived.map_err(|trouble| trouble.to_string())
    }

    fn begin(&mut self) -> Step {
        if self.before.is_some() && !self.run.plan.lenient && self.chance.happens(120) {
            self.look_before()?;
        }
        if self.run.plan.faults && self.chance.happens(300) {
            self.deal_fault();
        }
        if !self.open()? {
            return self.mend();
        }
        if self.run.plan.faults && self.chance.happens(700) {
            self.deal_fault();
        }
        self.use_it()
    }

    fn options(&self) -> Options {
        Store::options().segment_bytes(self.run.segment_bytes).pad_syncs(self.run.padded)
    }

    /// The least number of commits that must be there.
    fn least(&self, history: &History) -> usize {
        match self.before {
            Some(Cut::Kill) if !self.shared.has_faults() => history.seen(),
            _ => history.promised(),
        }
    }

    /// Opens the store. Where bytes may be damaged it is read, too: opening checks the end of the log alone.
    fn opened(&self, options: Options) -> Result<Store, Error> {
        let store = self.machine.open(options)?;
        if self.run.may_damage() {
            store.view().all().try_for_each(|event| event.map(drop))?;
        }
        Ok(store)
    }

    /// Opens the store and compares it. `false` if it was refused, as it may be on a medium that damages.
    pub(super) fn open(&mut self) -> Result<bool, Trouble> {
        let store = match self.opened(self.options()) {
            Ok(store) => store,
            Err(error) if self.run.may_damage() && error.is_corrupt() => {
                self.run.was_refused();
                return Ok(false);
            }
            Err(error) => return Err(Trouble::failed("opening", error)),
        };
        let mut history = self.shared.history.lock().clone();
        let found = history.compare(&store)?;
        let (count, least, report) = (found.count, self.least(&history), store.recovery());
        if self.before.is_some() {
            self.run.recovered(count, !report.is_clean());
        }
        if count < least {
            let all = history.len();
            let what =
                format!("{count} commits are left of {least} that were promised and {all} in all; {report}");
            return Err(what.into());
        }
        let last = store.view().watermark().0;
        let (events, commits) = found.there(last);
        if (report.events, report.commits) != (events, commits) {
            return Err(
                format!("the report says {report}, there are {events} events in {commits} commits").into()
            );
        }
        let synced = store.view_synced().watermark().0;
        if synced != last {
            return Err(format!("position {last} was recovered and {synced} counts as synced").into());
        }
        history.survive(found);
        if self.chance.happens(150) {
            history.compare_keys(&store, count)?;
        }
        *self.shared.history.lock() = history;
        *self.shared.store.lock() = Some(store);
        if !self.shared.has_faults() && self.chance.happens(60) {
            self.verify(events)?;
        }
        Ok(true)
    }

    /// An open store has no tail and no problem.
    fn verify(&self, events: u64) -> Step {
        let report = self.machine.verify().map_err(|error| Trouble::failed("verify", error))?;
        let has_tail = report.tail_bytes > 0 && !self.run.plan.lenient;
        if report.is_clean() && report.events == events && !has_tail {
            Ok(())
        } else {
            Err(format!("verify of an open store with {events} events says {report:?}").into())
        }
    }

    /// Looks at a crashed store without opening it for writing: no byte changes, and what was promised is there.
    fn look_before(&mut self) -> Step {
        let files = |machine: &Machine| -> Vec<_> {
            machine.files().into_iter().map(|path| (machine.read_file(&path), path)).collect()
        };
        let before = files(&self.machine);
        let history = self.shared.history.lock().clone();
        let least = self.least(&history);
        let opened = self.opened(Store::options().read_only());
        let verified = self.machine.verify();
        match (&opened, &verified) {
            (Ok(store), Ok(report)) => {
                let found = history.compare(store).map_err(|what| format!("read-only: {what}"))?;
                let (events, _) = found.there(store.view().watermark().0);
                if found.count < least {
                    return Err(
                        format!("read-only: {} commits of {least} that were promised", found.count).into()
                    );
                }
                let unfinished = history.may_lack_watermark(events)
                    && report.problems.iter().all(|problem| problem.what == "watermark file");
                if !(report.is_clean() || unfinished) || report.events != events {
                    return Err(
                        format!("verify says {report:?}, a read-only open sees {events} events").into()
                    );
                }
            }
            (Err(opened), Ok(report)) if opened.is_corrupt() && self.run.may_damage() => {
                if report.is_clean() {
                    return Err(format!("opening says {opened}, verify says that all is well").into());
                }
            }
            (Err(opened), Err(verified))
                if opened.is_not_a_store() && verified.is_not_a_store() && least == 0 => {}
            _ => return Err(format!("a read-only open says {:?}, verify {verified:?}", opened.err()).into()),
        }
        if files(&self.machine) == before {
            Ok(())
        } else {
            Err("reading has changed a file".to_owned().into())
        }
    }

    /// A store that was refused is repaired, and then holds nothing that was not written.
    fn mend(&mut self) -> Step {
        let Ok(plan) = self.machine.repair() else { return Ok(()) };
        self.shared.history.lock().repair();
        plan.apply().map_err(|error| Trouble::failed("repairing", error))?;
        if self.open()? { Ok(()) } else { Err(format!("refused again after {plan:?}").into()) }
    }

    fn deal_fault(&mut self) {
        self.shared.set_faults();
        if self.chance.happens(150) {
            let taken = self.machine.bytes_on_disk();
            return self.machine.set_space(Some(taken + self.chance.below(4) * 4096));
        }
        let call = FAULTY[self.chance.below(FAULTY.len() as u64) as usize];
        let errno = ERRNOS[self.chance.below(ERRNOS.len() as u64) as usize];
        let spread = 1 << self.chance.below(6);
        let fault = Fault { lasting: self.chance.happens(300), ..Fault::once(call, errno) };
        let fault = if self.chance.happens(60) { Fault::gone() } else { fault };
        self.machine.fail(fault.after(self.chance.below(spread)));
    }

    /// A call failed, as it was told to. The machine is lost, or the store is opened again on the same one.
    fn after_fault(&mut self, what: &str, error: &Error) -> Step {
        let fits = matches!(error.kind(), ErrorKind::Io | ErrorKind::DiskFull | ErrorKind::Poisoned);
        if !fits {
            return Err(format!("a call failed, and {what} says: {error}").into());
        }
        self.shared.heal();
        if self.shared.depth < DEPTH_MAX && self.chance.happens(600) {
            let history = self.shared.history.lock().clone();
            let path = format!("{} / failed {what}", self.path);
            let certain = Certain { synced_marked: false, synced_only: true };
            self.run.cut(&self.machine, &history, self.shared.depth + 1, &path, certain);
            return Ok(());
        }
        self.shared.waiting.lock().clear();
        let store = self.shared.store.lock().take();
        drop(store);
        let opened = self.open().map_err(|trouble| format!("after a failed {what}: {trouble}"))?;
        if opened { self.use_it() } else { self.mend() }
    }
}
