//! A torn tail or corruption: one commit is spoilt in each of its parts and each way, and what must come of it follows from
//! whether anything calls it synced.

use super::bytes::{append, edit, frames_of, numbers, path, quiet};
use crate::testing::{Crash, Machine};

/// How bytes are spoilt.
#[derive(Clone, Copy, Debug)]
enum Spoil {
    Flip,
    Zero,
    ZeroToEnd,
    Garbage,
}

const WAYS: [Spoil; 4] = [Spoil::Flip, Spoil::Zero, Spoil::ZeroToEnd, Spoil::Garbage];
/// Parts of a frame: where each begins, and its name.
const PARTS: [(usize, usize, &str); 8] = [
    (0, 4, "length"),
    (4, 4, "header checksum"),
    (8, 8, "first position"),
    (16, 8, "synced"),
    (32, 8, "epoch"),
    (60, 4, "body checksum"),
    (64, 8, "names"),
    (84, 20, "event"),
];

fn spoil(machine: &Machine, at: usize, (from, length, _): (usize, usize, &str), way: Spoil) {
    edit(machine, &path(0), |bytes| {
        let part = at + from..at + from + length;
        match way {
            Spoil::Flip => bytes[part.start] ^= 0x81,
            Spoil::Zero => bytes[part].fill(0),
            Spoil::ZeroToEnd => bytes[part.start..].fill(0),
            Spoil::Garbage => bytes[part].fill(0xA5),
        }
    });
}

/// Ten commits, of which the first `synced` were synced together; the process was killed.
fn killed(synced: u64) -> Machine {
    let machine = Machine::new(synced);
    let store = machine.open(quiet()).expect("a store");
    append(&store, 0..synced);
    store.sync().wait().expect("a sync");
    append(&store, synced..10);
    machine.kill(1)
}

/// One commit is spoilt: before the synced position it is refused with its place, behind it the log ends there.
// D7, D13, F7, F8, F10, F12, F52
#[test]
fn rule_13_a_spoilt_commit_is_refused_if_anything_calls_it_synced() {
    for synced in [0, 4, 10] {
        let whole = killed(synced);
        let places = frames_of(&whole, 0);
        for (n, at) in places.iter().enumerate() {
            for part in PARTS {
                for way in WAYS {
                    let machine = whole.kill(2);
                    spoil(&machine, *at, part, way);
                    if machine.read_file(&path(0)) == whole.read_file(&path(0)) {
                        continue;
                    }
                    let case = format!("commit {n} of {synced} synced, {} {way:?}", part.2);
                    let opened = machine.open(quiet());
                    if (n as u64) < synced {
                        let error = opened.expect_err(&case);
                        let place = error.corruption().unwrap_or_else(|| panic!("{case}: {error}")).clone();
                        assert_eq!(place.segment, Some(0), "{case}");
                        let within = *at as u64..=*at as u64 + 128;
                        assert!(within.contains(&place.offset), "{case}: {error}");
                        let report = machine.verify().expect("a report");
                        assert!(!report.is_clean(), "{case}");
                        continue;
                    }
                    let store = opened.unwrap_or_else(|error| panic!("{case}: {error}"));
                    assert_eq!(numbers(&store), (0..n as u64).collect::<Vec<_>>(), "{case}");
                    let report = store.recovery();
                    let zeros = matches!(way, Spoil::ZeroToEnd) && part.0 == 0;
                    assert_eq!(report.is_clean(), zeros, "{case}: {report}");
                    append(&store, 50..51);
                    assert_eq!(numbers(&machine.kill(3).open(quiet()).expect(&case)).last(), Some(&50));
                }
            }
        }
    }
}

/// Later frames testify without the watermark file: all up to the synced position that they carry.
// D13, F52
#[test]
fn rule_13_later_frames_testify_without_the_mark() {
    let whole = killed(4);
    whole.remove_file("watermark");
    for (n, at) in frames_of(&whole, 0).iter().enumerate() {
        let machine = whole.kill(2);
        spoil(&machine, *at, PARTS[7], Spoil::Flip);
        match machine.open(quiet()) {
            Ok(store) => assert!(n >= 4 && numbers(&store).len() == n),
            Err(error) => assert!(n < 4 && error.to_string().contains("synced up to 4"), "{n}: {error}"),
        }
        // Nothing left that testifies: the group looks like a torn tail, which is the limit that the docs name.
        let alone = whole.kill(2);
        edit(&alone, &path(0), |bytes| bytes[*at..].fill(0));
        assert_eq!(numbers(&alone.open(quiet()).expect("a store")).len(), n);
    }
}

/// Damage in one segment shows by the frames, and by the seal, of later ones; that a later segment exists says nothing.
// D13, F22, F50
#[test]
fn rule_13_later_segments_testify_by_what_they_say() {
    let machine = Machine::new(1);
    let store = machine.open(quiet()).expect("a store");
    append(&store, 0..120);
    let unsynced = machine.kill(1);
    let spoilt = frames_of(&unsynced, 0)[5];
    edit(&unsynced, &path(0), |bytes| bytes[spoilt + 70] ^= 1);
    let cut = unsynced.open(quiet()).expect("nothing calls it synced");
    assert_eq!((numbers(&cut).len(), cut.stats().expect("stats").segments), (5, 1));
    assert_eq!(cut.recovery().removed.len(), 3);

    store.sync().wait().expect("a sync");
    let sealed = machine.kill(1);
    sealed.remove_file("watermark");
    edit(&sealed, &path(0), |bytes| {
        bytes[512..1_024].fill(0);
        bytes[spoilt + 70] ^= 1;
    });
    let error = sealed.open(quiet()).expect_err("the seals of later segments");
    let place = error.corruption().expect("a place");
    assert_eq!(place.segment, Some(0));
    assert!((spoilt as u64..spoilt as u64 + 128).contains(&place.offset), "{error}");
}

/// A torn seal is written again; one that holds testifies, and refuses frames that end elsewhere.
// D6, F21, F22
#[test]
fn rule_6_a_torn_seal_is_rebuilt_and_a_valid_one_testifies() {
    let machine = Machine::new(1);
    let store = machine.open(quiet()).expect("a store");
    append(&store, 0..120);
    store.close().wait().expect("a close");
    drop(store);
    let seal = |machine: &Machine| machine.read_file(&path(1)).expect("a segment")[512..552].to_vec();
    for place in [512, 520, 528, 536, 544] {
        let torn = machine.kill(1);
        edit(&torn, &path(1), |bytes| bytes[place] ^= 1);
        assert!(torn.verify().expect("a report").is_clean(), "nothing depends on it");
        let store = torn.open(quiet()).expect("a store");
        assert_eq!(numbers(&store).len(), 120);
        assert_eq!(seal(&torn), seal(&machine), "written again");
        assert_eq!(seal(&torn.power_cut(1, Crash::Torn)), seal(&machine), "and synced");
    }
    let missing = machine.kill(1);
    edit(&missing, &path(1), |bytes| bytes[512..1_024].fill(0));
    drop(missing.open(quiet()).expect("a store"));
    assert_eq!(seal(&missing), seal(&machine));

    // The frames after a place zeroed in the last segment but one, and nothing else left to testify.
    let shorter = machine.kill(1);
    for later in 2..4 {
        shorter.remove_file(&path(later));
    }
    shorter.remove_file("watermark");
    let last = *frames_of(&shorter, 1).last().expect("a frame");
    edit(&shorter, &path(1), |bytes| bytes[last..].fill(0));
    assert!(shorter.open(quiet()).expect_err("the seal says more").is_corrupt());
}

/// Blocks of the file as they were at an earlier moment, valid then: what follows them, or the mark, says that more was there.
// F51
#[test]
fn a_lost_write_is_noticed() {
    let machine = Machine::new(1);
    let store = machine.open(quiet()).expect("a store");
    let mut images = Vec::new();
    for n in 0..6 {
        append(&store, 5 * n..5 * n + 5);
        store.sync().wait().expect("a sync");
        images.push(machine.read_file(&path(0)).expect("a segment"));
    }
    let last = images.pop().expect("the last");
    for old in images {
        for block in (4_096..8_192).step_by(512) {
            let spoilt = machine.kill(1);
            edit(&spoilt, &path(0), |bytes| {
                bytes[block..block + 512].copy_from_slice(&old[block..block + 512])
            });
            if old[block..block + 512] == last[block..block + 512] {
                continue;
            }
            let error = spoilt.open(quiet()).expect_err("a block of before");
            let offset = error.corruption().expect("a place").offset;
            assert!((block as u64 - 128..block as u64 + 512).contains(&offset), "block {block}: {error}");
        }
    }
}
