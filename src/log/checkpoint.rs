//! Where opening may begin to read: what a run of the index says of the end of its range. It is believed only if the log has
//! that frame, with that epoch.

use super::blocks::StoreFile;
use super::frame::Header;
use super::geometry::{FRAMES_AT, HEADER_BYTES};
use super::recover::Listing;
use super::scan::Chain;
use super::segment::Segment;
use crate::error::Error;
use crate::event::commit::CommitRef;
use crate::log::{Fault, Place};
use crate::medium::{Access, Medium};

/// The end of the log as of some frame that was synced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkpoint {
    /// First position, and end of the frames, of every segment up to there.
    pub(crate) segments: Vec<(u64, u64)>,
    /// Position of the last event.
    pub(crate) position: u64,
    /// Offset of the last frame, in the last segment.
    pub(crate) last_frame: u64,
    /// Its epoch.
    pub(crate) epoch: u64,
    /// Commits up to there.
    pub(crate) commits: u64,
}

/// Who is told what a log holds while it is opened: the index.
pub(crate) trait Follow {
    /// Where reading may begin, ascending.
    ///
    /// # Errors
    /// `Io`. Damage is none: what is damaged isn't offered.
    fn checkpoints(&mut self, medium: &Medium, store: &StoreFile) -> Result<Vec<Checkpoint>, Error>;

    /// The first `held` of them hold, and reading begins behind the last of these.
    fn begin(&mut self, held: usize);

    /// The next commit, and the place of its frame.
    ///
    /// # Errors
    /// It can't stand there: it is taken for damaged.
    fn commit(&mut self, commit: CommitRef<'_>, place: Place) -> Result<(), Fault>;
}

impl Checkpoint {
    /// The chain behind it.
    pub(super) fn chain(&self) -> Chain {
        Chain {
            next: self.position + 1,
            epoch: Some(self.epoch),
            synced: self.position,
            commits: self.commits,
        }
    }

    /// Whether the log has the frame that it names, and a segment of the right length for each before.
    pub(super) fn holds(&self, medium: &Medium, store: &StoreFile, listing: &Listing) -> Result<bool, Error> {
        let bytes = store.geometry.segment_bytes();
        let is_there = |number: u64| listing.get(number).is_some_and(|entry| entry.bytes == bytes);
        let Some(last) = (self.segments.len() as u64).checked_sub(1) else { return Ok(false) };
        if !(0..=last).all(is_there) {
            return Ok(false);
        }
        let end = self.segments[last as usize].1;
        let place_fits = self.last_frame >= FRAMES_AT
            && self.last_frame.is_multiple_of(8)
            && self.last_frame.checked_add(HEADER_BYTES).is_some_and(|header| header <= end)
            && end <= bytes;
        if !place_fits {
            return Ok(false);
        }
        let (segment, writer) = Segment::open(medium, &store.id, last, Access::Read)?;
        let head = writer.bytes(self.last_frame, self.last_frame + HEADER_BYTES);
        let Some(Ok(header)) =
            head.first_chunk().map(|head| Header::decode(head, segment.seed.mask(self.last_frame)))
        else {
            return Ok(false);
        };
        Ok(header.epoch == self.epoch
            && header.first + u64::from(header.events) == self.position + 1
            && self.last_frame + u64::from(header.length) == end)
    }
}
