#![allow(unsafe_code)]
//! Owns the memory under a region: a shared mapping of a file, or memory of this process that stands in for one.
//!
//! Promises that the memory stays mapped, at one place, for as long as a `Mapping` of it lives. Never reads or
//! writes a byte of it; see `region` for who may.

use memmap2::{MmapMut, MmapOptions, MmapRaw};
use rustix::io::retry_on_intr;
use rustix::mm::{Advice, MsyncFlags, madvise, msync};
use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};

/// Pages are made writable in steps of this many bytes, so that no step holds the address space's lock for long.
const POPULATE_STEP_BYTES: u64 = 256 * 1024;

/// Mapped memory of fixed length. Its base is at the start of a page.
pub(crate) struct Mapping {
    memory: Arc<MmapRaw>,
    kind: MappingKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MappingKind {
    /// A file, mapped shared, to be read only.
    FileRead,
    /// A file, mapped shared, to be read and stored to.
    FileStore,
    /// Private memory: the heap, or what the simulated disk's page cache shows.
    Memory,
}

impl Mapping {
    /// Private memory of `bytes` zero bytes.
    pub(crate) fn zeroed(bytes: u64) -> io::Result<Self> {
        let memory = MmapMut::map_anon(map_len(bytes)?)?;
        Ok(Self { memory: Arc::new(memory.into()), kind: MappingKind::Memory })
    }

    /// Private memory that begins with this content.
    pub(crate) fn copied(content: &[u8]) -> io::Result<Self> {
        let mut memory = MmapMut::map_anon(map_len(content.len() as u64)?)?;
        memory.copy_from_slice(content);
        Ok(Self { memory: Arc::new(memory.into()), kind: MappingKind::Memory })
    }

    /// The first `bytes` bytes of a file, which must be that long.
    pub(super) fn of_file(file: &File, bytes: u64, storable: bool) -> io::Result<Self> {
        let mut options = MmapOptions::new();
        options.len(map_len(bytes)?);
        let (memory, kind) = if storable {
            (options.map_raw(file)?, MappingKind::FileStore)
        } else {
            (options.map_raw_read_only(file)?, MappingKind::FileRead)
        };
        Ok(Self { memory: Arc::new(memory), kind })
    }

    /// The same memory once more.
    pub(crate) fn share(&self) -> Self {
        Self { memory: self.memory.clone(), kind: self.kind }
    }

    pub(crate) fn len(&self) -> u64 {
        self.memory.len() as u64
    }

    pub(super) fn base(&self) -> *mut u8 {
        self.memory.as_mut_ptr()
    }

    pub(super) fn kind(&self) -> MappingKind {
        self.kind
    }

    /// Faults the pages that touch `[from, to)` in for writing, step by step.
    ///
    /// # Errors
    ///
    /// Where a store would raise `SIGBUS` (no block behind the page, or the device fails), this is an error instead.
    pub(super) fn populate(&self, from: u64, to: u64) -> io::Result<()> {
        let (mut at, end) = self.pages_outward(from, to);
        while at < end {
            let step_end = end.min(at + POPULATE_STEP_BYTES);
            self.advise(at, step_end, Advice::LinuxPopulateWrite).map_err(no_page_behind)?;
            at = step_end;
        }
        Ok(())
    }

    /// Writes the pages that touch `[from, to)` to the medium and waits for it (`msync(MS_SYNC)`).
    pub(super) fn sync(&self, from: u64, to: u64) -> io::Result<()> {
        let (from, to) = self.pages_outward(from, to);
        if from == to {
            return Ok(());
        }
        // SAFETY: `pages_outward` gives whole pages of the mapping, which `self.memory` keeps mapped during the call.
        // `msync` changes no byte of it.
        retry_on_intr(|| unsafe {
            msync(self.base().add(from as usize).cast(), (to - from) as usize, MsyncFlags::SYNC)
        })?;
        Ok(())
    }

    /// Makes the whole pages inside `[from, to)` zero and gives them back; private memory only.
    ///
    /// # Safety
    ///
    /// No reference into these pages is alive, and nobody else reads or writes them during the call.
    pub(super) unsafe fn discard(&self, from: u64, to: u64) -> io::Result<()> {
        assert_eq!(
            self.kind,
            MappingKind::Memory,
            "only private memory reads as zeros when it is given back"
        );
        let (from, to) = pages_inward(from, to);
        self.advise(from, to, Advice::LinuxDontNeed)
    }

    fn advise(&self, from: u64, to: u64, advice: Advice) -> io::Result<()> {
        if from >= to {
            return Ok(());
        }
        // SAFETY: the callers give whole pages of the mapping, which `self.memory` keeps mapped during the call. Of
        // the two kinds of advice, populating changes no byte, and who may discard is said at `discard`.
        retry_on_intr(|| unsafe {
            madvise(self.base().add(from as usize).cast(), (to - from) as usize, advice)
        })?;
        Ok(())
    }

    /// The range of whole pages that touch `[from, to)`; the last one may reach past the end of the file in it.
    fn pages_outward(&self, from: u64, to: u64) -> (u64, u64) {
        assert!(from <= to && to <= self.len(), "{from} to {to} lies outside of {} mapped bytes", self.len());
        if from == to {
            (from, from)
        } else {
            (from & !(page_bytes() - 1), to.next_multiple_of(page_bytes()))
        }
    }
}

/// The range of whole pages inside `[from, to)`. Empty (equal ends) if there is none.
pub(super) fn pages_inward(from: u64, to: u64) -> (u64, u64) {
    let first = from.next_multiple_of(page_bytes());
    (first, first.max(to & !(page_bytes() - 1)))
}

/// Size of a page of memory, in bytes; a power of two.
pub(super) fn page_bytes() -> u64 {
    static PAGE: OnceLock<u64> = OnceLock::new();
    *PAGE.get_or_init(|| {
        // SAFETY: `sysconf` takes a number and touches no memory of ours.
        let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let bytes = u64::try_from(bytes).expect("the size of a page is known");
        assert!(bytes.is_power_of_two(), "a page of {bytes} bytes");
        bytes
    })
}

/// Whether the kernel can populate pages for writing (Linux 5.14). Asks it with a page of private memory.
pub(super) fn can_populate() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        Mapping::zeroed(page_bytes()).is_ok_and(|page| page.populate(0, page_bytes()).is_ok())
    })
}

fn map_len(bytes: u64) -> io::Result<usize> {
    // A length that isn't a number of words would leave a last word that the head can't address.
    if bytes == 0 || !bytes.is_multiple_of(8) {
        let why = format!("{bytes} bytes can't be mapped: not a positive multiple of 8");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    usize::try_from(bytes).map_err(|_| io::ErrorKind::OutOfMemory.into())
}

fn no_page_behind(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(libc::EFAULT) {
        io::Error::other("a page can't be made writable: a store to it would raise SIGBUS (EFAULT)")
    } else {
        error
    }
}
