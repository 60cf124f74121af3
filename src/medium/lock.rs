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

/// The writer's own lock. It is let go by a call, not by closing the file alone: until a child process that is just being
/// started executes its program it has the descriptor too, and closing one of two lets nothing go.
struct Held(File);

impl Lock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The mark of a live writer; let go like [`Held`].
struct Marked(File);

impl Lock for Marked {}

impl Drop for Marked {
    fn drop(&mut self) {
        let mut range = mark_range();
        range.l_type = libc::F_UNLCK as libc::c_short;
        let _ = control(&self.0, libc::F_OFD_SETLK, &mut range);
    }
}

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
        Ok(()) => Ok(Box::new(Marked(file))),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A store that had been closed was found locked while another thread was starting a process.
    #[test]
    fn what_is_dropped_is_let_go_though_a_copy_of_the_descriptor_lives() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("lock");
        std::fs::write(&path, [0; 1_024]).expect("a file");

        let file = OpenOptions::new().read(true).write(true).open(&path).expect("the file");
        let copy = file.try_clone().expect("a copy");
        file.try_lock().expect("nobody holds it");
        let held = Held(file);
        assert!(try_lock(&path).is_err());
        drop(held);
        drop(try_lock(&path).expect("it was let go"));
        drop(copy);

        std::fs::write(&path, [0; 1_024]).expect("a file");
        let file = OpenOptions::new().read(true).write(true).open(&path).expect("the file");
        let copy = file.try_clone().expect("a copy");
        control(&file, libc::F_OFD_SETLK, &mut mark_range()).expect("nobody has marked it");
        let marked = Marked(file);
        assert!(writer_lives(&path).expect("an answer"));
        drop(marked);
        assert!(!writer_lives(&path).expect("an answer"));
        drop(copy);
    }
}
