//! A run that is looked up in place. Every block is checked before its first use; a run that is damaged says so, and never
//! gives a wrong answer. Never reads the log.

use super::header::{
    Covered, Header, RUN_BLOCK, SECTIONS, SECTIONS_AT, SEGMENT_BYTES, SLOT_BYTES, SPARSE_BYTES, Section, Slot,
};
use crate::index::filter;
use crate::index::key::{Key, KeyKind};
use crate::index::packed::{List, Source};
use crate::index::tail::Noted;
use crate::log::Place;
use crate::log::blocks::{BLOCK_BYTES, BlockFault, StoreId, u32_at, u64_at};
use crate::medium::{Access, Files, Region, RegionWriter};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A run whose bytes don't hold: to be made again from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damaged(Box<Damage>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Damage {
    first_segment: u64,
    segments: u32,
    at: u64,
    what: String,
}

impl Damaged {
    #[cold]
    fn new(covered: &Covered, at: u64, what: impl Into<String>) -> Self {
        let (first_segment, segments) = (covered.first_segment, covered.segments);
        Self(Box::new(Damage { first_segment, segments, at, what: what.into() }))
    }

    /// Whether it is this run.
    pub(crate) fn is(&self, run: &Run) -> bool {
        let covered = run.covered();
        (self.0.first_segment, self.0.segments) == (covered.first_segment, covered.segments)
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { first_segment, segments, at, what } = &*self.0;
        let last = first_segment + u64::from(*segments) - 1;
        write!(f, "index of segments {first_segment} to {last}, byte {at}: {what}")
    }
}

/// One run.
pub(crate) struct Run {
    header: Header,
    /// Where each section begins, and where the last one ends.
    places: [u64; SECTIONS + 1],
    /// Place of the first byte of its first segment.
    origin: u64,
    region: Arc<Region>,
    /// A bit for each block that was checked.
    checked: Box<[AtomicU64]>,
    in_file: bool,
}

impl Run {
    /// Maps a run and checks its head.
    ///
    /// # Errors
    /// Of the inner kind: it is no run of this store, or its head doesn't hold.
    pub(crate) fn open(
        files: &dyn Files,
        path: &str,
        store: &StoreId,
        segment_log2: u32,
    ) -> io::Result<Result<Self, BlockFault>> {
        let mut writer = files.open_region(path, Access::Read)?;
        let len = writer.region().len();
        let head = writer.region().head_bytes(0, len.min(BLOCK_BYTES as u64));
        let header = match Header::decode(&head, store, len) {
            Ok(header) => header,
            Err(fault) => return Ok(Err(fault)),
        };
        writer.publish(len);
        writer.region().release();
        let run = Self::over(header, &writer, segment_log2, 0);
        let checksums = run.region.bytes(SECTIONS_AT, SECTIONS_AT + run.header.lengths[0]);
        let (expected, found) = (run.header.checksums_crc, crc32fast::hash(checksums));
        if expected != found {
            let (expected, found) = (format!("checksum {expected:#010x}"), format!("{found:#010x}"));
            return Ok(Err(BlockFault::Damaged(SECTIONS_AT, expected, found)));
        }
        // No checksum covers it.
        let gap_at = SECTIONS_AT + run.header.lengths[0];
        let gap = run.region.bytes(gap_at, run.places[1]);
        if let Some(at) = gap.iter().position(|byte| *byte != 0) {
            let (expected, found) = ("zeros behind the checksums".to_owned(), format!("{:#04x}", gap[at]));
            return Ok(Err(BlockFault::Damaged(gap_at + at as u64, expected, found)));
        }
        Ok(Ok(run.in_file()))
    }

    /// A run in a region that has its head; `checked` is a word for each 64 blocks.
    pub(super) fn over(header: Header, writer: &RegionWriter, segment_log2: u32, checked: u64) -> Self {
        let places = header.places().expect("lengths were checked");
        let words = (places[SECTIONS] / RUN_BLOCK + 1).div_ceil(64);
        Self {
            places,
            origin: header.covered.first_segment << segment_log2,
            header,
            region: writer.region().clone(),
            checked: (0..words).map(|_| AtomicU64::new(checked)).collect(),
            in_file: false,
        }
    }

    /// The same, known to stand in a file under its name.
    pub(crate) fn in_file(mut self) -> Self {
        self.in_file = true;
        self
    }

    /// Whether it stands in a file under its name, not in memory only.
    pub(crate) fn is_in_file(&self) -> bool {
        self.in_file
    }

    pub(crate) fn covered(&self) -> &Covered {
        &self.header.covered
    }

    pub(crate) fn keys(&self) -> u32 {
        self.header.keys
    }

    pub(crate) fn new_streams(&self) -> u64 {
        self.header.new_streams
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.places[SECTIONS]
    }

    /// Place of the first byte of its first segment, from which its postings are counted.
    pub(crate) fn origin(&self) -> u64 {
        self.origin
    }

    fn damaged(&self, at: u64, what: impl Into<String>) -> Damaged {
        Damaged::new(&self.header.covered, at, what)
    }

    /// Bytes of a section, checked.
    #[inline]
    pub(super) fn section(&self, section: Section, at: u64, count: u64) -> Result<&[u8], Damaged> {
        let start = self.places[section as usize];
        let end = at.checked_add(count).filter(|end| *end <= self.header.lengths[section as usize]);
        let Some(end) = end else {
            return Err(self.damaged(start, format!("{count} bytes at {at} of {section:?} aren't there")));
        };
        self.check(start + at, start + end)?;
        Ok(self.region.bytes(start + at, start + end))
    }

    /// Checks the blocks of a range that weren't checked before.
    #[inline]
    fn check(&self, from: u64, to: u64) -> Result<(), Damaged> {
        let (first, last) = (from / RUN_BLOCK, to.max(from + 1).div_ceil(RUN_BLOCK));
        for block in first..last {
            let word = &self.checked[(block / 64) as usize];
            if word.load(Ordering::Relaxed) & 1 << (block % 64) == 0 {
                self.check_block(block)?;
                word.fetch_or(1 << (block % 64), Ordering::Relaxed);
            }
        }
        Ok(())
    }

    #[cold]
    fn check_block(&self, block: u64) -> Result<(), Damaged> {
        match self.bad_block(block) {
            None => Ok(()),
            Some((from, expected, found)) => {
                Err(self.damaged(from, format!("expected checksum {expected:#010x}, found {found:#010x}")))
            }
        }
    }

    /// Where a block begins whose checksum isn't what it should be, and both.
    fn bad_block(&self, block: u64) -> Option<(u64, u32, u32)> {
        // Of the checksums themselves the head has one, which opening has checked.
        let number = block.checked_sub(self.places[1] / RUN_BLOCK)?;
        let (from, end) = (block * RUN_BLOCK, self.places[SECTIONS]);
        let bytes = self.region.bytes(from, (from + RUN_BLOCK).min(end));
        let sum_at = SECTIONS_AT + 4 * number;
        let expected = u32_at(self.region.bytes(sum_at, sum_at + 4), 0);
        let found = crc32fast::hash(bytes);
        (expected != found).then_some((from, expected, found))
    }

    /// Every block whose checksum isn't what it should be: where it begins, and both.
    pub(crate) fn bad_blocks(&self) -> impl Iterator<Item = (u64, u32, u32)> {
        (self.places[1] / RUN_BLOCK..self.places[SECTIONS].div_ceil(RUN_BLOCK))
            .filter_map(|block| self.bad_block(block))
    }

    /// The slot of a key, whose hash is given.
    pub(crate) fn find(&self, key: Key<'_>, hash: u64) -> Result<Option<Slot>, Damaged> {
        let blocks = self.header.lengths[Section::Filter as usize] / filter::BLOCK as u64;
        let at = filter::block_of(hash, blocks) * filter::BLOCK as u64;
        if !filter::may_hold(self.section(Section::Filter, at, filter::BLOCK as u64)?, hash) {
            return Ok(None);
        }
        let range = hash.checked_shr(u64::BITS - self.header.directory_log2).unwrap_or(0);
        let bounds = self.section(Section::Directory, 4 * range, 8)?;
        for number in u32_at(bounds, 0)..u32_at(bounds, 4) {
            let slot = self.slot(number)?;
            if slot.hash == hash && slot.kind == key.kind as u8 && self.name(&slot)? == key.name {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    pub(crate) fn slot(&self, number: u32) -> Result<Slot, Damaged> {
        let bytes = self.section(Section::Slots, u64::from(number) * SLOT_BYTES, SLOT_BYTES)?;
        let slot = Slot::decode(bytes);
        if slot.count == 0 {
            return Err(self.damaged(self.places[Section::Slots as usize], "a key without postings"));
        }
        Ok(slot)
    }

    pub(crate) fn name(&self, slot: &Slot) -> Result<&[u8], Damaged> {
        self.section(Section::Names, slot.name_at.into(), slot.name_bytes.into())
    }

    pub(crate) fn kind(&self, slot: &Slot) -> Result<KeyKind, Damaged> {
        let kind = KeyKind::of_number(slot.kind);
        kind.ok_or_else(|| self.damaged(0, format!("kind {} of a key isn't known", slot.kind)))
    }

    /// Copies places of a key from its posting `n` in this run on. Returns how many.
    pub(crate) fn copy(&self, slot: &Slot, n: u32, out: &mut [Place]) -> Result<usize, Damaged> {
        let mut numbers = [0; 32];
        let mut copied = 0;
        while copied < out.len() {
            let want = (out.len() - copied).min(numbers.len());
            let got = Self::list(slot).copy(&Postings(self), n + copied as u32, &mut numbers[..want])?;
            for (place, number) in out[copied..].iter_mut().zip(&numbers[..got]) {
                *place = Place(self.origin + number);
            }
            copied += got;
            if got < want {
                break;
            }
        }
        Ok(copied)
    }

    /// How many postings of the key in this run stand before `place`.
    pub(crate) fn before(&self, slot: &Slot, place: Place) -> Result<u32, Damaged> {
        match place.0.checked_sub(self.origin) {
            None => Ok(0),
            Some(number) => Self::list(slot).before(&Postings(self), number),
        }
    }

    pub(super) fn numbers(&self, slot: &Slot, n: u32, out: &mut [u64]) -> Result<(), Damaged> {
        match Self::list(slot).copy(&Postings(self), n, out)? {
            copied if copied == out.len() => Ok(()),
            copied => Err(self.damaged(0, format!("{copied} postings where {} are counted", out.len()))),
        }
    }

    fn list(slot: &Slot) -> List {
        List { at: slot.postings_at, count: slot.count }
    }

    /// First position of a segment that is covered, and where its frames end.
    pub(crate) fn segment(&self, number: u32) -> Result<(u64, u64), Damaged> {
        let bytes = self.section(Section::Segments, u64::from(number) * SEGMENT_BYTES, SEGMENT_BYTES)?;
        Ok((u64_at(bytes, 0), u64_at(bytes, 8)))
    }

    /// Number of noted frames.
    pub(super) fn sparse_count(&self) -> u64 {
        self.header.lengths[Section::Sparse as usize] / SPARSE_BYTES
    }

    /// A noted frame.
    pub(super) fn sparse(&self, number: u64) -> Result<Noted, Damaged> {
        let bytes = self.section(Section::Sparse, number * SPARSE_BYTES, SPARSE_BYTES)?;
        let (first, place) = (u64_at(bytes, 0), Place(u64_at(bytes, 8)));
        Ok(Noted { first, place, time_max: u64_at(bytes, 16) as i64 })
    }

    /// The last noted frame that `is_before` holds for; it holds for none behind one that it doesn't hold for.
    pub(crate) fn noted(&self, is_before: impl Fn(&Noted) -> bool) -> Result<Option<Noted>, Damaged> {
        let (mut low, mut high) = (0, self.sparse_count());
        while low < high {
            let middle = (low + high) / 2;
            if is_before(&self.sparse(middle)?) { low = middle + 1 } else { high = middle }
        }
        low.checked_sub(1).map(|number| self.sparse(number)).transpose()
    }

    /// Whether both have the same bytes: what a run holds follows from the log alone.
    pub(crate) fn same_as(&self, other: &Self) -> Result<bool, Damaged> {
        self.check_all()?;
        let end = self.places[SECTIONS];
        Ok(self.header == other.header
            && self.region.bytes(SECTIONS_AT, end) == other.region.bytes(SECTIONS_AT, end))
    }

    /// The bytes of the file.
    #[cfg(test)]
    pub(super) fn copy_of_file(&self) -> Vec<u8> {
        let end = self.places[SECTIONS];
        [self.region.head_bytes(0, SECTIONS_AT), self.region.bytes(SECTIONS_AT, end).to_vec()].concat()
    }

    /// Checks every block.
    pub(crate) fn check_all(&self) -> Result<(), Damaged> {
        (self.places[1] / RUN_BLOCK..self.places[SECTIONS].div_ceil(RUN_BLOCK))
            .try_for_each(|block| self.check_block(block))
    }
}

/// The section that lists stand in.
struct Postings<'r>(&'r Run);

impl Source for Postings<'_> {
    #[inline]
    fn bytes(&self, at: u64, count: u64) -> Result<&[u8], Damaged> {
        self.0.section(Section::Postings, at, count)
    }
}
