//! The handle of a simulated disk: images of it, what is planted in it, and what every call goes through.

use super::chance::Crash;
use super::hooks::{Call, Fault, Hook, Watcher, When};
use super::names::{Node, parent};
use super::pages::PAGE;
use super::region::SimRegion;
use super::state::State;
use crate::medium::{Lock, Region, RegionWriter, WriteMode};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory tree of which the page cache and the platter are kept apart. Clones are the same disk; images are others.
///
/// It is driven by one thread at a time: then everything it does follows from its seed.
#[derive(Clone)]
pub(crate) struct SimDisk(Arc<Shared>);

struct Shared {
    root: PathBuf,
    mode: WriteMode,
    boot: [u8; 16],
    state: Mutex<State>,
    watcher: Mutex<Option<Watcher>>,
}

impl SimDisk {
    /// An empty disk. In [`WriteMode::Mapped`] it panics at a store that could have raised SIGBUS.
    pub(crate) fn new(seed: u64, mode: WriteMode) -> Self {
        let state = State { rng: Some(super::Rng::new(seed)), ..State::default() };
        Self::with(state, mode, seed)
    }

    fn with(state: State, mode: WriteMode, boot: u64) -> Self {
        let mut rng = super::Rng::new(boot ^ 0x626F_6F74);
        let mut id = [0; 16];
        rng.fill(&mut id);
        Self::booted(state, mode, id)
    }

    fn booted(state: State, mode: WriteMode, boot: [u8; 16]) -> Self {
        let root = PathBuf::from("/simulated");
        Self(Arc::new(Shared { root, mode, boot, state: Mutex::new(state), watcher: Mutex::new(None) }))
    }

    /// What a power cut at this moment leaves.
    pub(crate) fn crash_image(&self, seed: u64, crash: Crash) -> Self {
        Self::with(self.0.state.lock().crash_seeded(seed, crash), self.0.mode, seed)
    }

    /// What the death of the process at this moment leaves. The machine runs on: same boot, nothing lost.
    pub(crate) fn kill_image(&self, seed: u64) -> Self {
        Self::booted(self.0.state.lock().after_kill(seed), self.0.mode, self.0.boot)
    }

    /// How many things (sectors, names, lengths) a power cut at this moment decides on.
    pub(crate) fn undecided(&self) -> u32 {
        self.0.state.lock().undecided()
    }

    /// Each image that keeps some of these things and drops the others; there are 2 to the power of
    /// [`undecided`](Self::undecided) of them.
    pub(crate) fn crash_images_all(&self) -> impl Iterator<Item = Self> {
        let count = 1_u64.checked_shl(self.undecided()).expect("fewer than 64 undecided things");
        (0..count).map(|bits| Self::with(self.0.state.lock().crash_numbered(bits), self.0.mode, bits))
    }

    /// Runs `watcher` at each hook from now on. It may call the disk.
    pub(crate) fn watch(&self, watcher: Option<Watcher>) {
        *self.0.watcher.lock() = watcher;
    }

    /// Each kind of hook that was met, and how often.
    pub(crate) fn visited(&self) -> BTreeMap<(Call, When), u64> {
        self.0.state.lock().visited.clone()
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.0.state.lock().faults.push(fault);
    }

    /// Whether every fault has happened.
    pub(crate) fn heal(&self) -> bool {
        let faults = std::mem::take(&mut self.0.state.lock().faults);
        faults.is_empty()
    }

    /// Lets the file system have this many bytes and no more.
    pub(crate) fn set_space(&self, bytes: Option<u64>) {
        self.0.state.lock().blocks_max = bytes.map(|bytes| bytes / PAGE as u64);
    }

    pub(crate) fn set_read_only(&self, read_only: bool) {
        self.0.state.lock().read_only = read_only;
    }

    /// How often, of a thousand hooks, the page cache writes something back on its own.
    pub(crate) fn set_flusher(&self, of_thousand: u64) {
        self.0.state.lock().flush_of_thousand = of_thousand;
    }

    /// Bytes of the blocks that files have.
    pub(crate) fn taken(&self) -> u64 {
        self.0.state.lock().bytes_on_disk()
    }

    /// Paths of all files.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.0.state.lock().names.files().map(|(path, _)| path.to_owned()).collect()
    }

    /// Puts a file there, durably; its directory too.
    pub(crate) fn plant(&self, path: &str, bytes: &[u8]) {
        let mut state = self.0.state.lock();
        state.root = true;
        if !parent(path).is_empty() {
            state.names.plant(parent(path), Node::Directory);
        }
        state.plant(path, bytes);
    }

    /// Takes a file away, durably.
    pub(crate) fn forget(&self, path: &str) {
        self.0.state.lock().names.forget(path);
    }

    /// The bytes of a file as processes see them.
    pub(crate) fn peek(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.0.state.lock();
        state.names.file(path).ok().map(|index| state.files[index].read(usize::MAX))
    }

    /// A word of a file as processes see it, as a little-endian number.
    pub(crate) fn peek_word(&self, path: &str, at: u64) -> Option<u64> {
        let state = self.0.state.lock();
        state.names.file(path).ok().and_then(|index| state.files[index].word(at))
    }

    pub(super) fn state(&self) -> parking_lot::MutexGuard<'_, State> {
        self.0.state.lock()
    }

    pub(super) fn root_path(&self) -> &Path {
        &self.0.root
    }

    pub(super) fn boot(&self) -> [u8; 16] {
        self.0.boot
    }

    pub(super) fn mode(&self) -> WriteMode {
        self.0.mode
    }

    pub(super) fn hook(&self, call: Call, when: When, path: &str) {
        self.hook_at(call, when, path, 0);
    }

    pub(super) fn hook_at(&self, call: Call, when: When, path: &str, at: u64) {
        let number = {
            let mut state = self.0.state.lock();
            *state.visited.entry((call, when)).or_default() += 1;
            state.flush_perhaps();
            state.hooks += 1;
            state.hooks - 1
        };
        let watcher = self.0.watcher.lock().clone();
        if let Some(watcher) = watcher {
            watcher(self, Hook { call, when, path, at, number });
        }
    }

    /// One call: a hook, the fault if one is due, the act, a hook.
    pub(super) fn call<T>(
        &self,
        call: Call,
        path: &str,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        self.hook(call, When::Before, path);
        let done = {
            let mut state = self.0.state.lock();
            state.fault(call).and_then(|()| act(&mut state))
        };
        self.hook(call, When::After, path);
        done
    }

    /// A call that changes something.
    pub(super) fn change<T>(
        &self,
        call: Call,
        path: &str,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        self.call(call, path, |state| {
            state.check_writable()?;
            act(state)
        })
    }

    /// Makes a range, or the whole, of a file durable: what is there when it begins.
    pub(super) fn sync(
        &self,
        call: Call,
        path: &str,
        file: usize,
        range: Option<(u64, u64)>,
    ) -> io::Result<()> {
        self.hook(call, When::Before, path);
        let in_flight = {
            let state = self.0.state.lock();
            let (from, to) = range.unwrap_or((0, state.files[file].len()));
            state.files[file].begin_sync(from, to)
        };
        self.hook(call, When::During, path);
        let done = {
            let mut state = self.0.state.lock();
            let done = state.fault(call);
            state.end_sync(file, in_flight, range.is_none(), done.is_ok());
            done
        };
        self.hook(call, When::After, path);
        done
    }

    pub(super) fn take(&self, state: &mut State, name: String) -> io::Result<Box<dyn Lock>> {
        if !state.locked.insert(name.clone()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.clone(), name }))
    }

    pub(super) fn region(&self, path: &str, file: usize, writable: bool) -> io::Result<RegionWriter> {
        let mapping = self.state().files[file].map(writable)?;
        let ops = SimRegion::new(self, file, path);
        Ok(Region::create(mapping, self.0.mode, writable, Box::new(ops)))
    }
}

struct SimLock {
    disk: SimDisk,
    name: String,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locked.remove(&self.name);
    }
}
