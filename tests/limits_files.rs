//! Files that are missing, foreign, cut short or of another store: each is refused with what, where, expected and found, and
//! nothing of it is lost. What only an unfinished creation leaves is put right.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Error, ErrorKind, Options, verify};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use tools::bytes::{edit, flip, frames, put, seal_block, u64_at};
use tools::{Dir, copy, fill, says, small, texts, tree_but_lock};

/// A closed store of `events` commits over segments of 8 KiB: made once, then copied.
fn closed(events: usize) -> Dir {
    static MADE: Mutex<BTreeMap<usize, Dir>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().expect("no test has panicked in here");
    let made = made.entry(events).or_insert_with(|| make(events));
    let dir = Dir::new();
    copy(&made.store(), &dir.store());
    dir
}

fn make(events: usize) -> Dir {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    for from in (0..events).step_by(10) {
        // So that frames testify to those before them.
        fill(&store, "a-1", 10.min(events - from));
        store.sync().wait().expect("a sync");
    }
    store.close().wait().expect("a close");
    dir
}

/// The first position in a segment.
fn first_position(path: &Path) -> u64 {
    u64_at(&fs::read(path).expect("a segment"), 4_096 + 8)
}

/// Opens and reads everything: opening checks the end of the log alone.
fn read(options: Options, dir: &Dir) -> Result<(), Error> {
    let store = options.open(dir.store())?;
    store.view().all().try_for_each(|event| event.map(drop))
}

/// Opening or reading refuses, both ways; `verify` reports; nothing is changed but by an opening that went well.
#[track_caller]
fn corrupt(dir: &Dir, words: &[&str]) -> Error {
    says(read(Store::options().read_only(), dir), ErrorKind::Corrupt, words);
    let before = tree_but_lock(&dir.store());
    let error = match Store::open(dir.store()) {
        Ok(store) => {
            drop(store);
            return says(read(Store::options(), dir), ErrorKind::Corrupt, words);
        }
        opened => says(opened, ErrorKind::Corrupt, words),
    };
    let report = verify(dir.store()).expect("a report");
    assert!(!report.is_clean(), "{error}");
    assert_eq!(tree_but_lock(&dir.store()), before, "nothing is changed");
    let place = error.corruption().expect("a place").clone();
    assert!(report.problems.iter().any(|problem| problem.file == place.file), "{report:?}");
    assert!(!place.expected.is_empty() && !place.found.is_empty() && !error.is_retryable());
    error
}

fn with_and_without_watermark(test: impl Fn(&dyn Fn(&Dir))) {
    test(&|_| {});
    test(&|dir| fs::remove_file(dir.file("watermark")).expect("the file"));
}

/// A segment missing at the start or in the middle is named, with the positions that are gone.
// F50
#[test]
fn a_missing_segment_is_named_with_its_positions() {
    with_and_without_watermark(|spoil| {
        for number in [0, 1, 2] {
            let dir = closed(150);
            assert!(dir.segment(3).exists());
            let gone = first_position(&dir.segment(number));
            let last = first_position(&dir.segment(number + 1)) - 1;
            fs::remove_file(dir.segment(number)).expect("a segment");
            spoil(&dir);
            let name = format!("{number:020}.seg");
            let words =
                [name.as_str(), &format!("position {gone},"), &format!("position {last},"), "no file"];
            let error = corrupt(&dir, &words);
            assert_eq!(error.corruption().expect("a place").segment, Some(number));
        }
    });
}

/// The last one missing shows by the mark of the close.
// F50, F52
#[test]
fn a_missing_last_segment_shows_by_the_mark() {
    let dir = closed(150);
    let last = (0..).find(|n| !dir.segment(n + 1).exists()).expect("a last one");
    let gone = first_position(&dir.segment(last));
    fs::remove_file(dir.segment(last)).expect("a segment");
    corrupt(&dir, &[&format!("position {gone}"), "acknowledged (synced up to 150)"]);
    let dir = closed(5);
    fs::remove_file(dir.segment(0)).expect("a segment");
    corrupt(&dir, &["00000000000000000000.seg", "position 1,", "no file", "synced up to 5"]);
    fs::remove_dir(dir.file("log")).expect("an empty folder");
    says(Store::open(dir.store()), ErrorKind::Corrupt, &["00000000000000000000.seg", "no file"]);
}

/// A segment that was cut short is refused, wherever, and whatever is left of it: no panic, no SIGBUS.
// F18, F20
#[test]
fn a_segment_that_was_cut_short_is_refused() {
    with_and_without_watermark(|spoil| {
        for number in 0..5 {
            for bytes in [0, 1, 511, 4_096, 5_000, 8_000, 8_191, 8_193, 20_000] {
                let dir = closed(150);
                let file = fs::OpenOptions::new().write(true).open(dir.segment(number)).expect("a segment");
                file.set_len(bytes).expect("another length");
                // To the last segment only the mark can testify.
                if dir.segment(number + 1).exists() {
                    spoil(&dir);
                }
                let found = format!("{bytes} bytes");
                corrupt(&dir, &[&format!("{number:020}.seg"), "8192 bytes", &found]);
            }
        }
    });
}

/// An empty file where the next segment would be, or a header that was only begun, is what a crash leaves: it goes.
// F17
#[test]
fn rule_5_a_segment_whose_creation_was_cut_short_is_removed() {
    for events in [0, 5, 150] {
        let made = closed(events);
        let next = (0..).find(|n| !made.segment(*n).exists()).expect("a free number");
        let whole = fs::read(made.segment(0)).expect("a segment");
        for (length, header) in [(0, 0), (100, 100), (8_192, 0), (8_192, 8), (8_192, 256), (8_192, 504)] {
            let dir = Dir::new();
            copy(&made.store(), &dir.store());
            let mut bytes = vec![0; length];
            bytes[..header].copy_from_slice(&whole[..header]);
            fs::write(dir.segment(next), &bytes).expect("a file");
            // And one prepared after it, and one that had no number yet.
            fs::write(dir.segment(next + 1), &bytes).expect("a file");
            fs::write(dir.file("log/next"), &bytes).expect("a file");
            let store = Store::open(dir.store()).unwrap_or_else(|e| panic!("{length} {header}: {e}"));
            assert_eq!(store.recovery().removed.len(), 2, "it is reported");
            assert_eq!(store.view().watermark(), Position(events as u64));
            fill(&store, "a-1", 100);
            store.close().wait().expect("a close");
            assert_eq!(Store::open(dir.store()).expect("a store").view().all().len(), events + 100);
            assert!(verify(dir.store()).expect("a report").is_clean() && !dir.file("log/next").exists());
        }
    }
}

#[test]
fn a_foreign_file_among_the_segments_is_named() {
    for name in [
        "notes.txt",
        "0.seg",
        "00000000000000000001.seg.bak",
        "99999999999999999999.seg",
        "18446744073709551615.seg",
        "next2",
    ] {
        let dir = closed(5);
        fs::write(dir.file("log").join(name), "not ours").expect("a file");
        corrupt(&dir, &[name, "only segments"]);
    }
    let dir = closed(5);
    fs::create_dir(dir.segment(1)).expect("a directory");
    corrupt(&dir, &["00000000000000000001.seg", "only segments"]);
}

/// A segment of another store, or of another place, is refused wherever it stands, behind the end too.
// F49
#[test]
fn a_segment_of_another_store_is_refused() {
    let (other, behind) = (make(150), (0..).find(|n| !closed(150).segment(*n).exists()).expect("a free one"));
    for number in [0, 1, 3, behind] {
        let dir = closed(150);
        fs::copy(other.segment(number.min(3)), dir.segment(number)).expect("a copy");
        if number == behind {
            // Its number is right, only its store isn't.
            edit(&dir.segment(number), |bytes| {
                put(bytes, 40, &number.to_le_bytes());
                seal_block(&mut bytes[..512]);
            });
        }
        corrupt(&dir, &[&format!("{number:020}.seg"), "segment header", "store"]);
    }
    for (from, to) in [(1, 2), (2, 1), (0, behind)] {
        let dir = closed(150);
        fs::copy(dir.segment(from), dir.segment(to)).expect("a copy");
        corrupt(&dir, &[&format!("{to:020}.seg"), &format!("segment number {to}"), &format!("found {from}")]);
    }
}

/// What opening refuses as foreign, a repair moves away, and the store is as it was.
#[test]
fn a_repair_moves_a_foreign_segment_away() {
    let dir = closed(150);
    fs::copy(make(20).segment(0), dir.segment(9)).expect("a copy");
    fs::write(dir.file("log/notes.txt"), "not ours").expect("a file");
    corrupt(&dir, &["notes.txt"]);
    let plan = orchestrix::repair(dir.store()).expect("a plan");
    assert_eq!(plan.steps.len(), 2, "{plan:?}");
    plan.apply().expect("a repair");
    assert!(verify(dir.store()).expect("a report").is_clean());
    assert_eq!(Store::open(dir.store()).expect("a store").view().all().len(), 150);
    assert!(dir.file("removed/notes.txt").exists() && dir.file("removed/00000000000000000009.seg").exists());
}

/// Whole blocks of frames swapped within a segment, or taken from another one, never validate.
// F49
#[test]
fn rule_1_frames_in_another_place_do_not_validate() {
    let dir = closed(150);
    let source = fs::read(dir.segment(1)).expect("a segment");
    let places = frames(&source);
    let (a, b) = (places[2], places[3]);
    let length = b - a;
    assert_eq!(places[4] - b, length, "frames of one length");
    edit(&dir.segment(1), |bytes| {
        bytes.copy_within(b..b + length, a);
        bytes[b..b + length].copy_from_slice(&source[a..a + length]);
    });
    corrupt(&dir, &["frame", "00000000000000000001.seg", &format!("byte {}", a + 4), "checksum"]);

    let dir = closed(150);
    let (from, mut to) = (fs::read(dir.segment(1)).expect("one"), fs::read(dir.segment(2)).expect("another"));
    to[4_096..].copy_from_slice(&from[4_096..]);
    fs::write(dir.segment(2), to).expect("a segment");
    corrupt(&dir, &["frame", "00000000000000000002.seg", "byte 4100", "checksum"]);
}

/// Zeros where acknowledged frames were, as a punched hole reads.
// F40, F12
#[test]
fn a_hole_in_acknowledged_data_is_corrupt() {
    with_and_without_watermark(|spoil| {
        for number in 0..3 {
            let dir = closed(150);
            edit(&dir.segment(number), |bytes| bytes[4_096..8_192].fill(0));
            spoil(&dir);
            corrupt(&dir, &["frame", &format!("{number:020}.seg"), "byte 4096"]);
        }
    });
    let dir = closed(20);
    edit(&dir.segment(0), |bytes| bytes[6_000..].fill(0));
    corrupt(&dir, &["00000000000000000000.seg", "acknowledged (synced up to 20)"]);
}

#[test]
fn a_damaged_store_file_is_refused_with_its_place() {
    for at in [0, 9, 24, 40, 44, 200, 508] {
        let dir = closed(5);
        flip(&dir.file("store"), at);
        corrupt(&dir, &["store file in store at byte"]);
    }
    for length in [0, 100, 511, 513] {
        let dir = closed(5);
        edit(&dir.file("store"), |bytes| bytes.resize(length, 0));
        corrupt(&dir, &["store file in store at byte", "512 bytes"]);
    }
    for (at, value) in [(40, 12), (40, 31), (42, 1), (52, 1), (507, 1)] {
        let dir = closed(5);
        edit(&dir.file("store"), |bytes| {
            bytes[at] = value;
            seal_block(bytes);
        });
        corrupt(&dir, &[&format!("at byte {at}")]);
    }
}

/// The watermark file only testifies: damaged, short or missing, the store opens, and it is made again.
// D17
#[test]
fn rule_17_the_watermark_file_is_not_needed_to_open() {
    for spoil in [None, Some(0), Some(100), Some(4_095), Some(5_000)] {
        let dir = closed(60);
        match spoil {
            None => fs::remove_file(dir.file("watermark")).expect("the file"),
            Some(length) => edit(&dir.file("watermark"), |bytes| bytes.resize(length, 0)),
        }
        assert_eq!(
            texts(Store::options().read_only().open(dir.store()).expect("a reader").view().all()).len(),
            60
        );
        let store = Store::open(dir.store()).expect("a writer");
        assert_eq!(store.view_synced().watermark(), Position(60));
        store.close().wait().expect("a close");
        assert_eq!(fs::read(dir.file("watermark")).expect("the file").len(), 4_096);
        assert_eq!(verify(dir.store()).expect("a report").problems, []);
    }
    for at in [0, 30, 100, 508, 600, 1_024, 1_030, 2_050, 4_000] {
        let dir = closed(60);
        flip(&dir.file("watermark"), at);
        let store = Store::open(dir.store()).expect("a writer");
        assert_eq!(store.view().watermark(), Position(60));
        store.close().wait().expect("a close");
        assert_eq!(Store::open(dir.store()).expect("a store").recovery().unsynced_bytes, 0);
    }
}

#[test]
fn a_file_where_the_log_should_be_is_an_error() {
    let dir = closed(5);
    fs::remove_dir_all(dir.file("log")).expect("the folder");
    fs::write(dir.file("log"), "a file").expect("a file");
    says(Store::open(dir.store()), ErrorKind::Io, &["log"]);
    says(Store::options().read_only().open(dir.store()), ErrorKind::Io, &["log"]);
    assert_eq!(fs::read(dir.file("log")).expect("the file"), b"a file");
}
