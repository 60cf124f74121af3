//! What a region over a simulated file needs of the disk.

use super::SimDisk;
use super::hooks::{Call, When};
use crate::medium::region::RegionOps;
use crate::medium::{Site, WriteMode};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) struct SimRegion {
    disk: SimDisk,
    file: usize,
    /// Its name when it was opened, for when it has none.
    path: String,
    /// The descriptor was let go.
    released: AtomicBool,
}

impl SimRegion {
    pub(super) fn new(disk: &SimDisk, file: usize, path: &str) -> Self {
        Self { disk: disk.clone(), file, path: path.to_owned(), released: AtomicBool::new(false) }
    }

    /// Fails what needs the descriptor, once that was let go.
    fn check_held(&self) -> io::Result<()> {
        let released = self.released.load(Ordering::Relaxed);
        if released { Err(io::Error::from_raw_os_error(libc::EBADF)) } else { Ok(()) }
    }

    fn path(&self) -> String {
        self.disk.state().names.path_of(self.file).unwrap_or(&self.path).to_owned()
    }
}

impl RegionOps for SimRegion {
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_held()?;
        self.disk.hook(Call::WriteAt, When::Before, &self.path());
        let done = {
            let mut state = self.disk.state();
            let to = at + bytes.len() as u64;
            let needed = state.files[self.file].missing(at, to);
            let done = state.fault(Call::WriteAt).and_then(|()| state.check_space(needed));
            let written = match &done {
                Ok(()) => bytes.len(),
                // A write that fails may have written a part.
                Err(_) if needed == 0 => state.rng().below(bytes.len() as u64 + 1) as usize,
                Err(_) => 0,
            };
            let file = &mut state.files[self.file];
            file.write(at, &bytes[..written]);
            if done.is_ok() {
                file.reserve(at, to, u64::MAX);
            } else {
                file.part();
            }
            done
        };
        self.disk.hook(Call::WriteAt, When::After, &self.path());
        done
    }

    fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        self.check_held()?;
        self.disk.change(Call::Reserve, &self.path(), |state| {
            let missing = state.files[self.file].missing(from, to);
            let free = state.blocks_free();
            // Reserving may have got some of the way before the space ran out.
            state.files[self.file].reserve(from, to, free.min(missing));
            if free < missing { Err(io::Error::from_raw_os_error(libc::ENOSPC)) } else { Ok(()) }
        })
    }

    fn populate(&self, from: u64, to: u64) -> io::Result<()> {
        self.disk.change(Call::Populate, &self.path(), |state| {
            if self.disk.mode() != WriteMode::Mapped {
                return Ok(());
            }
            if state.files[self.file].populate(from, to) {
                Ok(())
            } else {
                Err(io::Error::from_raw_os_error(libc::EFAULT))
            }
        })
    }

    fn sync_range(&self, from: u64, to: u64) -> io::Result<()> {
        if self.disk.mode() == WriteMode::Positioned {
            self.check_held()?;
        }
        self.disk.sync(Call::SyncRange, &self.path(), self.file, Some((from, to)))
    }

    fn sync_file(&self) -> io::Result<()> {
        self.check_held()?;
        self.disk.sync(Call::SyncFile, &self.path(), self.file, None)
    }

    fn punch(&self, from: u64, to: u64) -> io::Result<()> {
        self.check_held()?;
        self.disk.change(Call::Punch, &self.path(), |state| {
            state.files[self.file].punch(from, to);
            Ok(())
        })
    }

    fn next_data(&self, from: u64) -> io::Result<Option<u64>> {
        self.disk.call(Call::NextData, &self.path(), |state| Ok(state.files[self.file].next_data(from)))
    }

    fn data_end(&self) -> io::Result<Option<u64>> {
        self.disk.call(Call::DataEnd, &self.path(), |state| Ok(Some(state.files[self.file].data_end())))
    }

    fn release(&self) {
        self.released.store(true, Ordering::Relaxed);
    }

    fn stored(&self, site: Site, at: u64, bytes: &[u8]) {
        {
            let mut state = self.disk.state();
            let file = &mut state.files[self.file];
            let to = at + bytes.len() as u64;
            assert!(
                self.disk.mode() != WriteMode::Mapped || file.is_ready(at, to),
                "a store to {} at {at} to {to}, whose blocks were not reserved and faulted in: it could raise SIGBUS",
                self.path
            );
            file.write(at, bytes);
        }
        self.disk.hook_at(Call::Stored(site), When::After, &self.path(), at);
    }

    fn observes(&self) -> bool {
        true
    }
}
