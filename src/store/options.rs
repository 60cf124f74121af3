//! How a store is opened.

use super::core::Core;
use super::handle::Store;
use crate::error::Error;
use crate::expected::Durability;
use crate::limits;
use crate::log::OpenLog;
use crate::medium::{Medium, WriteMode};
use std::path::Path;
use std::time::Duration;

/// Longest interval between background syncs: 1 hour.
const SYNC_INTERVAL_MAX: Duration = Duration::from_secs(3_600);
/// Shortest one: 1 millisecond.
const SYNC_INTERVAL_MIN: Duration = Duration::from_millis(1);

/// How a store is opened. Options with "stored" in their description are kept in the store: one that is given and
/// differs from what is stored is refused as `Invalid`, one that isn't given takes the stored value.
///
/// ```
/// use orchestrix::{Durability, Store};
/// # let dir = tempfile::tempdir()?;
/// let store = Store::options().segment_bytes(1 << 20).durability(Durability::Process).open(dir.path())?;
/// # store.close().wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `open`"]
pub struct Options {
    log: OpenLog,
    durability: Durability,
    write_mode: Option<WriteMode>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log: OpenLog {
                create: true,
                read_only: false,
                segment_bytes: None,
                padded: None,
                sync_interval: Duration::from_millis(50),
                wait_for_lock: Duration::ZERO,
            },
            durability: Durability::default(),
            write_mode: None,
        }
    }
}

impl Options {
    /// Whether a missing or empty directory becomes a new store. Default: `true`.
    pub fn create(mut self, create: bool) -> Self {
        self.log.create = create;
        self
    }

    /// Opens for reading alone: takes no lock, changes no byte, needs no right to write, and works beside a living
    /// writer. Views and reads show the store as it was at the opening; a [subscription](Store::subscribe) follows the writer,
    /// and the next one, and sees events once they are synced, at most some hundredths of a second later. Default: off.
    pub fn read_only(mut self) -> Self {
        self.log.read_only = true;
        self
    }

    /// Size of a segment file in bytes: a power of two from 8 KiB to 1 GiB. Bounds an event (an eighth of it) and a
    /// commit (a quarter). Stored. Default: 64 MiB.
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.log.segment_bytes = Some(bytes);
        self
    }

    /// Whether each sync is padded to a sector of 4,096 bytes, for media that may damage synced bytes of a sector that
    /// power loss interrupts. Costs up to a sector a sync. Stored. Default: `false`.
    pub fn pad_syncs(mut self, pad: bool) -> Self {
        self.log.padded = Some(pad);
        self
    }

    /// What the `Ok` of an append has survived, where a transaction says nothing else. Default: [`Durability::Power`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How soon what nobody waits for is synced in the background: 1 ms to 1 h. Default: 50 ms.
    pub fn sync_interval(mut self, interval: Duration) -> Self {
        self.log.sync_interval = interval;
        self
    }

    /// How long to wait for another writer to end, before the opening fails as `Locked`. Default: not at all.
    pub fn wait_for_lock(mut self, limit: Duration) -> Self {
        self.log.wait_for_lock = limit;
        self
    }

    /// Forces a write mode. Default: mapped where the file system promises reserved blocks (ext4, XFS, tmpfs), else
    /// positioned. [`WriteMode::Heap`] is refused as `Invalid`: that is [`Store::in_memory`].
    pub fn write_mode(mut self, mode: WriteMode) -> Self {
        self.write_mode = Some(mode);
        self
    }

    /// Opens the store in `dir`, or creates it. Reads and checks the end of the log that the index on disk doesn't cover;
    /// older events are checked when they are first read. Where files of the index are damaged or missing, it reads more.
    ///
    /// # Errors
    /// `Invalid`: an option is out of its bounds or differs from what is stored, or `dir` is no store
    /// ([`Error::is_not_a_store`], [`Error::is_incomplete_backup`]). `Locked`: another writer has it. `Corrupt`: acknowledged data
    /// that was read is damaged. `Unsupported`: a later version wrote it. `DiskFull`, `Io`.
    pub fn open(self, dir: impl AsRef<Path>) -> Result<Store, Error> {
        if self.write_mode == Some(WriteMode::Heap) {
            return Err(Error::invalid(
                "write_mode: a directory is written mapped or positioned, found Heap",
            ));
        }
        let dir = dir.as_ref();
        let medium = Medium::real(dir, self.write_mode);
        self.open_on(&medium, Some(dir))
    }

    /// A new store in the memory of this process, with these options.
    ///
    /// # Errors
    /// `Invalid`: an option is out of its bounds, or asks for files. `Io`: no memory.
    pub fn in_memory(self) -> Result<Store, Error> {
        if self.log.read_only
            || !self.log.create
            || self.write_mode.is_some_and(|mode| mode != WriteMode::Heap)
        {
            return Err(Error::invalid("a store in memory is always new and written to"));
        }
        self.open_on(&Medium::heap(), None)
    }

    pub(crate) fn open_on(self, medium: &Medium, dir: Option<&Path>) -> Result<Store, Error> {
        self.check()?;
        let (core, report) = Core::open(medium, &self.log)?;
        Ok(Store::new(core, report, self.durability, dir))
    }

    fn check(&self) -> Result<(), Error> {
        if let Some(bytes) = self.log.segment_bytes {
            let bounds = limits::SEGMENT_BYTES_MIN..=limits::SEGMENT_BYTES_MAX;
            if !bytes.is_power_of_two() || !bounds.contains(&bytes) {
                let (min, max) = (bounds.start(), bounds.end());
                let what =
                    format!("segment_bytes: expected a power of two from {min} to {max}, found {bytes}");
                return Err(Error::invalid(what));
            }
        }
        if !(SYNC_INTERVAL_MIN..=SYNC_INTERVAL_MAX).contains(&self.log.sync_interval) {
            let found = self.log.sync_interval;
            return Err(Error::invalid(format!("sync_interval: expected 1 ms to 1 h, found {found:?}")));
        }
        Ok(())
    }
}
