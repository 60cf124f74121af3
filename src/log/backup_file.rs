//! The file that makes a directory a backup: of which store, up to where, and whether it is complete. `docs/format.md` is the
//! home of the layout. It goes when the directory is opened for writing: from then on it is a store of its own.

use super::blocks::{self, BLOCK_BYTES, BlockFault, StoreId, u64_at};
use super::watermark::Mark;
use crate::error::Error;
use crate::medium::Medium;
use std::io::ErrorKind;
use std::path::Path;

/// Its name.
const BACKUP_FILE: &str = "backup";
/// The same while it is written.
pub(crate) const BACKUP_DRAFT: &str = "backup.new";
const BACKUP_MAGIC: &[u8; 8] = b"ORCHBACK";
const FIELDS_END: usize = 112;

/// What a backup says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BackupFile {
    /// The store that it is of.
    pub(crate) store: StoreId,
    pub(crate) is_complete: bool,
    /// Up to where the log is there and synced, whether or not more of it is.
    pub(crate) log: Mark,
    /// The same of the snapshot log.
    pub(crate) snapshots: Mark,
}

impl BackupFile {
    fn encode(&self) -> [u8; BLOCK_BYTES] {
        let mut bytes = blocks::start(BACKUP_MAGIC, &self.store);
        let words = |mark: &Mark| [mark.synced, mark.segment, mark.offset, mark.epoch];
        let fields = [u64::from(self.is_complete)];
        let fields = fields.into_iter().chain(words(&self.log)).chain(words(&self.snapshots));
        for (field, word) in bytes[40..FIELDS_END].as_chunks_mut::<8>().0.iter_mut().zip(fields) {
            *field = word.to_le_bytes();
        }
        blocks::finish(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, BlockFault> {
        blocks::check(bytes, BACKUP_MAGIC, FIELDS_END)?;
        let wrong =
            |at, expected: &str, found: String| Err(BlockFault::Damaged(at, expected.to_owned(), found));
        if bytes.len() != BLOCK_BYTES {
            return wrong(BLOCK_BYTES as u64, "512 bytes", format!("{} or more", bytes.len()));
        }
        let state = u64_at(bytes, 40);
        if state > 1 {
            return wrong(40, "0 or 1", state.to_string());
        }
        let mark = |at: usize| {
            let [synced, segment, offset, epoch] = [0, 8, 16, 24].map(|field| u64_at(bytes, at + field));
            Mark { synced, segment, offset, epoch }
        };
        let store = blocks::store_id(bytes);
        Ok(Self { store, is_complete: state == 1, log: mark(48), snapshots: mark(80) })
    }

    /// Reads that of a directory, if it has one.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported`, `Io`.
    pub(crate) fn read(medium: &Medium) -> Result<Option<Self>, Error> {
        match medium.files.read(BACKUP_FILE, BLOCK_BYTES + 1) {
            Ok(bytes) => match Self::decode(&bytes) {
                Ok(file) => Ok(Some(file)),
                Err(fault) => Err(fault.into_error("backup file", BACKUP_FILE, None)),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("reading", Path::new(BACKUP_FILE), error)),
        }
    }

    /// Puts it in place. Durable when it returns.
    ///
    /// # Errors
    /// `DiskFull`, `Io`. The old one may be in place, or this one.
    pub(crate) fn store(&self, medium: &Medium) -> Result<(), Error> {
        let files = &medium.files;
        let failed = |error| Error::io("writing", Path::new(BACKUP_FILE), error);
        files.write(BACKUP_DRAFT, &self.encode()).map_err(failed)?;
        files.rename(BACKUP_DRAFT, BACKUP_FILE).map_err(failed)?;
        files.sync_dir("").map_err(failed)
    }
}

/// Refuses a directory that is a backup which isn't complete.
///
/// # Errors
/// `Invalid` (`is_incomplete_backup`). `Corrupt`: its backup file is damaged. `Unsupported`, `Io`.
pub(crate) fn check_complete(medium: &Medium) -> Result<(), Error> {
    match BackupFile::read(medium)? {
        Some(file) if !file.is_complete => Err(Error::incomplete_backup(medium.files.root())),
        _ => Ok(()),
    }
}

/// Makes a backup a store like any other. Durable when it returns.
pub(super) fn forget(medium: &Medium) -> Result<(), Error> {
    let failed = |error| Error::io("removing", Path::new(BACKUP_FILE), error);
    match medium.files.remove(BACKUP_FILE) {
        Ok(()) => medium.files.sync_dir("").map_err(failed),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}
