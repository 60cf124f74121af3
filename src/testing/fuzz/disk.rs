//! Lays bytes out as the files of a store on a simulated disk.

use super::{HEADER, RESEAL, SEAL, SHORT, SLOT, seal};
use crate::event::layout::{self, header, record, u32_at};
use crate::log::{self, BLOCK_BYTES, FRAMES_AT, Geometry, SEAL_AT, Seed, StoreFile, segment_path};
use crate::testing::Machine;

/// What each store is named.
pub(super) const STORE_ID: [u8; 16] = [7; 16];
pub(super) const GEOMETRY: Geometry = Geometry { segment_log2: 13, padded: false };
const SEGMENTS_MAX: usize = 4;
const WATERMARK_BYTES: usize = 4_096;
const SLOT_AT: usize = 1_024;

/// Takes pieces from the front of the input; what isn't there is zero.
struct Input<'d>(&'d [u8]);

impl<'d> Input<'d> {
    fn take(&mut self, bytes: usize) -> &'d [u8] {
        let (piece, rest) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = rest;
        piece
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let piece = self.take(N);
        array[..piece.len()].copy_from_slice(piece);
        array
    }

    fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes(self.array()))
    }
}

/// A machine with the store file and nothing else.
pub(super) fn empty() -> Machine {
    let machine = Machine::new(1);
    let store = StoreFile { id: STORE_ID, geometry: GEOMETRY, created: 0, read_only: false };
    machine.put_file("store", &store.encode());
    machine
}

/// A machine whose store is what the input says: switches, what each of them takes, then each segment's frames, with two
/// bytes of length before them.
pub(super) fn machine(data: &[u8]) -> Machine {
    let machine = empty();
    let mut input = Input(data);
    let [switches] = input.array();
    if switches & SLOT != 0 {
        machine.put_file("watermark", &watermark(input.array()));
    }
    let sealed: Option<[u8; 24]> = (switches & SEAL != 0).then(|| input.array());
    let change = (switches & HEADER != 0).then(|| (input.number(), input.array::<1>()[0]));
    let short = if switches & SHORT != 0 { input.number() * 13 / 8 } else { 0 };
    let mut segments = Vec::new();
    while !input.0.is_empty() && segments.len() < SEGMENTS_MAX {
        let bytes = input.number();
        segments.push(segment(segments.len() as u64, input.take(bytes), switches & RESEAL != 0));
    }
    if let (Some(words), Some(first)) = (sealed, segments.first_mut()) {
        first[SEAL_AT as usize..SEAL_AT as usize + log::SEAL_BYTES].copy_from_slice(&seal_of(&words));
    }
    if let Some(last) = segments.last_mut() {
        if let Some((at, bits)) = change {
            last[at % FRAMES_AT as usize] ^= bits;
        }
        last.truncate(last.len().saturating_sub(short));
    }
    for (bytes, number) in segments.iter().zip(0..) {
        machine.put_file(&segment_path(number), bytes);
    }
    machine
}

fn segment(number: u64, frames: &[u8], reseal: bool) -> Vec<u8> {
    let mut bytes = vec![0; GEOMETRY.segment_bytes() as usize];
    bytes[..BLOCK_BYTES].copy_from_slice(&log::segment_header(&STORE_ID, number, GEOMETRY));
    let room = &mut bytes[FRAMES_AT as usize..];
    let length = frames.len().min(room.len());
    room[..length].copy_from_slice(&frames[..length]);
    if reseal {
        reseal_frames(&mut bytes, Seed::new(&STORE_ID, number));
    }
    bytes
}

fn reseal_frames(segment: &mut [u8], seed: Seed) {
    let mut at = FRAMES_AT as usize;
    loop {
        let length = u32_at(segment, at + header::LENGTH) as usize;
        let frame = segment.get_mut(at..at.saturating_add(length));
        let Some(frame) = frame.filter(|frame| frame.len() >= header::BYTES + record::BYTES) else { return };
        seal::seal(frame, seed, at as u64);
        at += length;
    }
}

fn watermark(words: [u8; 40]) -> Vec<u8> {
    let mut bytes = vec![0; WATERMARK_BYTES];
    bytes[..BLOCK_BYTES].copy_from_slice(&log::watermark_header(&STORE_ID));
    let crc = layout::crc(layout::crc(0, &STORE_ID), &words);
    bytes[SLOT_AT..SLOT_AT + 40].copy_from_slice(&words);
    bytes[SLOT_AT + 40..SLOT_AT + 44].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn seal_of(words: &[u8; 24]) -> [u8; log::SEAL_BYTES] {
    let word = |at| layout::u64_at(words, at);
    log::Seal { next: word(0), end: word(8), epoch: word(16) }.encode(Seed::new(&STORE_ID, 0))
}
