//! The committed store of version 1: several streams and segments, all kinds of ids, tags and metadata, commits over several
//! streams, seals.

use crate::tools::{Dir, copy, event, small, tree};
use orchestrix::prelude::*;
use orchestrix::verify;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

/// The commits of the store: each a list of stream and event.
fn commits() -> Vec<Vec<(String, NewEvent<'static>)>> {
    let time = |n: u64| UNIX_EPOCH + Duration::new(1_700_000_000 + n, 123_456_789);
    (0..70u64)
        .map(|n| {
            let stream = format!("account-{}", n % 4);
            let data = format!(r#"{{"n":{n},"text":"{}"}}"#, "é".repeat(n as usize % 9));
            let mut first = NewEvent::raw(format!("type-{}", n % 3), data.into_bytes()).time(time(n));
            first = match n % 4 {
                0 => first.id(format!("id-{n}")),
                1 => first.id(format!("an id that is longer than fifteen bytes {n}")),
                2 => first.id(format!("018f3c5e-7a1b-7c2d-8e3f-{n:012x}")),
                _ => first.id(format!("{}{n}", "é".repeat(100))),
            };
            if n % 3 == 0 {
                first = first
                    .tag("room:kitchen")
                    .tag(format!("n:{n}"))
                    .correlation("018f3c5e-7a1b-7c2d-8e3f-000000000000");
            }
            if n % 5 == 0 {
                first = first.source("https://example.org/feed").subject("a subject").correlation("story-1");
                first = first
                    .causation("cause")
                    .trace_parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
                first = first.content_type("application/json").schema_version(3).data_schema("urn:schema");
                first = first.extension("tier", "gold").typed_extension("count", 7);
            }
            if n % 7 == 0 {
                first = first.content_type("image/x-unknown");
            }
            let mut commit = vec![(stream, first)];
            if n % 6 == 0 {
                let others = (0..3).map(|i| (format!("user-{i}"), event(&format!("{n} {i}")).time(time(n))));
                commit.extend(others);
                commit.push((format!("account-{}", n % 4), event(&format!("{n} again")).time(time(n))));
            }
            commit
        })
        .collect()
}

fn write(store: &Store, commit: &[(String, NewEvent<'static>)]) {
    let start = store.transaction();
    let all = commit.iter().fold(start, |t, (stream, event)| t.append(stream, Any, event));
    all.commit().wait().expect("a commit");
}

#[test]
#[ignore = "writes the store of this version, once for each version"]
fn write_the_store_of_this_version() {
    assert!(!path().exists(), "a store that was committed is never written again");
    for half in commits().chunks(35) {
        let store = small().open(path()).expect("a store");
        for (n, commit) in half.iter().enumerate() {
            write(&store, commit);
            if n % 8 == 0 {
                store.sync().wait().expect("a sync");
            }
        }
        store.close().wait().expect("a close");
    }
    fs::remove_file(path().join("lock")).expect("the process id is of no use");
}

/// That a store shows exactly these commits, every way.
fn check(store: &Store) {
    let expected: Vec<_> = commits().into_iter().flatten().collect();
    let view = store.view();
    assert_eq!(view.all().len(), expected.len());
    for (read, (stream, event)) in view.all().zip(&expected) {
        let read = read.expect("an event");
        assert_eq!((read.stream(), &read.to_recorded().to_new_event()), (stream.as_str(), event));
    }
    for stream in view.streams() {
        let (name, _) = stream.expect("a stream");
        let of_stream = expected.iter().filter(|(stream, _)| *stream == name).map(|(_, event)| event);
        let read: Vec<_> = view.stream(&name).map(|e| e.expect("an event").to_recorded()).collect();
        assert!(read.iter().map(|event| event.to_new_event()).eq(of_stream.cloned()));
        assert!(read.iter().zip(0..).all(|(event, n)| event.as_ref().revision() == Revision(n)));
    }
    assert_eq!((view.stream_count().expect("a count"), view.category("user").len()), (7, 36));
}

#[test]
fn the_store_of_version_1_is_read() {
    let before = tree(&path());
    let report = verify(path()).expect("a report");
    assert_eq!((report.problems, report.tail_bytes), (Vec::new(), 0));
    let store = Store::options().read_only().open(path()).expect("a reader");
    assert!(store.recovery().is_clean() && store.recovery().unsynced_bytes == 0);
    assert!(store.stats().expect("stats").segments > 2, "with seals");
    check(&store);
    assert_eq!(tree(&path()), before);
}

#[test]
fn a_copy_of_the_store_of_version_1_is_written() {
    let dir = Dir::new();
    copy(&path(), &dir.store());
    let store = Store::open(dir.store()).expect("a writer");
    check(&store);
    // What stands there is recognised.
    let (stream, first) = commits()[0][0].clone();
    assert!(store.append(stream, NoStream, first).wait().expect("a repeat").is_repeat());
    store.append("account-0", StreamExists, event("new")).wait().expect("an append");
    store.close().wait().expect("a close");
    assert!(verify(dir.store()).expect("a report").is_clean());
    assert_eq!(Store::open(dir.store()).expect("a store").view().all().len(), commits().concat().len() + 1);
}
