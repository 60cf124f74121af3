//! Frames whose checksums are right and whose directories of names are not.

use super::*;
use crate::event::NewEvent;
use crate::event::body::{BodyEncoder, WriteRef};
use crate::log::frame::{Frame, HeaderFields};
use foldhash::fast::FixedState;

const STORE: [u8; 16] = [7; 16];
const AT: u64 = 4_096;

/// A frame of one event with these tags.
fn frame(tags: &[&str]) -> Vec<u8> {
    let event = tags.iter().fold(NewEvent::raw("t", b"data").id("x"), |event, tag| event.tag(*tag));
    let mut body = BodyEncoder::new(FixedState::with_seed(7));
    body.encode(&[WriteRef { stream: "a-1", events: &[event] }], 1 << 20).expect("a commit");
    let fields = HeaderFields { first: 1, synced: 0, time: 5, epoch: 9, first_of_epoch: true };
    let word = Frame::finish(&mut body, &[0], &fields, Seed::new(&STORE, 0), AT);
    let mut bytes = body.bytes().to_vec();
    bytes[..8].copy_from_slice(&word.to_le_bytes());
    bytes
}

fn check(frame: &[u8]) -> Result<(), Fault> {
    let seed = Seed::new(&STORE, 0);
    let head = frame.first_chunk().expect("a header");
    let head = Header::decode(head, seed.mask(AT)).expect("a header that holds");
    // As if whoever wrote the frame had made its checksums fit.
    Checker { unchecked: true, ..Checker::default() }.check(frame, &head, seed, AT)
}

/// Replaces the name `of` by one of the same length.
fn rename(frame: &mut [u8], of: &str, to: &str) {
    let at = frame.windows(of.len()).position(|bytes| bytes == of.as_bytes()).expect("the name");
    frame[at..at + to.len()].copy_from_slice(to.as_bytes());
}

/// Names with checksums that end alike, so that hashing by them finds nothing quickly.
fn colliding(count: usize) -> Vec<String> {
    let names = (0..).map(|n| format!("{n:06}"));
    names.filter(|name| layout::crc(0, name.as_bytes()).is_multiple_of(256)).take(count).collect()
}

#[test]
fn a_name_that_stands_twice_is_refused_with_its_place() {
    let numbered = |count: u32| (0..count).map(|n| format!("tag-{n:02}")).collect::<Vec<_>>();
    for tags in [numbered(2), numbered(6), numbered(7), numbered(64), colliding(5), colliding(64)] {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let good = frame(&tags);
        check(&good).expect("names that differ");
        let last = tags.len() - 1;
        for first in [0, last / 2, last - 1] {
            let mut bad = good.clone();
            rename(&mut bad, tags[last], tags[first]);
            let fault = check(&bad).expect_err("a name twice");
            // Behind a stream and a type.
            let place = header::BYTES + 4 * (2 + last);
            assert_eq!((fault.what, fault.at), ("frame", place), "{} names: {fault:?}", tags.len());
        }
    }
}

/// A type, a tag and a correlation id may have the same bytes.
#[test]
fn names_of_different_kinds_are_different() {
    check(&frame(&["t", "a-1"])).expect("kinds that differ");
}
