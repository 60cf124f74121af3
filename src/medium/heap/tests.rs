use super::*;
use crate::medium::Site;

fn names(files: &HeapFiles, dir: &str) -> Vec<(String, u64, bool)> {
    files.list(dir).unwrap().into_iter().map(|entry| (entry.name, entry.bytes, entry.is_file)).collect()
}

fn kind<T>(result: io::Result<T>) -> ErrorKind {
    result.err().expect("an error").kind()
}

#[test]
fn a_tree_is_there_at_once() {
    let files = HeapFiles::new();
    files.create_root().unwrap();
    files.create_dir("log").unwrap();
    files.create_dir("log").unwrap();
    files.create_dir("").unwrap();
    files.create_region("log/1.seg", 8192).unwrap();
    files.write("store", b"0123456789").unwrap();
    files.write("log-2", b"").unwrap();
    files.sync_dir("").unwrap();
    files.sync_dir("log").unwrap();
    let expected = [("log".into(), 0, false), ("log-2".into(), 0, true), ("store".into(), 10, true)];
    assert_eq!(names(&files, ""), expected);
    assert_eq!(names(&files, "log"), [("1.seg".into(), 8192, true)]);
    let found = ["", "log", "log/1.seg", "store", "none"].map(|path| files.found(path).unwrap());
    assert_eq!(found, [Found::Directory, Found::Directory, Found::File, Found::File, Found::Nothing]);
    assert_eq!(files.read("store", 4).unwrap(), b"0123");
    assert_eq!((files.root(), files.write_mode()), (Path::new("memory"), WriteMode::Heap));
    assert_eq!(files.boot_id(), [0; 16]);
}

#[test]
fn names_that_are_missing_or_taken_are_errors() {
    let files = HeapFiles::new();
    files.create_dir("log").unwrap();
    files.write("store", b"x").unwrap();
    assert_eq!(kind(files.list("none")), ErrorKind::NotFound);
    assert_eq!(kind(files.list("store")), ErrorKind::NotADirectory);
    assert_eq!(kind(files.read("none", 1)), ErrorKind::NotFound);
    assert_eq!(kind(files.read("log", 1)), ErrorKind::IsADirectory);
    assert_eq!(kind(files.write("none/x", b"")), ErrorKind::NotFound);
    assert_eq!(kind(files.write("log", b"")), ErrorKind::IsADirectory);
    assert_eq!(kind(files.create_dir("store")), ErrorKind::AlreadyExists);
    assert_eq!(kind(files.create_region("store", 8)), ErrorKind::AlreadyExists);
    assert_eq!(kind(files.create_region("none/x", 8)), ErrorKind::NotFound);
    assert_eq!(kind(files.create_region("x", 0)), ErrorKind::InvalidData);
    assert_eq!(kind(files.open_region("none", Access::Write)), ErrorKind::NotFound);
    assert_eq!(kind(files.open_region("log", Access::Read)), ErrorKind::IsADirectory);
    assert_eq!(kind(files.rename("none", "x")), ErrorKind::NotFound);
    assert_eq!(kind(files.rename("store", "none/x")), ErrorKind::NotFound);
    assert_eq!(kind(files.rename("store", "log")), ErrorKind::IsADirectory);
    assert_eq!(kind(files.remove("none")), ErrorKind::NotFound);
    assert_eq!(kind(files.remove("log")), ErrorKind::IsADirectory);
    assert_eq!(names(&files, "").len(), 2);
}

#[test]
fn a_region_outlives_its_name() {
    let files = HeapFiles::new();
    let mut writer = files.create_region("a", 8192).unwrap();
    writer.region().store_word(0, 5).unwrap();
    writer.write(Site::Body, 4096, b"kept").unwrap();
    writer.publish(4100);
    files.rename("a", "b").unwrap();
    let again = files.open_region("b", Access::Read).unwrap();
    assert_eq!(again.bytes(4096, 4100), b"kept");
    assert_eq!(files.read("b", 8).unwrap(), 5u64.to_le_bytes());
    assert_eq!(kind(files.read("b", 4097)), ErrorKind::Unsupported);
    files.remove("b").unwrap();
    assert_eq!(kind(files.open_region("b", Access::Read)), ErrorKind::NotFound);
    assert_eq!(kind(files.open_region("a", Access::Read)), ErrorKind::NotFound);
    assert_eq!(writer.region().bytes(4096, 4100), b"kept");
    assert_eq!(files.create_region("b", 8192).unwrap().bytes(4096, 4100), [0; 4]);
}

#[test]
fn a_file_opens_as_a_region() {
    let files = HeapFiles::new();
    files.write("small", b"12345678").unwrap();
    let writer = files.open_region("small", Access::Write).unwrap();
    writer.region().store_head(0, b"abcdefgh").unwrap();
    assert_eq!(files.read("small", 100).unwrap(), b"abcdefgh");
    files.write("odd", b"123").unwrap();
    assert_eq!(kind(files.open_region("odd", Access::Read)), ErrorKind::InvalidData);
}

#[test]
fn what_is_reserved_counts_as_taken() {
    let files = HeapFiles::new();
    files.write("store", &[1; 100]).unwrap();
    let mut writer = files.create_region("seg", 1 << 20).unwrap();
    assert_eq!(files.bytes_on_disk().unwrap(), 100);
    writer.region().reserve(0, 1 << 19).unwrap();
    writer.region().populate(0, 1 << 19).unwrap();
    writer.region().sync_range(0, 1 << 19).unwrap();
    writer.region().sync_file().unwrap();
    assert_eq!(files.bytes_on_disk().unwrap(), 100 + (1 << 19));
    writer.punch(1 << 18, 1 << 20).unwrap();
    assert_eq!(files.bytes_on_disk().unwrap(), 100 + (1 << 18));
    assert_eq!(writer.region().next_data(5).unwrap(), Some(5));
    assert_eq!(writer.region().next_data(1 << 20).unwrap(), None);
}

/// F54
#[test]
fn locks_hold_until_they_are_dropped() {
    let files = HeapFiles::new();
    let lock = files.try_lock("lock").unwrap();
    assert_eq!(kind(files.try_lock("lock")), ErrorKind::WouldBlock);
    let id = String::from_utf8(files.read("lock", 32).unwrap()).unwrap();
    assert_eq!(id.trim().parse(), Ok(std::process::id()));
    drop(lock);
    drop(files.try_lock("lock").unwrap());
    assert!(!files.writer_lives("watermark").unwrap());
    let mark = files.mark_writer("watermark").unwrap();
    assert_eq!(kind(files.mark_writer("watermark")), ErrorKind::WouldBlock);
    assert!(files.writer_lives("watermark").unwrap());
    drop(mark);
    assert!(!files.writer_lives("watermark").unwrap());
}
