//! Damage to a small store, one byte at a time: every byte of every file is flipped, then the store is opened and read
//! every way. What comes is an error that names the place, or the right content: never a panic, never wrong data, never a
//! shorter log. So for a store that was closed; for one whose process
//! was killed in `flip_killed.rs`.
//!
//! The stores are copies on simulated disks. `ORCHESTRIX_FLIPS` is how many patterns each byte is flipped with: 1 (the
//! default) takes the lowest bit and all bits in turn, 8 each bit.

#[path = "flip/files.rs"]
mod files;
#[path = "flip/flips.rs"]
mod flips;
#[path = "flip/read.rs"]
mod read;
#[path = "flip/small.rs"]
mod small;

use files::{Outcome, look};
use small::{FRAMES_AT, Made, SEGMENT_BYTES, Tree, frames, segment_name};

/// Every byte of a store that was closed, the last event's among them.
// F47, F52, D16
#[test]
fn any_flipped_byte_of_a_closed_store_is_named_or_harmless() {
    flips::of_the_log(&Made::closed());
}

/// One of the files is cut to every length that could matter: refused, or whole.
// F18, F20, F39
#[test]
fn any_length_of_a_segment_is_refused_or_harmless() {
    for made in [Made::closed(), Made::killed()] {
        for number in [0, made.segments() - 1] {
            let name = segment_name(number);
            let whole = &made.files[&name];
            let ends = frames(whole);
            let near = |length: usize| ends.iter().any(|at| at.abs_diff(length) <= 9);
            let wanted = |length: &usize| length.is_multiple_of(61) || near(*length);
            for length in (0..SEGMENT_BYTES).filter(wanted).chain([SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES]) {
                let outcome = look(&made, &made.with(&name, resized(whole, length)));
                let Outcome::Refused(place) = outcome else {
                    panic!("{length} bytes of {name}: {outcome:?}, though something acknowledged stood there")
                };
                assert_eq!(place.file.to_str(), Some(name.as_str()), "{place}");
            }
        }
    }
}

fn resized(bytes: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(length, 0);
    bytes
}

#[test]
fn an_emptied_file_is_refused_or_harmless() {
    for made in [Made::closed(), Made::killed()] {
        for (name, bytes) in &made.files {
            for empty in [Vec::new(), vec![0; bytes.len()]] {
                match look(&made, &made.with(name, empty)) {
                    Outcome::Whole => assert!(name == "watermark" || name.starts_with("index/"), "{name}"),
                    Outcome::Refused(place) => {
                        assert_eq!(place.file.to_str(), Some(name.as_str()), "{place}")
                    }
                    other => panic!("{name}: {other:?}"),
                }
            }
        }
    }
}

/// Segments that changed places, are missing, or are another store's.
// F49, F50
#[test]
fn a_segment_in_the_wrong_place_is_named() {
    for made in [Made::closed(), Made::killed()] {
        let refused = |files: Tree, names: &[u64]| match look(&made, &files) {
            Outcome::Refused(place) => {
                let found = place.file.to_str().expect("text").to_owned();
                assert!(names.iter().any(|number| segment_name(*number) == found), "{place}");
            }
            other => panic!("{names:?}: {other:?}"),
        };
        let last = made.segments() - 1;
        for (a, b) in [(0, 1), (0, last), (last - 1, last)] {
            let mut files = made.files.clone();
            let (one, other) = (files[&segment_name(a)].clone(), files[&segment_name(b)].clone());
            files.insert(segment_name(a), other);
            files.insert(segment_name(b), one);
            refused(files, &[a, b]);
        }
        let other = Made::of_another_store();
        for number in 0..=last {
            let mut files = made.files.clone();
            files.remove(&segment_name(number));
            // Where the last one is gone, nothing tells whether it was there: what is missing goes on behind the one before.
            refused(files, &[number, if number == last { last - 1 } else { number }]);
            refused(made.with(&segment_name(number), other.files[&segment_name(number)].clone()), &[number]);
        }
    }
}

/// A newer version in any header: `Unsupported`, and nothing is changed.
// F53
#[test]
fn a_newer_version_in_any_header_changes_nothing() {
    for made in [Made::closed(), Made::killed()] {
        for name in made.files.keys() {
            let mut bytes = made.files[name].clone();
            bytes[8] = 2;
            small::seal_block(&mut bytes);
            let outcome = look(&made, &made.with(name, bytes));
            if name.starts_with("index/") {
                assert_eq!(outcome, Outcome::Whole, "it is made again");
                continue;
            }
            let Outcome::Unsupported(said) = outcome else { panic!("{name}: {outcome:?}") };
            assert!(said.contains("version 2") && said.contains(name.as_str()), "{said}");
        }
    }
}

/// The store is as small as it has to be, and has what it has to have.
#[test]
fn the_store_is_small() {
    for made in [Made::closed(), Made::killed()] {
        let own = made.files.iter().filter(|(name, _)| !name.starts_with("index/"));
        let content = own.flat_map(|(_, bytes)| bytes).filter(|byte| **byte != 0).count();
        assert!(content <= 16 << 10 && made.segments() >= 3, "{content} bytes, {} segments", made.segments());
        assert!(frames(&made.files[&segment_name(0)]).last() > Some(&FRAMES_AT));
        assert_eq!(look(&made, &made.files), Outcome::Whole);
    }
}
