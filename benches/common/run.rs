//! How a bench was asked to run, read from its arguments, and where it may put its data.

use std::path::Path;

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

/// The folder for data of benches: below `target`, so on the disk that is measured.
pub fn data_dir() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// A new empty folder in [`data_dir`], removed when dropped.
pub fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("bench-").tempdir_in(data_dir()).expect("a folder below target")
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
