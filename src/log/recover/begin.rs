//! Where a walk begins: behind what a checkpoint of the index covers.

use super::{Listing, Span, Walk};
use crate::error::Error;
use crate::log::blocks::{self, BLOCK_BYTES, SEAL_AT, Seal};
use crate::log::checkpoint::Checkpoint;
use crate::log::geometry::FRAMES_AT;
use crate::log::scan::Chain;
use crate::log::segment::Segment;

impl Walk<'_> {
    /// Begins behind the last checkpoint that holds. Those after one that doesn't are of another history, or speak of what is
    /// missing, which a walk over everything tells best. Returns how many hold.
    pub(super) fn begin(&mut self, listing: &Listing, offered: &[Checkpoint]) -> Result<usize, Error> {
        for (number, checkpoint) in offered.iter().enumerate() {
            let kept = self.segments.len();
            if !self.open_covered(listing, checkpoint)? {
                self.segments.truncate(kept);
                self.spans.truncate(kept);
                return Ok(number);
            }
            let synced = checkpoint.position;
            let commits = self.chain.commits + checkpoint.commits;
            self.chain = Chain { next: synced + 1, epoch: Some(checkpoint.epoch), synced, commits };
            self.testified = self.testified.max(synced);
            self.witness = self.witness.max(synced);
        }
        Ok(offered.len())
    }

    /// Opens the segments of a checkpoint. `false` if one isn't there, or a header, a seal or the last frame isn't as it should
    /// be: a segment without a seal may have gone on behind what the checkpoint knows.
    fn open_covered(&mut self, listing: &Listing, checkpoint: &Checkpoint) -> Result<bool, Error> {
        let firsts = checkpoint.segments.iter().skip(1).map(|(first, _)| *first);
        let nexts = firsts.chain([checkpoint.position + 1]);
        for ((first, end), next) in checkpoint.segments.iter().zip(nexts) {
            let number = self.next_number();
            let bytes = self.geometry().segment_bytes();
            if listing.get(number).is_none_or(|entry| entry.bytes != bytes) {
                return Ok(false);
            }
            let opened = Segment::open_unchecked(self.medium, &self.store.id, number)?;
            let head = opened.0.region.head_bytes(0, FRAMES_AT);
            if blocks::check_segment_header(&head, &self.store.id, number, self.geometry()).is_err() {
                return Ok(false);
            }
            let sector = &head[SEAL_AT as usize..SEAL_AT as usize + BLOCK_BYTES];
            let seal = Seal::decode(sector, opened.0.seed).ok().flatten();
            if seal.is_none_or(|seal| (seal.end, seal.next) != (*end, next)) {
                return Ok(false);
            }
            self.segments.push(opened);
            self.spans.push(Span { first: *first, end: *end });
        }
        let (Some(last), Some(span)) = (self.segments.last(), self.spans.last()) else { return Ok(false) };
        Ok(checkpoint.names_frame(last, span.end))
    }
}
