//! What a later version may have written, met as the format says: ignored, read but not written, or refused by name; and
//! when it is refused, not one byte is changed. The bytes are made by hand, with every checksum right.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Error, ErrorKind, verify};
use std::path::PathBuf;
use tools::bytes::{edit, edit_block, edit_frame, frames, put, records, seal_block, seal_frame, u32_at};
use tools::{Dir, event, fill, says, small, texts, tree_but_lock};

/// A closed store of several segments with one event a commit.
fn closed(events: usize) -> Dir {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    fill(&store, "a-1", events);
    store.close().wait().expect("a close");
    dir
}

fn write(dir: &Dir) -> Result<Store, Error> {
    Store::open(dir.store())
}

fn read(dir: &Dir) -> Result<Store, Error> {
    Store::options().read_only().open(dir.store())
}

/// Files with a version and feature sets: first, middle and last segment among them.
fn versioned(dir: &Dir) -> Vec<PathBuf> {
    vec![dir.file("store"), dir.file("watermark"), dir.segment(0), dir.segment(1), dir.segment(2)]
}

#[track_caller]
fn unsupported(dir: &Dir, words: &[&str]) {
    let before = tree_but_lock(&dir.store());
    says(write(dir), ErrorKind::Unsupported, words);
    says(read(dir), ErrorKind::Unsupported, words);
    says(verify(dir.store()), ErrorKind::Unsupported, words);
    says(orchestrix::repair(dir.store()), ErrorKind::Unsupported, words);
    assert_eq!(tree_but_lock(&dir.store()), before, "not one byte is changed");
}

/// A newer version is refused, whichever file says so.
// F53
#[test]
fn a_newer_version_is_refused_and_nothing_is_changed() {
    for n in 0..5 {
        for version in [2u32, 0, u32::MAX] {
            let dir = closed(90);
            let path = versioned(&dir)[n].clone();
            edit_head(&path, |head| put(head, 8, &version.to_le_bytes()));
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            unsupported(&dir, &[&name, &format!("version {version}"), "knows version 1"]);
        }
    }
}

fn edit_head(path: &std::path::Path, change: impl FnOnce(&mut [u8])) {
    edit(path, |bytes| {
        change(bytes);
        seal_block(&mut bytes[..512]);
    });
}

/// A segment of a later version behind the end of the log is no leftover: it is refused too, not removed.
// F53
#[test]
fn a_newer_segment_behind_the_end_is_not_removed() {
    let dir = closed(5);
    let mut next = std::fs::read(dir.segment(0)).expect("a segment");
    next[4_096..].fill(0);
    put(&mut next, 8, &2u32.to_le_bytes());
    put(&mut next, 40, &1u64.to_le_bytes());
    seal_block(&mut next[..512]);
    std::fs::write(dir.segment(1), next).expect("a file");
    unsupported(&dir, &["00000000000000000001.seg", "version 2"]);
}

#[test]
fn feature_sets_are_met_as_they_ask() {
    for n in 0..5 {
        let features = |at: usize| {
            let dir = closed(90);
            let path = versioned(&dir)[n].clone();
            edit_head(&path, |head| head[at + 3] = 0x80);
            dir
        };
        let dir = features(12);
        let store = write(&dir).expect("compatible: ignored");
        fill(&store, "a-1", 60);
        assert_eq!(store.view().watermark(), Position(150));
        store.close().wait().expect("a close");
        let kept = std::fs::read(&versioned(&dir)[n]).expect("a file");
        assert_eq!(kept[15], 0x80, "and kept");

        let dir = features(16);
        let before = tree_but_lock(&dir.store());
        says(write(&dir), ErrorKind::Unsupported, &["later versions may write"]);
        assert_eq!(texts(read(&dir).expect("read-only compatible").view().all()).len(), 90);
        assert!(verify(dir.store()).expect("a report").is_clean());
        assert_eq!(tree_but_lock(&dir.store()), before);

        unsupported(&features(20), &["incompatible features 0x80000000"]);
    }
}

#[test]
fn stored_options_and_whole_file_encryption_are_known_or_refused() {
    let dir = closed(5);
    edit_block(&dir.file("store"), |head| head[41] = 2);
    unsupported(&dir, &["stored options 0x02"]);
    let dir = closed(5);
    edit_head(&dir.segment(0), |head| head[71] = 1);
    unsupported(&dir, &["encrypted"]);
}

#[test]
fn an_unknown_kind_or_flag_of_a_frame_is_refused() {
    for (at, value, words) in [
        (52, 2, "a frame of kind 2"),
        (52, 0, "a frame of kind 0"),
        (53, 4, "frame flags 0x04"),
        (54, 1, "frame flags"),
        (59, 1, "frame flags"),
    ] {
        let dir = closed(5);
        edit(&dir.segment(0), |bytes| {
            let frame = frames(bytes)[3];
            bytes[frame + at] |= value;
            if at == 52 {
                bytes[frame + at] = value;
            }
            tools::bytes::seal_header(bytes, frame);
        });
        unsupported(&dir, &[words, "00000000000000000000.seg"]);
    }
    let dir = closed(5);
    edit_frame(&dir.segment(0), 3, |bytes, frame| {
        let record = records(bytes, frame)[0];
        bytes[record + 25] |= 0x08;
    });
    unsupported(&dir, &["event flags", "00000000000000000000.seg"]);
}

/// Puts one item of 16 bytes into the last frame of a segment.
fn add_item(dir: &Dir, flags: u8) {
    edit(&dir.segment(0), |bytes| {
        let frame = *frames(bytes).last().expect("a frame");
        let at = records(bytes, frame)[0];
        let item = [12, 0, 0, 0, 9, flags, 0, 0, 4, 0, 0, 0, b'i', b't', b'e', b'm'];
        let length = u32_at(bytes, frame) + item.len() as u32;
        bytes.splice(at..at, item);
        bytes.truncate(8 << 10);
        put(bytes, frame, &length.to_le_bytes());
        bytes[frame + 53] |= 2;
        for record in records(bytes, frame) {
            let back = (record - frame) as u32;
            put(bytes, record + 8, &back.to_le_bytes());
        }
        seal_frame(bytes, frame);
    });
}

#[test]
fn an_unknown_item_is_ignored_if_it_may_be() {
    let dir = closed(5);
    add_item(&dir, 1);
    assert!(verify(dir.store()).expect("a report").is_clean());
    let store = write(&dir).expect("an item that may be ignored");
    assert_eq!(texts(store.view().all()), ["0", "1", "2", "3", "4"]);
    fill(&store, "a-1", 5);
    store.close().wait().expect("a close");
    assert_eq!(texts(read(&dir).expect("a store").view().stream("a-1")).len(), 10);

    let dir = closed(5);
    add_item(&dir, 0);
    unsupported(&dir, &["an item of kind 9", "00000000000000000000.seg"]);
}

#[test]
fn coded_and_encrypted_data_are_refused_when_they_are_read() {
    for (at, words) in [(23, "coding 7, cipher 0"), (24, "coding 0, cipher 7")] {
        let dir = closed(90);
        edit_frame(&dir.segment(0), 3, |bytes, frame| {
            let record = records(bytes, frame)[0];
            bytes[record + at] = 7;
        });
        assert!(verify(dir.store()).expect("a report").is_clean(), "nothing is damaged");
        let store = write(&dir).expect("a store");
        let view = store.view();
        let ways: [Vec<_>; 4] = [
            view.all().collect(),
            view.stream("a-1").collect(),
            view.category("a").collect(),
            view.event_type("happened").rev().collect::<Vec<_>>().into_iter().rev().collect(),
        ];
        for way in ways {
            let failed: Vec<_> = way.iter().enumerate().filter(|(_, event)| event.is_err()).collect();
            assert_eq!(failed.len(), 1, "the others are read");
            let (n, Err(error)) = failed[0] else { unreachable!("filtered") };
            assert_eq!((n, error.kind()), (3, ErrorKind::Unsupported));
            assert!(error.to_string().contains(words), "{error}");
        }
        fill(&store, "a-1", 1);
        assert_eq!(store.view().watermark(), Position(91));
    }
}

/// Fields of the metadata below 128 are kept and ignored, others refused.
#[test]
fn unknown_metadata_is_ignored_below_128() {
    for (tag, known) in [(11, true), (127, true), (128, false), (255, false)] {
        let dir = Dir::new();
        let store = small().open(dir.store()).expect("a store");
        store
            .append("a-1", NoStream, event("x").source("urn:s").subject("subject"))
            .wait()
            .expect("an append");
        store.close().wait().expect("a close");
        edit_frame(&dir.segment(0), 0, |bytes, frame| {
            let record = records(bytes, frame)[0];
            // Source comes first, with its length; the field after it becomes another one.
            let subject = record + 42 + 3 + 5;
            assert_eq!(bytes[subject], 2);
            bytes[subject] = tag;
        });
        if known {
            let store = write(&dir).expect("a store");
            let view = store.view();
            let event = view.all().next().expect("an event").expect("readable");
            assert_eq!((event.metadata().source(), event.metadata().subject()), (Some("urn:s"), None));
            assert_eq!(event.data(), b"x");
        } else {
            unsupported(&dir, &[&format!("metadata field {tag}"), "later version"]);
        }
    }
}

/// A key of a kind that isn't known goes with a read-only compatible feature: its events are read.
#[test]
fn keys_of_an_unknown_kind_are_passed_over() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    store.append("a-1", NoStream, event("x").tag("one").tag("two")).wait().expect("an append");
    store.close().wait().expect("a close");
    edit_frame(&dir.segment(0), 0, |bytes, frame| {
        // Names: stream, type, and the two tags.
        assert_eq!(bytes[frame + 64 + 4 * 2 + 3], 3);
        bytes[frame + 64 + 4 * 2 + 3] = 99;
    });
    let store = read(&dir).expect("a reader");
    let view = store.view();
    let event = view.all().next().expect("an event").expect("readable");
    assert_eq!(event.tags().collect::<Vec<_>>(), ["two"]);
    assert!(verify(dir.store()).expect("a report").is_clean());
}
