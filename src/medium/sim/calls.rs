//! The calls of [`Files`] on a simulated disk.

use super::SimDisk;
use super::hooks::{Call, When};
use super::names::{Node, not_found};
use super::pages::PAGE;
use crate::medium::{Access, Entry, Files, Found, Lock, RegionWriter, WriteMode};
use std::io;
use std::path::Path;

impl Files for SimDisk {
    fn root(&self) -> &Path {
        self.root_path()
    }

    fn write_mode(&self) -> WriteMode {
        self.mode()
    }

    fn found(&self, path: &str) -> io::Result<Found> {
        self.call(Call::Found, path, |state| {
            Ok(if state.root { state.names.found(path) } else { Found::Nothing })
        })
    }

    fn create_root(&self) -> io::Result<()> {
        self.call(Call::CreateRoot, "", |state| {
            if !state.root {
                state.check_writable()?;
                state.root = true;
            }
            Ok(())
        })
    }

    fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        self.call(Call::List, dir, |state| {
            if !state.root {
                return Err(not_found(dir));
            }
            state.names.list(dir, |index| state.files[index].len())
        })
    }

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.change(Call::CreateDir, dir, |state| match state.names.found(dir) {
            Found::Directory => Ok(()),
            Found::Nothing => {
                state.names.check_parent(dir)?;
                state.check_space(1)?;
                state.names.set(dir, Node::Directory);
                Ok(())
            }
            _ => Err(io::Error::from_raw_os_error(libc::EEXIST)),
        })
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.call(Call::SyncDir, dir, |state| match state.names.found(dir) {
            Found::Directory => {
                state.names.sync(dir);
                Ok(())
            }
            _ => Err(not_found(dir)),
        })
    }

    fn read(&self, path: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
        self.call(Call::Read, path, |state| {
            let index = state.names.file(path)?;
            Ok(state.files[index].read(bytes_max))
        })
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.hook(Call::Write, When::Before, path);
        let file = {
            let mut state = self.state();
            state.check_writable()?;
            match state.names.node(path) {
                Some(Node::File(index)) => {
                    state.files[index].empty();
                    index
                }
                Some(Node::Directory) => return Err(io::Error::from_raw_os_error(libc::EISDIR)),
                None => state.create_file(path)?,
            }
        };
        self.hook(Call::Write, When::During, path);
        {
            let mut state = self.state();
            state.check_space(bytes.len().div_ceil(PAGE) as u64)?;
            state.files[file].write(0, bytes);
            state.files[file].reserve(0, bytes.len() as u64, u64::MAX);
        }
        self.hook(Call::Write, When::During, path);
        let done = {
            let mut state = self.state();
            let in_flight = state.files[file].begin_sync(0, bytes.len() as u64);
            let done = state.fault(Call::Write);
            state.end_sync(file, in_flight, true, done.is_ok());
            done
        };
        self.hook(Call::Write, When::After, path);
        done
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(Call::Rename, to, |state| state.names.rename(from, to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.change(Call::Remove, path, |state| state.names.remove(path))
    }

    fn try_lock(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        self.change(Call::TryLock, path, |state| {
            let index = match state.names.file(path) {
                Ok(index) => index,
                Err(_) => state.create_file(path)?,
            };
            let lock = self.take(state, path.to_owned())?;
            state.files[index].write(0, format!("{}\n", std::process::id()).as_bytes());
            Ok(lock)
        })
    }

    fn mark_writer(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        self.change(Call::MarkWriter, path, |state| {
            state.names.file(path)?;
            self.take(state, format!("{path} has a writer"))
        })
    }

    fn writer_lives(&self, path: &str) -> io::Result<bool> {
        self.call(Call::WriterLives, path, |state| Ok(state.locked.contains(&format!("{path} has a writer"))))
    }

    fn create_region(&self, path: &str, bytes: u64) -> io::Result<RegionWriter> {
        let file = self.change(Call::CreateRegion, path, |state| {
            if state.names.node(path).is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let file = state.create_file(path)?;
            state.files[file].stretch(bytes);
            Ok(file)
        })?;
        self.region(path, file, true)
    }

    fn open_region(&self, path: &str, access: Access) -> io::Result<RegionWriter> {
        let file = self.call(Call::OpenRegion, path, |state| {
            if access == Access::Write {
                state.check_writable()?;
            }
            state.names.file(path)
        })?;
        self.region(path, file, access == Access::Write)
    }

    fn bytes_on_disk(&self) -> io::Result<u64> {
        self.call(Call::BytesOnDisk, "", |state| Ok(state.bytes_on_disk()))
    }

    fn boot_id(&self) -> [u8; 16] {
        self.boot()
    }
}
