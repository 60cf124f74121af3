//! Runs: that of the example, byte by byte; and runs of a store with merges, read by a reader that was written from the page
//! alone.

use crate::example::{Field, annotated, block, parsed};
use crate::tools::bytes::{crc, u16_at, u32_at, u64_at};
use crate::tools::{Dir, fill, small};
use orchestrix::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use twox_hash::XxHash3_64;

const RUN: &[Field] = &[
    (0, 8, "ORCHIRUN"),
    (8, 4, "version 1"),
    (12, 12, "no features"),
    (24, 16, "store id"),
    (40, 8, "first segment 0"),
    (48, 4, "1 segment"),
    (52, 4, "zero"),
    (56, 8, "first position 1"),
    (64, 8, "last position 1"),
    (72, 8, "1 commit"),
    (80, 8, "offset of the last frame, 4,096"),
    (88, 8, "its epoch"),
    (96, 8, "latest time of a commit"),
    (104, 4, "4 keys"),
    (108, 4, "2 to the power of 0 ranges"),
    (112, 8, "1 new stream"),
    (120, 8, "16 bytes of segments"),
    (128, 8, "24 of sparse entries"),
    (136, 8, "8 of the directory"),
    (144, 8, "128 of slots"),
    (152, 8, "32 of the filter"),
    (160, 8, "25 of names"),
    (168, 8, "40 of postings"),
    (176, 4, "crc of the checksums"),
    (508, 4, "head checksum: crc of bytes 0 to 508"),
    (4096, 4, "checksums: crc of bytes 8,192 to 8,472"),
    (8192, 8, "segments: first position 1"),
    (8200, 8, "end 4,296"),
    (8208, 8, "sparse: position 1"),
    (8216, 8, "log offset 4,096"),
    (8224, 8, "latest time of a commit"),
    (8232, 4, "directory: range 0 begins with slot 0"),
    (8236, 4, "4 slots"),
    (8240, 8, "slots: hash of the type opened"),
    (8248, 6, "no postings before this run"),
    (8254, 2, "kind 2: a type"),
    (8256, 6, "its list at 0"),
    (8262, 2, "name of 6 bytes"),
    (8264, 4, "at 0"),
    (8268, 4, "1 posting"),
    (8272, 8, "hash of the category account"),
    (8280, 6, "no postings before this run"),
    (8286, 2, "kind 0x80: a category"),
    (8288, 6, "its list at 8"),
    (8294, 2, "name of 7 bytes"),
    (8296, 4, "at 6"),
    (8300, 4, "1 posting"),
    (8304, 8, "hash of the tag vip"),
    (8312, 6, "no postings before this run"),
    (8318, 2, "kind 3: a tag"),
    (8320, 6, "its list at 16"),
    (8326, 2, "name of 3 bytes"),
    (8328, 4, "at 13"),
    (8332, 4, "1 posting"),
    (8336, 8, "hash of the stream account-7"),
    (8344, 6, "no postings before this run"),
    (8350, 2, "kind 1: a stream"),
    (8352, 6, "its list at 24"),
    (8358, 2, "name of 9 bytes"),
    (8360, 4, "at 16"),
    (8364, 4, "1 posting"),
    (8368, 16, "filter: block 0, words 0 to 3"),
    (8384, 16, "words 4 to 7"),
    (8400, 6, "names: opened"),
    (8406, 7, "account"),
    (8413, 3, "vip"),
    (8416, 9, "account-7"),
    (8432, 6, "postings: base 4,190"),
    (8438, 2, "width 0"),
    (8440, 6, "base 4,190"),
    (8446, 2, "width 0"),
    (8448, 6, "base 4,190"),
    (8454, 2, "width 0"),
    (8456, 6, "base 4,190"),
    (8462, 2, "width 0"),
    (8464, 8, "behind the last list"),
];

/// A store with the files of the page, of which the index isn't one.
fn example() -> Dir {
    let dir = Dir::new();
    fs::create_dir_all(dir.file("log")).expect("a directory");
    fs::write(dir.file("store"), parsed("store", 512)).expect("a file");
    fs::write(dir.file("watermark"), parsed("watermark", 4_096)).expect("a file");
    fs::write(dir.segment(0), parsed("segment", 8 << 10)).expect("a file");
    dir
}

const RUN_PATH: &str = "index/00000000000000000000-00000000000000000000.run";

#[test]
fn the_product_writes_the_run_of_the_page() {
    let dir = example();
    let writer = Store::open(dir.store()).expect("a writer");
    fill(&writer, "account-7", 1);
    writer.close().wait().expect("a close");
    let run = fs::read(dir.file(RUN_PATH)).expect("a run");
    let text = annotated(&run, RUN);
    assert!(text == block("run"), "the block run should be\n{text}");
    assert_eq!(run.len(), 8_472);
}

#[test]
fn the_product_reads_the_run_of_the_page() {
    let dir = example();
    fs::create_dir_all(dir.file("index")).expect("a directory");
    fs::write(dir.file(RUN_PATH), parsed("run", 8_472)).expect("a file");
    let reader = Store::options().read_only().open(dir.store()).expect("a reader");
    let index = reader.stats().expect("stats").index;
    assert_eq!((index.runs, index.bytes, &index.problems[..]), (1, 8_472, &[][..]));
    assert_eq!(reader.check_index().expect("a check"), Vec::<String>::new());
    let tagged = reader.view().query(&orchestrix::Query::tags(["vip"])).count();
    assert_eq!((tagged, reader.view().stream("account-7").len()), (1, 1));
}

/// A run as the page describes it.
struct Run(Vec<u8>);

/// Kind and name.
type Key = (u8, Vec<u8>);

impl Run {
    fn read(path: &Path) -> Self {
        let run = Self(fs::read(path).expect("a run"));
        assert_eq!(&run.0[..8], b"ORCHIRUN");
        assert_eq!(u32_at(&run.0, 508), crc(0, &run.0[..508]));
        let sections = run.sections();
        let (sums_at, sums_length) = sections[0];
        let sums = &run.0[sums_at..sums_at + sums_length];
        assert_eq!(u32_at(&run.0, 176), crc(0, sums));
        let blocks = run.0[sections[1].0..].chunks(4_096).map(|block| crc(0, block).to_le_bytes());
        assert!(blocks.flatten().eq(sums.iter().copied()), "a checksum a block");
        for pair in sections.windows(2) {
            let gap = &run.0[pair[0].0 + pair[0].1..pair[1].0];
            assert!(gap.iter().all(|byte| *byte == 0), "zeros between sections");
        }
        run
    }

    /// Place and length of each section.
    fn sections(&self) -> [(usize, usize); 8] {
        let lengths: Vec<usize> = (0..7).map(|n| u64_at(&self.0, 120 + 8 * n) as usize).collect();
        let mut behind = self.0.len();
        let mut sections = [(0, 0); 8];
        // From the end: the checksums have what is left, an entry a block.
        for n in (0..7).rev() {
            let align = |at: usize| at / 8 * 8;
            let at = align(behind - lengths[n]);
            sections[n + 1] = (at, lengths[n]);
            behind = at;
        }
        let first = sections[1].0;
        assert!(first.is_multiple_of(4_096));
        sections[0] = (4_096, 4 * (self.0.len() - first).div_ceil(4_096));
        sections
    }

    fn part(&self, section: usize) -> &[u8] {
        let (at, length) = self.sections()[section];
        &self.0[at..at + length]
    }

    /// Every key, with its earlier postings and its places in the log.
    fn keys(&self, store: &[u8]) -> BTreeMap<Key, (u64, Vec<u64>)> {
        let [directory, slots, filter, names, postings] = [3, 4, 5, 6, 7].map(|n| self.part(n));
        let log2 = u32_at(&self.0, 108);
        assert_eq!(slots.len() / 32, u32_at(&self.0, 104) as usize);
        let origin = u64_at(&self.0, 40) * (8 << 10);
        let seed = u64_at(store, 24);
        let mut found = BTreeMap::new();
        let mut before = (0, 0, Vec::new());
        for (number, slot) in slots.chunks(32).enumerate() {
            let u48 = |at: usize| u64_at(slot, at) & ((1 << 48) - 1);
            let (hash, kind) = (u64_at(slot, 0), slot[14]);
            let name_at = u32_at(slot, 24) as usize;
            let name = names[name_at..name_at + usize::from(u16_at(slot, 22))].to_vec();
            assert_eq!(hash, XxHash3_64::oneshot_with_seed(seed.wrapping_add(kind.into()), &name));
            let order = (hash, kind, name.clone());
            assert!(before < order, "slots ascend");
            before = order;
            let range = if log2 == 0 { 0 } else { (hash >> (64 - log2)) as usize };
            let of_range = u32_at(directory, 4 * range)..u32_at(directory, 4 * range + 4);
            assert!(of_range.contains(&(number as u32)), "slot {number} is in its range");
            let block = (((hash >> 32) * (filter.len() / 32) as u64) >> 32) as usize;
            assert!(in_filter(&filter[32 * block..32 * block + 32], hash), "the filter has {name:?}");
            let list = list(postings, u48(16) as usize, u32_at(slot, 28) as usize);
            assert!(list.is_sorted_by(|a, b| a < b), "postings ascend");
            found.insert((kind, name), (u48(8), list.iter().map(|number| origin + number).collect()));
        }
        found
    }
}

fn in_filter(block: &[u8], hash: u64) -> bool {
    let salts = [
        0x47b6_137bu32,
        0x4497_4d91,
        0x8824_ad5b,
        0xa2b7_289d,
        0x7054_95c7,
        0x2df1_424b,
        0x9efc_4947,
        0x5c6b_fb31,
    ];
    (0..8).all(|word| u32_at(block, 4 * word) >> ((hash as u32).wrapping_mul(salts[word]) >> 27) & 1 == 1)
}

/// The numbers of a list, bit by bit.
fn list(postings: &[u8], at: usize, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    let groups = count.div_ceil(128);
    for group in 0..groups {
        let entry = &postings[at + 16 * group..];
        let base = (0..6).fold(0, |base, n| base | u64::from(entry[n]) << (8 * n));
        let width = usize::from(entry[6]);
        let bits_at = if groups == 1 { at + 8 } else { u64_at(entry, 8) as usize };
        numbers.push(base);
        for number in 0..(count - 128 * group).min(128) - 1 {
            let bit = |n: usize| u64::from(postings[bits_at + n / 8] >> (n % 8) & 1);
            numbers.push(base + (0..width).map(|n| bit(number * width + n) << n).sum::<u64>());
        }
    }
    numbers
}

/// Kind and name of every key of an event.
fn keys_of(event: EventRef<'_>) -> Vec<Key> {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let mut keys =
        vec![(1, bytes(event.stream())), (2, bytes(event.event_type())), (0x80, bytes(event.category()))];
    keys.extend(event.tags().map(|tag| (3, bytes(tag))));
    keys.extend(event.correlation().map(|id| match id.as_uuid() {
        Some(uuid) => (5, uuid.as_bytes().to_vec()),
        None => (4, bytes(&id.to_string())),
    }));
    keys
}

/// Long lists, merged runs, kinds of all sorts: everything that a run says, by a reader that knows the page alone.
#[test]
fn runs_say_what_the_log_says() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    for n in 0..900_u32 {
        let event = NewEvent::raw(format!("type {}", n % 3), b"x".to_vec()).tag(format!("tag {}", n % 31));
        let correlation = if n % 2 == 0 { uuid::Uuid::from_u128(7).to_string() } else { "story".to_owned() };
        let event = if n % 5 == 0 { event.correlation(correlation) } else { event };
        store.append(format!("stream-{}", n % 50), Any, event).wait().expect("an append");
    }
    store.sync().wait().expect("a sync");
    let start = Instant::now();
    while store.stats().expect("stats").index.merges < 5 {
        assert!(start.elapsed() < Duration::from_secs(20), "no merges: {:?}", store.stats());
        std::thread::sleep(Duration::from_millis(5));
    }
    store.close().wait().expect("a close");
    let id = fs::read(dir.file("store")).expect("a store file");
    let mut paths: Vec<_> =
        fs::read_dir(dir.file("index")).expect("runs").map(|entry| entry.expect("a run").path()).collect();
    paths.sort();
    let mut found: BTreeMap<Key, Vec<u64>> = BTreeMap::new();
    let (mut segments, mut last) = (0, 0);
    for path in &paths {
        let run = Run::read(path);
        assert_eq!((u64_at(&run.0, 40), u64_at(&run.0, 56)), (segments, last + 1), "no gap");
        segments += u64::from(u32_at(&run.0, 48));
        last = u64_at(&run.0, 64);
        for (key, (earlier, places)) in run.keys(&id) {
            let is_stream = key.0 == 1;
            let all = found.entry(key).or_default();
            assert_eq!(
                earlier,
                if is_stream { all.len() as u64 } else { 0 },
                "events of a stream before this run"
            );
            all.extend(places);
        }
    }
    let mut wanted: BTreeMap<Key, Vec<u64>> = BTreeMap::new();
    for (position, place) in (1..).zip(places(&dir)).take(last as usize) {
        let view = store.view();
        let event =
            view.all().after(Position(position - 1)).next().expect("an event").expect("one that is whole");
        keys_of(event).into_iter().for_each(|key| wanted.entry(key).or_default().push(place));
    }
    assert!(last > 600 && wanted.values().any(|places| places.len() > 256), "lists of several groups");
    assert!(found == wanted, "every key, every posting");
}

/// Log offsets of the records, in order.
fn places(dir: &Dir) -> Vec<u64> {
    let mut places = Vec::new();
    for number in 0.. {
        let Ok(segment) = fs::read(dir.segment(number)) else { return places };
        for frame in crate::tools::bytes::frames(&segment) {
            let records = crate::tools::bytes::records(&segment, frame);
            places.extend(records.into_iter().map(|at| number * (8 << 10) + at as u64));
        }
    }
    places
}
