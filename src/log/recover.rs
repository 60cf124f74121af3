//! Finds the end of a log: reads every frame in order, and tells a torn tail from damage to acknowledged data.
//!
//! A bad frame that anything later calls synced was acknowledged: it is refused with its place. One that nobody calls
//! synced is what a crash left: the log ends before it. Changes nothing; see `reopen` for what a writing open does next.

use super::base::Base;
use super::behind::Behind;
use super::blocks::{self, BLOCK_BYTES, BlockFault, SEAL_AT, Seal, StoreFile, StoreId};
use super::check::Checker;
use super::checkpoint::Follow;
use super::frame::Fault;
use super::geometry::{FRAMES_AT, Geometry, Place, segment_path};
use super::headers;
use super::report::{RecoveryReport, TailCut};
use super::scan::{Chain, Frames, Stop};
use super::segment::Segment;
use super::watermark::Mark;
use super::writer::Writable;
use crate::error::{Corruption, Error};
use crate::event::commit::CommitRef;
use crate::medium::{Access, Entry, Medium, RegionWriter, bug};
use std::sync::Arc;

mod begin;
mod listing;
mod refusal;

pub(crate) use listing::{Listing, list};

/// Takes each commit of the log, in order, with the place of its frame.
pub(crate) type Each<'e> = dyn FnMut(CommitRef<'_>, Place) -> Result<(), Fault> + 'e;

/// The log as it was found.
pub(crate) struct Recovered {
    /// Number of the first segment.
    pub(crate) first: u64,
    /// Segments with frames, or the first ones without.
    pub(crate) segments: Vec<Writable>,
    /// Where the frames of each end.
    pub(crate) ends: Vec<u64>,
    /// Segment and offset at which the next frame goes; `None` if there is no usable segment.
    pub(crate) end: Option<(u64, u64)>,
    pub(crate) chain: Chain,
    /// Place of the first frame past it, or the end.
    pub(crate) unsynced_from: Option<(u64, u64)>,
    /// Segments that lack a seal, with the seal they should have.
    pub(crate) unsealed: Vec<(u64, Seal)>,
    /// The last segment is sealed: nothing may follow in it.
    pub(crate) sealed_end: bool,
    /// Files behind the end.
    pub(crate) surplus: Vec<String>,
    /// Files that an interrupted retention left.
    pub(crate) leftover: Vec<String>,
    /// A segment has a feature that only a later program may write with.
    pub(crate) read_only: bool,
    pub(crate) report: RecoveryReport,
}

/// Reads the log from the last checkpoint on that holds, and tells `follow` every commit.
pub(crate) fn recover(
    medium: &Medium,
    store: &StoreFile,
    base: &Arc<Base>,
    mark: Option<Mark>,
    follow: &mut dyn Follow,
) -> Result<Recovered, Error> {
    let mut walk = Walk::new(medium, store, base, mark.unwrap_or_default());
    let mut reached = None;
    let mut begun = false;
    loop {
        let listing = list(medium, base.first_segment())?;
        listing.check()?;
        walk.read_only = headers::check(medium, store, &listing)?;
        if !std::mem::replace(&mut begun, true) {
            let offered = follow.checkpoints(medium, store, base)?;
            let held = walk.begin(&listing, &offered)?;
            follow.begin(store, base, held);
        }
        let (number, why) = walk.run(&listing, &mut |commit, place| follow.commit(commit, place))?;
        match walk.refusal(&listing, number, &why)? {
            Ok(behind) => return walk.finish(&listing, number, &why, &behind),
            // Beside a living writer what was missing a moment ago may be there now.
            Err(_) if reached != Some(walk.chain.next) => reached = Some(walk.chain.next),
            Err(refused) => return Err(refused),
        }
    }
}

/// The state of a walk over all segments.
struct Walk<'m> {
    medium: &'m Medium,
    store: &'m StoreFile,
    checker: Checker,
    /// What the first frame goes on from.
    start: Chain,
    chain: Chain,
    /// Number of the first segment.
    first: u64,
    segments: Vec<Writable>,
    /// Where each segment's first frame stands in the chain, and where its frames end.
    spans: Vec<Span>,
    testified: u64,
    /// The highest position that a mark or seal calls synced.
    witness: u64,
    unsealed: Vec<(u64, Seal)>,
    /// First position behind the segment that was walked last, as its seal says.
    sealed: Option<u64>,
    read_only: bool,
}

#[derive(Clone, Copy)]
struct Span {
    first: u64,
    end: u64,
}

impl<'m> Walk<'m> {
    fn new(medium: &'m Medium, store: &'m StoreFile, base: &Base, mark: Mark) -> Self {
        let start = base.chain();
        let mut checker = Checker::default();
        checker.any_epoch = bug!(medium, ignore_epoch);
        checker.unchecked = bug!(medium, skip_checksums);
        Self {
            medium,
            store,
            checker,
            start,
            chain: start,
            first: base.first_segment(),
            segments: Vec::new(),
            spans: Vec::new(),
            testified: mark.synced.max(start.synced),
            witness: mark.synced.max(start.synced),
            unsealed: Vec::new(),
            sealed: None,
            read_only: false,
        }
    }

    fn geometry(&self) -> Geometry {
        self.store.geometry
    }

    /// Number of the segment behind those that were opened.
    fn next_number(&self) -> u64 {
        self.first + self.segments.len() as u64
    }

    fn frames<'b>(&self, segment: &Segment, writer: &'b RegionWriter) -> Result<Frames<'b>, Error> {
        Frames::of(segment, writer, self.geometry())
    }

    /// Goes on to the end of the log. Returns the segment that it ends in, and why there.
    fn run(&mut self, listing: &Listing, each: &mut Each<'_>) -> Result<(u64, Stop), Error> {
        let mut number = self.first.max(self.next_number().saturating_sub(1));
        loop {
            let Some(entry) = listing.get(number) else { return Ok((number, Stop::Zeros)) };
            let stop = self.segment(number, entry, each)?;
            // A later segment that continues the chain shows that this one is whole, whatever follows its frames.
            let continues = match listing.get(number + 1) {
                Some(entry) => self.continues_in(number + 1, entry)?,
                None => false,
            };
            if !continues {
                return Ok((number, stop));
            }
            self.leave(number)?;
            number += 1;
        }
    }

    /// Opens a segment and checks its header. `Err` of the inner kind: not usable, and why.
    fn open(&self, number: u64, entry: &Entry) -> Result<Result<Writable, BlockFault>, Error> {
        open(self.medium, &self.store.id, self.geometry(), number, entry)
    }

    /// Walks one segment, or on in the last one. Its frames end at the end of the last span, for the reason returned.
    fn segment(&mut self, number: u64, entry: &Entry, each: &mut Each<'_>) -> Result<Stop, Error> {
        if number == self.next_number() {
            match self.open(number, entry)? {
                Ok(opened) => self.segments.push(opened),
                Err(fault) => return Ok(Stop::Bad(header_fault(fault))),
            }
            self.spans.push(Span { first: self.chain.next, end: FRAMES_AT });
        }
        let geometry = self.geometry();
        let index = (number - self.first) as usize;
        let (segment, writer) = &self.segments[index];
        let frames = self.frames(segment, writer)?;
        let mut place = |commit: CommitRef<'_>, at: u64| each(commit, geometry.place(number, at));
        let span = &mut self.spans[index];
        let (end, stop) = frames.walk(span.end, &mut self.chain, &mut self.checker, &mut place);
        span.end = end;
        self.testified = self.testified.max(self.chain.synced);
        let segment = segment.clone();
        self.check_seal(&segment, end)?;
        Ok(stop)
    }

    /// A seal testifies to the frames before it; a torn one is written again.
    fn check_seal(&mut self, segment: &Segment, end: u64) -> Result<(), Error> {
        let sector = segment.region.head_bytes(SEAL_AT, SEAL_AT + BLOCK_BYTES as u64);
        let seal = Seal::decode(&sector, segment.seed).ok().flatten();
        self.sealed = seal.map(|seal| seal.next);
        let Some(seal) = seal else { return Ok(()) };
        let sealed = seal.next.saturating_sub(1);
        self.witness = self.witness.max(sealed);
        self.testified = self.testified.max(sealed);
        if seal.next <= self.chain.next && seal.end != end {
            let (file, number) = (segment_path(segment.number), Some(segment.number));
            let (expected, found) =
                (format!("frames up to byte {}", seal.end), format!("frames up to byte {end}"));
            return Err(Error::corrupt(Corruption::new("seal", file, number, SEAL_AT, expected, found)));
        }
        Ok(())
    }

    /// Whether the first frame of the segment is the next one of the chain.
    fn continues_in(&self, number: u64, entry: &Entry) -> Result<bool, Error> {
        let Ok(opened) = self.open(number, entry)? else { return Ok(false) };
        continues(&opened, self.geometry(), &self.chain, self.checker.any_epoch)
    }

    /// Goes on to the next segment.
    fn leave(&mut self, number: u64) -> Result<(), Error> {
        let end = self.spans.last().map_or(FRAMES_AT, |span| span.end);
        if let Some(next) = self.sealed.take() {
            let holds = next == self.chain.next;
            return if holds {
                Ok(())
            } else {
                Err(self.refused(number, end, &Stop::Zeros, next.saturating_sub(1)))
            };
        }
        if let Some(epoch) = self.chain.epoch {
            self.unsealed.push((number, Seal { next: self.chain.next, end, epoch }));
        }
        Ok(())
    }

    /// The end of the log as far as it holds; or where something should stand, in a segment that can't be used.
    fn end(&self, stopped: u64) -> (u64, u64) {
        match self.spans.last() {
            Some(span) if stopped < self.next_number() => (self.next_number() - 1, span.end),
            _ => (stopped, 0),
        }
    }

    fn finish(
        mut self,
        listing: &Listing,
        stopped: u64,
        why: &Stop,
        behind: &Behind,
    ) -> Result<Recovered, Error> {
        let usable = self.next_number();
        let (segment, offset) = self.end(stopped);
        let surplus: Vec<String> = listing.from(usable).map(|(number, _)| segment_path(*number)).collect();
        let damaged = matches!(why, Stop::Bad(_)) || behind.bytes > 0;
        let tail = damaged.then(|| TailCut {
            segment,
            offset,
            bytes: behind.bytes,
            commits_after: behind.commits,
            why: match why {
                Stop::Bad(fault) => fault.to_string(),
                _ => "bytes after zeros".to_owned(),
            },
        });
        self.testified = self.testified.min(self.chain.events());
        let unsynced_from = self.first_after(self.testified)?;
        let report = RecoveryReport {
            commits: self.chain.commits - self.start.commits,
            events: self.chain.next - self.start.next,
            segments: self.segments.len() as u64,
            synced: self.testified,
            unsynced_bytes: self.bytes_from(unsynced_from),
            tail,
            removed: surplus.clone(),
        };
        Ok(Recovered {
            first: self.first,
            leftover: listing.leftover.clone(),
            end: self.spans.last().map(|span| (usable - 1, span.end)),
            chain: self.chain,
            unsynced_from,
            unsealed: self.unsealed,
            sealed_end: self.sealed.is_some(),
            surplus,
            read_only: self.read_only,
            report,
            ends: self.spans.iter().map(|span| span.end).collect(),
            segments: self.segments,
        })
    }

    /// Place of the first frame whose events come after `position`.
    fn first_after(&mut self, position: u64) -> Result<Option<(u64, u64)>, Error> {
        if self.chain.events() <= position {
            return Ok(None);
        }
        let after = self.spans.partition_point(|span| span.first <= position + 1);
        let Some(index) = after.checked_sub(1) else { return Ok(None) };
        let (segment, writer) = &self.segments[index];
        let frames = self.frames(segment, writer)?;
        let found = frames.find(self.spans[index].end, position + 1);
        Ok(found.map(|offset| (segment.number, offset)))
    }

    fn bytes_from(&self, from: Option<(u64, u64)>) -> u64 {
        let Some((segment, offset)) = from else { return 0 };
        let spans = self.spans.iter().zip(self.first..).skip((segment - self.first) as usize);
        spans.map(|(span, number)| span.end - if number == segment { offset } else { FRAMES_AT }).sum()
    }
}

/// Opens a segment that was found and checks its length and header. `Err` of the inner kind: not usable, and why.
pub(super) fn open(
    medium: &Medium,
    store: &StoreId,
    geometry: Geometry,
    number: u64,
    entry: &Entry,
) -> Result<Result<Writable, BlockFault>, Error> {
    let bytes = geometry.segment_bytes();
    if entry.bytes != bytes {
        let (expected, found) = (format!("{bytes} bytes"), format!("{} bytes", entry.bytes));
        return Ok(Err(BlockFault::Damaged(entry.bytes.min(bytes), expected, found)));
    }
    let (segment, writer) = Segment::open(medium, store, number, Access::Read)?;
    let head = segment.region.head_bytes(0, FRAMES_AT);
    match blocks::check_segment_header(&head, store, number, geometry) {
        Ok(_) => Ok(Ok((segment, writer))),
        Err(later @ BlockFault::Later(_)) => {
            Err(later.into_error("segment header", &segment_path(number), Some(number)))
        }
        Err(fault) => Ok(Err(fault)),
    }
}

/// Whether the first frame of a segment is the next one of the chain.
pub(super) fn continues(
    (segment, writer): &Writable,
    geometry: Geometry,
    chain: &Chain,
    any_epoch: bool,
) -> Result<bool, Error> {
    let header = Frames::of(segment, writer, geometry)?.header(FRAMES_AT);
    Ok(header.is_ok_and(|header| header.is_some_and(|header| chain.admit(&header, any_epoch).is_ok())))
}

fn header_fault(fault: BlockFault) -> Fault {
    match fault {
        BlockFault::Damaged(at, expected, found) => {
            Fault::new("segment header", at as usize, expected, found)
        }
        BlockFault::Later(feature) => Fault::new("segment header", 0, "a version that is known", feature),
    }
}

/// Shared by everything that shows a segment to readers.
pub(crate) fn publish_all(segments: &mut [Writable], ends: impl Iterator<Item = u64>) {
    for ((_, writer), end) in segments.iter_mut().zip(ends) {
        writer.publish(end);
    }
}
