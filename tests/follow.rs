//! Following a store that somebody else writes: a read-only store on a live directory, beside a writer in the same process and
//! in others, over roll-overs, retention, closing, and writers that are killed. Readers change nothing and lock nothing.
//!
//! `ORCHESTRIX_KILLS` is how often the writer is killed, `ORCHESTRIX_SEED` decides when.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Cursor, Durability, Query, Retention, Start, WriteMode};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tools::{Dir, number, small};

const CHILD: &str = "ORCHESTRIX_FOLLOW_CHILD";
const CHILD_WAY: &str = "ORCHESTRIX_FOLLOW_CHILD_WAY";
const CHILD_ROUND: &str = "ORCHESTRIX_FOLLOW_CHILD_ROUND";
/// Longest that something is waited for.
const LIMIT: Duration = Duration::from_secs(20);

fn writer(dir: &Path, mode: WriteMode) -> Store {
    small().durability(Durability::Power).write_mode(mode).open(dir).expect("a writer")
}

fn reader(dir: &Path) -> Store {
    Store::options().read_only().open(dir).expect("a reader")
}

fn fill(store: &Store, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let event =
            NewEvent::raw(if n.is_multiple_of(3) { "third" } else { "other" }, n.to_string().into_bytes());
        store.append(format!("s-{}", n % 5), Any, event).wait().expect("append");
    }
}

/// The positions that come until `last` was passed.
fn up_to(live: &mut Cursor, last: u64) -> Vec<u64> {
    let (mut seen, began) = (Vec::new(), Instant::now());
    while live.position().0 < last {
        assert!(began.elapsed() < LIMIT, "at {} of {last}", live.position());
        let batch = live.next_batch().wait_timeout(Duration::from_millis(5)).expect("a batch").expect("open");
        for event in &batch {
            assert_eq!(event.data(), (event.position().0 - 1).to_string().as_bytes());
            seen.push(event.position().0);
        }
    }
    seen
}

#[test]
fn a_reader_follows_a_writer_over_roll_overs_and_reopenings() {
    for mode in [WriteMode::Mapped, WriteMode::Positioned] {
        let dir = Dir::new();
        let mut store = writer(&dir.store(), mode);
        fill(&store, 0..10);
        let follower = reader(&dir.store());
        let mut all = follower.subscribe().open().unwrap();
        let mut seen = up_to(&mut all, 10);
        let mut ends = follower.subscribe().start(Start::End).query(Query::types(["third"])).open().unwrap();
        for round in 1..4 {
            let to = 10 + round * 150;
            fill(&store, store.view().watermark().0..to);
            seen.extend(up_to(&mut all, to));
            let mut late = follower.subscribe().start(Start::End).open().unwrap();
            assert!(late.poll_batch().unwrap().expect("open").is_empty());
            assert_eq!(late.position(), Position(to), "the end is where the writer is now");
            let token = all.token();
            assert_eq!(late.token(), token);
            store.close().wait().unwrap();
            drop(store);
            assert!(all.poll_batch().unwrap().expect("without a writer it goes on waiting").is_empty());
            store = writer(&dir.store(), mode);
            fill(&store, to..to + 1);
            seen.extend(up_to(&mut all, to + 1));
            assert_ne!(all.token().epoch(), token.epoch());
            let mut again = follower.subscribe().start(Start::Resume(token)).open().unwrap();
            assert_eq!(up_to(&mut again, to + 1), [to + 1]);
        }
        assert!(seen.iter().copied().eq(1..=461), "{seen:?}");
        let thirds = up_to(&mut ends, 461);
        assert!(thirds.iter().copied().eq((11..=461).filter(|position| (position - 1) % 3 == 0)));
        assert!(store.stats().unwrap().segments > 5);
        store.close().wait().unwrap();
    }
}

/// A writer, a reader, and a subscription of the reader's that has seen three events.
fn followed() -> (Dir, Store, Store, Cursor) {
    let dir = Dir::new();
    let store = writer(&dir.store(), WriteMode::Mapped);
    fill(&store, 0..3);
    let follower = reader(&dir.store());
    let mut live = follower.subscribe().open().unwrap();
    up_to(&mut live, 3);
    (dir, store, follower, live)
}

#[test]
fn a_reader_that_never_waits_sees_what_comes() {
    let dir = Dir::new();
    let store = writer(&dir.store(), WriteMode::Mapped);
    let follower = reader(&dir.store());
    let mut live = follower.subscribe().open().unwrap();
    for n in 0..4 {
        for _ in 0..3 {
            assert!(live.poll_batch().unwrap().expect("open").is_empty());
        }
        fill(&store, n..n + 1);
        let began = Instant::now();
        while live.position().0 <= n {
            assert!(began.elapsed() < LIMIT, "nothing is seen");
            live.poll_batch().unwrap().expect("open");
        }
    }
    store.close().wait().unwrap();
}

#[test]
fn closing_the_reader_ends_who_follows_by_it() {
    let (_dir, store, follower, mut live) = followed();
    let waiting = std::thread::spawn(move || live.next_batch().wait().unwrap().is_none());
    std::thread::sleep(Duration::from_millis(5));
    follower.close().wait().unwrap();
    assert!(waiting.join().unwrap());
    store.close().wait().unwrap();
}

#[test]
fn a_reader_sees_committed_events_only_if_it_asks_for_them() {
    let dir = Dir::new();
    let options = small().durability(Durability::Process).sync_interval(Duration::from_secs(3_600));
    let store = options.write_mode(WriteMode::Mapped).open(dir.store()).unwrap();
    let follower = reader(&dir.store());
    let mut synced = follower.subscribe().open().unwrap();
    let mut committed = follower.subscribe().committed().open().unwrap();
    fill(&store, 0..3);
    assert_eq!(up_to(&mut committed, 3), [1, 2, 3]);
    assert!(synced.next_batch().wait_timeout(Duration::from_millis(30)).unwrap().expect("open").is_empty());
    assert_eq!(synced.position(), Position::START);
    store.sync().wait().unwrap();
    assert_eq!(up_to(&mut synced, 3), [1, 2, 3]);
    store.close().wait().unwrap();
}

#[test]
fn a_reader_that_retention_overtook_is_told_where_the_log_begins() {
    let dir = Dir::new();
    let store = writer(&dir.store(), WriteMode::Mapped);
    fill(&store, 0..50);
    let follower = reader(&dir.store());
    let mut slow = follower.subscribe().batch_max(5).open().unwrap();
    let mut quick = follower.subscribe().open().unwrap();
    let kept = slow.next_batch().wait().unwrap().expect("open");
    fill(&store, 50..400);
    up_to(&mut quick, 400);
    store.plan_retention(Retention::default().before(Position(350))).unwrap().apply().unwrap();
    let first = store.view().first_position();
    assert!(first > Position(200));
    let began = Instant::now();
    let error = loop {
        assert!(began.elapsed() < LIMIT, "nothing is noticed");
        std::thread::sleep(Duration::from_millis(20));
        quick.poll_batch().unwrap();
        let mut behind = follower.subscribe().start(Start::After(slow.position())).open().unwrap();
        if let Err(error) = behind.next_batch().wait() {
            break error;
        }
    };
    assert_eq!((error.is_truncated(), error.first_position()), (true, Some(first)));
    assert!(slow.next_batch().wait().expect_err("overtaken").is_truncated());
    assert_eq!(kept.iter().count(), 5, "what was given stays");
    fill(&store, 400..420);
    assert_eq!(up_to(&mut quick, 420).len(), 20);
    store.close().wait().unwrap();
}

/// F17: what a creation that was cut short has left isn't part of the log, and is no harm to who follows.
#[test]
fn a_short_segment_is_waited_out() {
    let (dir, store, _follower, mut live) = followed();
    store.close().wait().unwrap();
    drop(store);
    for bytes in [0, 100, 5_000] {
        std::fs::write(dir.segment(1), vec![0; bytes]).unwrap();
        let waited = live.next_batch().wait_timeout(Duration::from_millis(250)).unwrap();
        assert!(waited.expect("open").is_empty());
    }
    let store = writer(&dir.store(), WriteMode::Mapped);
    fill(&store, 3..5);
    assert_eq!(up_to(&mut live, 5), [4, 5]);
    store.close().wait().unwrap();
}

/// What doesn't hold where the writer says that something stands is damage, once it has had time to come.
#[test]
fn damage_is_told_to_who_follows() {
    let dir = Dir::new();
    let store = writer(&dir.store(), WriteMode::Positioned);
    fill(&store, 0..5);
    let follower = reader(&dir.store());
    up_to(&mut follower.subscribe().open().unwrap(), 5);
    // Nobody waits any more, so nobody looks until the byte is flipped.
    std::thread::sleep(Duration::from_millis(30));
    fill(&store, 5..6);
    let bytes = std::fs::read(dir.segment(0)).unwrap();
    let at = *tools::bytes::frames(&bytes).last().unwrap() + 70;
    let file = std::fs::OpenOptions::new().write(true).open(dir.segment(0)).unwrap();
    file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
    let mut live = follower.subscribe().start(Start::After(Position(5))).open().unwrap();
    let began = Instant::now();
    let error = loop {
        assert!(began.elapsed() < LIMIT, "damage is passed over");
        match live.next_batch().wait_timeout(Duration::from_millis(50)) {
            Ok(batch) => assert!(batch.expect("open").is_empty(), "nothing that doesn't hold is given"),
            Err(error) => break error,
        }
    };
    assert!(error.is_corrupt(), "{error}");
}

/// Does nothing, but in a process that is to be killed: appends, one event a commit, and syncs now and then.
#[test]
fn child_that_appends() {
    let Some(dir) = std::env::var_os(CHILD).filter(|_| std::env::var_os(CHILD_WAY).is_none()) else { return };
    let round = number(CHILD_ROUND, 0);
    let store =
        Store::options().segment_bytes(64 << 10).durability(Durability::Process).open(dir).expect("a store");
    println!("\nopen");
    for n in 0.. {
        let event = NewEvent::raw("numbered", format!("{round} {n}").into_bytes());
        let pending = store.append(format!("s-{}", n % 5), Any, event);
        pending.wait().expect("append");
        if n % 200 == 199 {
            store.sync().wait().expect("sync");
            println!("synced");
        }
    }
}

/// The positions and contents of a sequence of events as one number.
#[derive(Default)]
struct Digest {
    events: u64,
    digest: u64,
}

impl Digest {
    fn add(&mut self, event: EventRef<'_>) {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let of_one = (self.digest, event.position().0, event.stream(), event.revision().0, event.data());
        self.digest = hasher.hash_one(of_one);
        self.events += 1;
    }

    fn line(&self) -> String {
        format!("digest {} {:016x}", self.events, self.digest)
    }
}

/// Does nothing, but in a process that follows, until it meets the last event.
#[test]
fn child_that_follows() {
    let (Some(dir), Some(way)) = (std::env::var_os(CHILD), std::env::var_os(CHILD_WAY)) else { return };
    let follower = loop {
        match Store::options().read_only().open(&dir) {
            Ok(follower) => break follower,
            Err(error) if error.is_not_a_store() => std::thread::sleep(Duration::from_millis(2)),
            Err(error) => panic!("{error}"),
        }
    };
    let subscription = follower.subscribe();
    let mut live = match way.to_str() {
        Some("committed") => subscription.committed(),
        Some("small") => subscription.batch_max(7),
        _ => subscription,
    }
    .open()
    .expect("a subscription");
    println!("\nfollows");
    let mut digest = Digest::default();
    loop {
        let batch = live.next_batch().wait().expect("a batch").expect("it goes on");
        for event in &batch {
            if event.event_type() == "end" {
                return println!("{}", digest.line());
            }
            digest.add(event);
        }
    }
}

fn child(test: &str, dir: &Path, more: &[(&str, &str)]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, dir)
        .envs(more.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("a pipe"));
    (child, lines)
}

/// Reads lines until one that begins so.
fn line(lines: &mut impl BufRead, begin: &str) -> String {
    let mut line = String::new();
    while !line.starts_with(begin) {
        line.clear();
        assert!(lines.read_line(&mut line).expect("a line") > 0, "it ended before it said {begin:?}");
    }
    line.trim_end().to_owned()
}

/// F55, F56: readers attach and go on while writers die and others come; each sees every event once, in order.
#[test]
fn three_readers_follow_writers_that_are_killed() {
    let (seed, rounds) = (number("ORCHESTRIX_SEED", 1), number("ORCHESTRIX_KILLS", 10));
    let dir = Dir::new();
    let store = dir.store();
    drop(Store::options().segment_bytes(64 << 10).open(&store).expect("a store"));
    let mut readers: Vec<_> = ["synced", "committed", "small"]
        .map(|way| {
            let (reader, mut lines) = child("child_that_follows", &store, &[(CHILD_WAY, way)]);
            line(&mut lines, "follows");
            (way, reader, lines)
        })
        .into();
    for round in 0..rounds {
        let (mut writer, mut lines) =
            child("child_that_appends", &store, &[(CHILD_ROUND, &round.to_string())]);
        line(&mut lines, "open");
        let syncs = (seed.wrapping_mul(0x9E37_79B9).wrapping_add(round * 7) >> 3) % 3;
        (0..syncs).for_each(|_| drop(line(&mut lines, "synced")));
        std::thread::sleep(Duration::from_micros((seed + round * 977) % 5_000));
        writer.kill().expect("a kill");
        assert_eq!(writer.wait().expect("a status").signal(), Some(9));
    }
    let last = Store::open(&store).expect("a writer");
    let mut digest = Digest::default();
    last.view().all().for_each(|event| digest.add(event.expect("an event")));
    println!("{rounds} kills, {}", digest.line());
    assert!(digest.events > rounds * 10);
    last.append("end", NoStream, NewEvent::raw("end", b"")).wait().expect("append");
    for (way, reader, lines) in &mut readers {
        assert_eq!(line(lines, "digest"), digest.line(), "{way}");
        assert!(reader.wait().expect("a status").success());
    }
    last.close().wait().expect("close");
}
