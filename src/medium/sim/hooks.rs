//! Where the simulated disk can be stopped and made to fail: before and after each call, in the middle of those that
//! sync, and after each store that the engine tells of.

use super::SimDisk;
use crate::medium::Site;
use std::sync::Arc;

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Call {
    /// Asking what stands at a path.
    Found,
    /// Creating the store's directory.
    CreateRoot,
    /// Listing a directory.
    List,
    /// Creating a directory.
    CreateDir,
    /// Making the names of a directory durable.
    SyncDir,
    /// Reading a small file.
    Read,
    /// Writing and syncing a small file.
    Write,
    /// Renaming.
    Rename,
    /// Removing.
    Remove,
    /// Taking the writer's lock.
    TryLock,
    /// Marking the watermark file as having a live writer.
    MarkWriter,
    /// Asking whether a writer lives.
    WriterLives,
    /// Creating and mapping a file.
    CreateRegion,
    /// Mapping a file.
    OpenRegion,
    /// Counting allocated blocks.
    BytesOnDisk,
    /// A positioned write.
    WriteAt,
    /// Reserving blocks.
    Reserve,
    /// Faulting pages in.
    Populate,
    /// Making a range durable.
    SyncRange,
    /// Making a file durable.
    SyncFile,
    /// Giving blocks back.
    Punch,
    /// Looking for data behind a hole.
    NextData,
    /// Looking for the end of all data.
    DataEnd,
    /// A store to a mapping, at this place of the engine.
    Stored(Site),
}

impl Call {
    /// The calls that a writing store makes.
    pub const OF_A_WRITER: [Self; 22] = [
        Self::Found,
        Self::CreateRoot,
        Self::List,
        Self::CreateDir,
        Self::SyncDir,
        Self::Read,
        Self::Write,
        Self::Rename,
        Self::Remove,
        Self::TryLock,
        Self::MarkWriter,
        Self::CreateRegion,
        Self::OpenRegion,
        Self::BytesOnDisk,
        Self::WriteAt,
        Self::Reserve,
        Self::Populate,
        Self::SyncRange,
        Self::SyncFile,
        Self::Punch,
        Self::NextData,
        Self::DataEnd,
    ];
}

/// When, relative to the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum When {
    /// Nothing has happened yet.
    Before,
    /// A sync has read what it will write, and has not ended; a file was emptied or written, and is not synced.
    During,
    /// It has happened, or failed.
    After,
}

/// One place where the disk stops and asks.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Hook<'a> {
    /// What is called.
    pub call: Call,
    /// When.
    pub when: When,
    /// The file or directory, relative to the store's directory.
    pub path: &'a str,
    /// Byte place in the file of what was stored; 0 for calls.
    pub at: u64,
    /// How many hooks this disk has seen before.
    pub number: u64,
}

/// What is run at each hook. It may take images, use the store again, or do nothing.
pub(crate) type Watcher = Arc<dyn Fn(&SimDisk, Hook<'_>) + Send + Sync>;

/// A failure to come.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Fault {
    /// The call that fails; `None` means any that can.
    pub call: Option<Call>,
    /// How many such calls succeed first.
    pub after: u64,
    /// The error number.
    pub errno: i32,
    /// Whether all later ones fail too.
    pub lasting: bool,
}

impl Fault {
    /// The next such call fails, once.
    pub fn once(call: Call, errno: i32) -> Self {
        Self { call: Some(call), after: 0, errno, lasting: false }
    }

    /// Every such call fails from now on.
    pub fn always(call: Call, errno: i32) -> Self {
        Self { lasting: true, ..Self::once(call, errno) }
    }

    /// The device is gone: every call fails from now on.
    pub fn gone() -> Self {
        Self { call: None, after: 0, errno: libc::EIO, lasting: true }
    }

    /// The same, but so many succeed first.
    #[must_use]
    pub fn after(self, succeed: u64) -> Self {
        Self { after: succeed, ..self }
    }

    /// Counts one call down. `Some` is the error that it ends with; the flag says whether the fault is used up.
    pub(super) fn meets(&mut self, call: Call) -> (Option<i32>, bool) {
        if self.call.is_some_and(|wanted| wanted != call) {
            return (None, false);
        }
        if self.after > 0 {
            self.after -= 1;
            return (None, false);
        }
        (Some(self.errno), !self.lasting)
    }
}
