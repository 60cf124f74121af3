//! Snapshots on real files, in memory and on a simulated machine: the newest one that holds is found, whatever happens to their
//! log; with it and the events after it a stream has the same state as by replay. `ORCHESTRIX_CRASHES` sets the number of power cuts.

#[path = "snapshots/states.rs"]
mod states;
#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::testing::{Bugs, Chance, Crash, Machine};
use orchestrix::{Durability, ErrorKind, Retention, Snapshot, verify};
use states::{append, append_all, apply, crashes, replay, save, state};
use std::fs;
use std::path::Path;
use tools::{Dir, small};

/// Streams a, b and c with 30 events each; a has three snapshots, b so many that its log has a complete segment, c one in it.
fn fill(store: &Store) {
    for n in 0..30 {
        for stream in ["a", "b", "c"] {
            append(store, stream, n);
        }
        match n {
            5 => save(store, "c", Revision(n), 100),
            9 | 19 => save(store, "a", Revision(n), 100),
            25 => {
                save(store, "a", Revision(24), 0);
                (15..26).for_each(|n| save(store, "b", Revision(n), 14_000));
            }
            _ => {}
        }
    }
}

fn same_states(store: &Store, what: &str) -> [bool; 3] {
    ["a", "b", "c"].map(|stream| {
        let (state, snapshot) = state(store, stream);
        assert_eq!(state, replay(store, stream, Revision(u64::MAX)), "{stream}: {what}");
        snapshot
    })
}

#[test]
fn the_newest_snapshot_is_found() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    assert!(store.capabilities().snapshots);
    append(&store, "a", 0);
    assert!(store.snapshot("a").wait().expect("an answer").is_none());
    assert!(!dir.file("snapshots").exists(), "nothing is made before the first one");
    store.close().wait().expect("a close");
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    fill(&store);
    let check = |store: &Store| {
        assert_eq!(store.snapshot("a").wait().unwrap().expect("a snapshot").revision, Revision(24));
        assert_eq!(same_states(store, "as it was saved"), [true, true, true]);
        assert_eq!(store.stats().expect("stats").snapshots.streams, 3);
    };
    check(&store);
    // An older one takes nobody's place.
    save(&store, "a", Revision(3), 0);
    check(&store);
    store.close().wait().expect("a close");
    check(&Store::options().read_only().open(dir.store()).expect("a reader"));
    check(&small().open(dir.store()).expect("a store"));
    let memory = Store::options().segment_bytes(8 << 10).in_memory().expect("a store");
    fill(&memory);
    check(&memory);
}

#[test]
fn a_snapshot_of_what_is_not_there_is_refused() {
    let store = Store::in_memory();
    append(&store, "a", 0);
    let refused = |stream: &str, revision| {
        let snapshot = Snapshot::new(Revision(revision), 1, vec![1]);
        store.save_snapshot(stream, snapshot).wait().unwrap_err()
    };
    let error = refused("a", 1);
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("expected revision 1, found revision 0"), "{error}");
    assert!(refused("b", 0).to_string().contains("no such stream"));
    let large = Snapshot::new(Revision(0), 1, vec![0; 9 << 20]);
    assert_eq!(store.save_snapshot("a", large).wait().unwrap_err().kind(), ErrorKind::Limit);
    store.close().wait().expect("a close");
    assert!(store.save_snapshot("a", Snapshot::new(Revision(0), 1, vec![])).wait().unwrap_err().is_closed());
}

fn copy(from: &Path, to: &Path) {
    for (name, (bytes, _)) in tools::tree(from) {
        let path = to.join(&name);
        if from.join(&name).is_dir() {
            fs::create_dir_all(path).expect("a directory");
        } else {
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, bytes).expect("a file");
        }
    }
}

/// Each byte of the snapshot log that isn't a hole flipped, each file cut, emptied, taken away or another store's: the state is
/// the same, by an older snapshot or by replay. Of a file 300 bytes are flipped, all if `ORCHESTRIX_FLIPS` says more than 1.
// F27
#[test]
fn whatever_happens_to_the_snapshot_log_the_state_is_the_same() {
    let every = std::env::var("ORCHESTRIX_FLIPS").is_ok_and(|flips| flips != "1");
    let [dir, other] = [Dir::new(), Dir::new()];
    for dir in [&dir, &other] {
        let store = small().open(dir.store()).expect("a store");
        fill(&store);
        store.close().wait().expect("a close");
    }
    let work = dir.path("work");
    copy(&dir.store(), &work);
    let (mut passed_over, mut unreadable, mut unharmed) = (0, 0, 0);
    let mut look = |what: &str| {
        let store =
            Store::options().read_only().open(&work).unwrap_or_else(|error| panic!("{what}: {error}"));
        same_states(&store, what);
        let stats = store.stats().expect("stats").snapshots;
        let report = verify(&work).expect("a report");
        assert!(report.is_clean() && report.index_problems.is_empty(), "{what}: {report:?}");
        let told = !report.snapshot_problems.is_empty();
        assert!(
            told || (stats.problem.is_none() && stats.skipped == 0),
            "{what}: verify tells nothing of {stats:?}"
        );
        match (stats.problem, stats.skipped) {
            (Some(_), _) => unreadable += 1,
            (None, 0) => unharmed += 1,
            (None, _) => passed_over += 1,
        }
    };
    for (name, (bytes, _)) in tools::tree(&dir.file("snapshots")) {
        let path = work.join("snapshots").join(&name);
        if path.is_dir() || name == "lock" {
            continue;
        }
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let step = if every { 1 } else { used / 300 + 1 };
        for at in (0..used).step_by(step) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, changed).expect("a file");
            look(&format!("{name}, byte {at}"));
        }
        for length in [0, used / 2, used.saturating_sub(1)] {
            fs::write(&path, &bytes[..length]).expect("a file");
            look(&format!("{name}, {length} bytes"));
        }
        fs::copy(other.file("snapshots").join(&name), &path).expect("another store's");
        look(&format!("{name} of another store"));
        fs::remove_file(&path).expect("removed");
        look(&format!("without {name}"));
        fs::write(&path, &bytes).expect("a file");
    }
    println!("{passed_over} passed over, {unreadable} unreadable, {unharmed} unharmed");
    assert!(passed_over > 0 && unreadable > 0 && unharmed > 0);
    // A log of snapshots that can't be opened is left alone, and saving says why.
    fs::write(work.join("snapshots/store"), b"nothing").expect("a file");
    let store = small().open(&work).expect("a store");
    let error = store.save_snapshot("a", Snapshot::new(Revision(29), 1, vec![0; 8])).wait().unwrap_err();
    assert!(error.is_corrupt(), "{error}");
    assert_eq!(fs::read(work.join("snapshots/store")).expect("a file"), b"nothing");
}

/// Snapshots of another history, in which the stream has other events in the same places, are passed over.
// F27
#[test]
fn a_snapshot_of_another_history_is_passed_over() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    append(&store, "a", 0);
    store.close().wait().expect("a close");
    let (branch, work) = (dir.path("branch"), dir.path("work"));
    copy(&dir.store(), &branch);
    for (path, more) in [(dir.store(), 1), (branch.clone(), 100)] {
        let store = small().open(path).expect("a store");
        append_all(&store, "a", more..more + 20);
        save(&store, "a", Revision(15), 0);
        store.close().wait().expect("a close");
    }
    copy(&dir.store(), &work);
    fs::remove_dir_all(work.join("snapshots")).expect("removed");
    copy(&branch.join("snapshots"), &work.join("snapshots"));
    let store = small().open(&work).expect("a store");
    assert_eq!(state(&store, "a"), (replay(&store, "a", Revision(u64::MAX)), false));
    assert_eq!(store.stats().expect("stats").snapshots.skipped, 1);
}

/// What a snapshot stands for may go, what comes after it is held; and it holds by the base from then on.
#[test]
fn a_snapshot_outlives_its_events_and_holds_those_after_it() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    append_all(&store, "a", 0..40);
    save(&store, "a", Revision(29), 0);
    append_all(&store, "others", 0..300);
    store.sync().wait().expect("a sync");
    let whole = replay(&store, "a", Revision(u64::MAX));
    let all = Retention::default().before(Position(1_000));
    let plan = store.plan_retention(all.clone()).expect("a plan");
    let held = plan.held.clone().expect("who holds");
    assert_eq!((held.name.as_str(), held.after), ("the snapshot of stream \"a\"", Position(30)));
    plan.apply().expect("a retention");
    save(&store, "a", Revision(39), 0);
    let plan = store.plan_retention(all.clone()).expect("a plan");
    assert!(plan.held.is_none() && plan.first_position > Position(100), "{plan:?}");
    plan.apply().expect("a retention");
    let check = |store: &Store| {
        assert!(
            store.view().stream("a").from(Revision(0)).next().expect("an item").unwrap_err().is_truncated()
        );
        assert_eq!(state(store, "a"), (whole, true), "the snapshot is all that is left");
        assert_eq!(store.stats().expect("stats").snapshots.skipped, 0);
    };
    check(&store);
    store.close().wait().expect("a close");
    let store = small().open(dir.store()).expect("a store");
    check(&store);
    append_all(&store, "others", 300..600);
    store.sync().wait().expect("a sync");
    store
        .plan_retention(Retention::default().before(Position(500)))
        .expect("a plan")
        .apply()
        .expect("a retention");
    check(&store);
    append(&store, "a", 40);
    assert_eq!(state(&store, "a").0, {
        let view = store.view();
        let last = view.stream("a").next_back().expect("an event").expect("an event");
        apply(whole, last)
    });
}

/// Power cuts while snapshots are saved. What was saved is there; what is there is a state of the history that is left.
fn crash(seed: u64, bugs: Bugs) -> Result<bool, String> {
    let mut chance = Chance::new(seed);
    let machine = Machine::new(seed).with_bugs(bugs);
    machine.set_flusher(100);
    let options = || small().durability(Durability::Process);
    let store = machine.open(options()).map_err(|error| error.to_string())?;
    let mut saved = [None; 2];
    for n in 0..10 + chance.below(40) {
        let number = chance.below(2) as usize;
        let stream = ["a", "b"][number];
        let revision = append(&store, stream, seed ^ n);
        if chance.happens(200) {
            save(&store, stream, revision, chance.below(50) as usize);
            saved[number] = Some(revision);
        }
        if chance.happens(300) {
            machine.run_one(&mut chance);
        }
    }
    let mut left = machine.power_cut(seed, Crash::Torn);
    drop(store);
    for _ in 0..2 {
        let store = left.open(options()).map_err(|error| format!("opening: {error}"))?;
        for (stream, saved) in ["a", "b"].into_iter().zip(saved) {
            let snapshot = store.snapshot(stream).wait().map_err(|error| error.to_string())?;
            let found = snapshot.as_ref().map(|snapshot| snapshot.revision);
            if found < saved {
                return Err(format!("{stream} has a snapshot of {found:?}, {saved:?} was saved"));
            }
            if state(&store, stream).0 != replay(&store, stream, Revision(u64::MAX)) {
                return Err(format!("{stream} has another state by its snapshot of {found:?}"));
            }
        }
        // Other events in the places of those that were lost.
        append_all(&store, "a", u64::MAX - 5..u64::MAX);
        left = left.power_cut(seed ^ 1, Crash::Torn);
    }
    Ok(saved.iter().any(Option::is_some))
}

// F27, D10
#[test]
fn power_cuts_leave_what_was_saved() {
    let mut with_snapshots = 0;
    for seed in 0..crashes() {
        with_snapshots +=
            u64::from(crash(seed, Bugs::default()).unwrap_or_else(|what| panic!("seed {seed}: {what}")));
    }
    assert!(with_snapshots * 2 > crashes());
}

// D10
#[test]
fn it_is_noticed_that_a_snapshot_is_saved_before_its_event_is_synced() {
    let bugs = Bugs { snapshot_unsynced: true, ..Bugs::default() };
    let noticed = (0..1_000).find_map(|seed| crash(seed, bugs).err());
    let what = noticed.expect("not noticed");
    assert!(what.contains("was saved"), "{what}");
}
