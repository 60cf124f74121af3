//! Puts the checksums of a frame right, whatever its bytes are: what is out of place is left out of the sums.

use crate::event::commit::CommitRef;
use crate::event::layout::{self, header, record, u16_at, u32_at};
use crate::log::Seed;

/// Sums a frame again: its events, its body, its header. `frame` is all of it, at `at` of its segment.
pub(super) fn seal(frame: &mut [u8], seed: Seed, at: u64) {
    if frame.len() < header::BYTES {
        return;
    }
    let commit = CommitRef::new(frame);
    let streams = u32::from(commit.stream_count());
    let count = commit.name_count().min((frame.len() / 4) as u32);
    let names: Vec<u32> = (0..count).map(|number| layout::crc(0, commit.name(number).1)).collect();
    let mut sum = layout::Crc::default().body_sum(commit.directory());
    names.iter().for_each(|crc| sum.checksum(*crc));
    if commit.flags() & header::FLAG_ITEMS != 0 {
        sum.items(layout::slice_at(frame, commit.names_end(), commit.records_start()));
    }
    let mut sums = Vec::new();
    let mut place = commit.records_start();
    for _ in 0..commit.event_count() {
        let length = u32_at(frame, place) as usize;
        let Some(bytes) = frame.get(place..place + length).filter(|bytes| bytes.len() >= record::BYTES)
        else {
            break;
        };
        let name = |number: u32| names.get(number as usize).copied().unwrap_or(0);
        let stream = name(u32::from(u16_at(bytes, record::STREAM)));
        let of_type = name(streams + u32::from(u16_at(bytes, record::TYPE)));
        let keys = commit.event_at(place as u32).key_numbers().map(name);
        let init = layout::event_crc_init(length as u32, stream, of_type, keys);
        let crc = layout::crc(init, &bytes[record::BACK..]);
        sum.checksum(crc);
        sums.push((place + record::CRC, crc ^ seed.mask(at + place as u64)));
        place += length;
    }
    let revisions = layout::slice_at(frame, header::BYTES, commit.directory_start());
    let revisions = (streams > 1).then(|| u64::from(layout::crc(seed.mask(at), revisions)));
    for (place, crc) in sums {
        put(frame, place, &crc.to_le_bytes());
    }
    if let Some(crc) = revisions {
        put(frame, header::REVISIONS, &crc.to_le_bytes());
    }
    put(frame, header::BODY_CRC, &sum.finish().to_le_bytes());
    let init = seed.mask(at) ^ u32_at(frame, header::LENGTH).rotate_left(16);
    let crc = layout::crc(init, &frame[header::FIRST_POSITION..header::BYTES]);
    put(frame, header::CRC, &crc.to_le_bytes());
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}
