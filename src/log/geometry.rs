//! Numbers of the layout that everything in the log shares: places, segment sizes, seeds. `docs/format.md` is their home.

use crate::limits;

/// Byte of a segment at which frames begin.
pub(crate) const FRAMES_AT: u64 = 4_096;
/// What a sync is padded to, where the store asks for it.
pub(crate) const SECTOR: u64 = 4_096;
/// Length of a frame's header.
pub(crate) const HEADER_BYTES: u64 = 64;
/// Frames begin at multiples of it.
pub(crate) const FRAME_ALIGN: u64 = 8;
/// Folder of the segments.
pub(crate) const LOG_DIR: &str = "log";

const _: () = {
    assert!(FRAMES_AT.is_multiple_of(FRAME_ALIGN) && HEADER_BYTES.is_multiple_of(FRAME_ALIGN));
    assert!(limits::SEGMENT_BYTES_MIN.is_power_of_two() && limits::SEGMENT_BYTES_MIN > FRAMES_AT);
    assert!(limits::SEGMENT_BYTES_MAX <= 1 << 30);
    assert!(limits::commit_bytes_max(limits::SEGMENT_BYTES_MIN) <= limits::SEGMENT_BYTES_MIN - FRAMES_AT);
};

/// Byte place in the whole log: `segment number * segment size + offset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(pub(crate) u64);

/// How the bytes of one store are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) segment_log2: u32,
    /// Each sync is padded to a [`SECTOR`].
    pub(crate) padded: bool,
}

impl Geometry {
    pub(crate) fn segment_bytes(self) -> u64 {
        1 << self.segment_log2
    }

    pub(crate) fn place(self, segment: u64, offset: u64) -> Place {
        debug_assert!(offset <= self.segment_bytes());
        Place((segment << self.segment_log2) + offset)
    }

    #[inline]
    pub(crate) fn segment(self, place: Place) -> u64 {
        place.0 >> self.segment_log2
    }

    #[inline]
    pub(crate) fn offset(self, place: Place) -> u64 {
        place.0 & (self.segment_bytes() - 1)
    }

    /// Where a frame may begin after one that ends at `offset`, once that end has been synced.
    pub(crate) fn after_sync(self, offset: u64) -> u64 {
        if self.padded { offset.next_multiple_of(SECTOR) } else { offset }
    }
}

/// Binds checksums to a store and a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn new(store: &[u8; 16], segment: u64) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(store);
        hasher.update(&segment.to_le_bytes());
        Self(hasher.finalize())
    }

    /// What is mixed into a checksum that stands at `offset`.
    #[inline]
    pub(crate) fn mask(self, offset: u64) -> u32 {
        self.0 ^ (offset as u32).wrapping_mul(0x9E37_79B1)
    }

    /// Continues the seed over `bytes`.
    pub(crate) fn crc(self, bytes: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.0);
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// Path of a segment, relative to the store.
pub(crate) fn segment_path(number: u64) -> String {
    format!("{LOG_DIR}/{number:020}.seg")
}

/// Segment numbers are less: every place in the log is a number of 64 bits.
const SEGMENTS_MAX: u64 = u64::MAX / limits::SEGMENT_BYTES_MAX;

/// Number of the segment that a name in the log folder stands for.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let number =
        (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?;
    number.filter(|number| *number < SEGMENTS_MAX)
}
