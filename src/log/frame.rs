//! The header of a frame: finished when it is written, decoded before anything else is believed. Never touches a file.

use super::geometry::Seed;
use super::scan::Stop;
use crate::event::body::BodyEncoder;
use crate::event::layout::{self, header, record, u8_at, u16_at, u32_at, u64_at};
use crate::event::single::SingleEncoder;
use std::fmt;

/// What the writer's lock assigns.
pub(crate) struct HeaderFields {
    pub(crate) first: u64,
    pub(crate) synced: u64,
    pub(crate) time: i64,
    pub(crate) epoch: u64,
    pub(crate) first_of_epoch: bool,
}

/// A commit that was encoded, but for its header.
pub(crate) trait Frame {
    /// The frame, header included.
    fn bytes(&self) -> &[u8];
    /// Number of its events.
    fn events(&self) -> u16;
    /// Fills in the header and binds every checksum to the frame's place. Returns the first word, which is stored last.
    fn finish(&mut self, revisions: &[u64], fields: &HeaderFields, seed: Seed, at: u64) -> u64;
}

impl Frame for BodyEncoder {
    fn bytes(&self) -> &[u8] {
        self.bytes()
    }

    fn events(&self) -> u16 {
        self.event_count()
    }

    fn finish(&mut self, revisions: &[u64], fields: &HeaderFields, seed: Seed, at: u64) -> u64 {
        finish(self, revisions, fields, seed, at)
    }
}

impl Frame for SingleEncoder {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.bytes()
    }

    #[inline]
    fn events(&self) -> u16 {
        1
    }

    #[inline]
    fn finish(&mut self, revisions: &[u64], fields: &HeaderFields, seed: Seed, at: u64) -> u64 {
        finish_single(self, revisions[0], fields, seed, at)
    }
}

fn finish(body: &mut BodyEncoder, revisions: &[u64], fields: &HeaderFields, seed: Seed, at: u64) -> u64 {
    let mask = seed.mask(at);
    let (events, streams, names) = (body.event_count(), body.stream_count(), body.name_count());
    let body_crc = body.body_crc();
    let items = if body.has_items() { header::FLAG_ITEMS } else { 0 };
    let (bytes, records) = body.parts_mut();
    for mark in records {
        let crc = mark.offset as usize + record::CRC;
        let place = seed.mask(at + u64::from(mark.offset));
        put(bytes, crc, &(u32_at(bytes, crc) ^ place).to_le_bytes());
    }
    let revision = match revisions {
        [one] => *one,
        several => {
            for (slot, revision) in bytes[header::BYTES..].as_chunks_mut::<8>().0.iter_mut().zip(several) {
                *slot = revision.to_le_bytes();
            }
            u64::from(layout::crc(mask, &bytes[header::BYTES..header::BYTES + 8 * several.len()]))
        }
    };
    let counts = u64::from(events) | u64::from(streams) << 16;
    let sums = u64::from(names) | u64::from(body_crc) << 32;
    let length = fill_header(bytes, fields, items, revision, counts, sums);
    let crc = header_crc(bytes, mask, length);
    u64::from(length) | u64::from(crc) << 32
}

/// As [`finish`], for a commit of one event.
#[inline]
fn finish_single(
    single: &mut SingleEncoder,
    revision: u64,
    fields: &HeaderFields,
    seed: Seed,
    at: u64,
) -> u64 {
    let record = single.record_at();
    let event_crc = single.event_crc() ^ seed.mask(at + record as u64);
    let names = u64::from(single.name_count());
    let (counts, sums) = (1 | 1 << 16, names | u64::from(single.body_crc()) << 32);
    let (bytes, crc) = single.parts_mut();
    put(bytes, record + record::CRC, &event_crc.to_le_bytes());
    let length = fill_header(bytes, fields, 0, revision, counts, sums);
    let init = seed.mask(at) ^ length.rotate_left(16);
    let crc = crc.continued(init, &mut bytes[header::FIRST_POSITION..header::BYTES]);
    u64::from(length) | u64::from(crc) << 32
}

/// Writes the header but for its first word. Returns the length of the frame. Written in whole words, because the
/// checksum reads it again at once.
#[inline]
fn fill_header(
    bytes: &mut [u8],
    fields: &HeaderFields,
    items: u8,
    revision: u64,
    counts: u64,
    sums: u64,
) -> u32 {
    let flags = items | if fields.first_of_epoch { header::FLAG_FIRST_OF_EPOCH } else { 0 };
    let kind = u64::from(header::KIND_EVENTS) << 32 | u64::from(flags) << 40;
    let words =
        [fields.first, fields.synced, fields.time as u64, fields.epoch, revision, counts | kind, sums];
    let head = &mut bytes[header::FIRST_POSITION..header::BYTES];
    for (slot, word) in head.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *slot = word.to_le_bytes();
    }
    bytes.len() as u32
}

const _: () = {
    assert!(header::SYNCED == 16 && header::TIME == 24 && header::EPOCH == 32 && header::REVISIONS == 40);
    assert!(header::EVENTS == 48 && header::STREAMS == 50 && header::KIND == 52 && header::FLAGS == 53);
    assert!(header::NAMES == 56 && header::BODY_CRC == 60 && header::BYTES == 64);
};

#[inline(always)]
fn put<const N: usize>(bytes: &mut [u8], at: usize, value: &[u8; N]) {
    bytes[at..at + N].copy_from_slice(value);
}

#[inline]
fn header_crc(bytes: &[u8], mask: u32, length: u32) -> u32 {
    layout::crc(mask ^ length.rotate_left(16), &bytes[header::FIRST_POSITION..header::BYTES])
}

/// What is wrong in a frame, and where in it.
#[derive(Debug)]
pub(crate) struct Fault {
    /// `frame` or `event`.
    pub(crate) what: &'static str,
    /// Byte place, counted from the start of the frame.
    pub(crate) at: usize,
    pub(crate) expected: String,
    pub(crate) found: String,
    /// Not damage, but of a later version.
    later: bool,
}

impl Fault {
    #[cold]
    pub(crate) fn new(
        what: &'static str,
        at: usize,
        expected: impl Into<String>,
        found: impl fmt::Display,
    ) -> Self {
        Self { what, at, expected: expected.into(), found: found.to_string(), later: false }
    }

    #[cold]
    pub(super) fn later(at: usize, feature: impl Into<String>) -> Self {
        Self { what: "frame", at, expected: String::new(), found: feature.into(), later: true }
    }

    pub(crate) fn into_stop(self) -> Stop {
        if self.later { Stop::Unsupported(self.found) } else { Stop::Bad(self) }
    }
}

#[cfg(test)]
thread_local! {
    /// Headers that this thread has looked at, so that a test can bound the work.
    static CHECKED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
pub(super) fn checked_headers() -> u64 {
    CHECKED.with(std::cell::Cell::get)
}

/// A header whose checksum holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) length: u32,
    pub(crate) first: u64,
    pub(crate) synced: u64,
    pub(crate) epoch: u64,
    pub(crate) revision: u64,
    pub(crate) events: u16,
    pub(crate) streams: u16,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) names: u32,
    pub(crate) body_crc: u32,
}

impl Header {
    /// Whether [`decode`](Self::decode) may succeed: for a search, which must not pay for telling what is wrong.
    pub(crate) fn holds(bytes: &[u8; header::BYTES], mask: u32) -> bool {
        #[cfg(test)]
        CHECKED.with(|checked| checked.set(checked.get() + 1));
        let length = u32_at(bytes, header::LENGTH);
        length.is_multiple_of(8) && header_crc(bytes, mask, length) == u32_at(bytes, header::CRC)
    }

    /// The header in `bytes`, if its checksum is right for a place with this mask.
    pub(crate) fn decode(bytes: &[u8; header::BYTES], mask: u32) -> Result<Self, Fault> {
        let length = u32_at(bytes, header::LENGTH);
        if (length as usize) < header::BYTES + record::BYTES || !length.is_multiple_of(8) {
            return Err(Fault::new("frame", header::LENGTH, "a length in multiples of 8", length));
        }
        let (expected, found) = (header_crc(bytes, mask, length), u32_at(bytes, header::CRC));
        if expected != found {
            let expected = format!("checksum {expected:#010x}");
            return Err(Fault::new("frame", header::CRC, expected, format_args!("{found:#010x}")));
        }
        let (first, events) = (u64_at(bytes, header::FIRST_POSITION), u16_at(bytes, header::EVENTS));
        if first.checked_add(u64::from(events)).is_none() {
            let expected = "a position with room for the events";
            return Err(Fault::new("frame", header::FIRST_POSITION, expected, first));
        }
        Ok(Self {
            length,
            first,
            synced: u64_at(bytes, header::SYNCED),
            epoch: u64_at(bytes, header::EPOCH),
            revision: u64_at(bytes, header::REVISIONS),
            events,
            streams: u16_at(bytes, header::STREAMS),
            kind: u8_at(bytes, header::KIND),
            flags: u8_at(bytes, header::FLAGS),
            names: u32_at(bytes, header::NAMES),
            body_crc: u32_at(bytes, header::BODY_CRC),
        })
    }

    pub(crate) fn is_first_of_epoch(&self) -> bool {
        self.flags & header::FLAG_FIRST_OF_EPOCH != 0
    }

    /// What the header alone can say wrong, though its checksum holds.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(), Fault> {
        if self.kind != header::KIND_EVENTS {
            return Err(Fault::later(header::KIND, format!("a frame of kind {}", self.kind)));
        }
        let known = header::FLAG_FIRST_OF_EPOCH | header::FLAG_ITEMS;
        if self.flags & !known != 0
            || u16_at(bytes, header::ZERO) != 0
            || self.names & !header::NAMES_MASK != 0
        {
            return Err(Fault::later(header::FLAGS, format!("frame flags {:#04x}", self.flags)));
        }
        if self.events == 0 || self.streams == 0 || self.streams > self.events {
            let found = format_args!("{} streams, {} events", self.streams, self.events);
            return Err(Fault::new("frame", header::EVENTS, "at least one event a stream", found));
        }
        Ok(())
    }
}
