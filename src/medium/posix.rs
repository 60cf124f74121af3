//! What a region asks of the real file under it, and which file systems are written through a mapping. Retries what
//! a signal interrupts, but never a sync that failed.

use super::WriteMode;
use super::mapping::{Mapping, can_populate, page_bytes, pages_inward};
use super::region::RegionOps;
use parking_lot::RwLock;
use rustix::fs::{FallocateFlags, SeekFrom, StatFs, fallocate, seek, statfs};
use rustix::io::{Errno, retry_on_intr};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file under a region.
pub(super) struct RealOps {
    mode: WriteMode,
    mapping: Mapping,
    /// The descriptor that the file was mapped by, for the region's whole life, so that no error of a write-back
    /// can be reported to another one. Gone once it is released, and never kept for reading only.
    file: RwLock<Option<File>>,
    /// To find the file again for reading only.
    path: PathBuf,
    identity: (u64, u64),
}

impl RealOps {
    /// `mapping` is of `file`, whose name is `path`.
    pub(super) fn new(
        file: File,
        path: &Path,
        mapping: Mapping,
        mode: WriteMode,
        writable: bool,
    ) -> io::Result<Self> {
        let identity = identity_of(&file)?;
        Ok(Self {
            mode,
            mapping,
            file: RwLock::new(writable.then_some(file)),
            path: path.to_owned(),
            identity,
        })
    }

    fn with_file<T>(&self, call: impl Fn(&File) -> io::Result<T>) -> io::Result<T> {
        match &*self.file.read() {
            Some(file) => call(file),
            None => Err(io::Error::other("the file's descriptor was let go")),
        }
    }

    fn mapped(&self) -> bool {
        self.mode == WriteMode::Mapped
    }
}

impl RegionOps for RealOps {
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.with_file(|file| file.write_all_at(bytes, at))
    }

    fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        if from >= to {
            return Ok(());
        }
        let call =
            |file: &File| Ok(retry_on_intr(|| fallocate(file, FallocateFlags::empty(), from, to - from))?);
        match self.with_file(call) {
            // A positioned write that finds no room says so; only a store to a mapping can't.
            Err(error) if !self.mapped() && is_unsupported(&error) => Ok(()),
            result => result,
        }
    }

    fn populate(&self, from: u64, to: u64) -> io::Result<()> {
        if self.mapped() { self.mapping.populate(from, to) } else { Ok(()) }
    }

    fn sync_range(&self, from: u64, to: u64) -> io::Result<()> {
        if self.mapped() { self.mapping.sync(from, to) } else { self.with_file(|file| file.sync_data()) }
    }

    fn sync_file(&self) -> io::Result<()> {
        self.with_file(|file| file.sync_all())
    }

    fn punch(&self, from: u64, to: u64) -> io::Result<()> {
        let (from, to) = pages_inward(from, to);
        if from >= to {
            return Ok(());
        }
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        self.with_file(|file| Ok(retry_on_intr(|| fallocate(file, hole, from, to - from))?))
    }

    fn next_data(&self, from: u64) -> io::Result<Option<u64>> {
        if let Some(file) = &*self.file.read() {
            return next_data(file, from, self.mapping.len());
        }
        // Where the file can't be found again nothing is known about its holes.
        match File::open(&self.path) {
            Ok(file) if identity_of(&file)? == self.identity => next_data(&file, from, self.mapping.len()),
            _ => Ok((from < self.mapping.len()).then_some(from)),
        }
    }

    fn data_end(&self) -> io::Result<Option<u64>> {
        if let Some(file) = &*self.file.read() {
            return data_end(file, self.mapping.len()).map(Some);
        }
        match File::open(&self.path) {
            Ok(file) if identity_of(&file)? == self.identity => data_end(&file, self.mapping.len()).map(Some),
            _ => Ok(None),
        }
    }

    fn release(&self) {
        *self.file.write() = None;
    }
}

/// Device and number of a file.
fn identity_of(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

fn next_data(file: &File, from: u64, len: u64) -> io::Result<Option<u64>> {
    if from >= len {
        return Ok(None);
    }
    match retry_on_intr(|| seek(file, SeekFrom::Data(from))) {
        Ok(at) => Ok((at < len).then_some(at)),
        Err(Errno::NXIO) => Ok(None),
        Err(error) if is_unsupported(&error.into()) => Ok(Some(from)),
        Err(error) => Err(error.into()),
    }
}

fn data_end(file: &File, len: u64) -> io::Result<u64> {
    let mut end = 0;
    while let Some(data) = next_data(file, end, len)? {
        end = match retry_on_intr(|| seek(file, SeekFrom::Hole(data))) {
            Ok(hole) if hole > data => hole,
            // The file is shorter by now, or nothing is known about its holes.
            _ => return Ok(len),
        };
    }
    Ok(end)
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL | libc::ENODEV))
}

/// Magic numbers of file systems (`statfs(2)`).
mod magic {
    pub(super) const EXT: u64 = 0xEF53;
    pub(super) const XFS: u64 = 0x5846_5342;
    pub(super) const TMPFS: u64 = 0x0102_1994;
    pub(super) const OVERLAY: u64 = 0x794C_7630;
}

/// How files in this directory are written, if nobody forces it: through the mapping where the file system promises
/// that reserved blocks stay reserved and the kernel can populate pages, by position everywhere else, and
/// where that can't be learnt.
pub(super) fn mode_of(dir: &Path) -> WriteMode {
    if !can_populate() {
        return WriteMode::Positioned;
    }
    let Ok(StatFs { f_type, .. }) = retry_on_intr(|| statfs(dir)) else {
        return WriteMode::Positioned;
    };
    let mapped = match f_type as u64 {
        // An ext file system without extents can't reserve. That there was no room for a trial, or no right to it,
        // says nothing against mapping.
        magic::EXT | magic::XFS | magic::TMPFS => match trial(dir) {
            Ok(()) | Err(Trial::Open) => true,
            Err(Trial::Use(error)) => {
                matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG | libc::ENOMEM))
            }
        },
        // Whatever lies under it shows in the trial alone.
        magic::OVERLAY => trial(dir).is_ok(),
        _ => false,
    };
    if mapped { WriteMode::Mapped } else { WriteMode::Positioned }
}

/// Why a trial failed.
enum Trial {
    Open,
    Use(io::Error),
}

/// Reserves and populates one page of a file without a name.
fn trial(dir: &Path) -> Result<(), Trial> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .open(dir)
        .map_err(|_| Trial::Open)?;
    let page = page_bytes();
    let attempt = || {
        file.set_len(page)?;
        retry_on_intr(|| fallocate(&file, FallocateFlags::empty(), 0, page))?;
        Mapping::of_file(&file, page, true)?.populate(0, page)
    };
    attempt().map_err(Trial::Use)
}
