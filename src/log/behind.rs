//! What stands behind a place in the log: evidence of what was synced, never content.

use super::blocks::{BLOCK_BYTES, SEAL_AT, Seal, StoreFile};
use super::geometry::{FRAMES_AT, segment_path};
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
            continue;
        }
        let (segment, writer) = Segment::open(medium, &store.id, *number, Access::Read)?;
        let sector = segment.region.head_bytes(SEAL_AT, SEAL_AT + BLOCK_BYTES as u64);
        if let Ok(Some(seal)) = Seal::decode(&sector, segment.seed) {
            behind.sealed = behind.sealed.max(seal.next.saturating_sub(1));
        }
        let failed = |error| Error::io("reading", Path::new(&segment_path(*number)), error);
        let Some(data) = segment.region.next_data(from).map_err(failed)? else { continue };
        let bytes = writer.bytes(FRAMES_AT, geometry.segment_bytes());
        let frames = Frames { bytes, seed: segment.seed, geometry };
        behind.bytes += frames.tail_bytes(from);
        let mut at = from.max(data & !7);
        while let Some((found, header)) = frames.later_header(at) {
            behind.synced = behind.synced.max(header.synced);
            behind.commits += 1;
            at = found + 8;
        }
    }
    Ok(behind)
}
