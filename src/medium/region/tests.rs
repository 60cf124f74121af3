//! Every rule of a region, over private memory with an operations table that records what it is asked.

use super::*;
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;

const LEN: u64 = 3 * REGION_HEAD;

/// What a region asked of its file.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Write(u64, Vec<u8>),
    Stored(Site, u64, Vec<u8>),
    Reserve(u64, u64),
    Populate(u64, u64),
    SyncRange(u64, u64),
    SyncFile,
    Punch(u64, u64),
    Release,
}

#[derive(Default)]
struct Log {
    asked: Mutex<Vec<Asked>>,
    fails: AtomicBool,
}

impl Log {
    fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock())
    }

    fn add(&self, asked: Asked) -> io::Result<()> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.asked.lock().push(asked);
        Ok(())
    }
}

struct Recording {
    log: Arc<Log>,
    observes: bool,
}

impl RegionOps for Recording {
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.log.add(Asked::Write(at, bytes.to_vec()))
    }
    fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        self.log.add(Asked::Reserve(from, to))
    }
    fn populate(&self, from: u64, to: u64) -> io::Result<()> {
        self.log.add(Asked::Populate(from, to))
    }
    fn sync_range(&self, from: u64, to: u64) -> io::Result<()> {
        self.log.add(Asked::SyncRange(from, to))
    }
    fn sync_file(&self) -> io::Result<()> {
        self.log.add(Asked::SyncFile)
    }
    fn punch(&self, from: u64, to: u64) -> io::Result<()> {
        self.log.add(Asked::Punch(from, to))
    }
    fn next_data(&self, from: u64) -> io::Result<Option<u64>> {
        Ok(Some(from + 1))
    }
    fn release(&self) {
        self.log.add(Asked::Release).unwrap();
    }
    fn stored(&self, site: Site, at: u64, bytes: &[u8]) {
        self.log.add(Asked::Stored(site, at, bytes.to_vec())).unwrap();
    }
    fn observes(&self) -> bool {
        self.observes
    }
}

fn over(mapping: Mapping, mode: WriteMode, writable: bool, observes: bool) -> (RegionWriter, Arc<Log>) {
    let log = Arc::new(Log::default());
    let ops = Recording { log: log.clone(), observes };
    (Region::create(mapping, mode, writable, Box::new(ops)), log)
}

fn region(mode: WriteMode, observes: bool) -> (RegionWriter, Arc<Log>) {
    over(Mapping::zeroed(LEN).unwrap(), mode, true, observes)
}

/// Every way in which bytes reach the memory.
fn ways() -> impl Iterator<Item = (RegionWriter, Arc<Log>)> {
    let modes = [WriteMode::Heap, WriteMode::Mapped, WriteMode::Positioned];
    modes.into_iter().flat_map(|mode| [region(mode, false), region(mode, true)])
}

fn panics<T>(call: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(|| drop(call()))).is_err()
}

#[test]
fn what_is_published_is_lent() {
    for (mut writer, _) in ways() {
        let region = writer.region().clone();
        assert_eq!((region.len(), region.published()), (LEN, REGION_HEAD));
        writer.write(Site::Body, 4104, b"second").unwrap();
        writer.write_word(Site::FirstWord, 4096, 0x0102_0304_0506_0708).unwrap();
        assert_eq!(writer.bytes(4096, 4110), b"\x08\x07\x06\x05\x04\x03\x02\x01second");
        writer.publish(4104);
        let first = region.bytes(4096, 4104);
        writer.write(Site::Body, 4104, b"SECOND").unwrap();
        writer.publish(4110);
        assert_eq!(
            (first, region.bytes(4104, 4110)),
            (&b"\x08\x07\x06\x05\x04\x03\x02\x01"[..], &b"SECOND"[..])
        );
        assert_eq!(region.published(), 4110);
        assert_eq!(region.bytes(4110, 4110), b"");
        writer.publish(4110);
    }
}

#[test]
fn lending_outside_of_head_and_end_panics() {
    let (mut writer, _) = region(WriteMode::Heap, false);
    writer.publish(5000);
    let region = writer.region().clone();
    let outside =
        [(0, 8), (4095, 4096), (0, 0), (4096, 5001), (5001, 5001), (4100, 4099), (u64::MAX, u64::MAX)];
    for (from, to) in outside.into_iter().chain([(u64::MAX, 4096), (4096, u64::MAX), (4095, 4095)]) {
        assert!(panics(|| region.bytes(from, to).len()), "{from} to {to}");
    }
    for (from, to) in [(4096, LEN + 1), (4095, 4096), (LEN + 1, LEN + 1), (4100, 4099), (0, u64::MAX)] {
        assert!(panics(|| writer.bytes(from, to).len()), "{from} to {to}");
    }
    assert_eq!(writer.bytes(4096, LEN).len() as u64, LEN - 4096);
}

#[test]
fn writing_what_is_published_or_past_the_end_panics() {
    for (mut writer, log) in ways() {
        writer.publish(5000);
        assert!(panics(|| writer.write(Site::Body, 4999, b"x")));
        assert!(panics(|| writer.write(Site::Body, 4999, b"")));
        assert!(panics(|| writer.write(Site::Body, 0, b"x")));
        assert!(panics(|| writer.write(Site::Body, LEN - 1, b"xy")));
        assert!(panics(|| writer.write(Site::Body, LEN + 1, b"")));
        assert!(panics(|| writer.write(Site::Body, u64::MAX, b"xy")));
        assert!(panics(|| writer.write_word(Site::Body, 4992, 1)));
        assert!(panics(|| writer.write_word(Site::Body, 5001, 1)));
        assert!(panics(|| writer.write_word(Site::Body, LEN, 1)));
        assert!(panics(|| writer.write_word(Site::Body, LEN - 4, 1)));
        assert!(panics(|| writer.rewrite(4992, 5008)));
        assert!(panics(|| writer.rewrite(5001, 5008)));
        assert!(panics(|| writer.rewrite(5008, 5000)));
        assert!(panics(|| writer.rewrite(5008, LEN + 8)));
        assert!(panics(|| writer.zero(Site::Header, 4999, 5008)));
        assert!(panics(|| writer.zero(Site::Header, 5008, 5007)));
        assert!(panics(|| writer.zero(Site::Header, 5008, LEN + 1)));
        assert!(panics(|| writer.punch(4096, 8192)));
        assert!(panics(|| writer.punch(8192, LEN + 1)));
        assert!(panics(|| writer.publish(4999)));
        assert!(panics(|| writer.publish(LEN + 1)));
        assert!(log.take().is_empty());
        writer.write(Site::Body, LEN - 2, b"xy").unwrap();
        writer.write(Site::Body, LEN, b"").unwrap();
        writer.write_word(Site::Body, LEN - 8, 1).unwrap();
        writer.publish(LEN);
    }
}

#[test]
fn the_head_is_words_and_never_lent() {
    for (writer, _) in ways() {
        let region = writer.region();
        region.store_head(512, b"abcdefghABCDEFGH").unwrap();
        region.store_word(528, 0x3132_3334_3536_3738).unwrap();
        assert_eq!(region.load_word(528), 0x3132_3334_3536_3738);
        let expected = b"\0\0\0\0\0\0\0\0abcdefghABCDEFGH87654321\0\0\0\0\0\0\0\0";
        for from in 0..expected.len() {
            for to in from..=expected.len() {
                let found = region.head_bytes(504 + from as u64, 504 + to as u64);
                assert_eq!(found, expected[from..to], "{from} to {to}");
            }
        }
        region.store_head(0, b"").unwrap();
        region.store_head(4096, b"").unwrap();
        region.store_word(4088, 1).unwrap();
        assert_eq!(region.head_bytes(4088, 4096), 1u64.to_le_bytes());
    }
}

#[test]
fn words_outside_of_the_head_panic() {
    for (writer, log) in ways() {
        let region = writer.region();
        for at in [1, 4, 4092, 4096, LEN, u64::MAX, u64::MAX - 7] {
            assert!(panics(|| region.load_word(at)), "{at}");
            assert!(panics(|| region.store_word(at, 1)), "{at}");
        }
        assert!(panics(|| region.store_head(0, b"1234567")));
        assert!(panics(|| region.store_head(4088, &[0; 16])));
        assert!(panics(|| region.head_bytes(4090, 4097)));
        assert!(panics(|| region.head_bytes(9, 8)));
        assert!(log.take().is_empty());
    }
}

#[test]
fn a_short_file_is_head_as_a_whole() {
    let (mut writer, _) = over(Mapping::copied(b"12345678").unwrap(), WriteMode::Heap, true, false);
    let region = writer.region().clone();
    assert_eq!((region.len(), region.published()), (8, 8));
    assert_eq!(region.head_bytes(0, 8), b"12345678");
    assert_eq!((region.bytes(8, 8), writer.bytes(8, 8)), (&b""[..], &b""[..]));
    assert!(panics(|| region.load_word(8)));
    assert!(panics(|| writer.write(Site::Body, 0, b"x")));
    writer.publish(8);
}

#[test]
fn lengths_that_no_region_has_are_refused() {
    for bytes in [0, 7, 4097, u64::MAX] {
        let error = Mapping::zeroed(bytes).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes}");
    }
    assert_eq!(Mapping::copied(b"123").err().unwrap().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_region_for_reading_refuses_every_change() {
    for mode in [WriteMode::Heap, WriteMode::Mapped, WriteMode::Positioned] {
        let (mut writer, log) = over(Mapping::zeroed(LEN).unwrap(), mode, false, true);
        let region = writer.region().clone();
        let results = [
            writer.write(Site::Body, 4096, b"x"),
            writer.write_word(Site::Body, 4096, 1),
            writer.rewrite(4096, 4104),
            writer.zero(Site::Body, 4096, 4104),
            writer.punch(4096, LEN),
            region.store_word(0, 1),
            region.store_head(0, &[1; 8]),
            region.reserve(0, LEN),
            region.populate(0, LEN),
            region.sync_range(0, LEN),
            region.sync_file(),
        ];
        for (n, result) in results.into_iter().enumerate() {
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::PermissionDenied, "{n}");
        }
        assert!(log.take().is_empty());
        assert_eq!((writer.bytes(4096, 4104), region.load_word(0)), (&[0; 8][..], 0));
        writer.publish(LEN);
        assert_eq!(region.next_data(5).unwrap(), Some(6));
    }
}

#[test]
fn an_observer_is_told_every_store() {
    for mode in [WriteMode::Mapped, WriteMode::Positioned] {
        let (mut writer, log) = region(mode, true);
        writer.write(Site::Body, 4104, b"body").unwrap();
        writer.write_word(Site::FirstWord, 4096, 7).unwrap();
        writer.region().store_word(520, 8).unwrap();
        writer.region().store_head(1024, &[1; 16]).unwrap();
        writer.zero(Site::Header, 4104, 4106).unwrap();
        writer.rewrite(4096, 4112).unwrap();
        let stores = [
            (Site::Body, 4104, b"body".to_vec()),
            (Site::FirstWord, 4096, vec![7, 0, 0, 0, 0, 0, 0, 0]),
            (Site::Mark, 520, vec![8, 0, 0, 0, 0, 0, 0, 0]),
            (Site::Mark, 1024, vec![1; 16]),
            (Site::Header, 4104, vec![0; 2]),
            (Site::Body, 4096, b"\x07\0\0\0\0\0\0\0\0\0dy\0\0\0\0".to_vec()),
        ];
        let mut expected = Vec::new();
        for (site, at, bytes) in stores {
            if mode == WriteMode::Positioned {
                expected.push(Asked::Write(at, bytes.clone()));
            }
            expected.push(Asked::Stored(site, at, bytes));
        }
        assert_eq!(log.take(), expected);
    }
}

#[test]
fn a_positioned_write_that_fails_changes_no_memory() {
    let (mut writer, log) = region(WriteMode::Positioned, false);
    writer.write(Site::Body, 4096, b"before").unwrap();
    log.fails.store(true, Ordering::Relaxed);
    assert_eq!(writer.write(Site::Body, 4096, b"after").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(writer.region().store_word(0, 1).is_err());
    assert_eq!((writer.bytes(4096, 4102), writer.region().load_word(0)), (&b"before"[..], 0));
}

#[test]
fn long_ranges_are_zeroed_and_rewritten_in_pieces() {
    let len = 4096 + 3 * PIECE_BYTES;
    let (from, to) = (4096 + 8, 4096 + 8 + 2 * PIECE_BYTES + 16);
    for mode in [WriteMode::Mapped, WriteMode::Positioned] {
        let content: Vec<u8> = (0..len).map(|n| (n % 251) as u8 + 1).collect();
        let (mut writer, log) = over(Mapping::copied(&content).unwrap(), mode, true, false);
        writer.rewrite(from, to).unwrap();
        assert_eq!(writer.bytes(4096, len), &content[4096..]);
        if mode == WriteMode::Positioned {
            let asked = log.take();
            let places: Vec<(u64, usize)> = asked
                .iter()
                .map(|asked| match asked {
                    Asked::Write(at, bytes) => (*at, bytes.len()),
                    other => panic!("{other:?}"),
                })
                .collect();
            let piece = PIECE_BYTES as usize;
            assert_eq!(places, [(from, piece), (from + PIECE_BYTES, piece), (to - 16, 16)]);
        }
        writer.zero(Site::Body, from, to).unwrap();
        let zeros = writer.bytes(4096, len).iter().enumerate().filter(|(_, byte)| **byte == 0);
        let places: Vec<u64> = zeros.map(|(n, _)| n as u64 + 4096).collect();
        assert_eq!(places, (from..to).collect::<Vec<_>>());
    }
}

#[test]
fn punching_private_memory_zeroes_whole_pages_only() {
    let page = crate::medium::mapping::page_bytes();
    let len = 4 * page;
    let (mut writer, log) =
        over(Mapping::copied(&vec![9; len as usize]).unwrap(), WriteMode::Heap, true, false);
    writer.punch(page + 8, len - page).unwrap();
    assert_eq!(log.take(), [Asked::Punch(page + 8, len - page)]);
    let expected = |at: u64| if (2 * page..3 * page).contains(&at) { 0 } else { 9 };
    let found = writer.bytes(REGION_HEAD, len);
    assert!(found.iter().zip(REGION_HEAD..).all(|(byte, at)| *byte == expected(at)));
}

#[test]
fn what_is_asked_of_the_file_reaches_it() {
    let (writer, log) = region(WriteMode::Mapped, false);
    let region = writer.region();
    region.reserve(1, 2).unwrap();
    region.populate(3, 4).unwrap();
    region.sync_range(5, 6).unwrap();
    region.sync_file().unwrap();
    region.release();
    let expected = [
        Asked::Reserve(1, 2),
        Asked::Populate(3, 4),
        Asked::SyncRange(5, 6),
        Asked::SyncFile,
        Asked::Release,
    ];
    assert_eq!(log.take(), expected);
    for at in [0, LEN, LEN + 1, u64::MAX] {
        region.prefetch(at);
    }
}

/// Readers that run beside the writer see, below the end, only what was written before it was published.
#[test]
fn readers_see_whole_records_while_the_writer_goes_on() {
    const COUNT: u64 = 20_000;
    let len = REGION_HEAD + COUNT * 8;
    for mode in [WriteMode::Heap, WriteMode::Positioned] {
        let (mut writer, _) = over(Mapping::zeroed(len).unwrap(), mode, true, false);
        writer.region().store_word(0, REGION_HEAD).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let region = writer.region().clone();
                scope.spawn(move || {
                    let mut at = REGION_HEAD;
                    while at < len {
                        let end = region.published();
                        for record in region.bytes(at, end).chunks_exact(8) {
                            assert_eq!(u64::from_le_bytes(record.try_into().unwrap()), at);
                            at += 8;
                        }
                        assert_eq!(at, end);
                        assert!(region.load_word(0) + 8 >= end);
                        std::thread::yield_now();
                    }
                });
            }
            for at in (REGION_HEAD..len).step_by(8) {
                writer.region().store_word(0, at).unwrap();
                writer.write(Site::Body, at, &at.to_le_bytes()).unwrap();
                writer.publish(at + 8);
            }
        });
    }
}
