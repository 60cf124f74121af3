//! Opening and closing: who may, what it changes, what stays usable. Files are compared byte by byte, and by the time of
//! their last change, before and after.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Durability, ErrorKind, WriteMode, verify};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tools::{Dir, copy, event, fill, says, small, texts, tree};

/// A reader takes no lock and changes no byte, beside a living writer and without one.
// F44, D17
#[test]
fn rule_17_a_reader_takes_no_lock_and_changes_no_byte() {
    let dir = Dir::new();
    // So large that no next segment is prepared, which would change the folder.
    let options = Store::options().segment_bytes(1 << 20).sync_interval(Duration::from_secs(3_600));
    let writer = options.open(dir.store()).expect("a store");
    fill(&writer, "a-1", 100);
    writer.sync().wait().expect("a sync");
    fill(&writer, "a-2", 10);
    // The writer syncs its mark once it has been idle.
    let tree_but_mark = || {
        let mut tree = tree(&dir.store());
        tree.get_mut("watermark").expect("a mark").1 = std::time::UNIX_EPOCH;
        tree
    };
    let before = tree_but_mark();
    let reader = Store::options().read_only().open(dir.store()).expect("a reader");
    assert_eq!(texts(reader.view().all()), texts(writer.view().all()));
    assert!(reader.view_synced().watermark() >= Position(100), "what the mark says is synced");
    assert!(verify(dir.store()).expect("a report").is_clean());
    says(reader.append("a-1", Any, event("x")).wait(), ErrorKind::Invalid, &["read-only"]);
    says(reader.sync().wait(), ErrorKind::Invalid, &["read-only"]);
    reader.stats().expect("stats");
    assert_eq!(tree_but_mark(), before, "beside a living writer");

    // It keeps no writer out either, and goes on showing what it saw.
    writer.close().wait().expect("a close");
    let closed = tree(&dir.store());
    let second = Store::options().read_only().open(dir.store()).expect("a reader");
    assert_eq!(second.view_synced().watermark(), Position(110));
    reader.close().wait().expect("nothing to close");
    assert_eq!(tree(&dir.store()), closed, "without a writer");
    let writer = Store::open(dir.store()).expect("the next writer");
    fill(&writer, "a-1", 100);
    assert_eq!(second.view().watermark(), Position(110));
    assert_eq!(texts(second.view().all()).len(), 110);
}

#[test]
fn reading_never_creates_a_store() {
    let dir = Dir::new();
    for options in [Store::options().read_only(), Store::options().create(false)] {
        let error = says(options.clone().open(dir.store()), ErrorKind::Invalid, &["not a store", "no such"]);
        assert!(error.is_not_a_store());
        assert!(!dir.store().exists());
        fs::create_dir(dir.store()).expect("a directory");
        assert!(options.open(dir.store()).expect_err("an empty directory").is_not_a_store());
        fs::remove_dir(dir.store()).expect("still empty");
    }
    assert!(verify(dir.store()).expect_err("nothing there").is_not_a_store());
}

#[test]
fn directories_are_made_with_their_parents() {
    let dir = Dir::new();
    let path = dir.path("x/y/z");
    Store::open(&path).expect("a store").close().wait().expect("a close");
    assert_eq!(Store::open(&path).expect("the same").dir(), Some(path.as_path()));
    assert_eq!(Store::in_memory().dir(), None);
}

/// A second writer is refused, and told who has the store.
// F54
#[test]
fn a_second_writer_is_locked_out_and_told_by_whom() {
    let dir = Dir::new();
    let first = small().open(dir.store()).expect("a store");
    let own = std::process::id();
    let error = says(small().open(dir.store()), ErrorKind::Locked, &["locked", &own.to_string()]);
    assert!(error.is_locked() && error.is_retryable());
    assert_eq!(error.holder(), Some(own));
    let error = small().wait_for_lock(Duration::from_millis(30)).open(dir.store()).expect_err("still locked");
    assert!(error.is_locked());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| small().wait_for_lock(Duration::from_secs(60)).open(dir.store()));
        fill(&first, "a-1", 3);
        first.close().wait().expect("a close");
        let second = waiting.join().expect("no panic").expect("the lock");
        assert_eq!(second.view().watermark(), Position(3));
    });
}

#[test]
fn close_ends_every_clone_and_leaves_views_readable() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    let other = store.clone();
    fill(&store, "a-1", 50);
    let view = store.view();
    let closing = store.close();
    says(other.append("a-1", Any, event("x")).wait(), ErrorKind::Closed, &["closed"]);
    closing.wait().expect("a close");
    other.close().wait().expect("the same result");
    for handle in [&store, &other] {
        let error = handle.append("a-1", Any, event("x")).wait().expect_err("closed");
        assert!(error.is_closed() && !error.is_retryable());
        let commit = handle.transaction().append("a-1", Any, event("x")).commit();
        assert!(commit.wait().expect_err("closed").is_closed());
        handle.sync().wait().expect("everything is synced");
    }
    let next = small().open(dir.store()).expect("the lock was let go");
    fill(&next, "a-1", 50);
    assert_eq!(texts(view.all()).len(), 50);
    assert_eq!(texts(other.view().stream("a-1")).len(), 50);
    assert_eq!(view.watermark(), store.view().watermark());
    drop((store, other));
    assert_eq!(texts(view.all().rev()).len(), 50, "a view outlives its store");
    assert_eq!(next.view().watermark(), Position(100));
}

#[test]
fn dropping_the_last_clone_closes() {
    let dir = Dir::new();
    for n in 0..3 {
        let store = small().open(dir.store()).expect("the lock was let go");
        assert_eq!(store.recovery().unsynced_bytes, 0, "drop syncs");
        assert_eq!(store.view().watermark(), Position(n));
        fill(&store, "a-1", 1);
        drop(store.close());
        let _clone = store.clone();
    }
}

/// In a store that was opened beside, nothing is left of a close: neither prepared segments nor reserved blocks.
#[test]
fn a_closed_store_holds_its_segments_and_nothing_else() {
    for round in 0..20 {
        let dir = Dir::new();
        let store = small().open(dir.store()).expect("a store");
        fill(&store, "a-1", 20 + 7 * round);
        store.close().wait().expect("a close");
        let segments = store.stats().expect("stats").segments;
        let of_log = |name: &String| !name.starts_with("index");
        let names: Vec<_> = tree(&dir.store()).into_keys().filter(of_log).collect();
        let expected = (0..segments).map(|n| format!("log/{n:020}.seg"));
        let mut expected: Vec<_> =
            expected.chain(["log", "lock", "store", "watermark"].map(str::to_owned)).collect();
        expected.sort();
        assert_eq!(names, expected);
    }
}

#[test]
fn write_mode_is_mapped_on_ext4_and_tmpfs() {
    /// Magic numbers of file systems.
    const EXT: u64 = 0xEF53;
    const TMPFS: u64 = 0x0102_1994;
    for base in
        [std::env::temp_dir().as_path(), Path::new("/dev/shm"), Path::new(env!("CARGO_TARGET_TMPDIR"))]
    {
        let Ok(dir) = tempfile::tempdir_in(base) else { continue };
        let kind = rustix::fs::statfs(dir.path()).expect("a file system").f_type as u64;
        let store = Store::open(dir.path().join("store")).expect("a store");
        store.append("a-1", NoStream, event("x")).wait().expect("an append");
        let mode = store.stats().expect("stats").write_mode;
        if [EXT, TMPFS].contains(&kind) {
            assert_eq!(mode, WriteMode::Mapped, "{}", base.display());
        }
        assert_eq!(mode.to_string(), if mode == WriteMode::Mapped { "mapped" } else { "positioned" });
        store.close().wait().expect("a close");
        let forced = Store::options().write_mode(WriteMode::Positioned).open(dir.path().join("store"));
        assert_eq!(forced.expect("a store").stats().expect("stats").write_mode, WriteMode::Positioned);
    }
    assert_eq!(Store::in_memory().stats().expect("stats").write_mode, WriteMode::Heap);
}

/// What a mapped writer wrote, a positioned one goes on with, and the other way round; a copy is as good.
#[test]
fn write_modes_share_one_format() {
    let dir = Dir::new();
    for (round, mode) in [WriteMode::Mapped, WriteMode::Positioned, WriteMode::Mapped].into_iter().enumerate()
    {
        let store = small().write_mode(mode).open(dir.store()).expect("a store");
        assert_eq!(store.view().watermark(), Position(40 * round as u64));
        fill(&store, "a-1", 40);
        store.close().wait().expect("a close");
        assert!(verify(dir.store()).expect("a report").is_clean());
    }
    copy(&dir.store(), &dir.path("copy"));
    let copied = Store::open(dir.path("copy")).expect("a store");
    assert_eq!(copied.view().watermark(), Position(120));
}

/// What an unfinished creation left is an empty directory, and completed.
// F17, D5
#[test]
fn rule_5_an_unfinished_creation_is_completed_at_each_step() {
    let made = Dir::new();
    let store = small().open(made.store()).expect("a store");
    store.close().wait().expect("a close");
    let leftovers: [&[&str]; 7] = [
        &[],
        &["lock"],
        &["lock", "store.new"],
        &["lock", "store"],
        &["lock", "store", "log"],
        &["lock", "store", "log", "watermark"],
        &["lock", "store", "log", "log/00000000000000000000.seg"],
    ];
    for names in leftovers {
        for cut in [0, 1, 512, usize::MAX] {
            let dir = Dir::new();
            fs::create_dir(dir.store()).expect("a directory");
            for name in names {
                let from = made.file(if *name == "store.new" { "store" } else { name });
                if from.is_dir() {
                    fs::create_dir(dir.file(name)).expect("a directory");
                    continue;
                }
                let bytes = fs::read(from).expect("a file");
                let whole = *name == "store" || *name == "lock";
                let kept = if whole { bytes.len() } else { cut.min(bytes.len()) };
                fs::write(dir.file(name), &bytes[..kept]).expect("a file");
            }
            let store = small().open(dir.store()).unwrap_or_else(|e| panic!("{names:?} {cut}: {e}"));
            fill(&store, "a-1", 5);
            store.close().wait().expect("a close");
            assert_eq!(Store::open(dir.store()).expect("a store").view().watermark(), Position(5));
            assert!(!dir.file("store.new").exists() && verify(dir.store()).expect("a report").is_clean());
        }
    }
}

#[test]
fn options_are_stored_with_the_store() {
    let dir = Dir::new();
    let options = small().pad_syncs(true).durability(Durability::Power);
    options.open(dir.store()).expect("a store").close().wait().expect("a close");
    let store = Store::open(dir.store()).expect("no option given");
    assert_eq!(store.stats().expect("stats").segment_bytes, 8 << 10);
    store.close().wait().expect("a close");
    let open = |options: orchestrix::Options| options.open(dir.store());
    says(
        open(Store::options().segment_bytes(16 << 10)),
        ErrorKind::Invalid,
        &["segment_bytes", "8192", "16384"],
    );
    says(open(Store::options().pad_syncs(false)), ErrorKind::Invalid, &["pad_syncs", "true", "false"]);
    open(small().pad_syncs(true)).expect("the same as stored");
}
