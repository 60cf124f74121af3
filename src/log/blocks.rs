//! The fixed blocks that open a file: store file, segment header, seal, watermark header. Encoded and decoded by hand at
//! the offsets of `docs/format.md`. Never touches a file.

use super::geometry::{Geometry, Seed};
use crate::error::{Corruption, Error};
use crate::limits;

/// Length of a block that a checksum at its end covers.
pub(crate) const BLOCK_BYTES: usize = 512;
const CRC_AT: usize = BLOCK_BYTES - 4;
/// Offset of the seal in a segment.
pub(crate) const SEAL_AT: u64 = 512;
const VERSION: u32 = 1;

pub(crate) const STORE_MAGIC: &[u8; 8] = b"ORCHSTOR";
pub(crate) const SEGMENT_MAGIC: &[u8; 8] = b"ORCHSEGM";
pub(crate) const WATERMARK_MAGIC: &[u8; 8] = b"ORCHWMRK";
const SEAL_MAGIC: &[u8; 8] = b"ORCHSEAL";

/// The name that a store keeps for life.
pub(crate) type StoreId = [u8; 16];

/// What is wrong with a block.
#[derive(Debug)]
pub(crate) enum BlockFault {
    /// Bytes that can't be what they should be: at, expected, found.
    Damaged(u64, String, String),
    /// A version or feature of a later program; the text names it.
    Later(String),
}

impl BlockFault {
    /// The error for a block of `file`.
    pub(crate) fn into_error(self, what: &str, file: &str, segment: Option<u64>) -> Error {
        match self {
            Self::Damaged(offset, expected, found) => {
                Error::corrupt(Corruption::new(what, file, segment, offset, expected, found))
            }
            Self::Later(feature) => Error::unsupported(format!("{what} {file} has {feature}")),
        }
    }
}

fn damaged(at: usize, expected: impl Into<String>, found: impl Into<String>) -> BlockFault {
    BlockFault::Damaged(at as u64, expected.into(), found.into())
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The place of the first byte that isn't zero.
pub(crate) fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    match words.iter().position(|word| *word != [0; 8]) {
        Some(word) => Some(word * 8 + words[word].iter().position(|b| *b != 0).expect("a byte of it")),
        None => rest.iter().position(|b| *b != 0).map(|at| words.len() * 8 + at),
    }
}

/// A block with its magic, version and store; fields from byte 40 on follow.
pub(crate) fn start(magic: &[u8; 8], store: &StoreId) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    block[..8].copy_from_slice(magic);
    block[8..12].copy_from_slice(&VERSION.to_le_bytes());
    block[24..40].copy_from_slice(store);
    block
}

/// Completes a block with its checksum.
pub(crate) fn finish(mut block: [u8; BLOCK_BYTES]) -> [u8; BLOCK_BYTES] {
    let crc = crc32fast::hash(&block[..CRC_AT]);
    block[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    block
}

/// Magic, checksum, version and feature sets; then zeros from `fields_end` on. `true`: written only by later programs.
pub(crate) fn check(block: &[u8], magic: &[u8; 8], fields_end: usize) -> Result<bool, BlockFault> {
    if block.len() < BLOCK_BYTES {
        return Err(damaged(block.len(), format!("{BLOCK_BYTES} bytes"), format!("{} bytes", block.len())));
    }
    if block[..8] != magic[..] {
        let name = String::from_utf8_lossy(magic).into_owned();
        return Err(damaged(0, format!("the bytes {name}"), format!("{:02x?}", &block[..8])));
    }
    let (expected, found) = (crc32fast::hash(&block[..CRC_AT]), u32_at(block, CRC_AT));
    if expected != found {
        return Err(damaged(CRC_AT, format!("checksum {expected:#010x}"), format!("{found:#010x}")));
    }
    let version = u32_at(block, 8);
    if version != VERSION {
        return Err(BlockFault::Later(format!("version {version}; this program knows version {VERSION}")));
    }
    if u32_at(block, 20) != 0 {
        return Err(BlockFault::Later(format!("incompatible features {:#x}", u32_at(block, 20))));
    }
    if let Some(at) = first_nonzero(&block[fields_end..CRC_AT]) {
        return Err(damaged(fields_end + at, "zero", format!("{:#04x}", block[fields_end + at])));
    }
    Ok(u32_at(block, 16) != 0)
}

/// The store that a block says it is of.
pub(crate) fn store_id(block: &[u8]) -> StoreId {
    block[24..40].try_into().expect("sixteen bytes")
}

/// Identity and stored options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreFile {
    pub(crate) id: StoreId,
    pub(crate) geometry: Geometry,
    /// Nanoseconds since 1970-01-01 UTC.
    pub(crate) created: i64,
    /// A feature is set that only a later program may write with.
    pub(crate) read_only: bool,
}

impl StoreFile {
    pub(crate) fn encode(&self) -> [u8; BLOCK_BYTES] {
        let mut block = start(STORE_MAGIC, &self.id);
        block[40] = self.geometry.segment_log2 as u8;
        block[41] = u8::from(self.geometry.padded);
        block[44..52].copy_from_slice(&self.created.to_le_bytes());
        finish(block)
    }

    pub(crate) fn decode(block: &[u8]) -> Result<Self, BlockFault> {
        let read_only = check(block, STORE_MAGIC, 52)?;
        if block.len() != BLOCK_BYTES {
            return Err(damaged(
                BLOCK_BYTES,
                format!("{BLOCK_BYTES} bytes"),
                format!("{} or more", block.len()),
            ));
        }
        let segment_log2 = u32::from(block[40]);
        let range = limits::SEGMENT_BYTES_MIN.trailing_zeros()..=limits::SEGMENT_BYTES_MAX.trailing_zeros();
        if !range.contains(&segment_log2) {
            return Err(damaged(
                40,
                format!("log2 of a segment size in {range:?}"),
                segment_log2.to_string(),
            ));
        }
        if block[41] > 1 {
            return Err(BlockFault::Later(format!("stored options {:#04x}", block[41])));
        }
        if block[42..44] != [0, 0] {
            return Err(damaged(42, "zero", format!("{:02x?}", &block[42..44])));
        }
        let geometry = Geometry { segment_log2, padded: block[41] == 1 };
        Ok(Self { id: store_id(block), geometry, created: u64_at(block, 44) as i64, read_only })
    }
}

/// The first 512 bytes of a segment.
pub(crate) fn segment_header(store: &StoreId, number: u64, geometry: Geometry) -> [u8; BLOCK_BYTES] {
    let mut block = start(SEGMENT_MAGIC, store);
    block[40..48].copy_from_slice(&number.to_le_bytes());
    block[48] = geometry.segment_log2 as u8;
    finish(block)
}

/// Checks the header block of a segment against the store it should belong to.
pub(crate) fn check_segment_header(
    head: &[u8],
    store: &StoreId,
    number: u64,
    geometry: Geometry,
) -> Result<bool, BlockFault> {
    let read_only = check(head, SEGMENT_MAGIC, 72)?;
    if store_id(head) != *store {
        return Err(damaged(24, format!("store {}", hex(store)), format!("store {}", hex(&head[24..40]))));
    }
    if u64_at(head, 40) != number {
        return Err(damaged(40, format!("segment number {number}"), u64_at(head, 40).to_string()));
    }
    if u32::from(head[48]) != geometry.segment_log2 {
        return Err(damaged(
            48,
            format!("log2 of the segment size {}", geometry.segment_log2),
            head[48].to_string(),
        ));
    }
    if head[56..72] != [0; 16] {
        return Err(BlockFault::Later("an encrypted segment".into()));
    }
    let zeros = [(49, 56), (2 * BLOCK_BYTES, head.len())];
    for (from, to) in zeros {
        if let Some(at) = first_nonzero(&head[from..to]) {
            return Err(damaged(from + at, "zero", format!("{:#04x}", head[from + at])));
        }
    }
    Ok(read_only)
}

/// Whether a segment header is one that somebody wrote and nothing has damaged, whatever store it is of.
pub(crate) fn is_whole_segment_header(head: &[u8]) -> bool {
    head.get(..BLOCK_BYTES).is_some_and(|block| check(block, SEGMENT_MAGIC, CRC_AT).is_ok())
}

/// Says that a segment is full, and that everything in it is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    /// First position of the next segment.
    pub(crate) next: u64,
    /// Offset of the first byte after the last frame.
    pub(crate) end: u64,
    /// Epoch of the last frame.
    pub(crate) epoch: u64,
}

/// Bytes of a seal that are written; the rest of its sector is zero.
pub(crate) const SEAL_BYTES: usize = 40;

impl Seal {
    pub(crate) fn encode(&self, seed: Seed) -> [u8; SEAL_BYTES] {
        let mut bytes = [0; SEAL_BYTES];
        bytes[..8].copy_from_slice(SEAL_MAGIC);
        for (at, value) in [(8, self.next), (16, self.end), (24, self.epoch)] {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let crc = seed.crc(&bytes[..32]);
        bytes[32..36].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` is no seal. A torn one is damage that nothing depends on.
    pub(crate) fn decode(sector: &[u8], seed: Seed) -> Result<Option<Self>, BlockFault> {
        let Some(first) = first_nonzero(sector) else { return Ok(None) };
        let (expected, found) = (seed.crc(&sector[..32]), u32_at(sector, 32));
        if sector[..8] != SEAL_MAGIC[..] || expected != found {
            let at = SEAL_AT as usize + first;
            return Err(damaged(
                at,
                format!("a seal with checksum {expected:#010x}"),
                format!("{found:#010x}"),
            ));
        }
        if let Some(at) = first_nonzero(&sector[36..]) {
            return Err(damaged(SEAL_AT as usize + 36 + at, "zero", format!("{:#04x}", sector[36 + at])));
        }
        Ok(Some(Self { next: u64_at(sector, 8), end: u64_at(sector, 16), epoch: u64_at(sector, 24) }))
    }
}

/// The first 512 bytes of the watermark file.
pub(crate) fn watermark_header(store: &StoreId) -> [u8; BLOCK_BYTES] {
    finish(start(WATERMARK_MAGIC, store))
}

pub(crate) fn check_watermark_header(head: &[u8], store: &StoreId) -> Result<bool, BlockFault> {
    let read_only = check(head, WATERMARK_MAGIC, 40)?;
    if store_id(head) != *store {
        return Err(damaged(24, format!("store {}", hex(store)), format!("store {}", hex(&head[24..40]))));
    }
    Ok(read_only)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
