//! Where a case has its store: in a directory, on a simulated machine, in memory. A kill and a power cut leave another place
//! to go on in; the one before stays as it is, for those who still read there.

use orchestrix::testing::{Chance, Crash, Machine};
use orchestrix::{Error, Options, Store, VerifyReport, WriteMode, verify};
use std::fs;
use std::io::ErrorKind as ErrorKindOfIo;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What kind of place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Real files: background work is done by threads, whenever they like.
    Files(WriteMode),
    /// A simulated disk: background work is done when a case says so, and the power can be cut.
    Machine(WriteMode),
    Memory,
}

pub(crate) enum Home {
    Dir { dir: TempDir, moves: u32 },
    Machine { machine: Machine, chance: Chance },
    Memory,
}

/// In memory if there is such a file system: syncs cost nothing there.
fn temp_dir() -> TempDir {
    let shared = Path::new("/dev/shm");
    let made = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).expect("a temporary directory")
}

impl Home {
    pub(crate) fn new(place: Place, seed: u64) -> Self {
        match place {
            Place::Files(_) => Self::Dir { dir: temp_dir(), moves: 0 },
            Place::Machine(mode) => {
                Self::Machine { machine: Machine::with_mode(seed, mode), chance: Chance::new(seed) }
            }
            Place::Memory => Self::Memory,
        }
    }

    pub(crate) fn is_memory(&self) -> bool {
        matches!(self, Self::Memory)
    }

    fn path(dir: &TempDir, moves: u32) -> PathBuf {
        dir.path().join(format!("store-{moves}"))
    }

    pub(crate) fn open(&self, options: Options) -> Result<Store, Error> {
        match self {
            Self::Dir { dir, moves } => options.open(Self::path(dir, *moves)),
            Self::Machine { machine, .. } => machine.open(options),
            Self::Memory => options.in_memory(),
        }
    }

    /// # Panics
    /// In memory, where nothing can be verified.
    pub(crate) fn verify(&self) -> VerifyReport {
        let report = match self {
            Self::Dir { dir, moves } => verify(Self::path(dir, *moves)),
            Self::Machine { machine, .. } => machine.verify(),
            Self::Memory => unreachable!("nothing to verify in memory"),
        };
        report.expect("a report")
    }

    /// Lets so many steps of background work be done, if they are done by nobody else.
    pub(crate) fn step(&mut self, steps: u8) {
        if let Self::Machine { machine, chance } = self {
            for _ in 0..steps {
                if !machine.run_one(chance) {
                    break;
                }
            }
        }
    }

    /// Goes on with the files as a kill at this moment leaves them.
    pub(crate) fn kill(&mut self, seed: u64) {
        match self {
            Self::Dir { dir, moves } => {
                let from = Self::path(dir, *moves);
                *moves += 1;
                copy_living(&from, &Self::path(dir, *moves));
            }
            Self::Machine { machine, .. } => *machine = machine.kill(seed),
            Self::Memory => {}
        }
    }

    /// Goes on with what a power cut at this moment leaves. `false`: here the power can't be cut.
    pub(crate) fn cut_power(&mut self, seed: u64, crash: Crash) -> bool {
        match self {
            Self::Machine { machine, .. } => {
                *machine = machine.power_cut(seed, crash);
                true
            }
            _ => false,
        }
    }

    /// Changes a file of the index, or removes it where `change` gives nothing; `number` says which. `false`: there is none.
    pub(crate) fn damage(&self, number: u8, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) -> bool {
        match self {
            Self::Dir { dir, moves } => {
                let runs = fs::read_dir(Self::path(dir, *moves).join("index"));
                let mut runs: Vec<_> =
                    runs.into_iter().flatten().map(|entry| entry.expect("an entry").path()).collect();
                runs.sort();
                let Some(run) = runs.get(usize::from(number) % runs.len().max(1)) else { return false };
                let changed = change(fs::read(run).expect("a run"));
                // A view that is kept may have the file mapped: it keeps what it has.
                fs::remove_file(run).expect("a removal");
                changed.into_iter().for_each(|bytes| fs::write(run, bytes).expect("a write"));
            }
            Self::Machine { machine, .. } => {
                let mut runs = machine.files();
                runs.retain(|path| path.starts_with("index/"));
                let Some(run) = runs.get(usize::from(number) % runs.len().max(1)) else { return false };
                match change(machine.read_file(run).expect("a run")) {
                    Some(bytes) => machine.put_file(run, &bytes),
                    None => machine.remove_file(run),
                }
            }
            Self::Memory => return false,
        }
        true
    }
}

/// Copies the files of a store that is open. Meanwhile it prepares segments, whose files get another name.
fn copy_living(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        let copied = match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                copy_living(&entry.path(), &target);
                continue;
            }
            Ok(_) => fs::copy(entry.path(), &target).map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = copied {
            assert_eq!(error.kind(), ErrorKindOfIo::NotFound, "{error}");
            let _ = fs::remove_file(target);
        }
    }
}
