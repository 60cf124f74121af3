//! Opens a log, or creates it: the lock, the store file, recovery, and the way back to writing.

use super::backup_file;
use super::base::Base;
use super::blocks::{BLOCK_BYTES, StoreFile};
use super::checkpoint::Follow;
use super::follower::FollowStart;
use super::geometry::{Geometry, LOG_DIR};
use super::log::{Log, Seen, WriteStart};
use super::recover::{self, Recovered};
use super::reopen;
use super::report::RecoveryReport;
use super::segment::Table;
use super::watermark::{self, WATERMARK_FILE, WatermarkFile};
use crate::error::Error;
use crate::medium::{Found, Lock, Medium};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Name of the store file.
pub(crate) const STORE_FILE: &str = "store";
/// The same while it is written.
const STORE_DRAFT: &str = "store.new";
pub(crate) const LOCK_FILE: &str = "lock";
/// How often the lock is tried while it is waited for.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// How a log is opened. What is `None` takes the stored value, or the default in a new store.
#[derive(Clone, Debug)]
pub(crate) struct OpenLog {
    pub(crate) create: bool,
    pub(crate) read_only: bool,
    pub(crate) segment_bytes: Option<u64>,
    pub(crate) padded: Option<bool>,
    pub(crate) sync_interval: Duration,
    pub(crate) wait_for_lock: Duration,
}

/// A log that was opened.
pub(crate) struct Opened {
    pub(crate) log: Log,
    pub(crate) report: RecoveryReport,
}

/// Opens a log; `follow` is told every commit that no checkpoint of it covers.
pub(crate) fn open(medium: &Medium, how: &OpenLog, follow: &mut dyn Follow) -> Result<Opened, Error> {
    let found = medium.files.found("").map_err(|error| Error::io("opening", medium.files.root(), error))?;
    match found {
        Found::Directory => {}
        Found::Nothing if how.create && !how.read_only => {}
        Found::Nothing => return Err(not_a_store(medium, "there is no such directory")),
        Found::File | Found::Other => return Err(not_a_store(medium, "it is not a directory")),
    }
    backup_file::check_complete(medium)?;
    if how.read_only { open_to_read(medium, how, follow) } else { open_to_write(medium, how, follow) }
}

fn not_a_store(medium: &Medium, why: &str) -> Error {
    Error::not_a_store(medium.files.root(), why)
}

fn open_to_read(medium: &Medium, how: &OpenLog, follow: &mut dyn Follow) -> Result<Opened, Error> {
    let Some(store) = read_store_file(medium)? else {
        return Err(not_a_store(medium, "it has no store file"));
    };
    check_options(how, &store)?;
    let mut found = recover_to_read(medium, &store, follow)?;
    let next_segment = found.first + found.segments.len() as u64;
    let ends = found.ends.clone();
    recover::publish_all(&mut found.segments, ends.into_iter());
    let table =
        found.segments.iter().fold(Table::default(), |table, (segment, _)| table.with(segment.clone()));
    let seen = Seen::new(medium, found.chain.next - 1, found.report.synced);
    let last = found.segments.pop().zip(found.ends.last().copied());
    let start = FollowStart { id: store.id, table, last, next_segment, chain: found.chain };
    Ok(Opened { log: Log::read_only(medium.clone(), store.geometry, seen, start), report: found.report })
}

/// Recovers beside a writer, which may move the beginning of the log on meanwhile: then from the new one.
fn recover_to_read(medium: &Medium, store: &StoreFile, follow: &mut dyn Follow) -> Result<Recovered, Error> {
    let mut base = Base::read(medium, &store.id)?;
    loop {
        let mark = watermark::read_mark(medium, &store.id)?;
        let first = base.first_segment();
        let found = recover::recover(medium, store, &Arc::new(base), mark, follow);
        base = Base::read(medium, &store.id)?;
        if base.first_segment() == first {
            return found;
        }
    }
}

fn open_to_write(medium: &Medium, how: &OpenLog, follow: &mut dyn Follow) -> Result<Opened, Error> {
    let is_new = read_store_file(medium)?.is_none();
    if is_new {
        check_may_create(medium, how)?;
        medium.files.create_root().map_err(|error| Error::io("creating", medium.files.root(), error))?;
    }
    let lock = lock(medium, how.wait_for_lock)?;
    // Another writer may have created it, or written to it, until the lock was there.
    let store = match read_store_file(medium)? {
        Some(store) => {
            // Who created it may have died before its name was durable; nothing else may become durable before it.
            let failed = |error| Error::io("syncing", medium.files.root(), error);
            medium.files.sync_dir("").map_err(failed)?;
            store
        }
        None => create(medium, how)?,
    };
    check_options(how, &store)?;
    if store.read_only {
        return Err(only_later("store file"));
    }
    // Nothing is changed before everything has been looked at.
    let mark = watermark::read_mark(medium, &store.id)?;
    let base = Arc::new(Base::read(medium, &store.id)?);
    let found = recover::recover(medium, &store, &base, mark, follow)?;
    if found.read_only {
        return Err(only_later("log"));
    }
    backup_file::forget(medium)?;
    let watermark = WatermarkFile::open(medium, &store.id)?;
    create_log_dir(medium)?;
    finish(medium, how, &store, lock, watermark, found)
}

fn only_later(what: &str) -> Error {
    Error::unsupported(format!("the {what} has features that only later versions may write with"))
}

fn finish(
    medium: &Medium,
    how: &OpenLog,
    store: &StoreFile,
    lock: Box<dyn Lock>,
    watermark: WatermarkFile,
    found: Recovered,
) -> Result<Opened, Error> {
    let report = found.report.clone();
    let epoch = medium.entropy.u64();
    let reopened = reopen::reopen(medium, store, epoch, found)?;
    let failed = |error| Error::io("writing", Path::new(WATERMARK_FILE), error);
    watermark.begin(&reopened.mark, epoch, &medium.files.boot_id()).map_err(failed)?;
    watermark.sync_file().map_err(failed)?;
    medium.files.sync_dir("").map_err(failed)?;
    let start = WriteStart {
        id: store.id,
        lock,
        watermark,
        writer: reopened.writer,
        mark: reopened.mark,
        sync_interval: how.sync_interval,
        unsealed: reopened.writer_segment,
    };
    Ok(Opened { log: Log::writable(medium.clone(), store.geometry, reopened.table, start), report })
}

/// Takes the writer's lock, waiting for it for at most `limit`.
pub(crate) fn lock(medium: &Medium, limit: Duration) -> Result<Box<dyn Lock>, Error> {
    let start = medium.time.monotonic();
    loop {
        match medium.files.try_lock(LOCK_FILE) {
            Ok(lock) => return Ok(lock),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if medium.time.monotonic().saturating_sub(start) >= limit {
                    return Err(Error::locked(medium.files.root(), holder(medium)));
                }
                medium.time.sleep(LOCK_RETRY.min(limit));
            }
            Err(error) => return Err(Error::io("locking", Path::new(LOCK_FILE), error)),
        }
    }
}

fn holder(medium: &Medium) -> Option<u32> {
    let text = medium.files.read(LOCK_FILE, 32).ok()?;
    std::str::from_utf8(&text).ok()?.trim().parse().ok()
}

/// The store file, if there is one.
pub(crate) fn read_store_file(medium: &Medium) -> Result<Option<StoreFile>, Error> {
    match medium.files.read(STORE_FILE, BLOCK_BYTES + 1) {
        Ok(bytes) => match StoreFile::decode(&bytes) {
            Ok(store) => Ok(Some(store)),
            Err(fault) => Err(fault.into_error("store file", STORE_FILE, None)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("reading", Path::new(STORE_FILE), error)),
    }
}

/// A directory without a store file may become a store if it is empty, or holds only what an unfinished creation left.
fn check_may_create(medium: &Medium, how: &OpenLog) -> Result<(), Error> {
    if !how.create {
        return Err(not_a_store(medium, "it has no store file"));
    }
    let entries = match medium.files.list("") {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("listing", medium.files.root(), error)),
    };
    let foreign = entries.iter().find(|entry| ![STORE_DRAFT, LOCK_FILE].contains(&entry.name.as_str()));
    match foreign {
        None => Ok(()),
        Some(entry) => Err(not_a_store(
            medium,
            &format!("it has no store file and isn't empty: {} is in it", entry.name),
        )),
    }
}

/// Writes the identity of a new store. Durable before anything else of it is written.
fn create(medium: &Medium, how: &OpenLog) -> Result<StoreFile, Error> {
    check_may_create(medium, how)?;
    let bytes = how.segment_bytes.unwrap_or(crate::limits::SEGMENT_BYTES_DEFAULT);
    let mut id = [0; 16];
    medium.entropy.fill(&mut id);
    let geometry = Geometry { segment_log2: bytes.trailing_zeros(), padded: how.padded.unwrap_or(false) };
    let store = StoreFile { id, geometry, created: medium.time.now(), read_only: false };
    let failed = |error| Error::io("creating", Path::new(STORE_FILE), error);
    let files = &medium.files;
    files.write(STORE_DRAFT, &store.encode()).map_err(failed)?;
    files.rename(STORE_DRAFT, STORE_FILE).map_err(failed)?;
    files.sync_dir("").map_err(failed)?;
    Ok(store)
}

/// Makes the log folder, if an unfinished creation hasn't.
fn create_log_dir(medium: &Medium) -> Result<(), Error> {
    let failed = |error| Error::io("creating", Path::new(LOG_DIR), error);
    if medium.files.found(LOG_DIR).map_err(failed)? == Found::Nothing {
        medium.files.create_dir(LOG_DIR).map_err(failed)?;
        medium.files.sync_dir("").map_err(failed)?;
    }
    Ok(())
}

/// What was asked for explicitly must be what is stored.
fn check_options(how: &OpenLog, store: &StoreFile) -> Result<(), Error> {
    let stored = store.geometry.segment_bytes();
    if let Some(asked) = how.segment_bytes
        && asked != stored
    {
        return Err(Error::invalid(format!("segment_bytes: the store has {stored}, {asked} was asked for")));
    }
    if let Some(asked) = how.padded
        && asked != store.geometry.padded
    {
        let padded = store.geometry.padded;
        return Err(Error::invalid(format!("pad_syncs: the store has {padded}, {asked} was asked for")));
    }
    Ok(())
}
