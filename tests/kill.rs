//! A program imports events from four threads and is killed with SIGKILL at random moments, again and again on the same
//! store: every append that was waited for is there, no stream has a gap, `verify` is clean (F1 to F3, F6).
//!
//! The program is this test binary itself. `ORCHESTRIX_KILLS` sets the number of rounds, `ORCHESTRIX_KILL_EVENTS` how many
//! events a store is given before the next one begins.

use orchestrix::prelude::*;
use orchestrix::testing::Chance;
use orchestrix::{Durability, verify};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

const DIR: &str = "ORCHESTRIX_KILL_DIR";
const THREADS: u64 = 4;
const STREAMS_A_THREAD: u64 = 25;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn stream(thread: u64, n: u64) -> String {
    format!("thread{thread}-{}", n % STREAMS_A_THREAD)
}

fn acknowledged(dir: &Path, thread: u64) -> PathBuf {
    dir.join(format!("acknowledged-{thread}"))
}

fn open(dir: &Path) -> Store {
    Store::options().segment_bytes(1 << 20).open(dir.join("store")).unwrap()
}

/// How many events a thread has in the store: a thread's commits follow one another, so they are its first ones.
fn count(store: &Store, thread: u64) -> u64 {
    let view = store.view();
    (0..STREAMS_A_THREAD).filter_map(|n| view.head(stream(thread, n))).map(|head| head.revision.0 + 1).sum()
}

/// The program. Does nothing in a run of the tests.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let store = open(&dir);
    let events = number("ORCHESTRIX_KILL_EVENTS", 1_000_000) / THREADS;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, dir) = (&store, &dir);
            scope.spawn(move || import(store, dir, thread, events));
        }
    });
    store.close().wait().unwrap();
    File::create(dir.join("done")).unwrap();
}

/// Appends a thread's events in order, a few at a time, and notes what it was told is safe.
fn import(store: &Store, dir: &Path, thread: u64, events: u64) {
    let mut notes = OpenOptions::new().create(true).append(true).open(acknowledged(dir, thread)).unwrap();
    // One thread waits for each of its commits, one for the death of the process only, two now and then.
    let every = [1, 64, 2_000, 8][thread as usize];
    let durability = if thread == 3 { Durability::Process } else { Durability::Power };
    let mut n = count(store, thread);
    let mut commits = 0;
    while n < events {
        let mut transaction = store.transaction().durability(durability);
        let batch = (1 + n % 3).min(events - n);
        for n in n..n + batch {
            let data = n.to_le_bytes().repeat(1 + (n % 30) as usize);
            let expected = (n / STREAMS_A_THREAD).checked_sub(1).map_or(NoStream, |newest| Exact(Revision(newest)));
            let event = NewEvent::raw("imported", data).id(format!("{thread}-{n}"));
            transaction = transaction.append(stream(thread, n), expected, [event]);
        }
        let pending = transaction.commit();
        n += batch;
        commits += 1;
        if commits % every == 0 {
            let receipt = pending.wait().unwrap();
            let note = [(n - 1).to_le_bytes(), receipt.position().0.to_le_bytes()].concat();
            notes.write_all(&note).unwrap();
        }
    }
    store.sync().wait().unwrap();
}

fn start(dir: &Path) -> Child {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(DIR, dir);
    program.stdout(Stdio::null()).spawn().unwrap()
}

/// Compares the store with what the program was told. `verify` runs before the store is opened again, or after.
fn check(dir: &Path, verify_first: bool) -> u64 {
    if !dir.join("store/store").exists() {
        // It was killed before it had created one.
        assert!((0..THREADS).all(|thread| !acknowledged(dir, thread).exists()));
        return 0;
    }
    if verify_first {
        let before = verify(dir.join("store")).unwrap();
        assert!(before.is_clean(), "before opening: {before:?}");
    }
    let store = open(dir);
    let view = store.view();
    for thread in 0..THREADS {
        let mut expected: Vec<u64> = (0..STREAMS_A_THREAD).collect();
        let mut positions = Vec::new();
        for n in 0..STREAMS_A_THREAD {
            for event in view.stream(stream(thread, n)) {
                let event = event.unwrap();
                let next = &mut expected[n as usize];
                assert_eq!(event.data()[..8], next.to_le_bytes(), "{} at {}", event.stream(), event.revision());
                assert_eq!(event.revision().0, *next / STREAMS_A_THREAD);
                positions.push((*next, event.position().0));
                *next += STREAMS_A_THREAD;
            }
        }
        positions.sort_unstable();
        let whole = positions.iter().map(|(n, _)| *n).eq(0..positions.len() as u64);
        assert!(whole, "thread {thread} has a gap");
        let notes = std::fs::read(acknowledged(dir, thread)).unwrap_or_default();
        for note in notes.as_chunks::<16>().0 {
            let [n, position] = [0, 8].map(|at| u64::from_le_bytes(note[at..at + 8].try_into().unwrap()));
            assert_eq!(positions.get(n as usize), Some(&(n, position)), "thread {thread} was told of {n}");
        }
    }
    let events = view.watermark().0;
    assert_eq!(view.all().count() as u64, events);
    drop(view);
    store.close().wait().unwrap();
    if !verify_first {
        let after = verify(dir.join("store")).unwrap();
        assert!(after.is_clean() && after.tail_bytes == 0 && after.events == events, "after opening: {after:?}");
    }
    events
}

#[test]
fn what_was_waited_for_survives_sigkill() {
    let seed = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut chance = Chance::new(seed);
    let mut dir = tempfile::tempdir().unwrap();
    let mut most = 0;
    for round in 0..number("ORCHESTRIX_KILLS", 10) {
        let mut program = start(dir.path());
        // Some are killed while they open the store, most while they import.
        let spread = [40, 1_000, 1_000][chance.below(3) as usize];
        std::thread::sleep(Duration::from_millis(5 + chance.below(spread)));
        program.kill().unwrap();
        let status = program.wait().unwrap();
        let done = dir.path().join("done").exists();
        assert!(done || !status.success(), "round {round}: the program ended by itself: {status}");
        let events = check(dir.path(), round % 2 == 0);
        most = most.max(events);
        println!("round {round}: {events} events");
        if done {
            dir = tempfile::tempdir().unwrap();
        }
    }
    println!("at most {most} events in a store");
}
