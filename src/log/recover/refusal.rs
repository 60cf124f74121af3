//! What recovery says when something acknowledged is missing: who testifies to it, and where it should stand.

use super::{Listing, Walk, header_fault};
use crate::error::{Corruption, Error};
use crate::log::behind::{Behind, look_behind};
use crate::log::frame::Fault;
use crate::log::geometry::{FRAMES_AT, segment_path};
use crate::log::scan::Stop;
use crate::medium::bug;

impl Walk<'_> {
    /// What stands behind the end; or the error, if something acknowledged should.
    pub(super) fn refusal(
        &self,
        listing: &Listing,
        stopped: u64,
        why: &Stop,
    ) -> Result<Result<Behind, Error>, Error> {
        let (segment, offset) = self.end(stopped);
        if let Stop::Unsupported(feature) = why {
            return Err(Error::unsupported(format!(
                "{feature} in {} at byte {offset}",
                segment_path(segment)
            )));
        }
        let behind = look_behind(self.medium, self.store, listing, segment, offset)?;
        let witness = behind.synced.max(behind.sealed).max(self.witness);
        if witness < self.chain.next || bug!(self.medium, ignore_witnesses) {
            return Ok(Ok(behind));
        }
        Ok(Err(match self.blame(listing, segment, why)? {
            Some((segment, offset, fault)) => self.refused(segment, offset, &Stop::Bad(fault), witness),
            None => self.refused(segment, offset, why, witness),
        }))
    }

    /// Where the next frame is missing: if a segment just ends, in the one after it.
    fn blame(&self, listing: &Listing, segment: u64, why: &Stop) -> Result<Option<(u64, u64, Fault)>, Error> {
        let stopped_in = listing.get(segment).is_some();
        let next = if stopped_in { segment + 1 } else { segment };
        if matches!(why, Stop::Bad(_)) || listing.from(next).next().is_none() {
            let gone = (segment, 0, Fault::new("segment", 0, "the file", "no file"));
            return Ok((!stopped_in).then_some(gone));
        }
        let Some(entry) = listing.get(next) else {
            let expected = match self.first_behind(listing, next)? {
                Some(first) => format!("the file, with all up to position {},", first - 1),
                None => "the file".to_owned(),
            };
            return Ok(Some((next, 0, Fault::new("segment", 0, expected, "no file"))));
        };
        let (segment, writer) = match self.open(next, entry)? {
            Ok(opened) => opened,
            Err(fault) => return Ok(Some((next, 0, header_fault(fault)))),
        };
        let frames = self.frames(&segment, &writer);
        let fault = match frames.header(FRAMES_AT) {
            // The seal says that this one is whole, so what is missing stood there.
            Ok(None) if self.sealed == Some(self.chain.next) => {
                Some(Fault::new("frame", 0, "a frame", "zeros"))
            }
            Ok(None) => None,
            // It goes on with what comes after the frames that are missing here.
            Ok(Some(header)) if header.first > self.chain.next => None,
            Ok(Some(header)) => self.chain.admit(&header, false).err(),
            Err(fault) => Some(fault),
        };
        Ok(fault.map(|fault| (next, FRAMES_AT, fault)))
    }

    /// The first position that stands in the next segment that is there.
    fn first_behind(&self, listing: &Listing, segment: u64) -> Result<Option<u64>, Error> {
        let Some((number, entry)) = listing.from(segment).next() else { return Ok(None) };
        let Ok((segment, writer)) = self.open(*number, entry)? else { return Ok(None) };
        let header = self.frames(&segment, &writer).header(FRAMES_AT);
        Ok(header.ok().flatten().map(|header| header.first).filter(|first| *first > self.chain.next))
    }

    pub(super) fn refused(&self, segment: u64, offset: u64, why: &Stop, witness: u64) -> Error {
        let file = segment_path(segment);
        let next = self.chain.next;
        let said = format!("position {next}, which was acknowledged (synced up to {witness})");
        let (what, at, expected, found) = match why {
            Stop::Bad(fault) => {
                (fault.what, fault.at as u64, format!("{} for {said}", fault.expected), fault.found.clone())
            }
            _ => ("frame", 0, said, "the end of the data".to_owned()),
        };
        Error::corrupt(Corruption::new(what, file, Some(segment), offset + at, expected, found))
    }
}
