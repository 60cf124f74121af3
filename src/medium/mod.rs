//! Where bytes live. Everything above it does I/O, reads clocks, draws random numbers and starts background work only
//! through a [`Medium`]: real files (mapped, or written by position), the heap, or the simulated disk.
//!
//! Paths are relative to the store's directory, with `/` between parts; `""` is the directory itself.

pub(crate) mod atomic;
mod clock;
mod files;
mod heap;
mod jobs;
mod lock;
mod mapping;
mod posix;
mod published;
mod region;
mod shared;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod sim;
mod within;

pub(crate) use clock::SystemTimeSource;
pub(crate) use files::RealFiles;
pub(crate) use heap::HeapFiles;
pub(crate) use jobs::Pool;
#[cfg(all(test, orchestrix_loom))]
pub(crate) use published::Published;
pub(crate) use region::{Region, RegionWriter, prefetch};
pub(crate) use shared::{Loaded, Shared, load_both};

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One store's world. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Medium {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) time: Arc<dyn TimeSource>,
    pub(crate) jobs: Arc<dyn Jobs>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Seeded bugs, for the tests that show that a crash harness catches them.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) bugs: Bugs,
}

/// How committed bytes reach a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteMode {
    /// Stores to a shared mapping of reserved, pre-faulted blocks.
    Mapped,
    /// `pwrite`; the mapping is only read.
    Positioned,
    /// Memory of this process: [`Store::in_memory`](crate::Store::in_memory).
    Heap,
}

impl fmt::Display for WriteMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mapped => "mapped",
            Self::Positioned => "positioned",
            Self::Heap => "heap",
        })
    }
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    File,
    Directory,
    Other,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Length in bytes; 0 for directories.
    pub(crate) bytes: u64,
    pub(crate) is_file: bool,
}

/// Who may write a file that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Kept while a writer is open; dropping it lets the next one in.
pub(crate) trait Lock: Send + Sync {}

/// Where nobody else can be.
struct NoLock;

impl Lock for NoLock {}

/// A directory tree. Calls are retried on `EINTR`; short reads and writes are completed (F45).
pub(crate) trait Files: Send + Sync {
    /// The store's directory as error messages show it.
    fn root(&self) -> &Path;
    fn write_mode(&self) -> WriteMode;
    fn found(&self, path: &str) -> io::Result<Found>;
    /// Creates the directory and its missing parents, and syncs the parent of each that it made.
    fn create_root(&self) -> io::Result<()>;
    /// Names in a directory, sorted. A missing directory is `NotFound`.
    fn list(&self, dir: &str) -> io::Result<Vec<Entry>>;
    /// Creates one directory; one that is there is fine. Not durable before `sync_dir` of its parent.
    fn create_dir(&self, dir: &str) -> io::Result<()>;
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// The whole of a small file: at most `bytes_max` bytes of it.
    fn read(&self, path: &str, bytes_max: usize) -> io::Result<Vec<u8>>;
    /// Writes a file anew (it is created or emptied first) and syncs it; the directory is not synced.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Takes the writer's lock without waiting and writes this process's id into it. `WouldBlock` if it is held.
    fn try_lock(&self, path: &str) -> io::Result<Box<dyn Lock>>;
    /// Marks the watermark file at `path` as having a live writer, for as long as the result is kept: readers who must
    /// not take a lock ask `writer_lives`. `WouldBlock` if another has marked it.
    fn mark_writer(&self, _path: &str) -> io::Result<Box<dyn Lock>> {
        Ok(Box::new(NoLock))
    }
    /// Whether somebody, in this process or another, has marked the watermark file at `path`. Takes nothing.
    fn writer_lives(&self, _path: &str) -> io::Result<bool> {
        Ok(false)
    }
    /// Creates a file of `bytes` zero bytes, none of them reserved, and maps it. `AlreadyExists` if it is there.
    fn create_region(&self, path: &str, bytes: u64) -> io::Result<RegionWriter>;
    /// Maps an existing file, whole. The caller has compared its length (`list`) with what it must be.
    /// With `Access::Read` every write fails.
    fn open_region(&self, path: &str, access: Access) -> io::Result<RegionWriter>;
    /// Bytes that the tree really takes (allocated blocks).
    fn bytes_on_disk(&self) -> io::Result<u64>;
    /// Identifies the running boot of the machine; zeros where that makes no sense.
    fn boot_id(&self) -> [u8; 16];
}

/// The clock. UTC for time stamps, monotonic for everything that waits.
pub(crate) trait TimeSource: Send + Sync {
    /// Nanoseconds since 1970-01-01 UTC.
    fn now(&self) -> i64;
    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
    fn sleep(&self, duration: Duration);
}

/// Random numbers.
pub(crate) trait Entropy: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);

    fn u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// A piece of background work: short, or blocking in a system call; never user code.
pub(crate) trait Job: Send + Sync {
    /// Does one step. `Some(delay)` asks to be run again then, `None` ends it until it is scheduled anew.
    fn step(&self) -> Option<Duration>;
}

/// Where background work is run: a small pool for the whole process, or the seeded scheduler of the simulator.
pub(crate) trait Jobs: Send + Sync {
    /// Runs `job.step()` once after `delay` (and again as it asks). Scheduling it twice runs it twice.
    fn schedule(&self, delay: Duration, job: Arc<dyn Job>);
    /// Runs work that may block, such as a user's, on a thread of its own.
    fn spawn(&self, name: String, work: Box<dyn FnOnce() + Send>) -> io::Result<()>;
}

/// Places in the writing of a commit that the simulator stops at.
#[cfg_attr(not(any(test, feature = "testing")), allow(unreachable_pub, reason = "public in `testing`"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Site {
    /// The body was copied.
    Body,
    /// The header was copied, but for its first word.
    Header,
    /// The first word was stored.
    FirstWord,
    /// A word or slot of the watermark file or a seal was stored.
    Mark,
}

/// Mistakes that are built in on purpose, one at a time, to show that the crash tests notice them.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bugs {
    /// Recovery takes frames without looking at their checksums.
    pub skip_checksums: bool,
    /// An append says `Ok` for `Power` before the sync.
    pub acknowledge_before_sync: bool,
    /// The directory isn't synced after a segment was created.
    pub forget_directory_sync: bool,
    /// The header's first word is stored before the body.
    pub publish_before_copy: bool,
    /// Recovery counts what it reads as synced, without writing it again.
    pub trust_page_cache: bool,
    /// The header at the cut isn't zeroed.
    pub forget_cut: bool,
    /// Frames of any epoch are part of the log.
    pub ignore_epoch: bool,
    /// A failed sync is retried instead of poisoning.
    pub retry_sync: bool,
    /// A snapshot is saved before the event that it is as of is synced.
    pub snapshot_unsynced: bool,
    /// A backup says that it is complete before everything is durable.
    pub complete_before_copy: bool,
    /// Compaction removes snapshots before what it has made of them is synced.
    pub compact_unsynced: bool,
    /// A resume token is believed by its position alone.
    pub believe_tokens: bool,
    /// A checkpoint is saved before the events that it counts are synced.
    pub checkpoint_unsynced: bool,
    /// A request to a consumer counts as kept before its name is synced.
    pub request_unsynced: bool,
    /// A checkpoint is written over the one before.
    pub one_slot: bool,
    /// A checkpoint that an earlier process has written counts as synced.
    pub believe_slots: bool,
    /// A consumer goes on from its checkpoint alone, whatever its commits say.
    pub ignore_marks: bool,
    /// A consumer counts an event as parked before its dead letter is durable.
    pub park_unsynced: bool,
    /// A checkpoint counts the events that are being handled.
    pub count_running: bool,
    /// A checkpoint leaves out which streams are held back.
    pub forget_held: bool,
    /// What is emitted is committed without the consumer's progress.
    pub emit_apart: bool,
    /// Segments are removed before the base says so.
    pub remove_before_base: bool,
    /// A bad frame ends the log, whatever later frames say.
    pub ignore_witnesses: bool,
}

impl Medium {
    /// Real files under `dir`. `mode` forces a write mode; else the file system decides.
    pub(crate) fn real(dir: &Path, mode: Option<WriteMode>) -> Self {
        Self::over(Arc::new(RealFiles::new(dir, mode)))
    }

    /// Memory of this process.
    pub(crate) fn heap() -> Self {
        Self::over(Arc::new(HeapFiles::new()))
    }

    fn over(files: Arc<dyn Files>) -> Self {
        let source = Arc::new(SystemTimeSource::new());
        Self {
            files,
            time: source.clone(),
            jobs: Pool::shared(),
            entropy: source,
            #[cfg(any(test, feature = "testing"))]
            bugs: Bugs::default(),
        }
    }
}

/// Whether a seeded bug is switched on. Always `false` in a build without the feature `testing`.
macro_rules! bug {
    ($medium:expr, $name:ident) => {{
        #[cfg(any(test, feature = "testing"))]
        let on = $medium.bugs.$name;
        #[cfg(not(any(test, feature = "testing")))]
        let on = false;
        on
    }};
}
pub(crate) use bug;
