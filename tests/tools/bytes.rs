//! The format once more, written from `docs/format.md` alone: changes bytes of a store so that every checksum holds again.

use std::fs;
use std::path::Path;

/// Where frames begin.
pub(crate) const FRAMES_AT: usize = 4_096;

/// `crc(init, bytes)` of the page.
pub(crate) fn crc(init: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(init);
    hasher.update(bytes);
    hasher.finalize()
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

pub(crate) fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}

/// Changes a file, of the same length or another.
pub(crate) fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a file");
    change(&mut bytes);
    fs::write(path, bytes).expect("a file");
}

/// Turns one bit over.
pub(crate) fn flip(path: &Path, at: usize) {
    edit(path, |bytes| bytes[at] ^= 1);
}

/// Store file, segment header, watermark header: sums bytes 0 to 508 again.
pub(crate) fn seal_block(block: &mut [u8]) {
    let sum = crc(0, &block[..508]);
    put(block, 508, &sum.to_le_bytes());
}

/// The same in a file.
pub(crate) fn edit_block(path: &Path, change: impl FnOnce(&mut [u8])) {
    edit(path, |bytes| {
        change(bytes);
        seal_block(bytes);
    });
}

/// `seed` of a segment, from its header.
pub(crate) fn seed(segment: &[u8]) -> u32 {
    crc(crc(0, &segment[24..40]), &segment[40..48])
}

pub(crate) fn mask(segment: &[u8], offset: usize) -> u32 {
    seed(segment) ^ (offset as u32).wrapping_mul(0x9E37_79B1)
}

/// The offsets of the frames of a segment, one after another without padding.
pub(crate) fn frames(segment: &[u8]) -> Vec<usize> {
    let (mut at, mut found) = (FRAMES_AT, Vec::new());
    while at + 64 <= segment.len() && u32_at(segment, at) != 0 {
        found.push(at);
        at += u32_at(segment, at) as usize;
    }
    found
}

/// Sums the header of a frame again.
pub(crate) fn seal_header(segment: &mut [u8], at: usize) {
    let init = mask(segment, at) ^ u32_at(segment, at).rotate_left(16);
    let sum = crc(init, &segment[at + 8..at + 64]);
    put(segment, at + 4, &sum.to_le_bytes());
}

/// The parts of the body of a frame: where the directory begins, the names, the items and the records.
struct Parts {
    directory: usize,
    names: Vec<(usize, usize)>,
    items: usize,
    records: Vec<usize>,
}

fn parts(segment: &[u8], at: usize) -> Parts {
    let streams = usize::from(u16_at(segment, at + 50));
    let count = u32_at(segment, at + 56) as usize;
    let directory = at + 64 + if streams > 1 { 8 * streams } else { 0 };
    let base = directory + 4 * count;
    let mut start = base;
    let mut names = Vec::new();
    for n in 0..count {
        let end = base + (u32_at(segment, directory + 4 * n) & 0xFF_FFFF) as usize;
        names.push((start, end));
        start = end;
    }
    let items = start;
    if segment[at + 53] & 2 != 0 {
        start += 4 + u32_at(segment, start) as usize;
    }
    let mut records = Vec::new();
    for _ in 0..u16_at(segment, at + 48) {
        records.push(start);
        start += u32_at(segment, start) as usize;
    }
    Parts { directory, names, items, records }
}

/// Where the event records of a frame begin.
pub(crate) fn records(segment: &[u8], at: usize) -> Vec<usize> {
    parts(segment, at).records
}

/// Sums a frame again: its events, its body, its header.
pub(crate) fn seal_frame(segment: &mut [u8], at: usize) {
    let parts = parts(segment, at);
    let streams = usize::from(u16_at(segment, at + 50));
    let name_crcs: Vec<u32> = parts.names.iter().map(|(from, to)| crc(0, &segment[*from..*to])).collect();
    let mut body = crc(0, &segment[parts.directory..parts.directory + 4 * parts.names.len()]);
    for sum in &name_crcs {
        body = crc(body, &sum.to_le_bytes());
    }
    if segment[at + 53] & 2 != 0 {
        let end = parts.items + 4 + u32_at(segment, parts.items) as usize;
        body = crc(body, &segment[parts.items..end]);
    }
    for record in parts.records {
        let length = u32_at(segment, record) as usize;
        let mut pointed = vec![usize::from(u16_at(segment, record + 14))];
        pointed.push(streams + usize::from(u16_at(segment, record + 16)));
        pointed.extend(keys(&segment[record..record + length]));
        let init = pointed.iter().fold(length as u32, |init, name| init.rotate_left(5) ^ name_crcs[*name]);
        let sum = crc(init, &segment[record + 8..record + length]);
        body = crc(body, &sum.to_le_bytes());
        let placed = sum ^ mask(segment, record);
        put(segment, record + 4, &placed.to_le_bytes());
    }
    put(segment, at + 60, &body.to_le_bytes());
    if streams > 1 {
        let sum = u64::from(crc(mask(segment, at), &segment[at + 64..at + 64 + 8 * streams]));
        put(segment, at + 40, &sum.to_le_bytes());
    }
    seal_header(segment, at);
}

fn keys(record: &[u8]) -> Vec<usize> {
    if record[25] & 4 == 0 {
        return Vec::new();
    }
    let id_rest = if record[25] & 1 == 0 { usize::from(record[26]).saturating_sub(15) } else { 0 };
    let at = 42 + id_rest + if record[25] & 2 == 0 { 0 } else { 8 };
    (0..usize::from(u16_at(record, at))).map(|n| u32_at(record, at + 2 + 4 * n) as usize).collect()
}

/// Changes a frame of a segment file, the `n`th from 0, so that everything holds again.
pub(crate) fn edit_frame(path: &Path, n: usize, change: impl FnOnce(&mut [u8], usize)) {
    edit(path, |bytes| {
        let at = frames(bytes)[n];
        change(bytes, at);
        seal_frame(bytes, at);
    });
}
