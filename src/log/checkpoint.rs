//! Where opening may begin to read: what a run of the index says of the end of its range. It is believed only if the log has
//! that frame, with that epoch; see `recover::begin`.

use super::base::Base;
use super::blocks::StoreFile;
use super::frame::Header;
use super::geometry::{FRAMES_AT, HEADER_BYTES};
use super::writer::Writable;
use crate::error::Error;
use crate::event::commit::CommitRef;
use crate::log::{Fault, Place};
use crate::medium::Medium;
use std::sync::Arc;

/// A range of the log that ends with a frame that was synced, as of which it begins behind the one before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkpoint {
    /// First position, and end of the frames, of each of its segments.
    pub(crate) segments: Vec<(u64, u64)>,
    /// Position of the last event.
    pub(crate) position: u64,
    /// Offset of the last frame, in the last segment.
    pub(crate) last_frame: u64,
    /// Its epoch.
    pub(crate) epoch: u64,
    /// Its commits.
    pub(crate) commits: u64,
}

/// Who is told what a log holds while it is opened: the index.
pub(crate) trait Follow {
    /// Where reading of what is behind `base` may begin, ascending.
    ///
    /// # Errors
    /// `Io`. Damage is none: what is damaged isn't offered.
    fn checkpoints(
        &mut self,
        medium: &Medium,
        store: &StoreFile,
        base: &Base,
    ) -> Result<Vec<Checkpoint>, Error>;

    /// The first `held` of them hold, and reading begins behind the last of these.
    fn begin(&mut self, store: &StoreFile, base: &Arc<Base>, held: usize);

    /// The next commit, and the place of its frame.
    ///
    /// # Errors
    /// It can't stand there: it is taken for damaged.
    fn commit(&mut self, commit: CommitRef<'_>, place: Place) -> Result<(), Fault>;
}

impl Checkpoint {
    /// Whether the last segment has the frame that it names.
    pub(super) fn names_frame(&self, (segment, writer): &Writable, end: u64) -> bool {
        let header_end = self.last_frame.checked_add(HEADER_BYTES);
        let fits = self.last_frame >= FRAMES_AT
            && self.last_frame.is_multiple_of(8)
            && header_end.is_some_and(|header| header <= end)
            && end <= segment.region.len();
        if !fits {
            return false;
        }
        let head = writer.bytes(self.last_frame, self.last_frame + HEADER_BYTES);
        let mask = segment.seed.mask(self.last_frame);
        let header = head.first_chunk().and_then(|head| Header::decode(head, mask).ok());
        header.is_some_and(|header| {
            header.epoch == self.epoch
                && header.first + u64::from(header.events) == self.position + 1
                && self.last_frame + u64::from(header.length) == end
        })
    }
}
