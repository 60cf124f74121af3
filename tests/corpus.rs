//! Replays the committed inputs of the fuzz targets, and random mutations of them. What the targets do is
//! `src/testing/fuzz.rs`. A failure prints the number of the case and the input.

use orchestrix::testing::{Chance, fuzz};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

fn corpus(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz/corpus", target].iter().collect()
}

/// The files of a corpus by name.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(corpus(target)).expect("a corpus") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if !name.starts_with('.') {
            inputs.push((name, fs::read(path).expect("an input")));
        }
    }
    inputs.sort();
    inputs
}

/// The number of cases of a thousand: `ORCHESTRIX_CASES` scales it.
fn cases(of_thousand: u64) -> u64 {
    let text = std::env::var("ORCHESTRIX_CASES");
    let cases = text.map_or(1_000, |text| text.parse().expect("ORCHESTRIX_CASES is a number"));
    of_thousand * cases / 1_000
}

/// Runs a target, and says what it was run with if it panics.
fn run<T>(target: fn(&[u8]) -> T, what: &str, input: &[u8]) -> T {
    catch_unwind(AssertUnwindSafe(|| target(input))).unwrap_or_else(|panic| {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{what}: {hex}");
        resume_unwind(panic)
    })
}

fn mutate(chance: &mut Chance, inputs: &[(String, Vec<u8>)]) -> Vec<u8> {
    let any = |chance: &mut Chance| inputs[chance.below(inputs.len() as u64) as usize].1.clone();
    let mut input = any(chance);
    for _ in 0..=chance.below(4) {
        let at = chance.below(input.len() as u64) as usize;
        if input.is_empty() {
            return input;
        }
        match chance.below(9) {
            0 | 1 => input[at] ^= 1 << chance.below(8),
            2 => input[at] = chance.any() as u8,
            3 => put(&mut input, at, &chance.any().to_le_bytes()),
            4 => {
                let extremes =
                    [0, 1, 0x7F, 0xFF, 0xFFFF, u64::from(u32::MAX), u64::MAX, u64::MAX - 1, 1 << 40];
                let extreme = extremes[chance.below(9) as usize];
                let bytes = 1 << chance.below(4);
                put(&mut input, at, &extreme.to_le_bytes()[..bytes]);
            }
            5 => input.truncate(at),
            6 => {
                // A piece of another one, in place or in between.
                let other = any(chance);
                let from = chance.below(other.len() as u64) as usize;
                let piece = &other[from..(from + chance.below(200) as usize).min(other.len())];
                if chance.happens(500) {
                    put(&mut input, at, piece);
                } else {
                    input.splice(at..at, piece.iter().copied());
                }
            }
            7 => drop(input.drain(at..(at + 8 * chance.below(8) as usize).min(input.len()))),
            _ => input[0] = chance.any() as u8,
        }
    }
    input
}

fn put(input: &mut [u8], at: usize, new: &[u8]) {
    input[at..].iter_mut().zip(new).for_each(|(byte, new)| *byte = *new);
}

/// Runs random mutations. Returns how many inputs had events to be read.
fn mutations<T: PartialOrd>(name: &str, target: fn(&[u8]) -> T, none: T, cases: u64) -> u64 {
    let inputs = inputs(name);
    let mut read = 0;
    for case in 0..cases {
        let input = mutate(&mut Chance::new(case), &inputs);
        read += u64::from(run(target, &format!("case {case} of {name}"), &input) > none);
    }
    println!("{name}: {read} of {cases} were read");
    read
}

/// Every input of the corpora; the valid ones are read, without which nothing behind a checksum would be reached.
// F48
#[test]
fn the_corpora_replay() {
    for (name, input) in inputs("frame") {
        let events = run(fuzz::frame, &name, &input);
        assert!(events > 0 || !name.starts_with("valid"), "{name} isn't read");
    }
    for (name, input) in inputs("recover") {
        let events = run(fuzz::recover, &name, &input);
        assert!(events > Some(0) || !name.starts_with("valid"), "{name} isn't read");
    }
}

/// Hostile frames: lengths, counts and offsets behind checksums that hold among them.
// F48
#[test]
fn mutated_frames_are_refused_or_read() {
    let cases = cases(20_000);
    let read = mutations("frame", fuzz::frame, 0, cases);
    assert!(read > cases / 20, "the structure behind the checksums is reached");
}

/// Hostile logs, opened for reading and writing.
// F48
#[test]
fn mutated_logs_are_refused_or_read_the_same_twice() {
    let cases = cases(1_500);
    let read = mutations("recover", fuzz::recover, Some(0), cases);
    assert!(read > cases / 20, "the structure behind the checksums is reached");
}

/// `ORCHESTRIX_WRITE_CORPUS` set: writes the inputs that hold into the corpora. Else they must be there.
#[test]
fn the_corpora_hold_the_seeds() {
    for seed in fuzz::seeds() {
        let path = corpus(seed.target).join(&seed.name);
        if std::env::var_os("ORCHESTRIX_WRITE_CORPUS").is_some() {
            fs::write(&path, &seed.bytes).expect("a file");
        }
        assert!(path.exists(), "{} is there", path.display());
    }
}
