//! What a store takes of a disk, and what it does when there is no more. A full disk is a small tmpfs that a child of the
//! test mounts where nobody else sees it; a file that may not grow is the limit of a child's shell.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Durability, ErrorKind, Options, WriteMode, verify};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tools::{Dir, event, fill, says, small, tree};

const EVENTS: usize = 50_000;
const PAYLOAD: usize = 256;

/// Allocated bytes of the segments.
fn allocated(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir.join("log")).expect("a folder");
    entries.map(|entry| entry.expect("an entry").metadata().expect("metadata").blocks() * 512).sum()
}

/// Payload in, bytes on disk out, after a close. Streams and types have names of 10 and 12 bytes.
#[track_caller]
fn takes_at_most(ratio: f64, commit: usize) {
    let dir = Dir::new();
    let store = Store::options().durability(Durability::Process).open(dir.store()).expect("a store");
    let payload = [7; PAYLOAD];
    for n in 0..EVENTS / commit {
        let events: Vec<_> = (0..commit).map(|_| NewEvent::raw("event-type-1", &payload)).collect();
        store.append(format!("stream{:04}", n % 10_000), Any, events).wait().expect("an append");
    }
    store.close().wait().expect("a close");
    let found = allocated(&dir.store()) as f64 / (EVENTS * PAYLOAD) as f64;
    println!("{commit} a commit: {found:.3} of the payload");
    assert!(found <= ratio, "{found}");
    let stats = store.stats().expect("stats");
    for n in 0..stats.segments {
        assert_eq!(fs::metadata(dir.segment(n)).expect("a segment").len(), 64 << 20, "never shortened");
    }
}

#[test]
fn a_hundred_events_a_commit_take_little_more_than_their_payload() {
    takes_at_most(1.3, 100);
}

#[test]
fn one_event_a_commit_takes_half_as_much_again() {
    takes_at_most(1.55, 1);
}

#[test]
fn close_gives_back_what_was_reserved() {
    for mode in [WriteMode::Mapped, WriteMode::Positioned] {
        let dir = Dir::new();
        let store =
            Store::options().segment_bytes(1 << 20).write_mode(mode).open(dir.store()).expect("a store");
        fill(&store, "a-1", 10);
        assert!(allocated(&dir.store()) >= 1 << 20, "reserved ahead");
        store.close().wait().expect("a close");
        assert!(allocated(&dir.store()) <= 16 << 10, "header and frames");
        assert_eq!(fs::metadata(dir.segment(0)).expect("a segment").len(), 1 << 20);
        let store = Store::open(dir.store()).expect("a store");
        fill(&store, "a-1", 3_000);
        assert_eq!(store.view().all().count(), 3_010);
    }
}

/// Runs a test of this program in a shell, with a variable that says where. What it prints goes through a pipe: a limit on
/// the size of files would also hold for a log that the output of this program is sent to.
fn child(name: &str, dir: &Path, script: &str) -> Option<i32> {
    let own = std::env::current_exe().expect("this program");
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(dir).arg(own).arg(name).env("ORCHESTRIX_CHILD_DIR", dir);
    let ended = command.output().expect("a shell");
    print!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    ended.status.code()
}

fn child_dir() -> Option<PathBuf> {
    std::env::var_os("ORCHESTRIX_CHILD_DIR").map(PathBuf::from)
}

/// Mounts 3 MiB at the directory, in a name space of mounts of its own, and runs the test there. 77: it may not.
const ON_TMPFS: &str = r#"
flag=-m; [ "$(id -u)" = 0 ] || flag=-rm
unshare $flag true 2>/dev/null || exit 77
exec unshare $flag sh -c 'mount -t tmpfs -o size=3m none "$1" || exit 77; exec "$2" --exact "$3" --nocapture' sh "$@"
"#;

#[track_caller]
fn on_tmpfs(name: &str) {
    let dir = Dir::new();
    match child(name, &dir.path("."), ON_TMPFS) {
        Some(77) => println!("skipped: this user may not mount a tmpfs"),
        code => assert_eq!(code, Some(0), "{name}"),
    }
}

/// Takes all the space that is left, or `bytes` of it.
fn ballast(path: &Path, bytes: usize) {
    let mut file = File::create(path).expect("a file");
    for _ in 0..bytes / 4_096 {
        if file.write_all(&[1; 4_096]).is_err() {
            break;
        }
    }
}

fn modes() -> [(WriteMode, &'static str); 2] {
    [(WriteMode::Mapped, "mapped"), (WriteMode::Positioned, "positioned")]
}

fn options(mode: WriteMode) -> Options {
    Store::options().segment_bytes(64 << 10).durability(Durability::Process).write_mode(mode)
}

/// A full disk is a typed error on the append that finds no room; reading goes on, and appending once there is room.
// F34
#[test]
fn appending_works_again_when_there_is_room() {
    on_tmpfs("child_appends_on_a_full_disk");
}

#[test]
fn child_appends_on_a_full_disk() {
    let Some(base) = child_dir() else { return };
    for (mode, name) in modes() {
        let dir = base.join(name);
        let store = options(mode).open(&dir).expect("a store");
        ballast(&base.join("ballast"), 512 << 10);
        let mut acknowledged = 0;
        let error = loop {
            match store.append("a-1", Any, NewEvent::raw("t", vec![7; 1_000])).wait() {
                Ok(receipt) => {
                    acknowledged += 1;
                    assert_eq!(receipt.position(), Position(acknowledged));
                }
                Err(error) => break error,
            }
        };
        assert!(error.is_disk_full() && error.is_retryable(), "{error}");
        for _ in 0..3 {
            // Until then background work on the index may give some room back.
            let mut appends = (0..100).map(|_| {
                store.append("a-1", Any, vec![event("x"); 15]).wait()?;
                store.append("b-1", Any, NewEvent::raw("t", vec![7; 8_000])).wait().map(drop)
            });
            let refused = appends.find(Result::is_err).unwrap_or(Ok(()));
            says(refused, ErrorKind::DiskFull, &["disk full", "segment"]);
        }
        let seen = store.view().all().filter(Result::is_ok).count() as u64;
        assert!(seen >= acknowledged);
        store.sync().wait().expect("what was committed is synced");
        assert_eq!(store.view_synced().watermark(), Position(seen));
        fs::remove_file(base.join("ballast")).expect("the ballast");
        fill(&store, "a-1", 200);
        store.close().wait().expect("a close");
        assert_eq!(verify(&dir).expect("a report").problems, []);
        let store = options(mode).open(&dir).expect("a store");
        assert_eq!(store.view().all().count() as u64, seen + 200);
        drop(store);
        fs::remove_dir_all(&dir).expect("room for the next");
    }
}

/// On a disk that is full at the start a store is read, and a writing open says what is wrong and changes nothing.
// F46
#[test]
fn a_store_on_a_full_disk_is_read_and_not_opened_to_write() {
    on_tmpfs("child_opens_on_a_full_disk");
}

#[test]
fn child_opens_on_a_full_disk() {
    let Some(base) = child_dir() else { return };
    for (mode, name) in modes() {
        let dir = base.join(name);
        let store = options(mode).open(&dir).expect("a store");
        fill(&store, "a-1", 100);
        store.close().wait().expect("a close");
        ballast(&base.join("ballast"), usize::MAX);
        says(options(mode).open(&dir), ErrorKind::DiskFull, &["disk full"]);
        says(options(mode).open(base.join("new")), ErrorKind::DiskFull, &["disk full"]);
        let reader = Store::options().read_only().open(&dir).expect("a reader");
        assert_eq!(reader.view().all().count(), 100);
        assert!(verify(&dir).expect("a report").is_clean());
        fs::remove_file(base.join("ballast")).expect("the ballast");
        for (path, count) in [(&dir, 100), (&base.join("new"), 0)] {
            let store = options(mode).open(path).expect("there is room");
            assert_eq!(store.view().all().count(), count);
            fill(&store, "a-1", 100);
            store.close().wait().expect("a close");
            fs::remove_dir_all(path).expect("room for the next");
        }
    }
}

/// A file that may not grow that far is met like a full disk, and nothing has changed.
// F42
#[test]
fn a_limit_on_file_sizes_is_met_like_a_full_disk() {
    let dir = Dir::new();
    let small = small().open(dir.store()).expect("a store");
    fill(&small, "a-1", 10);
    small.close().wait().expect("a close");
    let script = r#"trap "" XFSZ; ulimit -f 64 || exit 77; exec "$2" --exact "$3" --nocapture"#;
    assert_eq!(child("child_may_not_write_large_files", &dir.path("."), script), Some(0));
    assert_eq!(Store::open(dir.path("large")).expect("without the limit").view().all().len(), 0);
}

#[test]
fn child_may_not_write_large_files() {
    let Some(base) = child_dir() else { return };
    let before = tree(&base.join("store"));
    says(Store::open(base.join("large")), ErrorKind::DiskFull, &["disk full", "segment"]);
    assert_eq!(tree(&base.join("store")), before);
    let store = small().open(base.join("store")).expect("segments of 8 KiB are within the limit");
    fill(&store, "a-1", 100);
    store.close().wait().expect("a close");
}
