//! Copies runs to where a copy of their log is, so that it needn't be read to make them again. A run gets its name there when it is
//! synced, so one that has its name and length is whole.

use super::open::{DRAFT_PATH, INDEX_DIR, run_range};
use crate::error::Error;
use crate::medium::{Access, Entry, Found, Medium, Site};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

/// What is written at once.
const PIECE_BYTES: u64 = 1 << 20;

/// Makes the runs in `to` those of `from` that end before segment `end`. Others in `to` go.
///
/// # Errors
/// `DiskFull`, `Io`.
pub(crate) fn copy_runs(from: &Medium, to: &Medium, end: u64) -> Result<(), Error> {
    let listed =
        |medium: &Medium| list(medium).map_err(|error| Error::io("listing", Path::new(INDEX_DIR), error));
    let mut wanted = listed(from)?;
    wanted.retain(|name, _| run_range(name).is_some_and(|(_, last)| last < end));
    let there = listed(to)?;
    let failed = |error| Error::io("copying to", &to.files.root().join(INDEX_DIR), error);
    for name in there.keys().filter(|name| wanted.get(*name) != there.get(*name)) {
        to.files.remove(&format!("{INDEX_DIR}/{name}")).map_err(failed)?;
    }
    if to.files.found(INDEX_DIR).map_err(failed)? == Found::Nothing {
        to.files.create_dir(INDEX_DIR).and_then(|()| to.files.sync_dir("")).map_err(failed)?;
    }
    for name in wanted.keys().filter(|name| wanted.get(*name) != there.get(*name)) {
        match copy(from, to, &format!("{INDEX_DIR}/{name}")) {
            // Replaced by a merge since it was listed: what isn't there is made again.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            copied => copied.map_err(failed)?,
        }
    }
    to.files.sync_dir(INDEX_DIR).map_err(failed)
}

/// Names and lengths of the files.
fn list(medium: &Medium) -> io::Result<BTreeMap<String, u64>> {
    match medium.files.list(INDEX_DIR) {
        Ok(entries) => {
            let files = entries.into_iter().filter(|entry| entry.is_file);
            Ok(files.map(|Entry { name, bytes, .. }| (name, bytes)).collect())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

fn copy(from: &Medium, to: &Medium, path: &str) -> io::Result<()> {
    let source = from.files.open_region(path, Access::Read)?;
    let len = source.region().len();
    let mut target = to.files.create_region(DRAFT_PATH, len)?;
    let region = target.region().clone();
    let head = region.published();
    region.reserve(0, len)?;
    region.populate(0, head)?;
    region.store_head(0, &source.region().head_bytes(0, head))?;
    for at in (head..len).step_by(PIECE_BYTES as usize) {
        let to = len.min(at + PIECE_BYTES);
        region.populate(at, to)?;
        target.write(Site::Body, at, source.bytes(at, to))?;
    }
    region.sync_file()?;
    to.files.rename(DRAFT_PATH, path)
}
