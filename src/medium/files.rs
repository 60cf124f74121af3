//! Real files under one directory. Retries what a signal interrupts, completes short reads and writes, and never
//! retries a sync that failed.

use super::mapping::Mapping;
use super::posix::{RealOps, mode_of};
use super::region::{Region, RegionWriter};
use super::{Access, Entry, Files, Found, Lock, WriteMode, lock};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A directory of the operating system.
pub(crate) struct RealFiles {
    /// As it was given, for messages.
    root: PathBuf,
    /// The same, absolute, so that the process may change its directory.
    dir: PathBuf,
    forced: Option<WriteMode>,
    mode: OnceLock<WriteMode>,
}

impl RealFiles {
    /// Touches nothing. `forced` wins over what the file system asks for; [`WriteMode::Heap`] can't be forced and
    /// counts as nothing.
    pub(crate) fn new(dir: &Path, forced: Option<WriteMode>) -> Self {
        Self {
            root: dir.to_owned(),
            dir: std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()),
            forced: forced.filter(|mode| *mode != WriteMode::Heap),
            mode: OnceLock::new(),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.dir.clone() } else { self.dir.join(path) }
    }

    /// The root, or of the directories that it will stand in the nearest one that is there.
    fn nearest(&self) -> &Path {
        self.dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(&self.dir)
    }

    fn map(&self, file: File, path: &Path, bytes: u64, access: Access) -> io::Result<RegionWriter> {
        let writable = access == Access::Write;
        // Reading needs no trial of how the file system is best written.
        let mode = if writable { self.write_mode() } else { WriteMode::Positioned };
        let mapping = Mapping::of_file(&file, bytes, mode == WriteMode::Mapped)?;
        let ops = RealOps::new(file, path, mapping.share(), mode, writable)?;
        Ok(Region::create(mapping, mode, writable, Box::new(ops)))
    }
}

impl Files for RealFiles {
    fn root(&self) -> &Path {
        &self.root
    }

    fn write_mode(&self) -> WriteMode {
        *self.mode.get_or_init(|| self.forced.unwrap_or_else(|| mode_of(self.nearest())))
    }

    fn found(&self, path: &str) -> io::Result<Found> {
        match fs::metadata(self.path(path)) {
            Ok(metadata) if metadata.is_file() => Ok(Found::File),
            Ok(metadata) if metadata.is_dir() => Ok(Found::Directory),
            Ok(_) => Ok(Found::Other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            Err(error) => Err(error),
        }
    }

    fn create_root(&self) -> io::Result<()> {
        let missing: Vec<&Path> = self.dir.ancestors().take_while(|dir| !dir.is_dir()).collect();
        for dir in missing.iter().rev() {
            make_dir(dir)?;
            if let Some(parent) = dir.parent() {
                sync_dir(parent)?;
            }
        }
        // One that was there may be left over from a creation that was killed before it synced the parent.
        if missing.is_empty()
            && let Some(parent) = self.dir.parent()
        {
            match sync_dir(parent) {
                // A parent that may only be passed through wasn't changed by us.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.path(dir))? {
            let entry = entry?;
            // One that is removed meanwhile isn't there.
            let Some(metadata) = unless_gone(entry.metadata())? else { continue };
            let is_file = metadata.is_file();
            let name = entry.file_name().to_string_lossy().into_owned();
            entries.push(Entry { name, bytes: if is_file { metadata.len() } else { 0 }, is_file });
        }
        entries.sort();
        Ok(entries)
    }

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        make_dir(&self.path(dir))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        sync_dir(&self.path(dir))
    }

    fn read(&self, path: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path(path))?.take(bytes_max as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(self.path(path))?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn try_lock(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        lock::try_lock(&self.path(path))
    }

    fn mark_writer(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        lock::mark_writer(&self.path(path))
    }

    fn writer_lives(&self, path: &str) -> io::Result<bool> {
        lock::writer_lives(&self.path(path))
    }

    fn create_region(&self, path: &str, bytes: u64) -> io::Result<RegionWriter> {
        let path = self.path(path);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let result = file.set_len(bytes).and_then(|()| self.map(file, &path, bytes, Access::Write));
        if result.is_err() {
            // Nobody has seen it, and the next attempt must find no name in its way.
            let _ = fs::remove_file(&path);
        }
        result
    }

    fn open_region(&self, path: &str, access: Access) -> io::Result<RegionWriter> {
        let path = self.path(path);
        let file = OpenOptions::new().read(true).write(access == Access::Write).open(&path)?;
        let bytes = file.metadata()?.len();
        self.map(file, &path, bytes, access)
    }

    fn bytes_on_disk(&self) -> io::Result<u64> {
        bytes_under(&self.dir)
    }

    fn boot_id(&self) -> [u8; 16] {
        fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()
            .and_then(|text| boot_id(&text))
            .unwrap_or_default()
    }
}

/// One directory; one that is there is fine.
fn make_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        result => result,
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        // The file system has no such thing as syncing a directory.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Allocated bytes of a path and of everything below it. Follows no link; what is removed meanwhile counts as nothing.
fn bytes_under(path: &Path) -> io::Result<u64> {
    let Some(metadata) = unless_gone(fs::symlink_metadata(path))? else { return Ok(0) };
    // `st_blocks` counts units of 512 bytes, whatever the file system's blocks are.
    let mut bytes = metadata.blocks() * 512;
    if metadata.is_dir() {
        let Some(entries) = unless_gone(fs::read_dir(path))? else { return Ok(bytes) };
        for entry in entries {
            bytes += bytes_under(&entry?.path())?;
        }
    }
    Ok(bytes)
}

/// The 16 bytes of a UUID's text.
fn boot_id(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok()).flatten().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests;
