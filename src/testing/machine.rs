//! One simulated computer, to open stores on, to cut the power of, and to make calls fail on.

use crate::error::Error;
use crate::log::VerifyReport;
use crate::medium::sim::{Call, Crash, Fault, Hook, Rng, SimDisk, SimJobs, SimTime, When};
use crate::medium::{Bugs, Files, Medium, TimeSource, WriteMode};
use crate::store::{Backup, Options, RepairPlan, Store, repair_on, verify_on};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Numbers that follow from a seed.
#[derive(Clone, Debug)]
pub struct Chance(Rng);

impl Chance {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Rng::new(seed))
    }

    /// A number in `[0, bound)`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// `true` in `of_thousand` of a thousand cases.
    pub fn happens(&mut self, of_thousand: u64) -> bool {
        self.0.chance(of_thousand)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0.next()
    }
}

/// A simulated computer with one store's directory. A clone is the same machine; [`power_cut`](Self::power_cut) and
/// [`kill`](Self::kill) make another one and leave this one running.
#[derive(Clone)]
pub struct Machine {
    disk: SimDisk,
    time: Arc<SimTime>,
    jobs: Arc<SimJobs>,
    bugs: Bugs,
    /// Folder of the store; empty: the whole disk.
    folder: String,
}

impl Machine {
    /// A new machine whose stores write through the mapping. Storing where SIGBUS would be possible panics.
    pub fn new(seed: u64) -> Self {
        Self::with_mode(seed, WriteMode::Mapped)
    }

    /// A new machine whose stores write in this mode.
    pub fn with_mode(seed: u64, mode: WriteMode) -> Self {
        Self::of(SimDisk::new(seed, mode), SimTime::new(seed), Bugs::default())
    }

    fn of(disk: SimDisk, time: SimTime, bugs: Bugs) -> Self {
        let time = Arc::new(time);
        Self { disk, jobs: Arc::new(SimJobs::new(time.clone())), time, bugs, folder: String::new() }
    }

    /// The same machine, whose store is in a folder of the disk.
    #[must_use]
    pub fn within(&self, folder: &str) -> Self {
        Self { folder: folder.to_owned(), ..self.clone() }
    }

    /// Backs a store up to this machine's, as [`Store::backup`] does.
    ///
    /// # Errors
    /// As [`Store::backup`].
    pub fn back_up(&self, store: &Store) -> Result<Backup, Error> {
        store.backup_on(&self.medium())
    }

    /// Builds mistakes into the engine, to show that a test notices them. For stores that are opened from now on.
    #[doc(hidden)]
    #[must_use]
    pub fn with_bugs(mut self, bugs: Bugs) -> Self {
        self.bugs = bugs;
        self
    }

    /// Opens the store on this machine, or creates it.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open(&self, options: Options) -> Result<Store, Error> {
        options.open_on(&self.medium(), Some(self.disk.root()))
    }

    /// Checks the store on this machine, as [`verify`](crate::verify) does.
    ///
    /// # Errors
    /// As [`verify`](crate::verify).
    pub fn verify(&self) -> Result<VerifyReport, Error> {
        verify_on(&self.medium())
    }

    /// Plans a repair, as [`repair`](crate::repair) does.
    ///
    /// # Errors
    /// As [`repair`](crate::repair).
    pub fn repair(&self) -> Result<RepairPlan, Error> {
        repair_on(self.medium())
    }

    pub(crate) fn medium(&self) -> Medium {
        let medium = Medium {
            files: Arc::new(self.disk.clone()),
            time: self.time.clone(),
            jobs: self.jobs.clone(),
            entropy: self.time.clone(),
            bugs: self.bugs,
        };
        if self.folder.is_empty() { medium } else { medium.within(&self.folder) }
    }

    /// The machine that a power cut at this moment leaves, booted again.
    #[must_use]
    pub fn power_cut(&self, seed: u64, crash: Crash) -> Self {
        self.next_life(self.disk.crash_image(seed, crash), seed)
    }

    /// Each machine that a power cut at this moment may leave, if every unsynced sector, name and length is kept or
    /// lost as a whole. There are 2 to the power of [`undecided`](Self::undecided) of them.
    pub fn power_cuts_all(&self) -> impl Iterator<Item = Self> {
        self.disk.crash_images_all().zip(0..).map(|(disk, seed)| self.next_life(disk, seed))
    }

    /// How many unsynced things a power cut at this moment would decide on.
    pub fn undecided(&self) -> u32 {
        self.disk.undecided()
    }

    /// The machine after the death of the process at this moment: it runs on, and nothing is synced by dying.
    #[must_use]
    pub fn kill(&self, seed: u64) -> Self {
        self.next_life(self.disk.kill_image(seed), seed)
    }

    fn next_life(&self, disk: SimDisk, seed: u64) -> Self {
        Self { folder: self.folder.clone(), ..Self::of(disk, self.time.next_life(seed), self.bugs) }
    }

    /// Runs `watcher` at each place where the disk can be stopped: before, during and after each call, after each
    /// store to a mapping. Some of these places lie inside the engine's locks: there only images may be taken.
    pub fn watch(&self, watcher: impl Fn(&Self, Hook<'_>) + Send + Sync + 'static) {
        let (time, jobs, bugs, folder) =
            (self.time.clone(), self.jobs.clone(), self.bugs, self.folder.clone());
        self.disk.watch(Some(Arc::new(move |disk: &SimDisk, hook: Hook<'_>| {
            let (time, jobs, folder) = (time.clone(), jobs.clone(), folder.clone());
            let machine = Self { disk: disk.clone(), time, jobs, bugs, folder };
            watcher(&machine, hook);
        })));
    }

    /// Ends watching.
    pub fn unwatch(&self) {
        self.disk.watch(None);
    }

    /// Each kind of hook that was met, and how often.
    pub fn visited(&self) -> BTreeMap<(Call, When), u64> {
        self.disk.visited()
    }

    /// How often, of a thousand hooks, the page cache writes something back on its own. None at first.
    pub fn set_flusher(&self, of_thousand: u64) {
        self.disk.set_flusher(of_thousand);
    }

    /// Makes a call fail.
    pub fn fail(&self, fault: Fault) {
        self.disk.fail(fault);
    }

    /// Ends all faults. Whether each had happened.
    pub fn heal(&self) -> bool {
        self.disk.heal()
    }

    /// Lets the file system have this many bytes and no more.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.disk.set_space(bytes);
    }

    /// Whether the file system refuses changes.
    pub fn set_read_only(&self, read_only: bool) {
        self.disk.set_read_only(read_only);
    }

    /// Runs one waiting step of background work, whichever `chance` picks; time moves to when it is due. `false` if
    /// there is none.
    pub fn run_one(&self, chance: &mut Chance) -> bool {
        self.jobs.run_one(&mut chance.0)
    }

    /// Lets time pass, and runs the background work that becomes due by then.
    pub fn pass(&self, duration: Duration) -> usize {
        /// Work that asks to be run again at once, for ever, ends here.
        const STEPS_MAX: usize = 10_000;
        self.time.pass(duration);
        self.jobs.run_due(STEPS_MAX)
    }

    /// Moves the wall clock, forward or back; what waits doesn't notice.
    pub fn jump_clock(&self, nanos: i64) {
        self.time.jump(nanos);
    }

    /// Nanoseconds since 1970-01-01 UTC, by the wall clock of the machine.
    pub fn now(&self) -> i64 {
        self.time.now()
    }

    /// Bytes that the files take, in whole blocks.
    pub fn bytes_on_disk(&self) -> u64 {
        self.disk.taken()
    }

    /// Paths of all files, relative to the store's directory.
    pub fn files(&self) -> Vec<String> {
        self.disk.paths()
    }

    /// The bytes of a file as processes see them.
    pub fn read_file(&self, path: &str) -> Option<Vec<u8>> {
        self.disk.peek(path)
    }

    pub(super) fn read_word(&self, path: &str, at: u64) -> Option<u64> {
        self.disk.peek_word(path, at)
    }

    /// Puts a file there from outside, durably, in place of one that has the name.
    pub fn put_file(&self, path: &str, bytes: &[u8]) {
        self.disk.plant(path, bytes);
    }

    /// Takes a file away from outside, durably.
    pub fn remove_file(&self, path: &str) {
        self.disk.forget(path);
    }
}
