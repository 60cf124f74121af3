//! Backup: copies everything up to a synced position to another directory, where an earlier backup of the same store may be.
//! The target says of itself that it is incomplete from the first byte that is written until everything is durable.

use super::core::Core;
use super::scan::Frames;
use super::snapshots::SNAPSHOT_DIR;
use super::view::View;
use crate::Position;
use crate::error::Error;
use crate::index::copy_runs;
use crate::log::{self, BACKUP_DRAFT, BackupFile, LOCK_FILE, LogCopy, Mark, StoreFile};
use crate::medium::{Found, Medium, bug};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a backup came to; see [`Store::backup`](crate::Store::backup).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backup {
    /// Position of the last event that the target has.
    pub position: Position,
    /// Bytes of events and snapshots that this run has copied.
    pub bytes: u64,
    /// Nothing of an earlier run could be used; the target was checked as a whole.
    pub is_full: bool,
}

/// A log and what is copied of it.
struct Source {
    view: View,
    store: StoreFile,
    medium: Medium,
}

impl Source {
    fn of(core: &Arc<Core>) -> Result<Self, Error> {
        let medium = &core.log.medium;
        let Some(store) = log::read_store_file(medium)? else {
            return Err(Error::not_a_store(medium.files.root(), "it has no store file"));
        };
        Ok(Self { view: View::synced(core), store, medium: medium.clone() })
    }

    /// Whether the log was once what a mark says.
    fn has(&self, core: &Arc<Core>, mark: &Mark) -> Result<bool, Error> {
        let view = View::written(core);
        if mark.synced < view.first_position().0 {
            // Removed since, or there was nothing.
            return Ok(true);
        }
        let Some(mut frames) = Frames::at(view.pinned(), mark.synced)? else { return Ok(false) };
        let Some(frame) = frames.next().transpose()? else { return Ok(false) };
        let end = Mark {
            synced: frame.commit.last_position().0,
            segment: self.store.geometry.segment(frame.place),
            offset: self.store.geometry.offset(frame.place) + u64::from(frame.commit.length()),
            epoch: frame.commit.epoch(),
        };
        Ok(end == *mark)
    }

    /// Copies what follows `from`, if that is there, to `target`; the copy isn't finished yet.
    fn copy(&self, target: &Medium, from: Mark) -> Result<LogCopy, Error> {
        let pinned = self.view.pinned();
        let mut copy = LogCopy::begin(target, &self.store, from, self.view.base())?;
        let mut frames = match copy.end().synced {
            0 => Some(Frames::first(pinned)),
            synced => Frames::at(pinned, synced + 1)?,
        };
        while let Some(frame) = frames.as_mut().and_then(Frames::next).transpose()? {
            copy.feed(&frame)?;
        }
        Ok(copy)
    }
}

/// Copies the store to `target`.
pub(crate) fn backup(core: &Arc<Core>, target: &Medium) -> Result<Backup, Error> {
    if let Ok(side) = core.log.write_side() {
        match side.sync_all() {
            // What was synced can be saved all the same.
            Err(error) if core.log.failure().is_none() => return Err(error),
            _ => {}
        }
    }
    let (snapshots, main) = {
        // Retention keeps what the snapshots of its time need.
        let _one = core.retaining.lock();
        let snapshots = core.snapshots.log();
        let snapshots = snapshots.map(|log| Ok::<_, Error>((Source::of(&log)?, log))).transpose()?;
        (snapshots, Source::of(core)?)
    };
    if main.view.base().first_segment() > 0 && main.view.pinned().event_count() == 0 {
        return Err(Error::invalid("nothing that is there is synced: there is nothing to back up"));
    }
    // Taking the lock leaves a file: not in a directory that is something else.
    look(target, &main.store)?;
    let files = &target.files;
    files.create_root().map_err(|error| Error::io("creating", files.root(), error))?;
    let _lock = log::lock(target, Duration::ZERO)?;
    let mut file = look(target, &main.store)?.unwrap_or(BackupFile {
        store: main.store.id,
        is_complete: false,
        log: Mark::default(),
        snapshots: Mark::default(),
    });
    if !main.has(core, &file.log)? {
        return Err(other_history(core, target, file.log.synced));
    }
    let snapshots_from = match &snapshots {
        Some((source, log)) => {
            let same = log::read_store_file(&target.within(SNAPSHOT_DIR))
                .is_ok_and(|store| store == Some(source.store));
            if same && source.has(log, &file.snapshots)? { file.snapshots } else { Mark::default() }
        }
        None => Mark::default(),
    };
    let is_new = |source: &Source, mark: &Mark| source.view.watermark().0 > mark.synced;
    if file.is_complete
        && !is_new(&main, &file.log)
        && snapshots.as_ref().is_none_or(|(source, _)| !is_new(source, &snapshots_from))
    {
        return Ok(Backup { position: Position(file.log.synced), bytes: 0, is_full: false });
    }
    file.is_complete = false;
    file.store(target)?;
    run(target, &mut file, &main, snapshots.as_ref().map(|(source, _)| source), snapshots_from)
}

/// Copies both logs, and says that the target is complete.
fn run(
    target: &Medium,
    file: &mut BackupFile,
    main: &Source,
    snapshots: Option<&Source>,
    snapshots_from: Mark,
) -> Result<Backup, Error> {
    let mut bytes = 0;
    let folder = target.within(SNAPSHOT_DIR);
    let snapshots_end = match snapshots {
        Some(source) => {
            let (end, copied) = source.copy(&folder, snapshots_from)?.finish()?;
            bytes += copied;
            end
        }
        None => {
            forget_snapshots(&folder)?;
            Mark::default()
        }
    };
    let copy = main.copy(target, file.log)?;
    let is_full = copy.is_full();
    if bug!(target, complete_before_copy) {
        BackupFile { is_complete: true, ..*file }.store(target)?;
    }
    let (end, copied) = copy.finish()?;
    bytes += copied;
    copy_runs(&main.medium, target, end.segment)?;
    if is_full && let Some(problem) = super::check::verify_any(target)?.problems.into_iter().next() {
        return Err(Error::corrupt(problem));
    }
    *file = BackupFile { is_complete: true, log: end, snapshots: snapshots_end, ..*file };
    file.store(target)?;
    Ok(Backup { position: Position(end.synced), bytes, is_full })
}

/// Looks at a target that nobody has locked: what it says of itself, if it says something.
fn look(target: &Medium, store: &StoreFile) -> Result<Option<BackupFile>, Error> {
    let files = &target.files;
    let failed = |error| Error::io("looking at", files.root(), error);
    let wrong = |found: String| {
        Err(Error::invalid(format!(
            "{}: expected an empty directory or a backup of this store, found {found}",
            files.root().display()
        )))
    };
    match files.found("").map_err(failed)? {
        Found::Nothing => return Ok(None),
        Found::Directory => {}
        Found::File | Found::Other => return wrong("something that is no directory".to_owned()),
    }
    match BackupFile::read(target)? {
        Some(file) if file.store == store.id => Ok(Some(file)),
        Some(_) => wrong("a backup of another store".to_owned()),
        None => {
            let entries = files.list("").map_err(failed)?;
            match entries.iter().find(|entry| ![BACKUP_DRAFT, LOCK_FILE].contains(&entry.name.as_str())) {
                Some(entry) => wrong(entry.name.clone()),
                None => Ok(None),
            }
        }
    }
}

fn other_history(core: &Arc<Core>, target: &Medium, found: u64) -> Error {
    let (dir, ends) = (target.files.root().display(), View::written(core).watermark());
    Error::invalid(if found > ends.0 {
        format!(
            "{dir}: expected a backup of this store, which ends with position {ends}, found one up to position {found}"
        )
    } else {
        format!(
            "{dir}: expected a backup of this store's history, found one up to position {found} of another; remove it, or \
             back up to another directory"
        )
    })
}

/// Takes away what makes the snapshots of a target a log: the store has none any more.
fn forget_snapshots(folder: &Medium) -> Result<(), Error> {
    let path = Path::new(log::STORE_FILE);
    match folder.files.remove(log::STORE_FILE) {
        Ok(()) => folder.files.sync_dir("").map_err(|error| Error::io("removing", path, error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("removing", path, error)),
    }
}
