//! Finds the end of a log: reads every frame in order, and tells a torn tail from damage to acknowledged data.
//!
//! A bad frame that anything later calls synced was acknowledged: it is refused with its place. One that nobody calls
//! synced is what a crash left: the log ends before it. Changes nothing; see `reopen` for what a writing open does next.

use super::blocks::{self, BLOCK_BYTES, BlockFault, SEAL_AT, Seal, StoreFile};
use super::check::Checker;
use super::frame::Fault;
use super::geometry::{FRAMES_AT, Geometry, LOG_DIR, Place, segment_number, segment_path};
use super::prepare::NEXT_NAME;
use super::report::{RecoveryReport, TailCut};
use super::scan::{Chain, Frames, Stop};
use super::segment::Segment;
use super::watermark::Mark;
use super::writer::Writable;
use crate::error::{Corruption, Error};
use crate::event::commit::CommitRef;
use crate::medium::{Access, Entry, Medium, bug};
use std::path::Path;

/// Takes each commit of the log, in order, with the place of its frame.
pub(crate) type Each<'e> = dyn FnMut(CommitRef<'_>, Place) -> Result<(), Fault> + 'e;

/// The log as it was found.
pub(crate) struct Recovered {
    /// Segments with frames, or the first ones without.
    pub(crate) segments: Vec<Writable>,
    /// Where the frames of each end.
    pub(crate) ends: Vec<u64>,
    /// Segment and offset at which the next frame goes; `None` if there is no usable segment.
    pub(crate) end: Option<(u64, u64)>,
    pub(crate) chain: Chain,
    /// Everything up to here is called synced by something durable.
    pub(crate) testified: u64,
    /// Place of the first frame past it, or the end.
    pub(crate) unsynced_from: Option<(u64, u64)>,
    /// Segments that lack a seal, with the seal they should have.
    pub(crate) unsealed: Vec<(u64, Seal)>,
    /// The last segment is sealed: nothing may follow in it.
    pub(crate) sealed_end: bool,
    /// Files behind the end.
    pub(crate) surplus: Vec<String>,
    pub(crate) report: RecoveryReport,
}

/// What stands in the log folder.
pub(crate) struct Listing {
    pub(crate) segments: Vec<(u64, Entry)>,
    /// A prepared segment that never got its name.
    pub(crate) next: bool,
}

/// Reads the log folder. A gap counts only if a second look shows it too: files come and go while a folder is read.
pub(crate) fn list(medium: &Medium) -> Result<Listing, Error> {
    let once = || -> Result<Listing, Error> {
        let entries = match medium.files.list(LOG_DIR) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io("listing", Path::new(LOG_DIR), error)),
        };
        let mut listing = Listing { segments: Vec::new(), next: false };
        for entry in entries {
            match segment_number(&entry.name) {
                Some(number) if entry.is_file => listing.segments.push((number, entry)),
                None if entry.name == NEXT_NAME && entry.is_file => listing.next = true,
                _ => {
                    let file = format!("{LOG_DIR}/{}", entry.name);
                    let expected = "only segments, named by 20 digits and .seg";
                    return Err(Error::corrupt(Corruption::new("log folder", file, None, 0, expected, entry.name)));
                }
            }
        }
        listing.segments.sort_by_key(|(number, _)| *number);
        Ok(listing)
    };
    let listing = once()?;
    if listing.has_gap() { once() } else { Ok(listing) }
}

impl Listing {
    fn has_gap(&self) -> bool {
        (0..).zip(&self.segments).any(|(expected, (number, _))| expected != *number)
    }

    fn get(&self, number: u64) -> Option<&Entry> {
        let found = self.segments.binary_search_by_key(&number, |(number, _)| *number);
        found.ok().map(|index| &self.segments[index].1)
    }

    fn from(&self, number: u64) -> impl Iterator<Item = &(u64, Entry)> {
        self.segments.iter().filter(move |(found, _)| *found >= number)
    }
}

/// Reads the whole log, calling `each` for every commit.
pub(crate) fn recover(
    medium: &Medium,
    store: &StoreFile,
    mark: Option<Mark>,
    each: &mut Each<'_>,
) -> Result<Recovered, Error> {
    let listing = list(medium)?;
    let mut walk = Walk::new(medium, store, mark.unwrap_or_default());
    let mut number = 0;
    let why = loop {
        let Some(entry) = listing.get(number) else { break Stop::Zeros };
        let stop = walk.segment(number, entry, each)?;
        // A later segment that continues the chain shows that this one is whole, whatever follows its frames.
        if !listing.get(number + 1).is_some_and(|entry| walk.continues_in(number + 1, entry)) {
            break stop;
        }
        walk.leave(number)?;
        number += 1;
    };
    walk.finish(&listing, number, why)
}

/// The state of a walk over all segments.
struct Walk<'m> {
    medium: &'m Medium,
    store: &'m StoreFile,
    checker: Checker,
    chain: Chain,
    segments: Vec<Writable>,
    /// Where each segment's first frame stands in the chain, and where its frames end.
    spans: Vec<Span>,
    testified: u64,
    /// The highest position that a mark or seal calls synced.
    witness: u64,
    unsealed: Vec<(u64, Seal)>,
    sealed_end: bool,
}

#[derive(Clone, Copy)]
struct Span {
    first: u64,
    end: u64,
}

impl<'m> Walk<'m> {
    fn new(medium: &'m Medium, store: &'m StoreFile, mark: Mark) -> Self {
        let mut checker = Checker::default();
        checker.any_epoch = bug!(medium, ignore_epoch);
        checker.unchecked = bug!(medium, skip_checksums);
        Self {
            medium,
            store,
            checker,
            chain: Chain::START,
            segments: Vec::new(),
            spans: Vec::new(),
            testified: mark.synced,
            witness: mark.synced,
            unsealed: Vec::new(),
            sealed_end: false,
        }
    }

    fn geometry(&self) -> Geometry {
        self.store.geometry
    }

    /// Opens a segment and checks its header. `Err` of the inner kind: not usable, and why.
    fn open(&self, number: u64, entry: &Entry) -> Result<Result<Writable, BlockFault>, Error> {
        let bytes = self.geometry().segment_bytes();
        if entry.bytes != bytes {
            let (expected, found) = (format!("{bytes} bytes"), format!("{} bytes", entry.bytes));
            return Ok(Err(BlockFault::Damaged(entry.bytes.min(bytes), expected, found)));
        }
        let (segment, writer) = Segment::open(self.medium, &self.store.id, number, Access::Read)?;
        let head = segment.region.head_bytes(0, FRAMES_AT);
        match blocks::check_segment_header(&head, &self.store.id, number, self.geometry()) {
            Ok(_) => Ok(Ok((segment, writer))),
            Err(later @ BlockFault::Later(_)) => {
                Err(later.into_error("segment header", &segment_path(number), Some(number)))
            }
            Err(fault) => Ok(Err(fault)),
        }
    }

    /// Walks one segment. Its frames end at the end of the last span, for the reason that is returned.
    fn segment(&mut self, number: u64, entry: &Entry, each: &mut Each<'_>) -> Result<Stop, Error> {
        let (segment, writer) = match self.open(number, entry)? {
            Ok(opened) => opened,
            Err(fault) => return Ok(Stop::Bad(header_fault(fault))),
        };
        let geometry = self.geometry();
        let first = self.chain.next;
        let bytes = writer.bytes(FRAMES_AT, geometry.segment_bytes());
        let frames = Frames { bytes, seed: segment.seed, geometry };
        let mut place = |commit: CommitRef<'_>, at: u64| each(commit, geometry.place(number, at));
        let (end, stop) = frames.walk(FRAMES_AT, &mut self.chain, &mut self.checker, &mut place);
        self.testified = self.testified.max(self.chain.synced);
        self.spans.push(Span { first, end });
        self.check_seal(&segment, end)?;
        self.segments.push((segment, writer));
        Ok(stop)
    }

    /// A seal testifies to the frames before it; a torn one is written again.
    fn check_seal(&mut self, segment: &Segment, end: u64) -> Result<(), Error> {
        let sector = segment.region.head_bytes(SEAL_AT, SEAL_AT + BLOCK_BYTES as u64);
        let seal = Seal::decode(&sector, segment.seed).ok().flatten();
        self.sealed_end = seal.is_some();
        let Some(seal) = seal else { return Ok(()) };
        self.witness = self.witness.max(seal.next - 1);
        self.testified = self.testified.max(seal.next - 1);
        if seal.next <= self.chain.next && seal.end != end {
            let (file, number) = (segment_path(segment.number), Some(segment.number));
            let (expected, found) = (format!("frames up to byte {}", seal.end), format!("frames up to byte {end}"));
            return Err(Error::corrupt(Corruption::new("seal", file, number, SEAL_AT, expected, found)));
        }
        Ok(())
    }

    /// Whether the first frame of the segment is the next one of the chain.
    fn continues_in(&mut self, number: u64, entry: &Entry) -> bool {
        let Ok(Ok((segment, writer))) = self.open(number, entry) else { return false };
        let bytes = writer.bytes(FRAMES_AT, self.geometry().segment_bytes());
        let frames = Frames { bytes, seed: segment.seed, geometry: self.geometry() };
        frames.header(FRAMES_AT).is_ok_and(|header| header.is_some_and(|header| self.chain.admit(&header, self.checker.any_epoch).is_ok()))
    }

    /// Goes on to the next segment.
    fn leave(&mut self, number: u64) -> Result<(), Error> {
        let end = self.spans.last().map_or(FRAMES_AT, |span| span.end);
        if self.witness >= self.chain.next && self.sealed_end {
            return Err(self.refused(number, end, &Stop::Zeros, self.witness));
        }
        if let (false, Some(epoch)) = (self.sealed_end, self.chain.epoch) {
            self.unsealed.push((number, Seal { next: self.chain.next, end, epoch }));
        }
        self.sealed_end = false;
        Ok(())
    }

    /// Decides what the end is: that of the log, or damage.
    fn finish(mut self, listing: &Listing, stopped: u64, why: Stop) -> Result<Recovered, Error> {
        let usable = self.segments.len() as u64;
        let end = self.spans.last().map(|span| (usable - 1, span.end));
        // Where something should stand: behind the last frame, or in a segment that can't be used.
        let (segment, offset) = if stopped < usable { end.unwrap_or((0, FRAMES_AT)) } else { (stopped, 0) };
        if let Stop::Unsupported(feature) = &why {
            return Err(Error::unsupported(format!("{feature} in {} at byte {offset}", segment_path(segment))));
        }
        let later = self.look_behind(listing, segment, offset)?;
        let witness = later.synced.max(self.witness);
        if witness >= self.chain.next && !bug!(self.medium, ignore_witnesses) {
            let (segment, offset, why) = self.blame(listing, segment, offset, why)?;
            return Err(self.refused(segment, offset, &why, witness));
        }
        let surplus: Vec<String> = listing.from(usable).map(|(number, _)| segment_path(*number)).collect();
        let damaged = matches!(why, Stop::Bad(_)) || later.bytes > 0;
        let tail = damaged.then(|| TailCut {
            segment,
            offset,
            bytes: later.bytes,
            commits_after: later.commits,
            why: match &why {
                Stop::Bad(fault) => format!("expected {}, found {}", fault.expected, fault.found),
                _ => "bytes after zeros".to_owned(),
            },
        });
        self.testified = self.testified.min(self.chain.events());
        let unsynced_from = self.first_after(self.testified);
        let report = RecoveryReport {
            commits: self.chain.commits,
            events: self.chain.events(),
            segments: usable,
            synced: self.testified,
            unsynced_bytes: self.bytes_from(unsynced_from),
            tail,
            removed: surplus.clone(),
        };
        Ok(Recovered {
            end,
            chain: self.chain,
            testified: self.testified,
            unsynced_from,
            unsealed: self.unsealed,
            sealed_end: self.sealed_end,
            surplus,
            report,
            ends: self.spans.iter().map(|span| span.end).collect(),
            segments: self.segments,
        })
    }

    /// Where the next frame is missing: if a segment just ends, in the one after it.
    fn blame(&self, listing: &Listing, segment: u64, offset: u64, why: Stop) -> Result<(u64, u64, Stop), Error> {
        let next = segment + 1;
        if matches!(why, Stop::Bad(_)) || self.segments.is_empty() || listing.from(next).next().is_none() {
            return Ok((segment, offset, why));
        }
        let Some(entry) = listing.get(next) else {
            let fault = Fault::new("segment", 0, "the segment", "no file");
            return Ok((next, 0, Stop::Bad(fault)));
        };
        let (segment, writer) = match self.open(next, entry)? {
            Ok(opened) => opened,
            Err(fault) => return Ok((next, 0, Stop::Bad(header_fault(fault)))),
        };
        let bytes = writer.bytes(FRAMES_AT, self.geometry().segment_bytes());
        let frames = Frames { bytes, seed: segment.seed, geometry: self.geometry() };
        match frames.header(FRAMES_AT) {
            Ok(None) => Ok((segment.number - 1, offset, why)),
            Ok(Some(header)) => match self.chain.admit(&header, false) {
                Ok(()) => Ok((segment.number - 1, offset, why)),
                Err(fault) => Ok((next, FRAMES_AT, Stop::Bad(fault))),
            },
            Err(fault) => Ok((next, FRAMES_AT, Stop::Bad(fault))),
        }
    }

    fn refused(&self, segment: u64, offset: u64, why: &Stop, witness: u64) -> Error {
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

    /// Everything behind a place: what later headers testify, and how many bytes aren't zero.
    fn look_behind(&self, listing: &Listing, segment: u64, offset: u64) -> Result<Later, Error> {
        let mut later = Later::default();
        for (number, entry) in listing.from(segment) {
            let from = if *number == segment { offset.max(FRAMES_AT) } else { FRAMES_AT };
            if entry.bytes != self.geometry().segment_bytes() {
                later.bytes += entry.bytes;
                continue;
            }
            let (segment, writer) = Segment::open(self.medium, &self.store.id, *number, Access::Read)?;
            let failed = |error| Error::io("reading", Path::new(&segment_path(*number)), error);
            let Some(data) = segment.region.next_data(from).map_err(failed)? else { continue };
            let bytes = writer.bytes(FRAMES_AT, self.geometry().segment_bytes());
            let frames = Frames { bytes, seed: segment.seed, geometry: self.geometry() };
            let from = from.max(data & !7);
            later.bytes += frames.tail_bytes(from);
            let mut at = from;
            while let Some((found, header)) = frames.later_header(at) {
                later.synced = later.synced.max(header.synced);
                later.commits += 1;
                at = found + 8;
            }
        }
        Ok(later)
    }

    /// Place of the first frame whose events come after `position`.
    fn first_after(&mut self, position: u64) -> Option<(u64, u64)> {
        if self.chain.events() <= position {
            return None;
        }
        let index = self.spans.partition_point(|span| span.first <= position + 1).checked_sub(1)?;
        let (segment, writer) = &self.segments[index];
        let bytes = writer.bytes(FRAMES_AT, self.geometry().segment_bytes());
        let frames = Frames { bytes, seed: segment.seed, geometry: self.geometry() };
        frames.find(self.spans[index].end, position + 1).map(|offset| (segment.number, offset))
    }

    fn bytes_from(&self, from: Option<(u64, u64)>) -> u64 {
        let Some((segment, offset)) = from else { return 0 };
        let spans = self.spans.iter().zip(0..).skip(segment as usize);
        spans.map(|(span, number)| span.end - if number == segment { offset } else { FRAMES_AT }).sum()
    }
}

/// What stands behind the end of a log.
#[derive(Default)]
struct Later {
    synced: u64,
    commits: u64,
    bytes: u64,
}

fn header_fault(fault: BlockFault) -> Fault {
    match fault {
        BlockFault::Damaged(at, expected, found) => Fault::new("segment header", at as usize, expected, found),
        BlockFault::Later(feature) => Fault::new("segment header", 0, "a version that is known", feature),
    }
}

/// Shared by everything that shows a segment to readers.
pub(crate) fn publish_all(segments: &mut [Writable], ends: impl Iterator<Item = u64>) {
    for ((_, writer), end) in segments.iter_mut().zip(ends) {
        writer.publish(end);
    }
}

