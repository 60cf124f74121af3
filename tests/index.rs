//! The index on real files: runs are written, merged and read, agree with the log, and are made again when they are damaged;
//! opening reads the end of the log alone, and older frames are checked by whoever reads them first. Counters show that runs,
//! merges and rebuilds happened.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Durability, ErrorKind, IndexStats, Query, RecordedEvent, verify};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use tools::bytes::seal_block;
use tools::{Dir, says};

/// Events of a store with more than sixteen segments of the smallest size.
const EVENTS: u64 = 1_200;
/// Time for background work, which needs a fraction of it.
const PATIENCE: Duration = Duration::from_secs(20);

fn open(dir: &Dir) -> Store {
    Store::options().durability(Durability::Process).open(dir.store()).expect("a store")
}

/// Event `n`: of 40 streams in 3 categories, of 5 types, with up to 2 tags, some with a correlation id.
fn event(n: u64) -> (String, NewEvent<'static>) {
    let stream = format!("{}-{}", ["cart", "order", "user"][(n % 3) as usize], n % 40);
    let event = NewEvent::raw(format!("type {}", n % 5), format!("data {n}").into_bytes()).id(format!("{n}"));
    let event = if n.is_multiple_of(2) { event.tag(format!("half {}", n % 7)) } else { event };
    let event =
        if n.is_multiple_of(11) { event.tag("rare").correlation(format!("story {}", n % 4)) } else { event };
    (stream, event)
}

fn append(store: &Store, events: std::ops::Range<u64>) {
    for n in events {
        let (stream, event) = event(n);
        store.append(stream, Any, event).wait().expect("an append");
    }
}

fn filled() -> Dir {
    filled_with(8 << 10, EVENTS)
}

fn filled_with(segment_bytes: u64, events: u64) -> Dir {
    let dir = Dir::new();
    let options = Store::options().segment_bytes(segment_bytes).durability(Durability::Process);
    let store = options.open(dir.store()).expect("a store");
    append(&store, 0..events);
    store.close().wait().expect("a close");
    dir
}

/// Waits until the index is as it should be.
fn until(store: &Store, is_so: impl Fn(&IndexStats) -> bool) -> IndexStats {
    let start = Instant::now();
    loop {
        let stats = store.stats().expect("stats").index;
        if is_so(&stats) {
            return stats;
        }
        assert!(start.elapsed() < PATIENCE, "{stats:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn queries() -> Vec<Query> {
    let mut queries = vec![
        Query::tags(["rare"]),
        Query::tags(["rare", "half 4"]),
        Query::correlation("story 3"),
        Query::category("order").and_tags(["rare"]),
        Query::types(["type 0", "type 3"]).and_tags(["half 2"]),
        Query::stream("cart-12").or(Query::tags(["rare"])).or(Query::stream("user-2")),
        Query::tags(["nobody has it"]),
        Query::category("cart"),
    ];
    queries.extend((0..5).map(|n| Query::types([format!("type {n}")])));
    queries.extend((0..40).map(|n| Query::stream(format!("user-{n}"))));
    queries
}

/// Every query, both ways, gives what a walk over everything picks by hand.
fn check(store: &Store, events: u64) {
    let view = store.view();
    let all: Vec<RecordedEvent> = view.all().map(|event| event.expect("an event").to_recorded()).collect();
    assert_eq!(all.len() as u64, events);
    for (n, recorded) in (0..).zip(&all) {
        let (stream, event) = event(n);
        let found = recorded.as_ref();
        assert_eq!((found.stream(), found.data()), (stream.as_str(), event.data()));
    }
    for query in queries() {
        let wanted: Vec<&RecordedEvent> = all.iter().filter(|event| query.matches(event.as_ref())).collect();
        let found: Vec<_> = view.query(&query).map(|event| event.expect("an event").to_recorded()).collect();
        assert!(found.iter().eq(wanted.iter().copied()), "{query}");
        let back: Vec<_> =
            view.query(&query).rev().map(|event| event.expect("an event").to_recorded()).collect();
        assert!(back.iter().rev().eq(wanted), "{query}, backward");
    }
}

#[test]
fn runs_are_written_merged_and_read() {
    let dir = filled();
    let store = open(&dir);
    until(&store, |index| index.merges > 0 || index.runs < 16);
    check(&store, EVENTS);
    append(&store, EVENTS..2 * EVENTS);
    store.sync().wait().expect("a sync");
    let index = until(&store, |index| index.written >= 8 && index.merges > 0);
    let segments = store.stats().expect("stats").segments;
    assert!(index.runs < segments / 2, "{index:?} of {segments} segments");
    check(&store, 2 * EVENTS);
    assert_eq!(store.check_index().expect("a check"), Vec::<String>::new());
    store.rebuild_index().expect("a rebuild");
    check(&store, 2 * EVENTS);
    assert_eq!(store.check_index().expect("a check"), Vec::<String>::new());
    store.close().wait().expect("a close");
    assert!(verify(dir.store()).expect("a report").is_clean());
    let store = Store::options().read_only().open(dir.store()).expect("a store");
    assert_eq!(store.stats().expect("stats").index.problems, Vec::<String>::new());
    check(&store, 2 * EVENTS);
}

/// Damage where a lookup meets it, a missing file, and a file of another store: made again, and told.
// F26, D19
#[test]
fn what_is_damaged_is_made_again() {
    let dir = filled_with(128 << 10, 4 * EVENTS);
    let runs =
        || fs::read_dir(dir.file("index")).expect("a folder").map(|entry| entry.expect("an entry").path());
    for path in runs() {
        // Postings stand at the end, where opening doesn't look.
        let mut bytes = fs::read(&path).expect("a run");
        let from = bytes.len() - 64;
        bytes[from..].fill(0x55);
        fs::write(&path, bytes).expect("a write");
    }
    let store = open(&dir);
    check(&store, 4 * EVENTS);
    let index = store.stats().expect("stats").index;
    assert!(index.rebuilds > 0 && !index.problems.is_empty(), "{index:?}");
    assert_eq!(store.check_index().expect("a check"), Vec::<String>::new());
    store.close().wait().expect("a close");

    let dir = filled();
    let runs =
        || fs::read_dir(dir.file("index")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let other = filled();
    let of_other =
        fs::read_dir(other.file("index")).expect("a folder").next().expect("a run").expect("an entry");
    let first = runs().min().expect("a run");
    fs::copy(of_other.path(), &first).expect("a copy");
    let store = open(&dir);
    assert!(!store.stats().expect("stats").index.problems.is_empty());
    check(&store, EVENTS);
    store.close().wait().expect("a close");

    fs::remove_dir_all(dir.file("index")).expect("the folder");
    check(&open(&dir), EVENTS);
}

/// Each kind of damage to a run is told by `verify`, with file and byte, apart from what the log has.
// F26
#[test]
fn verify_tells_what_is_wrong_with_the_index() {
    let dir = filled();
    let sound = verify(dir.store()).expect("a report");
    assert_eq!((&sound.problems[..], &sound.index_problems[..]), (&[][..], &[][..]));
    let mut runs: Vec<_> = fs::read_dir(dir.file("index"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    runs.sort();
    let (first, last) = (&runs[0], &runs[runs.len() - 1]);
    let told = |path: &Path, bytes: &[u8], at: Option<u64>, expected: &str| {
        let whole = fs::read(path).expect("a run");
        fs::write(path, bytes).expect("a write");
        let report = verify(dir.store()).expect("a report");
        fs::write(path, whole).expect("a write");
        assert!(report.is_clean() && report.events == EVENTS, "{report:?}");
        let [problem] = &report.index_problems[..] else { panic!("one problem, found {report:?}") };
        assert_eq!(problem.file, path.strip_prefix(dir.store()).expect("below the store"));
        assert!(at.is_none_or(|at| at == problem.offset), "byte {at:?}: {problem}");
        assert!(problem.expected.contains(expected), "{expected:?}: {problem}");
    };
    let bytes = fs::read(first).expect("a run");
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 4;
        bytes
    };
    told(first, &flipped(60), Some(508), "checksum");
    told(first, &flipped(4_097), Some(4_096), "checksum");
    told(first, &flipped(8_191), Some(8_191), "zeros");
    told(first, &flipped(8_192), Some(8_192), "checksum");
    let end = bytes.len() as u64;
    told(first, &flipped(bytes.len() - 1), Some(end / 4_096 * 4_096), "checksum");
    told(first, &bytes[..bytes.len() - 8], Some(120), "sections");
    told(first, &bytes[..bytes.len() - 3], Some(0), "a run");
    told(first, &[], Some(0), "a run");
    told(last, &bytes, Some(40), "segments of its name");

    // Of another history, whose last frame has another epoch.
    let mut stale = bytes.clone();
    stale[88] ^= 1;
    seal_block(&mut stale[..512]);
    told(first, &stale, Some(0), "epoch");

    // An older log beside it, that nothing newer testifies against.
    let segments = fs::read_dir(dir.file("log")).expect("a folder").count() as u64;
    for number in [segments - 1, segments - 2] {
        fs::remove_file(dir.segment(number)).expect("a removal");
    }
    fs::remove_file(dir.file("watermark")).expect("a removal");
    let report = verify(dir.store()).expect("a report");
    assert!(report.is_clean() && report.events < EVENTS, "{report:?}");
    let [problem] = &report.index_problems[..] else { panic!("one problem, found {report:?}") };
    assert_eq!(problem.expected, format!("segment {} in the log", segments - 2));
}

/// Opening doesn't read frames that a run covers; who reads one that is damaged is told, and nobody else.
// D14, D15
#[test]
fn older_frames_are_checked_when_they_are_first_read() {
    let dir = filled();
    let mut bytes = fs::read(dir.segment(0)).expect("a segment");
    let data = b"data 7";
    let at = bytes.windows(data.len()).position(|window| window == data).expect("the data");
    bytes[at] ^= 1;
    fs::write(dir.segment(0), bytes).expect("a write");
    let store = open(&dir);
    let view = store.view();
    says(view.stream("order-7").collect::<Result<Vec<_>, _>>(), ErrorKind::Corrupt, &["event", ".seg"]);
    says(view.all().collect::<Result<Vec<_>, _>>(), ErrorKind::Corrupt, &["event", ".seg"]);
    assert!(view.all().take(7).all(|event| event.is_ok()));
    let newest = view.stream("order-7").next_back().expect("an event").expect("one that is whole");
    assert_eq!(newest.data(), b"data 1087");
    assert!(view.stream("cart-6").all(|event| event.is_ok()));
    store.append("order-7", Any, NewEvent::raw("after", b"")).wait().expect("an append");
    store.close().wait().expect("a close");
    assert!(!verify(dir.store()).expect("a report").is_clean());
}

/// Of a run and the log below it, both damaged, nothing can be made again. A query of several keys that looks ahead tells it,
/// whichever end it is read from and however often that changes.
// F26
#[test]
fn what_cant_be_made_again_is_told_from_both_ends() {
    let dir = filled_with(32 << 10, 4 * EVENTS);
    let query = Query::tags(["rare", "half 4"]);
    let wanted = open(&dir).view().query(&query).count();
    let mut runs: Vec<_> = fs::read_dir(dir.file("index"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    runs.sort();
    // A run between two others, and the segment that it was made of.
    let run = &runs[1];
    let name = run.file_stem().expect("a name").to_string_lossy();
    let number = name.split('-').next().expect("the first segment").parse().expect("a number");
    let mut bytes = fs::read(run).expect("a run");
    let from = bytes.len() - 64;
    bytes[from..].fill(0x55);
    fs::write(run, bytes).expect("a write");
    let mut bytes = fs::read(dir.segment(number)).expect("a segment");
    let at = bytes.windows(5).position(|window| window == b"data ").expect("data");
    bytes[at] ^= 1;
    fs::write(dir.segment(number), bytes).expect("a write");
    let store = open(&dir);
    let view = store.view();
    for front in [0, 1, 2, 5, 8, 13, 10 * wanted] {
        let mut events = view.query(&query);
        let mut read: Vec<_> = events.by_ref().take(front).collect();
        read.extend(events.rev());
        assert!(read.len() < wanted, "{} of {wanted} events, {front} from the front", read.len());
        let told: Vec<_> = read.into_iter().filter_map(Result::err).collect();
        assert!(!told.is_empty(), "{front} from the front");
        assert!(told.iter().all(|error| error.kind() == ErrorKind::Corrupt), "{told:?}");
    }
}

#[test]
fn a_place_is_found_by_its_time() {
    let dir = filled();
    let store = open(&dir);
    let view = store.view();
    assert_eq!(view.first_since(SystemTime::UNIX_EPOCH).expect("a search"), Some(Position(1)));
    let later = SystemTime::now() + Duration::from_secs(3_600);
    assert_eq!(view.first_since(later).expect("a search"), None);
    let mut latest = SystemTime::UNIX_EPOCH;
    for event in view.all().step_by(97) {
        let event = event.expect("an event");
        latest = latest.max(event.commit_time());
        let found = view.first_since(event.commit_time()).expect("a search").expect("an event");
        assert!(found <= event.position());
        let first = view.all().find_map(|other| {
            let other = other.expect("an event");
            (other.commit_time() >= event.commit_time()).then(|| other.position())
        });
        assert_eq!(Some(found), first);
    }
    assert_eq!(Store::in_memory().view().first_since(SystemTime::UNIX_EPOCH).expect("a search"), None);
}

/// The rest of a sector that was padded must be zero, in segments that opening passes over, too.
// D16
#[test]
fn padding_is_checked_when_it_is_first_passed() {
    let dir = Dir::new();
    let store = Store::options().segment_bytes(64 << 10).pad_syncs(true).open(dir.store()).expect("a store");
    for n in 0..40 {
        let (stream, event) = event(n);
        store.append(stream, Any, event).wait().expect("an append");
    }
    store.close().wait().expect("a close");
    drop(store);
    let mut bytes = fs::read(dir.segment(0)).expect("a segment");
    assert_eq!(bytes[4_096 + 2_000], 0, "behind the first frame");
    bytes[4_096 + 2_000] = 1;
    fs::write(dir.segment(0), bytes).expect("a write");
    let store = Store::options().read_only().open(dir.store()).expect("a store");
    assert!(store.stats().expect("stats").index.runs > 0);
    let read = store.view().all().collect::<Result<Vec<_>, _>>().map(drop);
    says(read, ErrorKind::Corrupt, &["padding", "00000000000000000000.seg at byte 6096"]);
    assert!(!verify(dir.store()).expect("a report").is_clean());
}
