//! Where the fields of a frame and of an event record stand (`docs/format.md`), and the checksum formulas that writer
//! and reader share.
//!
//! Reading never panics: a place outside the bytes reads as zero or empty. Never validates; see `log::frame`.

use crc32fast::Hasher;

/// Frames start at multiples of this, and their lengths are multiples of it.
pub(crate) const FRAME_ALIGN: usize = 8;

/// Places in the header of a frame.
pub(crate) mod header {
    pub(crate) const LENGTH: usize = 0;
    pub(crate) const CRC: usize = 4;
    pub(crate) const FIRST_POSITION: usize = 8;
    pub(crate) const SYNCED: usize = 16;
    pub(crate) const TIME: usize = 24;
    pub(crate) const EPOCH: usize = 32;
    pub(crate) const REVISIONS: usize = 40;
    pub(crate) const EVENTS: usize = 48;
    pub(crate) const STREAMS: usize = 50;
    pub(crate) const KIND: usize = 52;
    pub(crate) const FLAGS: usize = 53;
    pub(crate) const ZERO: usize = 54;
    pub(crate) const NAMES: usize = 56;
    pub(crate) const BODY_CRC: usize = 60;
    /// Length of the header in bytes.
    pub(crate) const BYTES: usize = 64;

    /// Kind of a frame that holds events.
    pub(crate) const KIND_EVENTS: u8 = 1;
    /// Flag: first frame of its epoch.
    pub(crate) const FLAG_FIRST_OF_EPOCH: u8 = 1;
    /// Flag: has items.
    pub(crate) const FLAG_ITEMS: u8 = 2;
    /// Bits of the number of names; those above must be zero.
    pub(crate) const NAMES_MASK: u32 = 0x00FF_FFFF;
}

/// Places in an event record.
pub(crate) mod record {
    pub(crate) const LENGTH: usize = 0;
    pub(crate) const CRC: usize = 4;
    /// First byte under the event checksum.
    pub(crate) const BACK: usize = 8;
    pub(crate) const NUMBER: usize = 12;
    pub(crate) const STREAM: usize = 14;
    pub(crate) const TYPE: usize = 16;
    pub(crate) const ORDINAL: usize = 18;
    pub(crate) const METADATA_BYTES: usize = 20;
    pub(crate) const CONTENT: usize = 22;
    pub(crate) const CODING: usize = 23;
    pub(crate) const CIPHER: usize = 24;
    pub(crate) const FLAGS: usize = 25;
    pub(crate) const ID: usize = 26;
    /// Length of the fixed part of a record in bytes.
    pub(crate) const BYTES: usize = 42;

    /// Flag: the id is a UUID.
    pub(crate) const FLAG_UUID: u8 = 1;
    /// Flag: has a time of its own.
    pub(crate) const FLAG_TIME: u8 = 2;
    /// Flag: has keys.
    pub(crate) const FLAG_KEYS: u8 = 4;
    /// Bytes of an id that the fixed part has room for, as text.
    pub(crate) const ID_INLINE_BYTES: usize = 15;
    /// Most keys that a reader accepts.
    pub(crate) const KEYS_MAX: usize = 1_024;
}

/// Kinds of names.
pub(crate) mod kind {
    pub(crate) const STREAM: u8 = 1;
    pub(crate) const TYPE: u8 = 2;
    pub(crate) const TAG: u8 = 3;
    pub(crate) const CORRELATION_TEXT: u8 = 4;
    pub(crate) const CORRELATION_UUID: u8 = 5;
}

/// Bits of the end of a name in a directory entry; the kind stands above them.
pub(crate) const NAME_END_MASK: u32 = 0x00FF_FFFF;

const _: () = {
    assert!(header::BYTES.is_multiple_of(FRAME_ALIGN));
    assert!(header::CRC == header::LENGTH + size_of::<u32>());
    assert!(header::FIRST_POSITION == header::CRC + size_of::<u32>());
    assert!(header::SYNCED == header::FIRST_POSITION + size_of::<u64>());
    assert!(header::TIME == header::SYNCED + size_of::<u64>());
    assert!(header::EPOCH == header::TIME + size_of::<i64>());
    assert!(header::REVISIONS == header::EPOCH + size_of::<u64>());
    assert!(header::EVENTS == header::REVISIONS + size_of::<u64>());
    assert!(header::STREAMS == header::EVENTS + size_of::<u16>());
    assert!(header::KIND == header::STREAMS + size_of::<u16>());
    assert!(header::FLAGS == header::KIND + size_of::<u8>());
    assert!(header::ZERO == header::FLAGS + size_of::<u8>());
    assert!(header::NAMES == header::ZERO + size_of::<u16>());
    assert!(header::BODY_CRC == header::NAMES + size_of::<u32>());
    assert!(header::BYTES == header::BODY_CRC + size_of::<u32>());

    assert!(record::CRC == record::LENGTH + size_of::<u32>());
    assert!(record::BACK == record::CRC + size_of::<u32>());
    assert!(record::NUMBER == record::BACK + size_of::<u32>());
    assert!(record::STREAM == record::NUMBER + size_of::<u16>());
    assert!(record::TYPE == record::STREAM + size_of::<u16>());
    assert!(record::ORDINAL == record::TYPE + size_of::<u16>());
    assert!(record::METADATA_BYTES == record::ORDINAL + size_of::<u16>());
    assert!(record::CONTENT == record::METADATA_BYTES + size_of::<u16>());
    assert!(record::CODING == record::CONTENT + size_of::<u8>());
    assert!(record::CIPHER == record::CODING + size_of::<u8>());
    assert!(record::FLAGS == record::CIPHER + size_of::<u8>());
    assert!(record::ID == record::FLAGS + size_of::<u8>());
    assert!(record::BYTES == record::ID + 16);
    assert!(record::ID_INLINE_BYTES + 1 == record::BYTES - record::ID);
    assert!(crate::limits::TAGS_MAX < record::KEYS_MAX);
    assert!(crate::limits::NAMES_BYTES_MAX == NAME_END_MASK as usize);
    assert!(crate::limits::COMMIT_EVENTS_MAX <= u16::MAX as usize);
    assert!(crate::limits::METADATA_BYTES_MAX <= u16::MAX as usize);
    assert!(crate::limits::EVENT_ID_BYTES_MAX <= u8::MAX as usize);
};

macro_rules! read_at {
    ($name:ident, $number:ty) => {
        /// The number at `at`; zero if it isn't all there.
        #[inline(always)]
        pub(crate) fn $name(bytes: &[u8], at: usize) -> $number {
            match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
                Some(raw) => <$number>::from_le_bytes(*raw),
                None => 0,
            }
        }
    };
}
read_at!(u16_at, u16);
read_at!(u32_at, u32);
read_at!(u64_at, u64);
read_at!(i64_at, i64);

/// The byte at `at`; zero if it isn't there.
#[inline(always)]
pub(crate) fn u8_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The bytes from `start` to `end`; empty if they aren't all there.
#[inline(always)]
pub(crate) fn slice_at(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end).unwrap_or(&[])
}

/// CRC-32 continued from `init`.
#[inline]
pub(crate) fn crc(init: u32, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(init);
    hasher.update(bytes);
    hasher.finalize()
}

/// Makes checksums; asks once what the processor can do.
#[derive(Default)]
pub(crate) struct Crc(Hasher);

impl Crc {
    /// CRC-32 of `bytes`.
    #[inline]
    pub(crate) fn of(&self, bytes: &[u8]) -> u32 {
        let mut hasher = self.0.clone();
        hasher.update(bytes);
        hasher.finalize()
    }

    /// The body checksum of a frame with this directory, to be fed with the rest.
    #[inline]
    pub(crate) fn body_sum(&self, directory: &[u8]) -> BodySum {
        let mut sum = BodySum { hasher: self.0.clone(), held: [0; 64], held_bytes: 0 };
        match sum.held.get_mut(..directory.len()) {
            Some(held) if directory.len().is_multiple_of(4) => {
                held.copy_from_slice(directory);
                sum.held_bytes = directory.len();
            }
            _ => sum.hasher.update(directory),
        }
        sum
    }

    /// Changes the first four bytes so that [`of`](Self::of) gives the CRC-32 of `bytes` continued from `init`. Whoever calls
    /// this puts them right again.
    #[inline]
    pub(crate) fn prepare(&self, init: u32, bytes: &mut [u8]) {
        if let Some(first) = bytes.first_chunk_mut::<4>() {
            *first = (u32::from_le_bytes(*first) ^ init).to_le_bytes();
        }
    }

    /// CRC-32 continued from `init`: the same as that of bytes of which the first four are combined with `init`. They are
    /// for as long as this takes.
    #[inline]
    pub(crate) fn continued(&self, init: u32, bytes: &mut [u8]) -> u32 {
        let Some(first) = bytes.first_chunk_mut::<4>() else { return crc(init, bytes) };
        let own = *first;
        *first = (u32::from_le_bytes(own) ^ init).to_le_bytes();
        let crc = self.of(bytes);
        bytes[..4].copy_from_slice(&own);
        crc
    }
}

/// What the event checksum of a record of `length` bytes starts from: the names that the record points at.
#[inline]
pub(crate) fn event_crc_init(
    length: u32,
    stream: u32,
    event_type: u32,
    keys: impl Iterator<Item = u32>,
) -> u32 {
    let fold = |init: u32, name: u32| init.rotate_left(5) ^ name;
    keys.fold(fold(fold(length, stream), event_type), fold)
}

/// The body checksum, fed in the order of the format: directory, name checksums, items, event checksums.
pub(crate) struct BodySum {
    hasher: Hasher,
    /// Words that were not hashed yet: one by one they would cost more than together.
    held: [u8; 64],
    held_bytes: usize,
}

impl BodySum {
    /// A checksum, of a name or of an event without its place.
    #[inline]
    pub(crate) fn checksum(&mut self, crc: u32) {
        if self.held_bytes == self.held.len() {
            self.flush();
        }
        self.held[self.held_bytes..self.held_bytes + 4].copy_from_slice(&crc.to_le_bytes());
        self.held_bytes += 4;
    }

    /// The items with the length before them, if there are any.
    pub(crate) fn items(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.flush();
            self.hasher.update(bytes);
        }
    }

    fn flush(&mut self) {
        self.hasher.update(&self.held[..self.held_bytes]);
        self.held_bytes = 0;
    }

    #[inline]
    pub(crate) fn finish(mut self) -> u32 {
        self.flush();
        self.hasher.finalize()
    }
}

/// Bytes that the revisions of a commit take.
#[inline]
pub(crate) const fn revisions_bytes(streams: usize) -> usize {
    if streams > 1 { 8 * streams } else { 0 }
}
