//! Every bad input, with the typed error that it gets and a message that says what, where, expected and found; and every
//! bound, which holds exactly: at it an append passes, one beyond it nothing has changed. What files may hold is in `limits_files` and `limits_later`.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Error, ErrorKind, Receipt, WriteMode, limits};
use std::fs;
use std::time::Duration;
use tools::{Dir, event, fill, says, small, texts, tree};

/// Refused, with nothing changed and the store as usable as before.
#[track_caller]
fn refused(store: &Store, result: Result<Receipt, Error>, kind: ErrorKind, words: &[&str]) {
    says(result, kind, words);
    let before = store.view().watermark().0;
    fill(store, "ok", 1);
    assert_eq!(store.view().watermark(), Position(before + 1));
}

#[test]
fn stream_names_have_bounds() {
    let store = small().in_memory().expect("a store");
    let append = |name: &str| store.append(name, Any, event("x")).wait();
    for (name, kind, words) in [
        (String::new(), ErrorKind::Invalid, ["stream", "append"]),
        ("x".repeat(1_025), ErrorKind::Limit, ["1024", "1025"]),
        (format!("{}é", "x".repeat(1_023)), ErrorKind::Limit, ["1024", "1025"]),
        ("$all".to_owned(), ErrorKind::Invalid, ["$all", "reserved"]),
        ("$".to_owned(), ErrorKind::Invalid, ["$", "reserved"]),
        ("a\nb".to_owned(), ErrorKind::Invalid, ["a\\nb", "control"]),
        ("a\0".to_owned(), ErrorKind::Invalid, ["a\\0", "control"]),
    ] {
        refused(&store, append(&name), kind, &words);
        let both = store.transaction().append("ok", Any, event("x")).append(&name, Any, event("y"));
        refused(&store, both.commit().wait(), kind, &words);
        assert_eq!(store.head(&name).wait().expect("a head"), None);
    }
    for name in ["x", "-", "a$", "é漢-🦀", &"x".repeat(limits::STREAM_NAME_BYTES_MAX)] {
        append(name).expect("within the bounds");
        assert_eq!(texts(store.view().stream(name)), ["x"]);
    }
    assert_eq!(store.view().event_type("happened").len(), store.view().all().len());
}

#[test]
fn types_ids_and_tags_have_bounds() {
    let store = Store::in_memory();
    let append = |event: NewEvent<'_>| store.append("a-1", Any, event).wait();
    let long = |bytes: usize| "x".repeat(bytes);
    let raw = |name: String| NewEvent::raw(name, b"");
    refused(&store, append(raw(String::new())), ErrorKind::Invalid, &["event type", "a-1", "event 0"]);
    refused(&store, append(raw(long(256))), ErrorKind::Limit, &["event type", "255", "256"]);
    refused(&store, append(event("x").id("")), ErrorKind::Invalid, &["id"]);
    refused(&store, append(event("x").id(long(256))), ErrorKind::Limit, &["id", "255", "256"]);
    refused(&store, append(event("x").tag("")), ErrorKind::Invalid, &["tag"]);
    refused(&store, append(event("x").tag(long(256))), ErrorKind::Limit, &["tag", "255", "256"]);
    refused(&store, append(event("x").correlation("")), ErrorKind::Invalid, &["correlation"]);
    let tags = |count: usize| (0..count).fold(event("x"), |event, n| event.tag(n.to_string()));
    refused(&store, append(tags(65)), ErrorKind::Limit, &["tags", "64", "65"]);
    let source = |bytes: usize| event("x").subject(long(bytes));
    refused(&store, append(source(65_533)), ErrorKind::Limit, &["metadata", "65535"]);
    for fits in
        [raw(long(255)), event("x").id(long(255)), event("x").tag(long(255)), tags(64), source(65_532)]
    {
        append(fits).expect("within the bounds");
    }
}

#[test]
fn a_commit_holds_1_to_65535_events() {
    let store = Store::in_memory();
    let none: [NewEvent<'_>; 0] = [];
    refused(&store, store.append("a-1", Any, none.clone()).wait(), ErrorKind::Invalid, &["at least one"]);
    refused(&store, store.transaction().commit().wait(), ErrorKind::Invalid, &["at least one"]);
    let half = store.transaction().append("a-1", Any, event("x")).append("b-1", Any, none);
    refused(&store, half.commit().wait(), ErrorKind::Invalid, &["at least one", "b-1"]);
    let mut many: Vec<_> = (0..65_536).map(|_| NewEvent::raw("t", b"")).collect();
    refused(&store, store.append("a-1", Any, &many).wait(), ErrorKind::Limit, &["65535", "65536"]);
    many.pop();
    let receipt = store.append("a-1", NoStream, &many).wait().expect("the most that there may be");
    assert_eq!(receipt.revision(), Revision(65_534));
    let every = many.iter().take(65_000).enumerate();
    let streams = every.fold(store.transaction(), |t, (n, e)| {
        t.append(format!("s-{n}"), NoStream, e.clone().id(n.to_string()))
    });
    streams.commit().wait().expect("as many streams");
    assert_eq!(store.view().category("s").len(), 65_000);
    assert_eq!(store.view().stream_count().expect("a count"), 65_000 + 2);
}

/// An event has an eighth of a segment, a commit a quarter.
#[test]
fn events_and_commits_have_bounds_that_hold_exactly() {
    for bytes in [8u64 << 10, 16 << 10, 1 << 20] {
        let store = Store::options().segment_bytes(bytes).in_memory().expect("a store");
        // A record takes 42 bytes, with an id of at most 15.
        let (event_max, commit_max) = (limits::event_bytes_max(bytes), limits::commit_bytes_max(bytes));
        let sized = |bytes: u64| NewEvent::raw("t", vec![7; bytes as usize - 42]).id("x");
        let words = [event_max.to_string(), (event_max + 1).to_string()];
        let words = [words[0].as_str(), words[1].as_str(), "event 0", "a-1"];
        refused(&store, store.append("a-1", Any, sized(event_max + 1)).wait(), ErrorKind::Limit, &words);
        store.append("a-1", Any, sized(event_max)).wait().expect("exactly the largest event");
        // The header takes 64, the names 2 * 4 and their 4 bytes, and all of it is a multiple of 8.
        let whole = |commit: u64| [sized(event_max), sized(commit - event_max - 64 - 8 - 4)];
        let words = ["commit", &commit_max.to_string(), &(commit_max + 8).to_string()];
        // The largest event would be passed by what is left, so three share the commit.
        let third = |commit: u64| {
            let [_, rest] = whole(commit);
            let data = rest.data().len() / 2;
            [
                sized(event_max),
                NewEvent::raw("t", vec![7; data - 42]).id("y"),
                NewEvent::raw("t", vec![7; rest.data().len() - data]).id("z"),
            ]
        };
        refused(&store, store.append("a-1", Any, third(commit_max + 1)).wait(), ErrorKind::Limit, &words);
        store.append("a-1", Any, third(commit_max)).wait().expect("exactly the largest commit");
        let fourth =
            store.view().all().rev().map(|e| e.expect("an event").data().len()).take(3).sum::<usize>();
        assert_eq!(fourth as u64, commit_max - 64 - 12 - 3 * 42);
    }
}

/// Frames that end exactly where a segment ends, and one that is 8 bytes too long for it.
#[test]
fn a_segment_is_filled_to_its_last_byte() {
    for mode in [WriteMode::Mapped, WriteMode::Positioned] {
        for last in [1_024u64, 1_016] {
            let dir = Dir::new();
            let store = small().write_mode(mode).open(dir.store()).expect("a store");
            // 4,096 bytes are for frames: three of 1,024 and the last one.
            let frame = |bytes: u64| NewEvent::raw("t", vec![7; bytes as usize - 64 - 12 - 42]).id("x");
            for bytes in [1_024, 1_024, 1_024, last] {
                store.append("a-1", Any, frame(bytes)).wait().expect("an append");
            }
            assert_eq!(store.stats().expect("stats").segments, 1);
            fill(&store, "a-1", 1);
            assert_eq!(store.stats().expect("stats").segments, 2);
            assert_eq!(store.view().all().len(), 5);
            store.close().wait().expect("a close");
            let store = Store::open(dir.store()).expect("a store");
            assert_eq!((store.view().all().count(), store.view().stream("a-1").rev().count()), (5, 5));
            assert!(orchestrix::verify(dir.store()).expect("a report").is_clean());
        }
    }
}

#[test]
fn options_have_bounds() {
    let dir = Dir::new();
    for bytes in [0, 1, 4 << 10, (8 << 10) - 1, 12 << 10, (1 << 30) + 1, 2 << 30, u64::MAX] {
        let words = ["segment_bytes", "power of two", "8192", "1073741824", &bytes.to_string()];
        says(Store::options().segment_bytes(bytes).open(dir.store()), ErrorKind::Invalid, &words);
        says(Store::options().segment_bytes(bytes).in_memory(), ErrorKind::Invalid, &words);
    }
    for interval in [Duration::ZERO, Duration::from_micros(999), Duration::from_secs(3_601), Duration::MAX] {
        says(
            small().sync_interval(interval).open(dir.store()),
            ErrorKind::Invalid,
            &["sync_interval", "1 ms", "1 h"],
        );
    }
    says(small().write_mode(WriteMode::Heap).open(dir.store()), ErrorKind::Invalid, &["write_mode", "Heap"]);
    says(small().write_mode(WriteMode::Mapped).in_memory(), ErrorKind::Invalid, &["memory"]);
    says(small().read_only().in_memory(), ErrorKind::Invalid, &["memory"]);
    says(small().create(false).in_memory(), ErrorKind::Invalid, &["memory"]);
    assert!(!dir.store().exists(), "an option out of bounds makes nothing");
    for interval in [Duration::from_millis(1), Duration::from_secs(3_600)] {
        small().sync_interval(interval).in_memory().expect("a bound");
    }
    Store::options().segment_bytes(1 << 30).write_mode(WriteMode::Heap).in_memory().expect("the largest");
    Store::options()
        .segment_bytes(1 << 30)
        .open(dir.store())
        .expect("the largest")
        .close()
        .wait()
        .expect("a close");
}

#[test]
fn a_directory_that_is_no_store_is_refused_and_left_alone() {
    let dir = Dir::new();
    fs::write(dir.store(), "a file").expect("a file");
    for options in [small(), small().read_only(), small().create(false)] {
        let error = says(options.open(dir.store()), ErrorKind::Invalid, &["store", "not a directory"]);
        assert!(error.is_not_a_store());
    }
    says(Store::open(dir.file("below")), ErrorKind::Io, &["opening", "below"]);
    fs::remove_file(dir.store()).expect("the file");
    fs::create_dir(dir.store()).expect("a directory");
    fs::write(dir.file("letter.txt"), "not ours").expect("a file");
    let before = tree(&dir.store());
    for options in [small(), small().read_only(), small().create(false)] {
        assert!(options.open(dir.store()).expect_err("a folder of letters").is_not_a_store());
    }
    says(small().open(dir.store()), ErrorKind::Invalid, &["letter.txt", "isn't empty"]);
    assert_eq!(tree(&dir.store()), before);
}

/// A directory that may not be written is read all the same.
// F44
#[test]
fn a_read_only_directory_is_read_and_not_written() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    fill(&store, "a-1", 60);
    store.close().wait().expect("a close");
    let status = std::process::Command::new("sh")
        .args(["-c", "chattr -R +i \"$1\" 2>/dev/null && { \"$2\" --exact a_child_in_a_read_only_directory --nocapture; r=$?; chattr -R -i \"$1\"; exit $r; }; chattr -R -i \"$1\" 2>/dev/null; exit 77", "sh"])
        .arg(dir.store())
        .arg(std::env::current_exe().expect("this program"))
        .env("ORCHESTRIX_CHILD_STORE", dir.store())
        .status()
        .expect("a shell");
    match status.code() {
        Some(77) => println!("skipped: this user may not make files immutable here"),
        code => assert_eq!(code, Some(0)),
    }
}

#[test]
fn a_child_in_a_read_only_directory() {
    let Some(dir) = std::env::var_os("ORCHESTRIX_CHILD_STORE") else { return };
    let reader = Store::options().read_only().open(&dir).expect("a reader");
    assert_eq!(texts(reader.view().all()).len(), 60);
    says(Store::open(&dir), ErrorKind::Io, &["locking"]);
    assert!(orchestrix::verify(&dir).expect("a report").is_clean());
}
