//! Walks the frames of a segment, and looks for evidence behind a place where the chain breaks. Pure functions over bytes:
//! a frame is yielded only if its checksums, its place in the chain of positions and its epoch hold. Never repairs.

use super::check::Checker;
use super::frame::{Fault, Header};
use super::geometry::{FRAME_ALIGN, FRAMES_AT, Geometry, HEADER_BYTES, Seed, segment_path};
use super::segment::Segment;
use crate::error::Error;
use crate::event::commit::CommitRef;
use crate::medium::RegionWriter;
use std::path::Path;

/// What connects one frame to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Position of the next event.
    pub(crate) next: u64,
    /// Epoch of the last frame; `None` before the first.
    pub(crate) epoch: Option<u64>,
    /// The highest synced position that a frame of the chain names.
    pub(crate) synced: u64,
    pub(crate) commits: u64,
}

impl Chain {
    /// Before the first frame of a log.
    pub(crate) const START: Self = Self { next: 1, epoch: None, synced: 0, commits: 0 };

    pub(crate) fn events(&self) -> u64 {
        self.next - 1
    }

    /// Whether a frame goes on where this one ended.
    pub(crate) fn admit(&self, header: &Header, any_epoch: bool) -> Result<(), Fault> {
        if header.first != self.next {
            return Err(Fault::new("frame", 8, format!("position {}", self.next), header.first));
        }
        if header.is_first_of_epoch() || self.epoch == Some(header.epoch) || any_epoch {
            return Ok(());
        }
        let expected =
            self.epoch.map_or("a frame that begins an epoch".into(), |e| format!("epoch {e:#018x}"));
        Err(Fault::new("frame", 32, expected, format_args!("{:#018x}", header.epoch)))
    }

    fn advance(&mut self, header: &Header) {
        self.next += u64::from(header.events);
        self.epoch = Some(header.epoch);
        self.synced = self.synced.max(header.synced);
        self.commits += 1;
    }
}

/// Why a walk ended.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Zeros where a header would begin.
    Zeros,
    /// No room for another header.
    Full,
    /// Bytes that aren't the next frame.
    Bad(Fault),
    /// A frame of a later version.
    Unsupported(String),
}

/// The bytes of a segment from [`FRAMES_AT`] on, with what their checksums are bound to.
#[derive(Clone, Copy)]
pub(crate) struct Frames<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) seed: Seed,
    pub(crate) geometry: Geometry,
    /// Behind this offset everything is a hole: zeros, which aren't touched.
    pub(crate) data_end: u64,
}

impl<'a> Frames<'a> {
    /// Of a mapped segment, all of it, published or not.
    pub(crate) fn of(segment: &Segment, writer: &'a RegionWriter, geometry: Geometry) -> Result<Self, Error> {
        let path = segment_path(segment.number);
        let known = segment.region.data_end();
        let data_end = known.map_err(|error| Error::io("reading", Path::new(&path), error))?;
        let bytes = writer.bytes(FRAMES_AT, geometry.segment_bytes());
        Ok(Self { bytes, seed: segment.seed, geometry, data_end })
    }

    /// Of bytes that were read.
    pub(crate) fn read(bytes: &'a [u8], seed: Seed, geometry: Geometry) -> Self {
        Self { bytes, seed, geometry, data_end: FRAMES_AT + bytes.len() as u64 }
    }

    /// From `offset` on, as far as there is data.
    fn data(&self, offset: u64) -> &'a [u8] {
        let bytes = self.from(offset);
        &bytes[..(self.data_end.saturating_sub(offset) as usize).min(bytes.len())]
    }

    fn from(&self, offset: u64) -> &'a [u8] {
        &self.bytes[((offset - FRAMES_AT) as usize).min(self.bytes.len())..]
    }

    /// End of the bytes, as an offset in the segment.
    pub(crate) fn end(&self) -> u64 {
        FRAMES_AT + self.bytes.len() as u64
    }

    /// The header at `offset`; `None` for zeros or no room.
    pub(crate) fn header(&self, offset: u64) -> Result<Option<Header>, Fault> {
        let bytes = self.from(offset);
        match bytes.first_chunk::<{ HEADER_BYTES as usize }>() {
            None => Ok(None),
            Some(_) if offset >= self.data_end => Ok(None),
            Some(header) if header[..8] == [0; 8] => Ok(None),
            Some(header) => Header::decode(header, self.seed.mask(offset)).map(Some),
        }
    }

    /// Walks frames from `offset` on, for as long as they continue `chain`. Returns where the next one would begin.
    /// An error of `each` ends the walk as if the frame were bad.
    pub(crate) fn walk(
        &self,
        offset: u64,
        chain: &mut Chain,
        checker: &mut Checker,
        each: &mut dyn FnMut(CommitRef<'a>, u64) -> Result<(), Fault>,
    ) -> (u64, Stop) {
        self.walk_to(offset, chain, checker, u64::MAX, each)
    }

    /// The same up to the frame that has a position. If that was reached, why it ended means nothing.
    pub(crate) fn walk_to(
        &self,
        mut offset: u64,
        chain: &mut Chain,
        checker: &mut Checker,
        through: u64,
        each: &mut dyn FnMut(CommitRef<'a>, u64) -> Result<(), Fault>,
    ) -> (u64, Stop) {
        while chain.next <= through {
            let (at, stop) = match self.next(offset, chain, checker) {
                Ok(Ok((at, header))) => {
                    let frame = &self.from(at)[..header.length as usize];
                    match each(CommitRef::new(frame), at) {
                        Ok(()) => {
                            chain.advance(&header);
                            offset = at + u64::from(header.length);
                            continue;
                        }
                        Err(fault) => (at, Stop::Bad(fault)),
                    }
                }
                Ok(Err(stop)) => (offset, stop),
                Err(fault) => (offset, fault.into_stop()),
            };
            return (at, stop);
        }
        (offset, Stop::Zeros)
    }

    /// The frame that continues the chain at `offset`, or at the next sector in a store that pads its syncs.
    fn next(
        &self,
        offset: u64,
        chain: &Chain,
        checker: &mut Checker,
    ) -> Result<Result<(u64, Header), Stop>, Fault> {
        let mut at = offset;
        let mut header = self.header(at)?;
        let padded = self.geometry.after_sync(offset);
        if header.is_none() && padded != offset && self.is_zero(offset, padded) {
            at = padded;
            header = self.header(at).ok().flatten();
        }
        let Some(header) = header else {
            let full = self.end() < offset + HEADER_BYTES;
            return Ok(Err(if full { Stop::Full } else { Stop::Zeros }));
        };
        chain.admit(&header, checker.any_epoch)?;
        let bytes = self.from(at);
        let Some(frame) = bytes.get(..header.length as usize) else {
            let found = format_args!("{} bytes", header.length);
            return Err(Fault::new("frame", 0, format!("at most {} bytes", bytes.len()), found));
        };
        checker.check(frame, &header, self.seed, at)?;
        Ok(Ok((at, header)))
    }

    fn is_zero(&self, from: u64, to: u64) -> bool {
        let bytes = self.data(from);
        super::blocks::first_nonzero(&bytes[..((to - from) as usize).min(bytes.len())]).is_none()
    }

    /// The first header at or after `offset` that holds. Evidence, never content. Linear in the bytes, whatever they are.
    pub(crate) fn later_header(&self, offset: u64) -> Option<(u64, Header)> {
        let start = offset.next_multiple_of(FRAME_ALIGN);
        let bytes = self.from(start);
        let room = bytes.len().checked_sub(HEADER_BYTES as usize)?;
        let last = room.min((self.data_end.checked_sub(start)? as usize).checked_sub(1)?);
        (0..=last).step_by(FRAME_ALIGN as usize).find_map(|step| {
            let word = &bytes[step..step + 8];
            if word == [0; 8] {
                return None;
            }
            let at = start + step as u64;
            let holds =
                bytes[step..].first_chunk().is_some_and(|header| Header::holds(header, self.seed.mask(at)));
            if holds { self.header(at).ok().flatten().map(|header| (at, header)) } else { None }
        })
    }

    /// Offset of the frame, before `end`, whose first event is the first at or after `position`. For frames that hold.
    pub(crate) fn find(&self, end: u64, position: u64) -> Option<u64> {
        let mut at = FRAMES_AT;
        while at < end {
            match self.header(at).ok().flatten() {
                Some(header) if header.first >= position => return Some(at),
                Some(header) => at += u64::from(header.length),
                None if self.geometry.after_sync(at) > at => at = self.geometry.after_sync(at),
                None => return None,
            }
        }
        None
    }

    /// How many of the bytes from `offset` on go up to the last one that isn't zero.
    pub(crate) fn tail_bytes(&self, offset: u64) -> u64 {
        let bytes = self.data(offset);
        bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last as u64 + 1)
    }
}
