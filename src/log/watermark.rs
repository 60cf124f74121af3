//! The watermark file: live watermarks for other processes, and the mark that testifies to what was synced.
//!
//! Everything in it is a hint or a testimony: a mark is written only after the sync it names, so one that is read is
//! true, however old. Nothing in it is needed to open.

use super::blocks::{self, BLOCK_BYTES, StoreId, u32_at, u64_at};
use crate::error::Error;
use crate::medium::{Access, Found, Lock, Medium, Region, WriteMode};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

pub(crate) const WATERMARK_FILE: &str = "watermark";
pub(crate) const WATERMARK_BYTES: u64 = 4_096;
const COMMITTED_AT: u64 = 512;
const SYNCED_AT: u64 = 520;
const EPOCH_AT: u64 = 528;
const BOOT_AT: u64 = 536;
const POISONED_AT: u64 = 552;
const SLOTS_AT: [u64; 2] = [1_024, 2_048];
const SLOT_BYTES: usize = 48;
const SLOT_CRC_AT: usize = 40;

const _: () = {
    assert!(POISONED_AT + 8 <= SLOTS_AT[0]);
    assert!(SLOTS_AT[1] - SLOTS_AT[0] >= 512 && SLOTS_AT[0].is_multiple_of(512));
    assert!(SLOT_CRC_AT + size_of::<u32>() <= SLOT_BYTES && SLOT_BYTES.is_multiple_of(8));
};

/// What was synced, as of one sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) synced: u64,
    pub(crate) segment: u64,
    /// Of the first byte after the synced frames.
    pub(crate) offset: u64,
    pub(crate) epoch: u64,
}

fn slot_crc(store: &StoreId, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(crc32fast::hash(store));
    hasher.update(&bytes[..SLOT_CRC_AT]);
    hasher.finalize()
}

fn encode_slot(store: &StoreId, sequence: u64, mark: &Mark) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    let words = [sequence, mark.synced, mark.segment, mark.offset, mark.epoch];
    for (slot, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *slot = word.to_le_bytes();
    }
    let crc = slot_crc(store, &bytes);
    bytes[SLOT_CRC_AT..SLOT_CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The newest valid mark, with its sequence number.
pub(crate) fn newest_mark(file: &[u8], store: &StoreId) -> Option<(u64, Mark)> {
    let slots = SLOTS_AT.iter().filter_map(|at| file.get(*at as usize..*at as usize + SLOT_BYTES));
    slots
        .filter(|slot| u64_at(slot, 0) > 0 && slot_crc(store, slot) == u32_at(slot, SLOT_CRC_AT))
        .map(|slot| {
            let [synced, segment, offset, epoch] = [8, 16, 24, 32].map(|at| u64_at(slot, at));
            (u64_at(slot, 0), Mark { synced, segment, offset, epoch })
        })
        .max_by_key(|(sequence, _)| *sequence)
}

/// Reads the mark of a store that isn't open for writing. A file that isn't there testifies to nothing.
pub(crate) fn read_mark(medium: &Medium, store: &StoreId) -> Result<Option<Mark>, Error> {
    match medium.files.read(WATERMARK_FILE, WATERMARK_BYTES as usize) {
        Ok(bytes) => {
            if let Err(fault @ blocks::BlockFault::Later(_)) = blocks::check_watermark_header(&bytes, store) {
                return Err(fault.into_error("watermark file", WATERMARK_FILE, None));
            }
            Ok(newest_mark(&bytes, store).map(|(_, mark)| mark))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("reading", Path::new(WATERMARK_FILE), error)),
    }
}

/// A watermark file that testifies to a mark, of a store that nobody writes to.
pub(super) fn file(store: &StoreId, mark: &Mark) -> Vec<u8> {
    let mut bytes = blocks::watermark_header(store).to_vec();
    bytes.resize(WATERMARK_BYTES as usize, 0);
    bytes[SLOTS_AT[0] as usize..SLOTS_AT[0] as usize + SLOT_BYTES]
        .copy_from_slice(&encode_slot(store, 1, mark));
    bytes
}

/// Whether another process has the store open for writing. Takes no lock, not even for a moment.
pub(crate) fn writer_lives(medium: &Medium) -> Result<bool, Error> {
    match medium.files.writer_lives(WATERMARK_FILE) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        asked => asked.map_err(|error| Error::io("asking about", Path::new(WATERMARK_FILE), error)),
    }
}

/// What a living writer says of itself, as other processes see it: hints.
pub(crate) struct LiveMarks {
    region: Arc<Region>,
    store: StoreId,
}

/// How far the writer is.
pub(crate) struct Live {
    /// What may be looked for.
    pub(crate) committed: u64,
    /// What survives power loss.
    pub(crate) synced: u64,
}

impl LiveMarks {
    /// # Errors
    /// The file isn't there, or isn't whole.
    pub(crate) fn open(medium: &Medium, store: &StoreId) -> std::io::Result<Self> {
        let entries = medium.files.list("")?;
        let whole =
            |entry: &crate::medium::Entry| entry.name == WATERMARK_FILE && entry.bytes == WATERMARK_BYTES;
        if !entries.iter().any(whole) {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        let region = medium.files.open_region(WATERMARK_FILE, Access::Read)?.region().clone();
        Ok(Self { region, store: *store })
    }

    /// Of another boot, and after a failed sync, only the marks count, which are written after a sync.
    pub(crate) fn read(&self, medium: &Medium) -> Live {
        let bytes = self.region.head_bytes(COMMITTED_AT, SLOTS_AT[0]);
        let word = |at: u64| u64_at(&bytes, (at - COMMITTED_AT) as usize);
        let boot = (BOOT_AT - COMMITTED_AT) as usize;
        if word(POISONED_AT) == 0 && bytes[boot..boot + 16] == medium.files.boot_id() {
            return Live { committed: word(COMMITTED_AT), synced: word(SYNCED_AT) };
        }
        let whole = self.region.head_bytes(0, WATERMARK_BYTES);
        let synced = newest_mark(&whole, &self.store).map_or(0, |(_, mark)| mark.synced);
        Live { committed: synced, synced }
    }
}

/// The writer's end of the file.
pub(crate) struct WatermarkFile {
    region: Arc<Region>,
    store: StoreId,
    /// Storing a word is a plain store, not a system call.
    cheap: bool,
    sequence: Mutex<u64>,
    /// Tells other processes that the writer lives.
    alive: Mutex<Option<Box<dyn Lock>>>,
}

impl WatermarkFile {
    /// Opens the file, or makes it. A header that is damaged is written again; its marks stay.
    pub(crate) fn open(medium: &Medium, store: &StoreId) -> Result<Self, Error> {
        let failed = |error| Error::io("opening", Path::new(WATERMARK_FILE), error);
        let files = &medium.files;
        let bytes = match files.found(WATERMARK_FILE).map_err(failed)? {
            Found::Nothing => Vec::new(),
            _ => files.read(WATERMARK_FILE, WATERMARK_BYTES as usize + 1).map_err(failed)?,
        };
        let header = blocks::check_watermark_header(&bytes, store);
        if let Err(fault @ blocks::BlockFault::Later(_)) = header {
            return Err(fault.into_error("watermark file", WATERMARK_FILE, None));
        }
        if matches!(header, Ok(true)) {
            let what = "the watermark file has features that only later versions may write with";
            return Err(Error::unsupported(what));
        }
        let found = newest_mark(&bytes, store);
        let whole = bytes.len() as u64 == WATERMARK_BYTES;
        if !whole && files.found(WATERMARK_FILE).map_err(failed)? != Found::Nothing {
            files.remove(WATERMARK_FILE).map_err(failed)?;
        }
        let writer = if whole {
            files.open_region(WATERMARK_FILE, Access::Write)
        } else {
            files.create_region(WATERMARK_FILE, WATERMARK_BYTES)
        };
        let region = writer.map_err(failed)?.region().clone();
        region.reserve(0, WATERMARK_BYTES).map_err(failed)?;
        region.populate(0, WATERMARK_BYTES).map_err(failed)?;
        // Even one that is right may be in the page cache alone, after a sync of the new file that failed.
        let fresh = blocks::watermark_header(store);
        let kept = if header.is_ok() { &bytes[..BLOCK_BYTES] } else { &fresh };
        region.store_head(0, kept).map_err(failed)?;
        let alive = files.mark_writer(WATERMARK_FILE).map_err(failed)?;
        let cheap = files.write_mode() != WriteMode::Positioned;
        let sequence = Mutex::new(found.map_or(0, |(sequence, _)| sequence));
        Ok(Self { region, store: *store, cheap, sequence, alive: Mutex::new(Some(alive)) })
    }

    /// The mark is of this open from here on; readers of other processes may trust the live words.
    pub(crate) fn begin(&self, mark: &Mark, epoch: u64, boot: &[u8; 16]) -> std::io::Result<()> {
        debug_assert!(BLOCK_BYTES as u64 == COMMITTED_AT);
        self.region.store_word(POISONED_AT, 0)?;
        self.region.store_head(BOOT_AT, boot)?;
        self.region.store_word(EPOCH_AT, epoch)?;
        self.region.store_word(COMMITTED_AT, mark.synced)?;
        self.synced(mark)
    }

    /// A commit became visible. Skipped where it would cost a system call: the next sync tells.
    #[inline]
    pub(crate) fn committed(&self, position: u64) {
        if self.cheap {
            // A mapped store can't fail.
            let _ = self.region.store_word(COMMITTED_AT, position);
        }
    }

    /// Everything up to the mark has been synced.
    pub(crate) fn synced(&self, mark: &Mark) -> std::io::Result<()> {
        let mut sequence = self.sequence.lock();
        let slot = encode_slot(&self.store, *sequence + 1, mark);
        self.region.store_head(SLOTS_AT[(*sequence % 2) as usize], &slot)?;
        *sequence += 1;
        if !self.cheap {
            self.region.store_word(COMMITTED_AT, mark.synced)?;
        }
        self.region.store_word(SYNCED_AT, mark.synced)
    }

    pub(crate) fn poisoned(&self) {
        // Nothing more can be done where even this fails.
        let _ = self.region.store_word(POISONED_AT, 1);
    }

    /// The writer is gone, though a view may keep this in memory.
    pub(crate) fn release(&self) {
        self.alive.lock().take();
    }

    /// Makes the mark itself survive power loss.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        self.region.sync_range(0, WATERMARK_BYTES)
    }

    /// Makes length and blocks of the file durable, when it is opened.
    pub(crate) fn sync_file(&self) -> std::io::Result<()> {
        self.region.sync_file()
    }
}
