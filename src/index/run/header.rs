//! The head of a run: what it covers, and where its sections stand. `docs/format.md` is the home of the layout. Never
//! touches a file.

use crate::index::{filter, packed};
use crate::log::blocks::{self, BLOCK_BYTES, BlockFault, StoreId, u32_at, u64_at};

const RUN_MAGIC: &[u8; 8] = b"ORCHIRUN";
/// Where the sections begin: the head of a file is never lent.
pub(crate) const SECTIONS_AT: u64 = 4_096;
/// What one checksum covers.
pub(crate) const RUN_BLOCK: u64 = 4_096;
const FIELDS_END: usize = 184;
const LENGTHS_AT: usize = 120;

/// The parts of a run behind its head, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// A checksum of each block behind this section.
    Checksums,
    /// The segments that are covered.
    Segments,
    /// Positions and places of some frames.
    Sparse,
    /// Where the slots of each range of hashes begin.
    Directory,
    /// One slot a key, by hash.
    Slots,
    Filter,
    Names,
    Postings,
}

pub(crate) const SECTIONS: usize = 8;

/// Bytes of an entry of a section.
pub(crate) const SEGMENT_BYTES: u64 = 16;
pub(crate) const SPARSE_BYTES: u64 = 24;
pub(crate) const SLOT_BYTES: u64 = 32;

/// Which part of the log a run covers, and where that ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) first_segment: u64,
    pub(crate) segments: u32,
    pub(crate) first_position: u64,
    pub(crate) last_position: u64,
    pub(crate) commits: u64,
    /// Offset of the last frame, in the last segment.
    pub(crate) last_frame: u64,
    /// Epoch of the last frame.
    pub(crate) epoch: u64,
    /// The latest time of a commit so far, those before this run among them.
    pub(crate) time_max: i64,
}

impl Covered {
    /// Number of the last segment.
    pub(crate) fn last_segment(&self) -> u64 {
        self.next_segment() - 1
    }

    /// Number of the segment behind the last one.
    pub(crate) fn next_segment(&self) -> u64 {
        self.first_segment + u64::from(self.segments)
    }
}

/// The head of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) store: StoreId,
    pub(crate) covered: Covered,
    pub(crate) keys: u32,
    /// The directory has two to this ranges of hashes.
    pub(crate) directory_log2: u32,
    /// Streams whose first event is in this run.
    pub(crate) new_streams: u64,
    /// Bytes of each section.
    pub(crate) lengths: [u64; SECTIONS],
    pub(crate) checksums_crc: u32,
}

impl Header {
    /// Where each section begins, and where the last one ends.
    pub(crate) fn places(&self) -> Option<[u64; SECTIONS + 1]> {
        let mut places = [SECTIONS_AT; SECTIONS + 1];
        for section in 0..SECTIONS {
            let align = if section == Section::Checksums as usize { RUN_BLOCK } else { 8 };
            let end = places[section].checked_add(self.lengths[section])?;
            places[section + 1] = end.checked_next_multiple_of(align)?;
        }
        Some(places)
    }

    pub(crate) fn encode(&self) -> [u8; BLOCK_BYTES] {
        let mut bytes = blocks::start(RUN_MAGIC, &self.store);
        let covered = &self.covered;
        let words = [
            (40, covered.first_segment),
            (48, u64::from(covered.segments)),
            (56, covered.first_position),
            (64, covered.last_position),
            (72, covered.commits),
            (80, covered.last_frame),
            (88, covered.epoch),
            (96, covered.time_max as u64),
            (104, u64::from(self.keys) | u64::from(self.directory_log2) << 32),
            (112, self.new_streams),
        ];
        for (at, word) in words {
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        // The length of the checksums follows from the others.
        for (section, length) in self.lengths.iter().enumerate().skip(1) {
            let at = LENGTHS_AT + 8 * (section - 1);
            bytes[at..at + 8].copy_from_slice(&length.to_le_bytes());
        }
        debug_assert_eq!(LENGTHS_AT + 8 * (SECTIONS - 1), 176);
        bytes[176..180].copy_from_slice(&self.checksums_crc.to_le_bytes());
        blocks::finish(bytes)
    }

    /// Decodes a head; the file has `bytes` bytes.
    pub(crate) fn decode(head: &[u8], store: &StoreId, bytes: u64) -> Result<Self, BlockFault> {
        // Only later programs may write such a run, but any that knows it may read it.
        blocks::check(head, RUN_MAGIC, FIELDS_END)?;
        let wrong = |at: usize, expected: &str, found: String| {
            Err(BlockFault::Damaged(at as u64, expected.to_owned(), found))
        };
        if blocks::store_id(head) != *store {
            return wrong(24, "the id of this store", "that of another one".to_owned());
        }
        let covered = Covered {
            first_segment: u64_at(head, 40),
            segments: u32_at(head, 48),
            first_position: u64_at(head, 56),
            last_position: u64_at(head, 64),
            commits: u64_at(head, 72),
            last_frame: u64_at(head, 80),
            epoch: u64_at(head, 88),
            time_max: u64_at(head, 96) as i64,
        };
        let mut lengths = [0; SECTIONS];
        for (section, length) in lengths.iter_mut().enumerate().skip(1) {
            *length = u64_at(head, LENGTHS_AT + 8 * (section - 1));
        }
        let mut header = Self {
            store: *store,
            covered,
            keys: u32_at(head, 104),
            directory_log2: u32_at(head, 108),
            new_streams: u64_at(head, 112),
            lengths,
            checksums_crc: u32_at(head, 176),
        };
        let fits = header.set_checksums_length() && header.fits();
        match header.places().filter(|_| fits).map(|places| places[SECTIONS]) {
            Some(end) if end == bytes => Ok(header),
            Some(end) => {
                wrong(LENGTHS_AT, "sections that end with the file", format!("{end} of {bytes} bytes"))
            }
            None => wrong(LENGTHS_AT, "lengths of sections that fit their entries", "others".to_owned()),
        }
    }

    /// Gives the checksums the length that the other sections ask for. `false` if that can't be.
    pub(crate) fn set_checksums_length(&mut self) -> bool {
        self.lengths[0] = 0;
        let Some(places) = self.places() else { return false };
        let blocks = (places[SECTIONS] - SECTIONS_AT).div_ceil(RUN_BLOCK);
        self.lengths[0] = 4 * blocks;
        true
    }

    /// Whether the lengths are those that the numbers of entries ask for.
    fn fits(&self) -> bool {
        let [_, segments, sparse, directory, slots, filter_bytes, _, postings] = self.lengths;
        self.covered.segments > 0
            && self.covered.first_segment.checked_add(u64::from(self.covered.segments)).is_some()
            && self.covered.first_position <= self.covered.last_position
            && segments == u64::from(self.covered.segments) * SEGMENT_BYTES
            && sparse.is_multiple_of(SPARSE_BYTES)
            && self.directory_log2 < 32
            && directory == 4 * ((1 << self.directory_log2) + 1)
            && slots == u64::from(self.keys) * SLOT_BYTES
            && filter_bytes == filter::blocks(self.keys.into()) * filter::BLOCK as u64
            && postings >= packed::PADDING
    }
}

/// Log2 of the ranges of hashes for so many keys: about four keys a range.
pub(crate) fn directory_log2(keys: u32) -> u32 {
    (keys / 4).max(1).ilog2()
}

/// One key of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) hash: u64,
    /// Events of a stream before this run; 0 for other keys.
    pub(crate) earlier: u64,
    pub(crate) kind: u8,
    pub(crate) name_at: u32,
    pub(crate) name_bytes: u16,
    /// Postings in this run.
    pub(crate) count: u32,
    /// Where they stand in the section.
    pub(crate) postings_at: u64,
}

const U48: u64 = (1 << 48) - 1;

impl Slot {
    pub(crate) fn encode(&self) -> [u8; SLOT_BYTES as usize] {
        debug_assert!(self.earlier <= U48 && self.postings_at <= U48);
        let words = [
            self.hash,
            self.earlier | u64::from(self.kind) << 48,
            self.postings_at | u64::from(self.name_bytes) << 48,
            u64::from(self.name_at) | u64::from(self.count) << 32,
        ];
        let mut bytes = [0; SLOT_BYTES as usize];
        for (at, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *at = word.to_le_bytes();
        }
        bytes
    }

    #[inline]
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let [hash, earlier, postings, names] = [0, 8, 16, 24].map(|at| u64_at(bytes, at));
        Self {
            hash,
            earlier: earlier & U48,
            kind: (earlier >> 48) as u8,
            postings_at: postings & U48,
            name_bytes: (postings >> 48) as u16,
            name_at: names as u32,
            count: (names >> 32) as u32,
        }
    }
}

const _: () = {
    assert!(SLOT_BYTES == 32 && LENGTHS_AT + 8 * (SECTIONS - 1) == 176 && FIELDS_END > 180);
    assert!(packed::NUMBER_BITS == 48);
    assert!(crate::limits::STREAM_NAME_BYTES_MAX <= u16::MAX as usize);
};
