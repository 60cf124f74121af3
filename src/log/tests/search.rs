//! The search for later headers: evidence, found at every 8-byte step, in work that is linear whatever the bytes are.

use super::bytes::{Bytes, STORE};
use crate::event::layout::header;
use crate::log::frame::{Header, checked_headers};
use crate::log::geometry::{FRAMES_AT, HEADER_BYTES};

/// Headers whose checksum is looked at once each, whatever stands there: plausible ones, right ones, nested ones.
// D13, F48
#[test]
fn rule_13_the_search_is_linear_on_hostile_bytes() {
    let mut bytes = Bytes::new(&STORE, 0);
    bytes.push(&["a"], 9, true);
    let steps = bytes.all.len() as u64 / 8;
    // Every word a plausible length.
    bytes.all.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&[128, 0, 0, 0, 1, 2, 3, 4]));
    let before = checked_headers();
    assert!(bytes.frames().later_header(FRAMES_AT).is_none());
    assert!(checked_headers() - before <= steps, "each place is looked at once");

    // Real headers that overlap each other as far as they can; every one is found once.
    let mut nested = Bytes::new(&STORE, 0);
    let at = nested.push(&["a"], 9, true);
    let start = (at - FRAMES_AT) as usize;
    let real: [u8; 64] = nested.all[start..start + 64].try_into().expect("a header");
    let places = (0..nested.all.len() - 64).step_by(64);
    let count = places.clone().count() as u64;
    for place in places {
        nested.all[place..place + 64].copy_from_slice(&real);
        let mask = nested.seed.mask(FRAMES_AT + place as u64);
        let init = mask ^ u32::from_le_bytes(real[..4].try_into().expect("four bytes")).rotate_left(16);
        let sum = crate::event::layout::crc(init, &real[header::FIRST_POSITION..]);
        nested.all[place + 4..place + 8].copy_from_slice(&sum.to_le_bytes());
    }
    let before = checked_headers();
    let (mut at, mut found) = (FRAMES_AT, 0);
    while let Some((place, _)) = nested.frames().later_header(at) {
        (at, found) = (place + 8, found + 1);
    }
    assert_eq!(found, count);
    assert!(checked_headers() - before <= steps + count);
}

/// A header testifies though its body is torn; what lies behind the last data isn't looked at.
// D13
#[test]
fn rule_13_a_header_testifies_without_its_body() {
    let mut bytes = Bytes::new(&STORE, 0);
    bytes.push(&["a"], 9, true);
    let second = bytes.push(&["b"], 9, false);
    let end = bytes.end;
    for place in second + HEADER_BYTES..end {
        *bytes.at(place) = 0xFF;
    }
    let found: Option<(u64, Header)> = bytes.frames().later_header(FRAMES_AT + 8);
    let (at, header) = found.expect("the second header");
    assert_eq!((at, header.first, header.synced), (second, 2, 1));
    let before = checked_headers();
    let mut frames = bytes.frames();
    frames.data_end = second;
    assert!(frames.later_header(FRAMES_AT + 8).is_none());
    assert!(checked_headers() - before < (second - FRAMES_AT) / 8);
}
