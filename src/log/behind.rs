//! What stands behind a place in the log: evidence of what was synced, never content.

use super::blocks::{BLOCK_BYTES, SEAL_AT, Seal, StoreFile};
use super::geometry::{FRAME_ALIGN, FRAMES_AT, Seed, segment_path};
use super::recover::Listing;
use super::scan::Frames;
use super::segment::Segment;
use crate::error::Error;
use crate::medium::{Access, Medium};
use std::path::Path;

/// What was found behind a place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Behind {
    /// The highest position that a later header calls synced.
    pub(crate) synced: u64,
    /// The highest position that a seal calls synced.
    pub(crate) sealed: u64,
    /// Headers that hold.
    pub(crate) commits: u64,
    /// Bytes from the place to the last one that isn't zero, over all segments.
    pub(crate) bytes: u64,
}

/// Looks at every 8-byte step of the data from a place on, in its segment and all later ones. Linear in the bytes.
pub(crate) fn look_behind(
    medium: &Medium,
    store: &StoreFile,
    listing: &Listing,
    segment: u64,
    offset: u64,
) -> Result<Behind, Error> {
    let (mut behind, geometry) = (Behind::default(), store.geometry);
    for (number, entry) in listing.from(segment) {
        let from = if *number == segment { offset.max(FRAMES_AT) } else { FRAMES_AT };
        if entry.bytes != geometry.segment_bytes() {
            behind.bytes += entry.bytes;
            behind.in_part(medium, store, *number, from)?;
            continue;
        }
        let (segment, writer) = Segment::open(medium, &store.id, *number, Access::Read)?;
        let sector = segment.region.head_bytes(SEAL_AT, SEAL_AT + BLOCK_BYTES as u64);
        if let Ok(Some(seal)) = Seal::decode(&sector, segment.seed) {
            behind.sealed = behind.sealed.max(seal.next.saturating_sub(1));
        }
        let failed = |error| Error::io("reading", Path::new(&segment_path(*number)), error);
        let Some(data) = segment.region.next_data(from).map_err(failed)? else { continue };
        let frames = Frames::of(&segment, &writer, geometry)?;
        behind.bytes += frames.tail_bytes(from);
        behind.headers(&frames, from.max(data & !7));
    }
    Ok(behind)
}

impl Behind {
    fn headers(&mut self, frames: &Frames<'_>, mut at: u64) {
        while let Some((found, header)) = frames.later_header(at) {
            self.synced = self.synced.max(header.synced);
            self.commits += 1;
            at = found + FRAME_ALIGN;
        }
    }

    /// A file of another length than a segment has: cut short, it still testifies.
    fn in_part(&mut self, medium: &Medium, store: &StoreFile, number: u64, from: u64) -> Result<(), Error> {
        let (path, geometry) = (segment_path(number), store.geometry);
        let read = medium.files.read(&path, geometry.segment_bytes() as usize);
        let bytes = read.map_err(|error| Error::io("reading", Path::new(&path), error))?;
        if let Some(bytes) = bytes.get(FRAMES_AT as usize..) {
            self.headers(&Frames::read(bytes, Seed::new(&store.id, number), geometry), from);
        }
        Ok(())
    }
}
