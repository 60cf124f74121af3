//! A log below a store's own, in a folder of it: the same format, made when it is first written to. Damage to it is told when it
//! is used, and keeps nobody from the store.

use super::core::Core;
use crate::error::{Corruption, Error, ErrorKind};
use crate::index::Revisions;
use crate::log::{self, OpenLog};
use crate::medium::{Found, Medium};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

/// A log that may not be there yet.
#[derive(Default)]
pub(super) struct Nested {
    folder: &'static str,
    how: Option<OpenLog>,
    log: Mutex<Option<Arc<Core>>>,
    /// The log is there and can't be opened.
    broken: Option<Error>,
}

fn is_there(folder: &Medium) -> Result<bool, Error> {
    let found = folder.files.found(log::STORE_FILE);
    let found = found.map_err(|error| Error::io("looking for", Path::new(log::STORE_FILE), error))?;
    Ok(found != Found::Nothing)
}

impl Nested {
    /// The one in a folder of a store that is opened.
    ///
    /// # Errors
    /// `Io`, `Locked`, `DiskFull`.
    pub(super) fn open(medium: &Medium, folder: &'static str, how: &OpenLog) -> Result<Self, Error> {
        let how = OpenLog { segment_bytes: None, padded: None, ..how.clone() };
        let nested = Self { folder, how: Some(how.clone()), ..Self::default() };
        let medium = medium.within(folder);
        if !is_there(&medium)? {
            return Ok(nested);
        }
        match Core::open_log(&medium, &how) {
            Ok((core, _)) => Ok(Self { log: Mutex::new(Some(core)), ..nested }),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::Invalid
                ) =>
            {
                Ok(Self { broken: Some(error), ..nested })
            }
            Err(error) => Err(error),
        }
    }

    /// The log, if it is there and holds.
    pub(super) fn log(&self) -> Option<Arc<Core>> {
        self.log.lock().clone()
    }

    /// Why the log that is there can't be opened, if so.
    pub(super) fn broken(&self) -> Option<&Error> {
        self.broken.as_ref()
    }

    /// The log, which is made with segments of this size if it isn't there.
    pub(super) fn log_to_write(&self, core: &Core, segment_bytes: u64) -> Result<Arc<Core>, Error> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let mut log = self.log.lock();
        if let Some(log) = &*log {
            return Ok(log.clone());
        }
        core.log.write_side()?;
        let how = OpenLog {
            segment_bytes: Some(segment_bytes),
            padded: Some(core.log.geometry.padded),
            ..self.how.clone().expect("a store that has such a log was opened with it")
        };
        let (made, _) = Core::open_log(&core.log.medium.within(self.folder), &how)?;
        Ok(log.insert(made).clone())
    }

    /// Closes the log. Everything in it that somebody was told of is synced.
    pub(super) fn close(&self) {
        if let Some(log) = self.log()
            && let Ok(side) = log.log.write_side()
        {
            let _ = side.close();
        }
    }

    /// What is wrong with the log in a folder, if there is one.
    pub(super) fn verify(medium: &Medium, folder: &str) -> Result<Vec<Corruption>, Error> {
        let folder = medium.within(folder);
        if !is_there(&folder)? {
            return Ok(Vec::new());
        }
        let report = log::verify(&folder, |base| {
            let mut revisions = Revisions::behind(base.clone());
            Ok(Box::new(move |commit, _| revisions.feed(commit)))
        })?;
        Ok(report.problems)
    }
}
