//! Real files: on the file system of the temporary directory, and on tmpfs where `/dev/shm` is one; mapped and
//! written by position.

use super::*;
use crate::medium::Site;
use crate::medium::region::RegionOps;
use std::io::ErrorKind;

const LEN: u64 = 1 << 20;

fn places() -> Vec<tempfile::TempDir> {
    let mut places = vec![tempfile::tempdir().unwrap()];
    places.extend(tempfile::tempdir_in("/dev/shm").ok());
    places
}

fn kind<T>(result: io::Result<T>) -> ErrorKind {
    result.err().expect("an error").kind()
}

/// Calls the test with each place and each write mode that works there.
fn everywhere(test: impl Fn(&RealFiles, &Path)) {
    for place in places() {
        let natural = RealFiles::new(&place.path().join("natural"), None);
        let positioned = RealFiles::new(&place.path().join("positioned"), Some(WriteMode::Positioned));
        for files in [natural, positioned] {
            files.create_root().unwrap();
            test(&files, &files.dir.clone());
        }
    }
}

fn allocated(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

#[test]
fn file_systems_that_keep_reservations_are_mapped() {
    use rustix::fs::statfs;
    for place in places() {
        let promised =
            matches!(statfs(place.path()).unwrap().f_type as u64, 0xEF53 | 0x5846_5342 | 0x0102_1994);
        let files = RealFiles::new(&place.path().join("not/there/yet"), None);
        let mode = files.write_mode();
        assert!(!promised || mode == WriteMode::Mapped, "{mode:?} in {place:?}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "the trial leaves nothing behind");
        let forced = RealFiles::new(place.path(), Some(WriteMode::Positioned));
        assert_eq!(forced.write_mode(), WriteMode::Positioned);
        let heap = RealFiles::new(place.path(), Some(WriteMode::Heap));
        assert_eq!(heap.write_mode(), mode);
    }
    assert_eq!(RealFiles::new(Path::new("/proc"), None).write_mode(), WriteMode::Positioned);
}

#[test]
fn what_is_written_is_in_the_file_and_in_every_mapping() {
    everywhere(|files, dir| {
        let mut writer = files.create_region("seg", LEN).unwrap();
        let region = writer.region().clone();
        region.reserve(0, LEN).unwrap();
        region.populate(0, 512 * 1024 + 1).unwrap();
        writer.write(Site::Body, 4104, b"body").unwrap();
        writer.write_word(Site::FirstWord, 4096, 0x0807_0605_0403_0201).unwrap();
        region.store_word(520, 7).unwrap();
        region.store_head(1024, b"abcdefgh12345678").unwrap();
        writer.publish(4108);
        region.sync_range(4096, 4108).unwrap();
        region.sync_range(LEN - 1, LEN).unwrap();
        region.sync_range(5, 5).unwrap();
        region.sync_file().unwrap();
        let reader = files.open_region("seg", Access::Read).unwrap();
        let content = fs::read(dir.join("seg")).unwrap();
        let expected = b"\x01\x02\x03\x04\x05\x06\x07\x08body";
        assert_eq!(region.bytes(4096, 4108), expected);
        assert_eq!(reader.bytes(4096, 4108), expected);
        assert_eq!(&content[4096..4108], expected);
        assert_eq!(reader.region().load_word(520), 7);
        assert_eq!(reader.region().head_bytes(1024, 1040), b"abcdefgh12345678");
        assert_eq!(content.len() as u64, LEN);
        writer.rewrite(4112, 4112 + 200_000).unwrap();
        writer.zero(Site::Header, 4112, 4112 + 200_000).unwrap();
        drop(writer);
        let mut again = files.open_region("seg", Access::Write).unwrap();
        assert_eq!(again.bytes(4104, 4108), b"body");
        again.rewrite(4096, 8192).unwrap();
        again.publish(4108);
        assert_eq!(fs::read(dir.join("seg")).unwrap(), content);
    });
}

#[test]
fn reserving_takes_blocks_and_punching_gives_them_back() {
    everywhere(|files, dir| {
        let mut writer = files.create_region("seg", LEN).unwrap();
        let path = dir.join("seg");
        assert!(allocated(&path) < 8192, "nothing is reserved");
        writer.region().reserve(0, LEN / 2).unwrap();
        writer.region().reserve(LEN / 2, LEN / 2).unwrap();
        let reserved = allocated(&path);
        assert!((LEN / 2..LEN / 2 + 16384).contains(&reserved), "{reserved}");
        assert!(files.bytes_on_disk().unwrap() >= LEN / 2);
        writer.write(Site::Body, LEN / 4 - 4, b"12345678").unwrap();
        writer.publish(LEN / 4);
        writer.punch(LEN / 4 + 1, LEN / 4 + 2).unwrap();
        assert_eq!(writer.bytes(LEN / 4, LEN / 4 + 4), b"5678");
        writer.punch(LEN / 4, LEN).unwrap();
        let punched = allocated(&path);
        assert!((LEN / 4..LEN / 4 + 16384).contains(&punched), "{punched}");
        assert_eq!(writer.bytes(LEN / 4 - 4, LEN / 4 + 4), b"1234\0\0\0\0");
        assert_eq!(fs::metadata(&path).unwrap().len(), LEN);
    });
}

#[test]
fn holes_are_told_from_data() {
    everywhere(|files, dir| {
        let mut writer = files.create_region("seg", LEN).unwrap();
        let region = writer.region().clone();
        assert_eq!(region.next_data(0).unwrap(), None);
        writer.write(Site::Body, LEN / 2, b"x").unwrap();
        let reader = files.open_region("seg", Access::Read).unwrap();
        // A reader's descriptor is closed at once; it finds the file again by its name.
        for region in [&region, reader.region()] {
            let at = region.next_data(0).unwrap().unwrap();
            assert!((4096..=LEN / 2).contains(&at), "{at}");
            assert_eq!(region.next_data(LEN / 2).unwrap(), Some(LEN / 2));
            assert_eq!(region.next_data(LEN).unwrap(), None);
            let after = region.next_data(LEN * 3 / 4).unwrap();
            assert!(after.is_none(), "{after:?}");
        }
        // Another file of that name says nothing about this one.
        fs::remove_file(dir.join("seg")).unwrap();
        assert_eq!(reader.region().next_data(0).unwrap(), Some(0));
        files.create_region("seg", LEN).unwrap();
        assert_eq!(reader.region().next_data(5).unwrap(), Some(5));
        assert_eq!(reader.region().next_data(LEN).unwrap(), None);
    });
}

/// F58
#[test]
fn a_removed_or_renamed_region_stays_valid() {
    everywhere(|files, _| {
        let mut writer = files.create_region("seg", LEN).unwrap();
        writer.write(Site::Body, 4096, b"kept").unwrap();
        writer.publish(4100);
        files.rename("seg", "other").unwrap();
        files.remove("other").unwrap();
        assert_eq!(writer.region().bytes(4096, 4100), b"kept");
        writer.write(Site::Body, 4100, b"more").unwrap();
        writer.region().sync_range(4096, 4104).unwrap();
        assert_eq!(kind(files.open_region("other", Access::Read)), ErrorKind::NotFound);
    });
}

#[test]
fn a_released_region_is_still_read() {
    everywhere(|files, _| {
        let mut writer = files.create_region("seg", LEN).unwrap();
        writer.write(Site::Body, 4096, b"kept").unwrap();
        writer.publish(4100);
        let region = writer.region().clone();
        region.release();
        region.release();
        assert_eq!(region.bytes(4096, 4100), b"kept");
        assert!(region.sync_file().is_err());
        assert!(region.reserve(0, LEN).is_err());
        assert_eq!(writer.write(Site::Body, 4100, b"x").is_ok(), files.write_mode() == WriteMode::Mapped);
        assert_eq!(region.sync_range(0, LEN).is_ok(), files.write_mode() == WriteMode::Mapped);
        assert_eq!(region.next_data(LEN / 2).unwrap(), None);
    });
}

#[test]
fn a_region_for_reading_changes_nothing() {
    everywhere(|files, dir| {
        drop(files.create_region("seg", 8192).unwrap());
        let mut reader = files.open_region("seg", Access::Read).unwrap();
        assert_eq!(kind(reader.write(Site::Body, 4096, b"x")), ErrorKind::PermissionDenied);
        assert_eq!(kind(reader.region().store_word(0, 1)), ErrorKind::PermissionDenied);
        assert_eq!(kind(reader.region().sync_range(0, 8192)), ErrorKind::PermissionDenied);
        assert_eq!(fs::read(dir.join("seg")).unwrap(), [0; 8192]);
    });
}

/// F43: what fails leaves no name that the next attempt would trip over.
#[test]
fn creating_a_region_is_all_or_nothing() {
    everywhere(|files, _| {
        assert_eq!(kind(files.create_region("seg", 0)), ErrorKind::InvalidData);
        assert_eq!(kind(files.create_region("seg", 12)), ErrorKind::InvalidData);
        assert_eq!(files.found("seg").unwrap(), Found::Nothing);
        drop(files.create_region("seg", 8192).unwrap());
        assert_eq!(kind(files.create_region("seg", 8192)), ErrorKind::AlreadyExists);
        assert_eq!(files.found("seg").unwrap(), Found::File);
        files.write("odd", b"123").unwrap();
        assert_eq!(kind(files.open_region("odd", Access::Read)), ErrorKind::InvalidData);
        files.write("empty", b"").unwrap();
        assert_eq!(kind(files.open_region("empty", Access::Write)), ErrorKind::InvalidData);
    });
}

/// F36: where a store would raise `SIGBUS`, populating says so instead.
#[test]
fn populating_past_the_end_of_the_file_is_an_error() {
    for place in places() {
        let path = place.path().join("seg");
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        file.set_len(LEN).unwrap();
        let mapping = Mapping::of_file(&file, LEN, true).unwrap();
        if mapping.populate(0, 4096).is_err() {
            continue; // A kernel that can't populate.
        }
        file.set_len(4096).unwrap();
        let ops = RealOps::new(file, &path, mapping, WriteMode::Mapped, true).unwrap();
        ops.populate(0, 4096).unwrap();
        let error = ops.populate(0, LEN).unwrap_err();
        assert!(error.to_string().contains("SIGBUS"), "{error}");
    }
}

#[test]
fn a_tree_is_listed_read_and_written() {
    everywhere(|files, dir| {
        files.create_dir("log").unwrap();
        files.create_dir("log").unwrap();
        files.write("log/b", b"12345").unwrap();
        files.write("log/a", b"").unwrap();
        files.write("log/b", b"123").unwrap();
        files.create_dir("log/c").unwrap();
        files.sync_dir("log").unwrap();
        files.sync_dir("").unwrap();
        let entry = |name: &str, bytes, is_file| Entry { name: name.into(), bytes, is_file };
        let expected = [entry("a", 0, true), entry("b", 3, true), entry("c", 0, false)];
        assert_eq!(files.list("log").unwrap(), expected);
        assert_eq!(files.list("").unwrap(), [entry("log", 0, false)]);
        assert_eq!(files.read("log/b", 2).unwrap(), b"12");
        assert_eq!(files.read("log/b", 20).unwrap(), b"123");
        files.rename("log/b", "log/a").unwrap();
        assert_eq!(files.read("log/a", 20).unwrap(), b"123");
        std::os::unix::net::UnixListener::bind(dir.join("socket")).map(drop).unwrap();
        let found = ["", "log", "log/a", "log/b", "socket"].map(|path| files.found(path).unwrap());
        assert_eq!(found, [Found::Directory, Found::Directory, Found::File, Found::Nothing, Found::Other]);
        assert_eq!(kind(files.list("none")), ErrorKind::NotFound);
        assert_eq!(kind(files.sync_dir("none")), ErrorKind::NotFound);
        assert_eq!(kind(files.remove("none")), ErrorKind::NotFound);
        assert_eq!(kind(files.create_dir("log/a")), ErrorKind::AlreadyExists);
        assert_eq!(kind(files.found("log/a/b")), ErrorKind::NotADirectory);
    });
}

#[test]
fn the_root_is_created_with_its_parents() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("a/b/c");
    let files = RealFiles::new(&dir, None);
    assert_eq!(files.root(), dir);
    assert_eq!(files.found("").unwrap(), Found::Nothing);
    assert_eq!(files.bytes_on_disk().unwrap(), 0);
    files.create_root().unwrap();
    files.create_root().unwrap();
    assert_eq!(files.found("").unwrap(), Found::Directory);
    fs::write(place.path().join("file"), b"").unwrap();
    let below_a_file = RealFiles::new(&place.path().join("file/store"), None);
    assert_eq!(kind(below_a_file.create_root()), ErrorKind::AlreadyExists);
    let a_file = RealFiles::new(&place.path().join("file"), None);
    assert_eq!(kind(a_file.create_root()), ErrorKind::AlreadyExists);
}

/// F54
#[test]
fn a_second_lock_would_block_and_finds_the_holder() {
    everywhere(|files, _| {
        files.write("lock", b"999999999999 left over\n").unwrap();
        let lock = files.try_lock("lock").unwrap();
        assert_eq!(kind(files.try_lock("lock")), ErrorKind::WouldBlock);
        let id = String::from_utf8(files.read("lock", 32).unwrap()).unwrap();
        assert_eq!(id, format!("{}\n", std::process::id()));
        drop(lock);
        drop(files.try_lock("lock").unwrap());
        assert_eq!(kind(files.try_lock("none/lock")), ErrorKind::NotFound);
    });
}

#[test]
fn a_living_writer_is_seen_through_another_descriptor() {
    everywhere(|files, _| {
        assert_eq!(kind(files.mark_writer("watermark")), ErrorKind::NotFound);
        drop(files.create_region("watermark", 4096).unwrap());
        assert!(!files.writer_lives("watermark").unwrap());
        let mark = files.mark_writer("watermark").unwrap();
        assert!(files.writer_lives("watermark").unwrap());
        // Asking takes nothing, and closing what asked lets nothing go.
        assert!(files.writer_lives("watermark").unwrap());
        drop(files.open_region("watermark", Access::Write).unwrap());
        assert!(files.writer_lives("watermark").unwrap());
        assert_eq!(kind(files.mark_writer("watermark")), ErrorKind::WouldBlock);
        drop(mark);
        assert!(!files.writer_lives("watermark").unwrap());
    });
}

#[test]
fn the_boot_is_known() {
    let text = "12345678-9abc-def0-0123-456789abcdef\n";
    assert_eq!(boot_id(text), Some(0x1234_5678_9abc_def0_0123_4567_89ab_cdef_u128.to_be_bytes()));
    for text in ["", "12345678", "12345678-9abc-def0-0123-456789abcdeg"] {
        assert_eq!(boot_id(text), None, "{text}");
    }
    let files = RealFiles::new(Path::new("anywhere"), None);
    assert_eq!(files.boot_id(), files.boot_id());
}
