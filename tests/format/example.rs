//! The worked example of the page, both ways.

use crate::tools::bytes::{FRAMES_AT, crc, put, seal_block, seal_frame, seed, u32_at, u64_at};
use crate::tools::{Dir, fill, small};
use orchestrix::prelude::*;
use orchestrix::{ExtensionValue, verify};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const ID: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const EPOCH: u64 = 0x1122_3344_5566_7788;
const TIME: i64 = 1_700_000_000_000_000_000;

/// Where a field stands, and what it means.
pub(crate) type Field = (usize, usize, &'static str);

const STORE: &[Field] = &[
    (0, 8, "ORCHSTOR"),
    (8, 4, "version 1"),
    (12, 12, "no features"),
    (24, 16, "store id"),
    (40, 1, "log2 of the segment size: 8 KiB"),
    (41, 1, "stored options: none"),
    (42, 2, "zero"),
    (44, 8, "time of creation"),
    (508, 4, "crc of bytes 0 to 508"),
];
const SEGMENT: &[Field] = &[
    (0, 8, "ORCHSEGM"),
    (8, 4, "version 1"),
    (12, 12, "no features"),
    (24, 16, "store id"),
    (40, 8, "segment 0"),
    (48, 1, "log2 of the segment size: 8 KiB"),
    (508, 4, "crc of bytes 0 to 508"),
    (512, 8, "seal: ORCHSEAL"),
    (520, 8, "next position 2"),
    (528, 8, "end of the frames, 4,296"),
    (536, 8, "epoch of the last frame"),
    (544, 4, "crc(seed, bytes 512 to 544)"),
    (4096, 4, "frame of 200 bytes"),
    (4100, 4, "header checksum"),
    (4104, 8, "first position 1"),
    (4112, 8, "synced position 0"),
    (4120, 8, "time of the commit"),
    (4128, 8, "epoch"),
    (4136, 8, "first revision 0"),
    (4144, 2, "1 event"),
    (4146, 2, "1 stream"),
    (4148, 1, "kind 1: events"),
    (4149, 1, "flags: first frame of its epoch"),
    (4150, 2, "zero"),
    (4152, 4, "3 names"),
    (4156, 4, "body checksum"),
    (4160, 4, "name 0: a stream, ends at 9"),
    (4164, 4, "name 1: a type, ends at 15"),
    (4168, 4, "name 2: a tag, ends at 18"),
    (4172, 9, "account-7"),
    (4181, 6, "opened"),
    (4187, 3, "vip"),
    (4190, 4, "event record of 102 bytes"),
    (4194, 4, "event checksum, with its place"),
    (4198, 4, "94 bytes back to the frame"),
    (4202, 2, "event 0 of the commit"),
    (4204, 2, "stream 0"),
    (4206, 2, "type 0: name 1"),
    (4208, 2, "ordinal 0"),
    (4210, 2, "21 bytes of metadata"),
    (4212, 1, "content type: application/json"),
    (4213, 1, "coding: plain"),
    (4214, 1, "cipher: none"),
    (4215, 1, "flags: a time of its own, keys"),
    (4216, 16, "id of 3 bytes: o-1"),
    (4232, 8, "time of the event"),
    (4240, 2, "1 key"),
    (4242, 4, "name 2"),
    (4246, 3, "metadata: source, 7 bytes"),
    (4249, 7, "urn:ada"),
    (4256, 3, "extension, 8 bytes"),
    (4259, 2, "a string, name of 4 bytes"),
    (4261, 6, "tier = 1a"),
    (4267, 25, "the data"),
    (4292, 4, "padding"),
];
const WATERMARK: &[Field] = &[
    (0, 8, "ORCHWMRK"),
    (8, 4, "version 1"),
    (12, 12, "no features"),
    (24, 16, "store id"),
    (508, 4, "crc of bytes 0 to 508"),
    (1024, 8, "slot 0: sequence number 1"),
    (1032, 8, "synced position 1"),
    (1040, 8, "segment 0"),
    (1048, 8, "offset 4,296"),
    (1056, 8, "epoch of the last synced frame"),
    (1064, 4, "crc(crc(store id), bytes 1,024 to 1,064)"),
];

fn event() -> NewEvent<'static> {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(TIME as u64 + 1);
    NewEvent::raw("opened", br#"{"owner":"Ada","cents":5}"#)
        .content_type("application/json")
        .id("o-1")
        .time(time)
        .tag("vip")
        .source("urn:ada")
        .extension("tier", "1a")
}

/// Files of a store with the one event, as the product writes them, with fixed values for what it draws at random.
fn files() -> [Vec<u8>; 3] {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    store.append("account-7", NoStream, event()).wait().expect("an append");
    store.close().wait().expect("a close");
    let [mut store, mut segment, watermark] = [dir.file("store"), dir.segment(0), dir.file("watermark")]
        .map(|path| fs::read(path).expect("a file"));
    assert_eq!(u64_at(&segment, FRAMES_AT + 32), newest(&watermark)[4], "the mark names the frame's epoch");
    let end = FRAMES_AT + u32_at(&segment, FRAMES_AT) as usize;
    put(&mut store, 24, &ID);
    put(&mut store, 44, &TIME.to_le_bytes());
    seal_block(&mut store);
    put(&mut segment, 24, &ID);
    seal_block(&mut segment[..512]);
    put(&mut segment, FRAMES_AT + 24, &TIME.to_le_bytes());
    put(&mut segment, FRAMES_AT + 32, &EPOCH.to_le_bytes());
    seal_frame(&mut segment, FRAMES_AT);
    let mut seal = b"ORCHSEAL".to_vec();
    for word in [2, end as u64, EPOCH] {
        seal.extend(word.to_le_bytes());
    }
    seal.extend(crc(seed(&segment), &seal).to_le_bytes());
    put(&mut segment, 512, &seal);
    let mut marked = watermark[..512].to_vec();
    put(&mut marked, 24, &ID);
    seal_block(&mut marked);
    marked.resize(4_096, 0);
    let mut slot: Vec<u8> =
        [1, 1, 0, end as u64, EPOCH].iter().flat_map(|word: &u64| word.to_le_bytes()).collect();
    slot.extend(crc(crc(0, &ID), &slot).to_le_bytes());
    put(&mut marked, 1_024, &slot);
    [store, segment, marked]
}

/// The words of the valid slot with the higher sequence number.
fn newest(watermark: &[u8]) -> [u64; 5] {
    let slots = [1_024, 2_048].map(|at| [0, 1, 2, 3, 4].map(|word| u64_at(watermark, at + 8 * word)));
    *slots.iter().max_by_key(|slot| slot[0]).expect("two slots")
}

pub(crate) fn annotated(bytes: &[u8], fields: &[Field]) -> String {
    let mut text = String::new();
    let mut next = 0;
    for (at, length, meaning) in fields {
        assert!(bytes[next..*at].iter().all(|byte| *byte == 0), "zeros from {next} to {at}");
        let hex: Vec<_> = bytes[*at..at + length].iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{at:>5}  {:<74}  {meaning}", hex.join(" ")).expect("a string takes all");
        next = at + length;
    }
    assert!(bytes[next..].iter().all(|byte| *byte == 0), "zeros from {next} on");
    text
}

/// The block of the page with this name.
pub(crate) fn block(name: &str) -> String {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format.md")).expect("a page");
    let start = format!("```hex {name}\n");
    let from = page.find(&start).unwrap_or_else(|| panic!("no block {start:?}")) + start.len();
    page[from..][..page[from..].find("```").expect("the end of a block")].to_owned()
}

pub(crate) fn parsed(name: &str, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    for line in block(name).lines() {
        let (at, rest) = line.trim_start().split_once("  ").expect("an offset");
        let hex = rest.trim_start().split("  ").next().expect("bytes");
        let at: usize = at.parse().expect("an offset in decimal");
        let field: Vec<u8> = hex.split(' ').map(|b| u8::from_str_radix(b, 16).expect("a byte")).collect();
        put(&mut bytes, at, &field);
    }
    bytes
}

#[test]
fn the_product_writes_what_the_page_says() {
    let [store, segment, watermark] = files();
    let blocks =
        [("store", &store, STORE), ("segment", &segment, SEGMENT), ("watermark", &watermark, WATERMARK)];
    for (name, bytes, fields) in blocks {
        let text = annotated(bytes, fields);
        assert!(text == block(name), "the block {name} should be\n{text}");
    }
}

#[test]
fn the_product_reads_what_the_page_says() {
    let dir = Dir::new();
    fs::create_dir_all(dir.file("log")).expect("a directory");
    fs::write(dir.file("store"), parsed("store", 512)).expect("a file");
    fs::write(dir.file("watermark"), parsed("watermark", 4_096)).expect("a file");
    fs::write(dir.segment(0), parsed("segment", 8 << 10)).expect("a file");
    assert_eq!(verify(dir.store()).expect("a report").problems, []);
    let reader = Store::options().read_only().open(dir.store()).expect("a reader");
    assert_eq!((reader.recovery().synced, reader.recovery().unsynced_bytes), (1, 0), "mark and seal testify");
    let view = reader.view();
    let read = view.all().next().expect("an event").expect("readable");
    assert_eq!(
        (read.stream(), read.event_type(), read.id().to_string().as_str()),
        ("account-7", "opened", "o-1")
    );
    assert_eq!((read.position(), read.revision()), (Position(1), Revision(0)));
    assert_eq!((read.time_nanos(), read.content_type()), (TIME + 1, Some("application/json")));
    assert_eq!(read.data(), br#"{"owner":"Ada","cents":5}"#);
    assert_eq!(read.tags().collect::<Vec<_>>(), ["vip"]);
    assert_eq!(read.metadata().source(), Some("urn:ada"));
    assert_eq!(read.metadata().extension("tier"), Some(ExtensionValue::from("1a")));
    let writer = Store::open(dir.store()).expect("a writer");
    fill(&writer, "account-7", 1);
    assert_eq!(writer.stats().expect("stats").segments, 2, "nothing follows a seal");
}

/// Seals and marks of a store at work, by the formulas of the page.
// D6, D7
#[test]
fn rule_7_seals_and_marks_are_as_the_page_says() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    fill(&store, "a-1", 100);
    store.close().wait().expect("a close");
    let read = |path| fs::read(path).expect("a file");
    let [first, second] = [read(dir.segment(0)), read(dir.segment(1))];
    assert_eq!(&first[512..520], b"ORCHSEAL");
    assert_eq!(u64_at(&first, 520), u64_at(&second, FRAMES_AT + 8), "the first position of the next segment");
    let last = *crate::tools::bytes::frames(&first).last().expect("a frame");
    assert_eq!(u64_at(&first, 528), last as u64 + u64::from(u32_at(&first, last)));
    assert_eq!(u64_at(&first, 536), u64_at(&first, last + 32));
    assert_eq!(u32_at(&first, 544), crc(seed(&first), &first[512..544]));
    assert!(first[548..4_096].iter().all(|byte| *byte == 0));
    let watermark = read(dir.file("watermark"));
    let [_, synced, segment, offset, epoch] = newest(&watermark);
    let stats = store.stats().expect("stats");
    assert_eq!((synced, segment + 1, epoch), (100, stats.segments, u64_at(&first, last + 32)));
    let end = read(dir.segment(segment));
    let last = *crate::tools::bytes::frames(&end).last().expect("a frame");
    assert_eq!(offset, last as u64 + u64::from(u32_at(&end, last)));
    for at in [1_024, 2_048] {
        let id = crc(0, &watermark[24..40]);
        assert_eq!(u32_at(&watermark, at + 40), crc(id, &watermark[at..at + 40]), "slots alternate");
    }
    assert_eq!(u64_at(&watermark, 1_024).abs_diff(u64_at(&watermark, 2_048)), 1);
    assert_eq!([512, 520, 528].map(|at| u64_at(&watermark, at)), [100, 100, epoch]);
}
