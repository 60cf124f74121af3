#![allow(unsafe_code)]
//! Locks on real files: the writer's own (`flock`), and the mark that readers can ask about without taking anything
//! (`F_OFD_SETLK` on one byte). Both end with the process at the latest. Never waits.

use super::Lock;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

/// The byte of the watermark file that the writer's mark locks; see `docs/format.md`.
const MARK_BYTE: libc::off_t = 560;

/// Closing the file lets the lock go.
struct Held(#[expect(dead_code, reason = "kept for its lock")] File);

impl Lock for Held {}

/// Takes the lock file and writes this process's id into it.
///
/// # Errors
///
/// `WouldBlock` if another descriptor, in this process or another, holds it.
pub(super) fn try_lock(path: &Path) -> io::Result<Box<dyn Lock>> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        TryLockError::Error(error) => error,
    })?;
    // The id only tells others whom they wait for. A full disk doesn't keep it from being locked.
    let _ = file.set_len(0).and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
    Ok(Box::new(Held(file)))
}

/// Marks the file as having a live writer.
///
/// # Errors
///
/// `WouldBlock` if another descriptor has marked it.
pub(super) fn mark_writer(path: &Path) -> io::Result<Box<dyn Lock>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut range = mark_range();
    match control(&file, libc::F_OFD_SETLK, &mut range) {
        Ok(()) => Ok(Box::new(Held(file))),
        // POSIX leaves open which of the two it is.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}

/// Whether another descriptor has marked the file.
pub(super) fn writer_lives(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    let mut range = mark_range();
    control(&file, libc::F_OFD_GETLK, &mut range)?;
    Ok(libc::c_int::from(range.l_type) != libc::F_UNLCK)
}

fn mark_range() -> libc::flock {
    // SAFETY: `flock` is a plain struct of numbers, for which zeros are valid; some targets pad it with more fields.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = libc::F_WRLCK as libc::c_short;
    range.l_whence = libc::SEEK_SET as libc::c_short;
    range.l_start = MARK_BYTE;
    range.l_len = 1;
    range
}

fn control(file: &File, command: libc::c_int, range: &mut libc::flock) -> io::Result<()> {
    loop {
        // SAFETY: both commands take a pointer to a `flock`, which `range` is, valid for the call.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut *range) };
        if result != -1 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
