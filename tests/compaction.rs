//! Compaction of the snapshot log on a simulated machine: what counts stays, whenever the power is cut, and little else does.
//! `ORCHESTRIX_CRASHES` sets the number of power cuts.

#[path = "snapshots/states.rs"]
mod states;
#[path = "tools/mod.rs"]
mod tools;

use orchestrix::Durability;
use orchestrix::prelude::*;
use orchestrix::testing::{Bugs, Chance, Crash, Machine};
use states::{append, crashes, replay, save, state};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tools::small;

/// Many snapshots of some streams, among them those of streams that were saved once, at the beginning. Then only what counts is
/// there, and little else; every state is as before.
fn save_many(
    machine: &Machine,
    chance: &mut Chance,
    rounds: u64,
) -> Result<(Store, [Option<Revision>; 4]), String> {
    let store = machine.open(small().durability(Durability::Process)).map_err(|error| error.to_string())?;
    let names = ["a", "b", "once", "late"];
    let mut saved = [None; 4];
    for n in 0..rounds {
        let number = match n {
            3 => 2,
            n if n == rounds - 1 => 3,
            _ => chance.below(2) as usize,
        };
        let revision = append(&store, names[number], n);
        save(&store, names[number], revision, 13_000);
        saved[number] = Some(revision);
        while chance.happens(700) && machine.run_one(chance) {}
    }
    Ok((store, saved))
}

fn all_saved(store: &Store, saved: &[Option<Revision>; 4]) -> Result<(), String> {
    for (stream, saved) in ["a", "b", "once", "late"].into_iter().zip(saved) {
        let found = store.snapshot(stream).wait().map_err(|error| error.to_string())?;
        let found = found.map(|snapshot| snapshot.revision);
        if found < *saved {
            return Err(format!("{stream} has a snapshot of {found:?}, {saved:?} was saved"));
        }
        if state(store, stream).0 != replay(store, stream, Revision(u64::MAX)) {
            return Err(format!("{stream} has another state by its snapshot of {found:?}"));
        }
    }
    Ok(())
}

#[test]
fn superseded_snapshots_go() {
    let (machine, mut chance) = (Machine::new(11), Chance::new(11));
    let (store, saved) = save_many(&machine, &mut chance, 120).expect("saves");
    while machine.run_one(&mut chance) {}
    all_saved(&store, &saved).expect("what was saved");
    let stats = store.stats().expect("stats").snapshots;
    // 120 saves of 13 KB took 13 segments.
    assert!(stats.segments <= 5, "{stats:?}");
    assert_eq!((stats.streams, stats.skipped), (4, 0));
    store.close().wait().expect("a close");
    drop(store);
    let store = machine.open(small()).expect("a store");
    all_saved(&store, &saved).expect("what was saved");
    assert!(store.stats().expect("stats").snapshots.segments <= stats.segments);
}

/// Power cuts while old snapshots go. Returns how many segments were left.
fn crash_compacting(seed: u64, bugs: Bugs) -> Result<u64, String> {
    let mut chance = Chance::new(seed);
    let machine = Machine::new(seed).with_bugs(bugs);
    let rounds = 30 + chance.below(30);
    let image = Arc::new(Mutex::new(None));
    let (store, saved) = save_many(&machine, &mut chance, rounds)?;
    // The cut comes within what is left to do, or after it.
    let (taken, at) = (image.clone(), AtomicU64::new(chance.below(400)));
    machine.watch(move |machine, _| {
        if at.fetch_sub(1, Ordering::Relaxed) == 0 {
            *taken.lock().expect("a lock") = Some(machine.power_cut(seed, Crash::Torn));
        }
    });
    while machine.run_one(&mut chance) {}
    machine.unwatch();
    let left = image.lock().expect("a lock").take().unwrap_or_else(|| machine.power_cut(seed, Crash::Torn));
    drop(store);
    let store = left.open(small()).map_err(|error| format!("opening: {error}"))?;
    all_saved(&store, &saved)?;
    Ok(store.stats().map_err(|error| error.to_string())?.snapshots.segments)
}

// F27, F29
#[test]
fn power_cuts_during_compaction_lose_no_snapshot() {
    let (mut compacted, cases) = (0, crashes() / 5);
    for seed in 0..cases {
        let segments =
            crash_compacting(seed, Bugs::default()).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        compacted += u64::from(segments < 3);
    }
    assert!(compacted > 0, "nothing was compacted");
}

#[test]
fn it_is_noticed_that_compaction_removes_what_it_has_not_synced() {
    let bugs = Bugs { compact_unsynced: true, ..Bugs::default() };
    let noticed = (0..300).find_map(|seed| crash_compacting(seed, bugs).err());
    let what = noticed.expect("not noticed");
    assert!(what.contains("was saved"), "{what}");
}
