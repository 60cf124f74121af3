//! How a bench was asked to run, read from its arguments, and where it may put its data.

use std::path::{Path, PathBuf};

/// Size and kind of this run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Data shrunk so that a bench takes about a second: `cargo bench -- --test`, or no `--bench` at all.
    pub shrunk: bool,
    /// Criterion was asked for something special (a filter, a list, a baseline): no rows for the table.
    special: bool,
}

impl Run {
    /// Reads the arguments that cargo and the user gave.
    pub fn from_args() -> Self {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let has = |flag: &str| args.iter().any(|arg| arg == flag);
        Self {
            shrunk: has("--test") || !has("--bench"),
            special: args.iter().any(|arg| !["--bench", "--test"].contains(&arg.as_str())),
        }
    }

    /// Whether rows for the table are measured.
    pub fn measures_rows(&self) -> bool {
        !self.special
    }

    /// `full`, or `shrunk` in a shrunk run.
    pub fn pick<T>(&self, full: T, shrunk: T) -> T {
        if self.shrunk { shrunk } else { full }
    }

    /// Criterion, set so that a full run takes seconds and writes little.
    pub fn criterion(&self) -> criterion::Criterion {
        criterion::Criterion::default()
            .warm_up_time(std::time::Duration::from_millis(200))
            .measurement_time(std::time::Duration::from_secs(1))
            .sample_size(10)
            .configure_from_args()
    }
}

/// The folder for data of stores, if not the one below `target`.
const DIR_VARIABLE: &str = "ORCHESTRIX_BENCH_DIR";

/// The folder below `target` for what a bench leaves for the next one.
pub fn data_dir() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The folder for stores: below `target`, or where the user has a disk to be measured.
fn stores_dir() -> PathBuf {
    std::env::var_os(DIR_VARIABLE).map_or_else(|| data_dir().to_path_buf(), PathBuf::from)
}

/// A new empty folder for a store, removed when dropped.
pub fn scratch() -> tempfile::TempDir {
    let dir = stores_dir();
    let made = tempfile::Builder::new().prefix("bench-").tempdir_in(&dir);
    made.unwrap_or_else(|error| panic!("a folder for a store in {}: {error}", dir.display()))
}

/// Ends the program if the disk for stores has less than so many bytes free.
pub fn check_room(bytes: u64) {
    let dir = stores_dir();
    let found = rustix::fs::statvfs(&dir).expect("the disk for stores");
    let free = found.f_bavail * found.f_frsize;
    if free < bytes {
        let [needed, free] = [bytes, free].map(|bytes| bytes >> 20);
        eprintln!("{}: expected room for {needed} MiB, found {free} MiB", dir.display());
        eprintln!("{DIR_VARIABLE} names another folder; it must be there");
        std::process::exit(1);
    }
}

/// Bytes of the blocks that the files below `dir` take.
pub fn allocated(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(dir).expect("list a folder").map(|entry| entry.expect("an entry"));
    let taken = |entry: std::fs::DirEntry| {
        let metadata = entry.metadata().expect("metadata of a file");
        if metadata.is_dir() { allocated(&entry.path()) } else { metadata.blocks() * 512 }
    };
    entries.map(taken).sum()
}
