//! Checksums, epochs and reserved bytes, on frames that were made in memory: what is changed is found, and told where.

use super::bytes::{Bytes, STORE};
use crate::event::NewEvent;
use crate::event::body::WriteRef;
use crate::event::layout::{header, record};
use crate::log::frame::Header;
use crate::log::geometry::{FRAMES_AT, Seed};
use crate::log::scan::Stop;

fn three() -> (Bytes, [u64; 3]) {
    let mut bytes = Bytes::new(&STORE, 3);
    let a = bytes.push(&["one"], 9, true);
    let b = bytes.push(&["two", "three"], 9, false);
    let c = bytes.push(&["four"], 9, false);
    (bytes, [a, b, c])
}

/// A header holds only in its store, its segment and its place.
// D1, F49
#[test]
fn rule_1_a_header_is_bound_to_store_segment_and_place() {
    let (bytes, [_, at, _]) = three();
    let start = (at - FRAMES_AT) as usize;
    let header: &[u8; 64] = bytes.all[start..start + 64].try_into().expect("a header");
    Header::decode(header, bytes.seed.mask(at)).expect("in its place");
    for mask in [
        bytes.seed.mask(at + 8),
        bytes.seed.mask(at - 4_096),
        Seed::new(&STORE, 4).mask(at),
        Seed::new(&[8; 16], 3).mask(at),
    ] {
        let fault = Header::decode(header, mask).expect_err("elsewhere");
        assert_eq!((fault.what, fault.at), ("frame", header::CRC));
    }
}

/// The checksum of an event is bound to its place; the body's covers it as it was before, so it is the same everywhere.
// D1
#[test]
fn rule_1_event_checksums_are_bound_to_their_place_and_the_bodys_is_not() {
    let mut bytes = Bytes::new(&STORE, 3);
    let places: Vec<_> = (0..3).map(|n| bytes.push(&["same"], 9, n == 0)).collect();
    let part = |at: u64, from: usize, length: usize| {
        let start = (at - FRAMES_AT) as usize + from;
        bytes.all[start..start + length].to_vec()
    };
    let length = (bytes.end - places[2]) as usize;
    let record = length / 8 * 8 - (length - 64) / 8 * 8;
    assert_eq!(record, 64, "the body begins behind the header");
    assert!(
        places
            .windows(2)
            .all(|pair| part(pair[0], header::BODY_CRC, 4) == part(pair[1], header::BODY_CRC, 4))
    );
    let differing: Vec<usize> =
        (64..length).filter(|n| part(places[0], *n, 1) != part(places[1], *n, 1)).collect();
    assert!(
        !differing.is_empty() && differing.len() <= 4,
        "of the bodies only the event's checksum: {differing:?}"
    );
    // The same frame in another place, with a header that is right there.
    let mut moved = Bytes::new(&STORE, 3);
    let (first, second) = (moved.push(&["same"], 9, true), moved.push(&["same"], 9, false));
    let (from, to) = ((first - FRAMES_AT) as usize, (second - FRAMES_AT) as usize);
    moved.all.copy_within(from + 64..from + length, to + 64);
    let (at, expected) = moved.fault(second, "event");
    assert!(at > second + 64 && expected.starts_with("checksum"), "{expected}");
}

/// An event is found damaged by itself, with its place, whatever else is in the commit; so is one whose name was changed.
// D2, F47
#[test]
fn rule_2_each_step_finds_its_own_damage() {
    let (mut bytes, [_, at, _]) = three();
    let commit_end = bytes.end;
    let names = at + 64 + 3 * 4;
    let first = names + ("a-1".len() + "t".len() + "tag".len()) as u64;
    let start = (first - FRAMES_AT) as usize;
    let second =
        first + u64::from(u32::from_le_bytes(bytes.all[start..start + 4].try_into().expect("four bytes")));
    for (place, what, found_at) in [
        (first + record::BYTES as u64 + 8, "event", first + record::CRC as u64),
        (second + record::ID as u64 + 1, "event", second + record::CRC as u64),
        (second + record::CRC as u64, "event", second + record::CRC as u64),
        // A name: the first event that points at it.
        (names, "event", first + record::CRC as u64),
        (names + 4, "event", first + record::CRC as u64),
        (at + header::BODY_CRC as u64, "frame", at + header::CRC as u64),
        (at + header::TIME as u64, "frame", at + header::CRC as u64),
    ] {
        *bytes.at(place) ^= 0x10;
        let (found, _) = bytes.fault(at, what);
        assert_eq!(found, found_at, "damage at {place}");
        *bytes.at(place) ^= 0x10;
    }
    assert_eq!(bytes.walk().0, 3);
    assert!(commit_end > second);
}

/// Every byte of a frame is covered: whatever is changed, the log ends before that frame or is refused.
// D2, D16, F47, F48
#[test]
fn rule_16_every_bit_of_a_frame_is_covered() {
    let mut bytes = Bytes::new(&STORE, 3);
    let events = [NewEvent::raw("t", b"one").id("x").source("urn:s").tag("a").correlation("c")];
    let first = bytes.push(&["zero"], 9, true);
    let writes = [
        WriteRef { stream: "a-1", events: &events },
        WriteRef {
            stream: "b-1",
            events: &[NewEvent::raw("u", b"").id("an id that is longer than 15 bytes")],
        },
    ];
    let second = bytes.push_writes(&writes, 9, false);
    let end = bytes.end;
    bytes.push(&["last"], 9, false);
    assert_eq!(bytes.walk().0, 3);
    for place in second..end {
        for bit in 0..8 {
            *bytes.at(place) ^= 1 << bit;
            let (commits, at, stop) = bytes.walk();
            assert_eq!((commits, at), (1, second), "byte {place}, bit {bit}: {stop:?}");
            *bytes.at(place) ^= 1 << bit;
        }
    }
    assert!(first < second);
}

/// A frame of another epoch belongs to the log only if it is flagged as the first of it.
// D9, F14
#[test]
fn rule_9_an_epoch_changes_only_at_a_flagged_frame() {
    let mut bytes = Bytes::new(&STORE, 0);
    bytes.push(&["a"], 9, true);
    bytes.push(&["b"], 9, false);
    bytes.push(&["c"], 10, true);
    let stale = bytes.push(&["d"], 9, false);
    bytes.push(&["e"], 10, false);
    let (at, expected) = bytes.fault(stale, "frame");
    assert_eq!((at, expected.as_str()), (stale + header::EPOCH as u64, "epoch 0x000000000000000a"));

    let mut unflagged = Bytes::new(&STORE, 0);
    let first = unflagged.push(&["a"], 9, false);
    let (at, _) = unflagged.fault(first, "frame");
    assert_eq!(at, first + header::EPOCH as u64, "the first frame of a log begins an epoch");
}

/// Zeros where the first word would be are the end; a first word without the rest is a fault, without over-read.
// D3, F9, F12, F13
#[test]
fn rule_3_a_frame_is_there_with_its_first_word() {
    let (mut bytes, [_, _, at]) = three();
    let start = (at - FRAMES_AT) as usize;
    let whole = bytes.all.clone();
    bytes.all[start..start + 8].fill(0);
    assert!(matches!(bytes.walk(), (2, end, Stop::Zeros) if end == at));
    // The word there, and only a part of what follows.
    let length = (bytes.end - at) as usize;
    for kept in (8..length).step_by(8) {
        bytes.all = whole.clone();
        bytes.all[start + kept..start + length].fill(0);
        let (commits, end, stop) = bytes.walk();
        let same = bytes.all == whole;
        assert_eq!((commits, end == at), if same { (3, false) } else { (2, true) }, "{kept}: {stop:?}");
    }
    // A length that leads out of the segment, with a checksum that is right.
    for cut in [bytes.all.len() - 1, start + length - 8, start + 64, start + 63, start + 7] {
        bytes.all = whole[..cut].to_vec();
        let (commits, ..) = bytes.walk();
        assert_eq!(commits, if cut >= start + length { 3 } else { 2 }, "cut at {cut}");
    }
}
