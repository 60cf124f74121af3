//! A folder of a store as a medium of its own: another log lives there, with the same clock, jobs and random numbers.

use super::{Access, Entry, Files, Found, Lock, Medium, RegionWriter, WriteMode};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files below a folder.
struct Within {
    files: Arc<dyn Files>,
    dir: String,
    root: PathBuf,
}

impl Medium {
    /// What stands in a folder of this medium, which needn't be there yet.
    pub(crate) fn within(&self, dir: &str) -> Self {
        let root = self.files.root().join(dir);
        let files = Arc::new(Within { files: self.files.clone(), dir: dir.to_owned(), root });
        Self { files, ..self.clone() }
    }
}

impl Within {
    fn path(&self, path: &str) -> String {
        if path.is_empty() { self.dir.clone() } else { format!("{}/{path}", self.dir) }
    }
}

impl Files for Within {
    fn root(&self) -> &Path {
        &self.root
    }
    fn write_mode(&self) -> WriteMode {
        self.files.write_mode()
    }
    fn found(&self, path: &str) -> io::Result<Found> {
        self.files.found(&self.path(path))
    }
    fn create_root(&self) -> io::Result<()> {
        self.files.create_root()?;
        self.files.create_dir(&self.dir)?;
        self.files.sync_dir("")
    }
    fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        self.files.list(&self.path(dir))
    }
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.files.create_dir(&self.path(dir))
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.files.sync_dir(&self.path(dir))
    }
    fn read(&self, path: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
        self.files.read(&self.path(path), bytes_max)
    }
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.files.write(&self.path(path), bytes)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.files.rename(&self.path(from), &self.path(to))
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.files.remove(&self.path(path))
    }
    fn try_lock(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        self.files.try_lock(&self.path(path))
    }
    fn mark_writer(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        self.files.mark_writer(&self.path(path))
    }
    fn writer_lives(&self, path: &str) -> io::Result<bool> {
        self.files.writer_lives(&self.path(path))
    }
    fn create_region(&self, path: &str, bytes: u64) -> io::Result<RegionWriter> {
        self.files.create_region(&self.path(path), bytes)
    }
    fn open_region(&self, path: &str, access: Access) -> io::Result<RegionWriter> {
        self.files.open_region(&self.path(path), access)
    }
    fn bytes_on_disk(&self) -> io::Result<u64> {
        self.files.bytes_on_disk()
    }
    fn boot_id(&self) -> [u8; 16] {
        self.files.boot_id()
    }
}
