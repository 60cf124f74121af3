//! Everything a simulated disk is, behind its one lock: files, names, faults to come, and what was seen.

use super::Rng;
use super::chance::{Chance, Crash};
use super::file::{File, InFlight};
use super::hooks::{Call, Fault, When};
use super::names::{Names, Node};
use super::pages::{PAGE, Pages, Sector};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

#[derive(Default)]
pub(super) struct State {
    pub(super) files: Vec<File>,
    pub(super) names: Names,
    /// Whether the store's directory is there.
    pub(super) root: bool,
    pub(super) locked: BTreeSet<String>,
    pub(super) faults: Vec<Fault>,
    /// Blocks of `PAGE` bytes that the file system has; `None` means enough.
    pub(super) blocks_max: Option<u64>,
    pub(super) read_only: bool,
    /// How often, of a thousand hooks, something is written back.
    pub(super) flush_of_thousand: u64,
    pub(super) rng: Option<Rng>,
    pub(super) hooks: u64,
    pub(super) visited: BTreeMap<(Call, When), u64>,
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

impl State {
    pub(super) fn rng(&mut self) -> &mut Rng {
        self.rng.get_or_insert_with(|| Rng::new(0))
    }

    /// The error that this call is to end with, if any.
    pub(super) fn fault(&mut self, call: Call) -> io::Result<()> {
        let mut failure = None;
        self.faults.retain_mut(|fault| {
            if failure.is_some() {
                return true;
            }
            let (error, used_up) = fault.meets(call);
            failure = error;
            !used_up
        });
        failure.map_or(Ok(()), |number| Err(errno(number)))
    }

    pub(super) fn check_writable(&self) -> io::Result<()> {
        if self.read_only { Err(errno(libc::EROFS)) } else { Ok(()) }
    }

    fn blocks(&self) -> u64 {
        self.names.files().map(|(_, index)| self.files[index].blocks()).sum()
    }

    pub(super) fn blocks_free(&self) -> u64 {
        self.blocks_max.map_or(u64::MAX, |most| most.saturating_sub(self.blocks()))
    }

    pub(super) fn bytes_on_disk(&self) -> u64 {
        self.blocks() * PAGE as u64
    }

    /// Fails unless so many blocks are free.
    pub(super) fn check_space(&self, blocks: u64) -> io::Result<()> {
        if blocks > 0 && self.blocks_free() < blocks { Err(errno(libc::ENOSPC)) } else { Ok(()) }
    }

    /// A new, empty file under this name.
    pub(super) fn create_file(&mut self, path: &str) -> io::Result<usize> {
        self.names.check_parent(path)?;
        self.check_space(1)?;
        self.files.push(File::default());
        let index = self.files.len() - 1;
        self.names.set(path, Node::File(index));
        Ok(index)
    }

    /// One step of the page cache writing back on its own.
    pub(super) fn flush_perhaps(&mut self) {
        let often = self.flush_of_thousand;
        if often == 0 || self.files.is_empty() || !self.rng().chance(often) {
            return;
        }
        let mut rng = self.rng().clone();
        let index = rng.below(self.files.len() as u64) as usize;
        self.files[index].flush(&mut rng);
        self.rng = Some(rng);
    }

    /// The end of a sync, of a range or of the whole file, that has succeeded or not.
    pub(super) fn end_sync(&mut self, file: usize, in_flight: InFlight, whole: bool, succeeded: bool) {
        let mut rng = self.rng().clone();
        let file = &mut self.files[file];
        match (succeeded, whole) {
            (true, false) => file.end_sync(in_flight),
            (true, true) => file.end_sync_file(in_flight),
            (false, _) => file.fail_sync(in_flight, &mut rng),
        }
        self.rng = Some(rng);
    }

    /// A sector of any file, removed ones among them.
    fn any_sector(files: &[File], rng: &mut Rng) -> Sector {
        let index = rng.below(files.len() as u64) as usize;
        files[index].any_sector(rng)
    }

    /// What is left, with new numbers for the files that still have a name.
    fn left(&self, names: Names, seed: u64, mut left: impl FnMut(&File) -> File) -> Self {
        let mut state = Self {
            names,
            root: self.root,
            read_only: self.read_only,
            blocks_max: self.blocks_max,
            flush_of_thousand: self.flush_of_thousand,
            rng: Some(Rng::new(seed ^ 0x6469_736B)),
            ..Self::default()
        };
        let mut numbers = BTreeMap::new();
        let files = &mut state.files;
        state.names.renumber(|old| {
            *numbers.entry(old).or_insert_with(|| {
                files.push(left(&self.files[old]));
                files.len() - 1
            })
        });
        state
    }

    pub(super) fn after_crash(&self, chance: &mut Chance, seed: u64) -> Self {
        let names = self.names.after_crash(chance);
        self.left(names, seed, |file| file.after_crash(chance, &|rng| Self::any_sector(&self.files, rng)))
    }

    pub(super) fn after_kill(&self, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        self.left(self.names.clone(), seed, |file| file.after_kill(&mut rng))
    }

    /// How many things a power cut would decide on.
    pub(super) fn undecided(&self) -> u32 {
        let mut chance = Chance::numbered(u64::MAX);
        drop(self.after_crash(&mut chance, 0));
        chance.asked()
    }

    pub(super) fn crash_seeded(&self, seed: u64, crash: Crash) -> Self {
        self.after_crash(&mut Chance::seeded(seed, crash), seed)
    }

    pub(super) fn crash_numbered(&self, bits: u64) -> Self {
        self.after_crash(&mut Chance::numbered(bits), bits)
    }

    /// Puts a file there at once and durably, or changes what it holds.
    pub(super) fn plant(&mut self, path: &str, bytes: &[u8]) {
        let file = File::durable(Pages::of(bytes));
        match self.names.file(path) {
            Ok(index) => self.files[index] = file,
            Err(_) => {
                self.files.push(file);
                self.names.plant(path, Node::File(self.files.len() - 1));
            }
        }
    }
}
