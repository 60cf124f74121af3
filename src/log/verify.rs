//! Checks a whole log without changing it: every checksum, position, revision, reserved byte. Goes on behind damage, and
//! tells all of it. Takes no lock.

use super::base::Base;
use super::behind::look_behind;
use super::blocks::{self, BLOCK_BYTES, BlockFault, SEAL_AT, Seal, StoreFile};
use super::check::Checker;
use super::frame::{Fault, Header};
use super::geometry::{FRAMES_AT, Place, Seed, segment_path};
use super::headers;
use super::open::read_store_file;
use super::recover::{Each, Listing, list};
use super::scan::{Chain, Frames};
use super::segment::Segment;
use super::watermark::{self, WATERMARK_BYTES, WATERMARK_FILE};
use crate::error::{Corruption, Error};
use crate::event::commit::CommitRef;
use crate::medium::{Access, Entry, Medium};
use std::path::Path;
use std::sync::Arc;

/// What a check of a whole store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Events that are there and right.
    pub events: u64,
    /// Their commits.
    pub commits: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes behind the last whole commit, up to the last one that isn't zero: what a crash left. The next open for
    /// writing cuts them off; they are no problem.
    pub tail_bytes: u64,
    /// Everything that is wrong with the log.
    pub problems: Vec<Corruption>,
    /// What is wrong with the files of the index. No data is lost and no answer is wrong: what is damaged there is made again
    /// from the log when it is met, or by [`Store::rebuild_index`](crate::Store::rebuild_index). But a disk that does this
    /// may do it to the log.
    pub index_problems: Vec<Corruption>,
    /// What is wrong with the snapshot log, by files below `snapshots/`. No event is lost and no state is wrong: a snapshot that
    /// is damaged is passed over. Where retention has removed its events, the state is lost with it.
    pub snapshot_problems: Vec<Corruption>,
    /// What is wrong with the dead-letter log, by files below `dead-letters/`. No event of the log is lost; consumers that have
    /// dead letters don't start before that folder was [repaired](crate::repair).
    pub dead_letter_problems: Vec<Corruption>,
    /// What is wrong with the checkpoints of consumers. No event is lost; the consumer has to be set back.
    pub checkpoint_problems: Vec<Corruption>,
    /// What is wrong with requests to consumers. Those are not executed; the files that are named can be removed.
    pub request_problems: Vec<Corruption>,
}

impl VerifyReport {
    /// Nothing is wrong with the log: everything that was acknowledged is there.
    /// [`index_problems`](Self::index_problems), [`snapshot_problems`](Self::snapshot_problems),
    /// [`dead_letter_problems`](Self::dead_letter_problems), [`checkpoint_problems`](Self::checkpoint_problems) and
    /// [`request_problems`](Self::request_problems) don't count.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Who takes in the commits up to the first damage, which go on from a base.
pub(crate) type Fed<'f> = Box<dyn FnMut(CommitRef<'_>, Place) -> Result<(), Fault> + 'f>;

/// Checks everything.
pub(crate) fn verify<'f>(
    medium: &Medium,
    begin: impl Fn(&Arc<Base>) -> Result<Fed<'f>, Error>,
) -> Result<VerifyReport, Error> {
    let store = match read_store_file(medium) {
        Ok(Some(store)) => store,
        Ok(None) => return Err(Error::not_a_store(medium.files.root(), "it has no store file")),
        Err(error) => return problem_or(error),
    };
    loop {
        let base = match Base::read(medium, &store.id) {
            Ok(base) => Arc::new(base),
            Err(error) => return problem_or(error),
        };
        let report = verify_from(medium, &store, &base, &mut *begin(&base)?);
        // A living writer may have moved the beginning of the log on meanwhile.
        let now = Base::read(medium, &store.id).map(|base| base.first_segment());
        if now.is_ok_and(|now| now != base.first_segment()) {
            continue;
        }
        return report;
    }
}

fn verify_from(
    medium: &Medium,
    store: &StoreFile,
    base: &Base,
    each: &mut Each<'_>,
) -> Result<VerifyReport, Error> {
    let listing = list(medium, base.first_segment())?;
    let mut verify = Verify {
        medium,
        store,
        first: base.first_segment(),
        listing: &listing,
        report: VerifyReport { segments: listing.segments.len() as u64, ..VerifyReport::default() },
        checker: Checker::default(),
        chain: base.chain(),
        witness: None,
        mark: base.chain().synced,
    };
    verify.foreign();
    verify.watermark()?;
    verify.segments(each)?;
    Ok(verify.report)
}

/// Damage is what a check reports; anything else ends it.
fn problem_or(error: Error) -> Result<VerifyReport, Error> {
    match error.corruption() {
        Some(corruption) => {
            Ok(VerifyReport { problems: vec![corruption.clone()], ..VerifyReport::default() })
        }
        None => Err(error),
    }
}

struct Verify<'m> {
    medium: &'m Medium,
    store: &'m StoreFile,
    /// Number of the first segment.
    first: u64,
    listing: &'m Listing,
    report: VerifyReport,
    checker: Checker,
    chain: Chain,
    /// The highest position that anything behind the first damage calls synced; looked for once.
    witness: Option<u64>,
    mark: u64,
}

impl Verify<'_> {
    fn problem(
        &mut self,
        what: &str,
        file: &str,
        segment: Option<u64>,
        at: u64,
        expected: String,
        found: String,
    ) {
        self.report.problems.push(Corruption::new(what, file, segment, at, expected, found));
    }

    fn foreign(&mut self) {
        for file in &self.listing.foreign {
            let expected = "only segments, named by 20 digits and .seg".to_owned();
            let found = file.clone();
            self.report.problems.push(Corruption::new("log folder", file, None, 0, expected, found));
        }
    }

    fn watermark(&mut self) -> Result<(), Error> {
        let failed = |error| Error::io("reading", Path::new(WATERMARK_FILE), error);
        let bytes = match self.medium.files.read(WATERMARK_FILE, WATERMARK_BYTES as usize + 1) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let mark = watermark::newest_mark(&bytes, &self.store.id).map_or(0, |(_, mark)| mark.synced);
        self.mark = self.mark.max(mark);
        match blocks::check_watermark_header(&bytes, &self.store.id) {
            // A file that a crash left unfinished is made again by the next open.
            Ok(_) => {}
            Err(_) if bytes.iter().all(|byte| *byte == 0) => {}
            Err(BlockFault::Damaged(at, expected, found)) => {
                self.problem("watermark file", WATERMARK_FILE, None, at, expected, found);
            }
            Err(later) => return Err(later.into_error("watermark file", WATERMARK_FILE, None)),
        }
        Ok(())
    }

    fn segments(&mut self, each: &mut Each<'_>) -> Result<(), Error> {
        let mut expected = self.first;
        let mut end = (self.first, FRAMES_AT);
        for (number, entry) in &self.listing.segments {
            if *number != expected && self.is_acknowledged(expected, FRAMES_AT)? {
                let (path, next) = (segment_path(expected), self.chain.next);
                let wanted = format!("segments {expected} to {}, with position {next}", number - 1);
                self.problem("log", &path, Some(expected), 0, wanted, "no file".to_owned());
            }
            expected = number + 1;
            if let Some(offset) = self.segment(*number, entry, each)? {
                end = (*number, offset);
            }
        }
        self.report.tail_bytes = look_behind(self.medium, self.store, self.listing, end.0, end.1)?.bytes;
        if self.report.problems.is_empty() && self.mark >= self.chain.next {
            let (next, mark) = (self.chain.next, self.mark);
            let wanted = format!("position {next}, which was acknowledged (synced up to {mark})");
            let found = "the end of the data".to_owned();
            self.problem("frame", &segment_path(end.0), Some(end.0), end.1, wanted, found);
        }
        Ok(())
    }

    /// Checks one segment. Returns where its frames end, if it has any or could have.
    fn segment(&mut self, number: u64, entry: &Entry, each: &mut Each<'_>) -> Result<Option<u64>, Error> {
        let (path, whole) = (segment_path(number), self.store.geometry.segment_bytes());
        if entry.bytes != whole {
            if self.is_acknowledged(number, FRAMES_AT)? {
                let (expected, found) = (format!("{whole} bytes"), format!("{} bytes", entry.bytes));
                self.problem("segment", &path, Some(number), entry.bytes.min(whole), expected, found);
            }
            return Ok(None);
        }
        let (segment, writer) = Segment::open(self.medium, &self.store.id, number, Access::Read)?;
        let head = segment.region.head_bytes(0, FRAMES_AT);
        let frames = Frames::of(&segment, &writer, self.store.geometry)?;
        match blocks::check_segment_header(&head, &self.store.id, number, self.store.geometry) {
            Ok(_) => {}
            Err(BlockFault::Damaged(at, expected, found)) => {
                // Of a creation that a crash cut short, frames that nobody acknowledged may be all that is left; a whole
                // header of something else it never leaves.
                let missed = self.is_acknowledged(number, FRAMES_AT)?;
                if missed || headers::is_foreign(at, &head) {
                    self.problem("segment header", &path, Some(number), at, expected, found);
                }
                if !missed {
                    return Ok(None);
                }
            }
            Err(later) => return Err(later.into_error("segment header", &path, Some(number))),
        }
        let end = self.frames(number, &frames, each)?;
        self.seal(number, &head, segment.seed, end);
        Ok(Some(end))
    }

    /// Walks frames; behind damage, goes on with the next header that holds.
    fn frames(&mut self, number: u64, frames: &Frames<'_>, each: &mut Each<'_>) -> Result<u64, Error> {
        let (mut offset, geometry) = (FRAMES_AT, self.store.geometry);
        let mut tried = None;
        loop {
            let sound = self.report.problems.is_empty();
            // What holds by its checksums and is refused all the same isn't what a crash leaves.
            let mut refused = false;
            let mut tell = |commit: CommitRef<'_>, at: u64| match sound {
                true => each(commit, geometry.place(number, at)).inspect_err(|_| refused = true),
                false => Ok(()),
            };
            let before = self.chain;
            let (at, stop) = frames.walk(offset, &mut self.chain, &mut self.checker, &mut tell);
            self.report.commits += self.chain.commits - before.commits;
            self.report.events += self.chain.next - before.next;
            let fault = match stop {
                super::scan::Stop::Bad(fault) => fault,
                super::scan::Stop::Unsupported(feature) => {
                    return Err(Error::unsupported(format!(
                        "{feature} in {} at byte {at}",
                        segment_path(number)
                    )));
                }
                super::scan::Stop::Zeros | super::scan::Stop::Full => match self.gap(number, frames, at)? {
                    Some(fault) => fault,
                    None => return Ok(at),
                },
            };
            if !refused && !self.is_acknowledged(number, at)? {
                return Ok(at);
            }
            // Beside a living writer what was missing a moment ago may be there now.
            if tried != Some(at) {
                (tried, offset, self.witness) = (Some(at), at, None);
                continue;
            }
            let next = self.resume(frames, at);
            self.report(number, at, fault);
            match next {
                Some(next) => offset = next,
                None => return Ok(frames.end()),
            }
        }
    }

    /// Zeros where a frame should be: something follows in this segment that was acknowledged.
    fn gap(&mut self, number: u64, frames: &Frames<'_>, at: u64) -> Result<Option<Fault>, Error> {
        let Some((_, header)) = frames.later_header(at) else { return Ok(None) };
        if header.first < self.chain.next || !self.is_acknowledged(number, at)? {
            return Ok(None);
        }
        Ok(Some(Fault::new("frame", 0, format!("position {}", self.chain.next), "zeros")))
    }

    fn report(&mut self, number: u64, at: u64, fault: Fault) {
        let place = at + fault.at as u64;
        self.problem(fault.what, &segment_path(number), Some(number), place, fault.expected, fault.found);
    }

    /// Where to go on behind damage, with the chain set to what stands there.
    fn resume(&mut self, frames: &Frames<'_>, at: u64) -> Option<u64> {
        let continues = |header: &Header| self.chain.admit(header, true).is_ok();
        if let Some(header) = frames.header(at).ok().flatten().filter(continues) {
            // The header holds: only what it holds together is damaged.
            self.chain.next += u64::from(header.events);
            self.chain.epoch = Some(header.epoch);
            return Some(at + u64::from(header.length));
        }
        let mut from = at + super::geometry::FRAME_ALIGN;
        loop {
            let (found, header) = frames.later_header(from)?;
            if header.first >= self.chain.next {
                self.chain = Chain { next: header.first, epoch: Some(header.epoch), ..self.chain };
                return Some(found);
            }
            from = found + super::geometry::FRAME_ALIGN;
        }
    }

    /// Whether anything calls the next position synced: what a frame behind the damage says, a seal or the mark.
    fn is_acknowledged(&mut self, number: u64, offset: u64) -> Result<bool, Error> {
        if self.witness.is_none() {
            let later = look_behind(self.medium, self.store, self.listing, number, offset)?;
            self.witness = Some(later.synced.max(later.sealed).max(self.mark));
        }
        Ok(self.witness.is_some_and(|witness| witness >= self.chain.next))
    }

    fn seal(&mut self, number: u64, head: &[u8], seed: Seed, end: u64) {
        let sector = &head[SEAL_AT as usize..SEAL_AT as usize + BLOCK_BYTES];
        // A torn seal is written again by the next open.
        let Ok(Some(seal)) = Seal::decode(sector, seed) else { return };
        if self.report.problems.is_empty() && (seal.end != end || seal.next != self.chain.next) {
            let expected = format!("frames up to byte {} and position {}", seal.end, seal.next);
            let found = format!("frames up to byte {end} and position {}", self.chain.next);
            self.problem("seal", &segment_path(number), Some(number), SEAL_AT, expected, found);
        }
    }
}
