//! The writing end of the log: puts one encoded commit at the end, rolls over to the next segment. Used under one lock.
//! Knows nothing of streams' heads or conditions; never syncs.

use super::blocks::Seal;
use super::frame::{Frame, HeaderFields};
use super::geometry::{FRAMES_AT, HEADER_BYTES, Place, segment_path};
use super::log::WriteSide;
use super::segment::Segment;
use crate::error::Error;
use crate::medium::{RegionWriter, Site, bug};
use std::path::Path;
use std::sync::Arc;

/// A segment with the right to write it.
pub(crate) type Writable = (Arc<Segment>, RegionWriter);

/// The end of the log. Lives under the writer's lock.
pub(crate) struct Writer {
    pub(super) current: Writable,
    /// Made ready ahead by the background job.
    pub(super) prepared: Option<Writable>,
    /// Where the next frame goes.
    pub(super) offset: u64,
    /// Where the last frame ended; differs from `offset` where a sync was padded.
    pub(super) end: u64,
    /// Position of the next event.
    pub(super) next: u64,
    pub(super) epoch: u64,
    /// No frame of this epoch has been written.
    pub(super) first_of_epoch: bool,
    pub(super) closed: bool,
    /// Epoch of the last frame of the log.
    pub(super) last_epoch: u64,
    /// Segments that were left and whose frames aren't known to be synced, with the seals that they will get.
    pub(super) left: Vec<(u64, Seal)>,
}

/// What one commit became.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// Position of its first event.
    pub(crate) first: u64,
    /// Where its frame begins.
    pub(crate) place: Place,
}

#[cold]
fn failed_write(segment: u64, error: std::io::Error) -> Error {
    Error::io("writing to segment", Path::new(&segment_path(segment)), error)
}

impl Writer {
    /// Writes an encoded commit. On an error nothing has changed that a reader or recovery could see.
    ///
    /// `revisions` are the first revisions of the commit's streams, in their order.
    #[inline]
    pub(crate) fn write(
        &mut self,
        side: &WriteSide,
        frame: &mut impl Frame,
        revisions: &[u64],
        time: i64,
    ) -> Result<Written, Error> {
        let length = frame.bytes().len() as u64;
        if self.offset + length > side.geometry.segment_bytes() {
            self.roll(side)?;
        }
        let (segment, region) = (&self.current.0, &mut self.current.1);
        let (at, end) = (self.offset, self.offset + length);
        let failed = |error| failed_write(segment.number, error);
        segment.ensure(end).map_err(failed)?;

        let fields = HeaderFields {
            first: self.next,
            synced: side.sync.synced(),
            time,
            epoch: self.epoch,
            first_of_epoch: self.first_of_epoch,
        };
        let first_word = frame.finish(revisions, &fields, segment.seed, at);
        let bytes = frame.bytes();
        let early = match bug!(side.medium, publish_before_copy) {
            true => region.write_word(Site::FirstWord, at, first_word),
            false => Ok(()),
        };
        if let Err(error) = early.and_then(|()| region.write_frame(at, bytes, HEADER_BYTES, first_word)) {
            // A part of it may stand behind the end now, where it would look like a torn tail, or hide in a padded
            // store what comes next.
            let undone = region.zero(Site::Body, at, end);
            let error = failed(error);
            return Err(if undone.is_ok() { error } else { side.poison(error) });
        }

        let written = Written { first: self.next, place: side.geometry.place(segment.number, at) };
        self.next += u64::from(frame.events());
        self.first_of_epoch = false;
        self.last_epoch = self.epoch;
        (self.offset, self.end) = (end, end);
        Ok(written)
    }

    /// Lets readers read what was written. The index is fed after this, and [`announce`](Self::announce) is last.
    #[inline]
    pub(crate) fn publish(&mut self, side: &WriteSide) {
        self.current.1.publish(self.end);
        side.nudge(self.current.0.ready(), self.end);
    }

    /// Moves the committed watermark: from here on it is told of what was written.
    #[inline]
    pub(crate) fn announce(&self, side: &WriteSide) {
        side.committed(self.next - 1);
    }

    /// Whether writing calls nobody: it is a copy to memory.
    #[inline]
    pub(crate) fn writes_plainly(&self) -> bool {
        self.current.1.is_plain()
    }

    /// Position of the event that will be written next.
    pub(crate) fn next_position(&self) -> u64 {
        self.next
    }

    /// The epoch of this writing open.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The place after the last frame.
    pub(crate) fn end_place(&self, side: &WriteSide) -> Place {
        side.geometry.place(self.current.0.number, self.end)
    }

    /// Goes on in the next segment: the one that was prepared, or one that is made here.
    #[cold]
    fn roll(&mut self, side: &WriteSide) -> Result<(), Error> {
        let number = self.current.0.number + 1;
        let next = match self.prepared.take() {
            Some(prepared) => prepared,
            None => Segment::create(&side.medium, &side.id, side.geometry, number, &segment_path(number))?,
        };
        debug_assert_eq!(next.0.number, number);
        side.table_push(next.0.clone());
        side.window.set_next_ready(false);
        let seal = Seal { next: self.next, end: self.end, epoch: self.last_epoch };
        self.left.push((self.current.0.number, seal));
        self.current = next;
        (self.offset, self.end) = (FRAMES_AT, FRAMES_AT);
        Ok(())
    }
}
