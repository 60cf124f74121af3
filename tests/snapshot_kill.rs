//! A real process that saves snapshots from three threads, drops old events and superseded snapshots meanwhile, and is killed
//! with SIGKILL, round after round on the same store. Every state is a function of its revision, so it is known also where the
//! events have gone. `ORCHESTRIX_KILLS` is the number of rounds.

use orchestrix::prelude::*;
use orchestrix::testing::Chance;
use orchestrix::{Durability, Retention, Snapshot, verify};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const CHILD: &str = "ORCHESTRIX_SNAPSHOT_CHILD";
/// Longest time between the beginning of a round and the kill.
const DELAY_MICROS_MAX: u64 = 60_000;
const STREAMS: [&str; 3] = ["a", "b", "c"];
/// Bytes of a snapshot.
const STATE_BYTES: usize = 4_000;

/// The state of a stream as of a revision, from that of the one before.
fn next(state: u64, revision: u64) -> u64 {
    (state ^ revision).rotate_left(9).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Revision of the last event and the state by the newest snapshot and what follows it.
fn load(store: &Store, stream: &str) -> (Option<u64>, u64, Option<u64>) {
    let snapshot = store.snapshot(stream).wait().expect("a snapshot is never an error");
    let (mut state, from) = match &snapshot {
        None => (0, 0),
        Some(snapshot) => {
            let bytes = snapshot.data[..8].try_into().expect("eight bytes");
            (u64::from_le_bytes(bytes), snapshot.revision.0 + 1)
        }
    };
    let view = store.view();
    let mut last = from.checked_sub(1);
    for event in view.stream(stream).from(Revision(from)) {
        let event = event.expect("an event");
        assert_eq!(event.data(), event.revision().0.to_le_bytes());
        state = next(state, event.revision().0);
        last = Some(event.revision().0);
    }
    (last, state, snapshot.map(|snapshot| snapshot.revision.0))
}

fn open(dir: &Path) -> Store {
    let options = Store::options().segment_bytes(32 << 10).durability(Durability::Process);
    options.open(dir).expect("a store")
}

/// Does nothing, but in the process that is to be killed.
#[test]
fn child_that_saves() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    println!();
    let store = open(Path::new(&dir));
    std::thread::scope(|scope| {
        for stream in STREAMS {
            let store = store.clone();
            scope.spawn(move || {
                let (last, mut state, _) = load(&store, stream);
                for revision in last.map_or(0, |last| last + 1).. {
                    let data = revision.to_le_bytes().to_vec();
                    store.append(stream, Any, NewEvent::raw("done", data)).wait().expect("an append");
                    state = next(state, revision);
                    if revision % 20 == 19 {
                        let mut data = state.to_le_bytes().to_vec();
                        data.resize(STATE_BYTES, 1);
                        let snapshot = Snapshot::new(Revision(revision), 1, data);
                        store.save_snapshot(stream, snapshot).wait().expect("saved");
                        println!("{stream} {revision}");
                    }
                }
            });
        }
        println!("begun");
        loop {
            let mut limits = Retention::default();
            limits.before = Some(store.view().watermark());
            let plan = store.plan_retention(limits).expect("a plan");
            // A snapshot that is saved meanwhile holds nothing that the plan drops.
            plan.apply().expect("a retention");
        }
    });
}

// F29
#[test]
fn kills_while_snapshots_are_saved_and_events_dropped() {
    let kills = std::env::var("ORCHESTRIX_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let dir = tempfile::tempdir().expect("a directory");
    let (mut told, mut chance) = (BTreeMap::new(), Chance::new(1));
    for round in 0..kills {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["child_that_saves", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut lines = lines.map(|line| line.expect("a line"));
        assert!(lines.any(|line| line == "begun"), "round {round}");
        std::thread::sleep(Duration::from_micros(chance.below(DELAY_MICROS_MAX)));
        child.kill().expect("a kill");
        for line in lines {
            if let Some((stream, revision)) = line.split_once(' ')
                && let Ok(revision) = revision.parse::<u64>()
            {
                told.insert(stream.to_owned(), revision);
            }
        }
        child.wait().expect("a status");
        let report = verify(dir.path()).expect("a report");
        assert!(report.is_clean(), "round {round}: {report:?}");
        let store = open(dir.path());
        for stream in STREAMS {
            let (last, state, snapshot) = load(&store, stream);
            let expected = last.map_or(0, |last| (0..=last).fold(0, next));
            assert_eq!(state, expected, "round {round}: {stream} at {last:?}, snapshot {snapshot:?}");
            assert!(
                snapshot >= told.get(stream).copied(),
                "round {round}: {stream}: {snapshot:?} of {told:?}"
            );
        }
        assert_eq!(store.check_index().expect("an index"), Vec::<String>::new());
        store.close().wait().expect("a close");
    }
    let store = open(dir.path());
    let (first, stats) = (store.view().first_position(), store.stats().expect("stats"));
    println!("first position {first}, {} segments of snapshots, {told:?}", stats.snapshots.segments);
    assert!(kills < 10 || first > Position(1), "nothing was dropped");
}
