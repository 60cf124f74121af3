//! Flips bytes, and knows what each of them may lead to.

use crate::files::{Outcome, look};
use crate::small::{FRAMES_AT, Made, frames};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Zeros past the last frame that are flipped, at either end of them.
const ZEROS: usize = 1_024;

/// What a byte belongs to: the bytes that one checksum covers, or that stand for themselves.
struct Part {
    bytes: Range<usize>,
    /// Whether the store must be refused.
    needed: bool,
}

/// The parts of a file, in order.
fn parts(name: &str, file: &[u8]) -> Vec<Part> {
    let part = |bytes, needed| Part { bytes, needed };
    match name {
        "store" => vec![part(0..512, true)],
        "watermark" => vec![part(0..4_096, false)],
        // Derived from the log: made again.
        _ if name.starts_with("index/") => vec![part(0..file.len(), false)],
        _ => {
            let places = frames(file);
            let end = *places.last().expect("a first place");
            let mut parts = vec![part(0..512, true), part(512..1_024, false), part(1_024..FRAMES_AT, true)];
            parts.extend(places.windows(2).map(|ends| part(ends[0]..ends[1], true)));
            if file.len() - end > 2 * ZEROS {
                parts.extend([part(end..end + ZEROS, false), part(file.len() - ZEROS..file.len(), false)]);
            } else {
                parts.push(part(end..file.len(), false));
            }
            parts
        }
    }
}

/// The patterns that the byte at a place is flipped with.
fn patterns(at: usize) -> Vec<u8> {
    let text = std::env::var("ORCHESTRIX_FLIPS");
    match text.map_or(1, |text| text.parse().expect("ORCHESTRIX_FLIPS is a number")) {
        1 => vec![if at.is_multiple_of(2) { 0x01 } else { 0xFF }],
        count => (0..count.min(8)).map(|bit| 1 << bit).collect(),
    }
}

/// Flips every byte of every file but those of the index.
#[allow(dead_code, reason = "shared by several tests")]
pub(crate) fn of_the_log(made: &Made) {
    let (flips, refused) = all(made, |name| !name.starts_with("index/"));
    assert!(refused > 0 && refused < flips);
}

/// Flips every byte of the files that are wanted.
pub(crate) fn all(made: &Made, is_wanted: impl Fn(&str) -> bool) -> (u32, u32) {
    let (mut flips, mut refused) = (0, 0);
    for (name, file) in made.files.iter().filter(|(name, _)| is_wanted(name)) {
        for part in parts(name, file) {
            for at in part.bytes.clone() {
                for bits in patterns(at) {
                    flips += 1;
                    refused += u32::from(one(made, name, &part, at, bits));
                }
            }
        }
    }
    println!("{flips} flips, {refused} refused");
    (flips, refused)
}

/// Flips one byte. Whether the store is refused.
fn one(made: &Made, name: &str, part: &Part, at: usize, bits: u8) -> bool {
    let mut bytes = made.files[name].clone();
    bytes[at] ^= bits;
    let files = made.with(name, bytes);
    let outcome = catch_unwind(AssertUnwindSafe(|| look(made, &files))).unwrap_or_else(|panic| {
        eprintln!("{name}: byte {at} with {bits:#04x}");
        resume_unwind(panic)
    });
    match outcome {
        Outcome::Whole => {
            assert!(!part.needed, "{name}: byte {at} with {bits:#04x} makes no difference");
            false
        }
        Outcome::Refused(place) => {
            let said = format!("{name}: byte {at} with {bits:#04x}: {place}");
            assert!(part.needed, "{said}");
            assert_eq!(place.file.to_str(), Some(name), "{said}");
            assert!(part.bytes.contains(&(place.offset as usize)), "{said}");
            true
        }
        Outcome::Unsupported(said) => panic!("{name}: byte {at} with {bits:#04x}: {said}"),
    }
}
