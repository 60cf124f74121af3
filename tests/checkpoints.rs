//! Checkpoints of consumers: the one that was saved last is there after a restart, a kill and a power cut at any step of saving; one
//! that is damaged, or counts what was lost, is told; they keep what their consumer needs from retention.
//!
//! `ORCHESTRIX_CRASHES` is fifty times the number of simulated lives, `ORCHESTRIX_SEED` the first.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::testing::{Bugs, Chance, Crash, Machine};
use orchestrix::{Checkpoint, Durability, ErrorKind, EventStore, Retention, verify};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tools::{Dir, copy, fill, number, says, small};

fn save(store: &Store, consumer: &str, low: u64, through: u64, data: &[u8]) -> Checkpoint {
    let checkpoint = Checkpoint::new(Position(low), Position(through), data.to_vec());
    store.backend().save_checkpoint(consumer, checkpoint.clone()).wait().expect("a save");
    checkpoint
}

fn load(store: &Store, consumer: &str) -> Result<Option<Checkpoint>, orchestrix::Error> {
    store.backend().checkpoint(consumer).wait()
}

/// Files of the slots, by name.
fn slots(dir: &Dir) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.file("consumers")).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

#[test]
fn a_checkpoint_is_there_after_a_restart_and_for_readers() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    fill(&store, "a-1", 9);
    assert!(!dir.file("consumers").exists(), "nothing is made before the first one");
    let mut last = Checkpoint::default();
    for n in 0..7 {
        save(&store, "mail", n, n, b"other");
        last = save(&store, "mailer", n, n + 1, &vec![n as u8; 3_000]);
        assert_eq!(load(&store, "mailer").expect("whole"), Some(last.clone()));
    }
    assert_eq!(slots(&dir).len(), 4, "two slots each: {:?}", slots(&dir));
    let reader = Store::options().read_only().open(dir.store()).expect("a reader");
    assert_eq!(load(&reader, "mailer").expect("whole"), Some(last.clone()));
    says(
        reader.backend().save_checkpoint("mailer", Checkpoint::default()).wait(),
        ErrorKind::Invalid,
        &["read-only"],
    );
    store.close().wait().expect("a close");
    let closed = store.backend().save_checkpoint("mailer", Checkpoint::default()).wait();
    says(closed, ErrorKind::Closed, &["closed"]);
    drop(store);
    let store = small().open(dir.store()).expect("a store");
    assert_eq!(load(&store, "mailer").expect("whole"), Some(last));
    let back = save(&store, "mailer", 1, 1, b"");
    store.backend().forget_checkpoint("mail").wait().expect("forgotten");
    drop(store);
    let store = small().open(dir.store()).expect("a store");
    assert_eq!(load(&store, "mailer").expect("whole"), Some(back));
    assert_eq!(load(&store, "mail").expect("an answer"), None);
    assert_eq!(slots(&dir).len(), 2);
}

#[test]
fn what_makes_no_checkpoint_is_refused() {
    let store = Store::in_memory();
    fill(&store, "a-1", 3);
    let refused = |consumer: &str, low: u64, through: u64, bytes: usize| {
        let checkpoint = Checkpoint::new(Position(low), Position(through), vec![0; bytes]);
        store.backend().save_checkpoint(consumer, checkpoint).wait()
    };
    says(refused("", 0, 0, 0), ErrorKind::Invalid, &["name of a consumer"]);
    says(refused(&"n".repeat(256), 0, 0, 0), ErrorKind::Limit, &["name of a consumer", "255", "256"]);
    says(refused("a\u{7}", 0, 0, 0), ErrorKind::Invalid, &["name of a consumer"]);
    says(refused("mailer", 2, 1, 0), ErrorKind::Invalid, &["at most its position 1, found 2"]);
    says(refused("mailer", 0, 4, 0), ErrorKind::Ahead, &["4", "3"]);
    says(refused("mailer", 0, 3, (1 << 20) + 1), ErrorKind::Limit, &["mailer", "1048576", "1048577"]);
    assert_eq!(load(&store, "mailer").expect("an answer"), None);
    refused("mailer", 3, 3, 1 << 20).expect("the longest");
    says(load(&store, ""), ErrorKind::Invalid, &["name of a consumer"]);
}

/// Every byte of every slot, one at a time, and every length: the newest, the one before, or an error that names the file.
#[test]
fn each_damaged_byte_is_noticed() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    fill(&store, "a-1", 9);
    let one = save(&store, "one", 2, 3, b"first");
    let before = save(&store, "two", 2, 3, b"before");
    let newest = save(&store, "two", 5, 9, b"newest");
    store.close().wait().expect("a close");
    drop(store);
    let (mut told, mut older) = (0, 0);
    for path in slots(&dir) {
        let whole = fs::read(&path).expect("a slot");
        let flips = (0..whole.len()).map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            bytes
        });
        let cuts = (0..whole.len()).step_by(37).map(|end| whole[..end].to_vec());
        let longer = [[&whole[..], b"x"].concat()];
        for bytes in flips.chain(cuts).chain(longer) {
            fs::write(&path, bytes).expect("a slot");
            let store = Store::options().read_only().open(dir.store()).expect("a reader");
            match load(&store, "two") {
                Ok(Some(found)) if found == before => older += 1,
                found => assert_eq!(found.expect("one is whole"), Some(newest.clone())),
            }
            match load(&store, "one") {
                Ok(found) => assert_eq!(found, Some(one.clone())),
                // Those of a later program, where a bit of its features was set.
                Err(error) if error.is_unsupported() => told += 1,
                Err(error) => {
                    let file = path.file_name().expect("a name").to_str().expect("text");
                    says(Err::<(), _>(error), ErrorKind::Corrupt, &["checkpoint", file]);
                    told += 1;
                }
            }
        }
        fs::write(&path, whole).expect("a slot");
    }
    assert!(told > 500 && older > 500, "{told} {older}");
    for path in slots(&dir) {
        fs::write(path, b"nothing").expect("a slot");
    }
    let report = verify(dir.store()).expect("a report");
    assert!(report.is_clean() && report.checkpoint_problems.len() == 2, "{report:?}");
    let store = small().open(dir.store()).expect("a store");
    says(store.plan_retention(Retention::default()), ErrorKind::Corrupt, &["checkpoint", "consumers/"]);
    says(load(&store, "two"), ErrorKind::Corrupt, &["checkpoint", "consumers/"]);
    store.backend().forget_checkpoint("two").wait().expect("it is set back");
    assert_eq!(load(&store, "two").expect("an answer"), None);
    save(&store, "two", 1, 1, b"anew");
}

/// D22: a checkpoint that counts more than the log has, or another history, is told and names its consumer.
#[test]
fn rule_22_a_slot_ahead_of_the_log_is_corrupt() {
    let dir = Dir::new();
    let store = small().durability(Durability::Power).open(dir.store()).expect("a store");
    fill(&store, "a-1", 3);
    store.close().wait().expect("a close");
    drop(store);
    copy(&dir.store(), &dir.path("then"));
    let store = small().durability(Durability::Power).open(dir.store()).expect("a store");
    fill(&store, "a-1", 3);
    save(&store, "mailer", 6, 6, b"");
    store.close().wait().expect("a close");
    drop(store);
    copy(&dir.file("consumers"), &dir.path("then/consumers"));
    let store = small().open(dir.path("then")).expect("a store");
    says(load(&store, "mailer"), ErrorKind::Corrupt, &["mailer", "consumers/", "6"]);
    fill(&store, "a-1", 9);
    says(load(&store, "mailer"), ErrorKind::Corrupt, &["mailer", "epoch", "consumers/"]);
    // It is set back by saving another.
    let back = save(&store, "mailer", 3, 3, b"");
    assert_eq!(load(&store, "mailer").expect("whole"), Some(back));
}

#[test]
fn a_consumer_holds_retention_back_whether_it_runs_or_not() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    fill(&store, "a-1", 400);
    save(&store, "far", 300, 390, b"");
    save(&store, "near", 200, 200, b"");
    store.close().wait().expect("a close");
    drop(store);
    let store = small().open(dir.store()).expect("a store");
    let all = || Retention::default().before(Position(401));
    let plan = store.plan_retention(all()).expect("a plan");
    let held = plan.held.clone().expect("somebody");
    assert_eq!((held.name.as_str(), held.after), ("consumer \"near\"", Position(199)));
    assert!(plan.first_position <= Position(200), "its own frame stays: {plan:?}");
    plan.apply().expect("a retention");
    assert_eq!(load(&store, "near").expect("whole").map(|found| found.low), Some(Position(200)));
    let stale = store.plan_retention(all());
    store.backend().forget_checkpoint("near").wait().expect("forgotten");
    let plan = store.plan_retention(all()).expect("a plan");
    assert_eq!(plan.held.clone().expect("somebody").name, "consumer \"far\"");
    save(&store, "near", 210, 210, b"");
    says(plan.apply(), ErrorKind::Invalid, &["near", "209"]);
    assert!(stale.expect("a plan").is_empty());
}

fn open(machine: &Machine) -> Store {
    machine.open(small().durability(Durability::Process)).expect("a store")
}

/// A life with saves, kills in the middle of some, and a look at what a power cut at each of their steps would leave. Returns how
/// many there were.
fn live(seed: u64, bugs: Bugs) -> Result<u64, String> {
    let (mut machine, mut chance) = (Machine::new(seed).with_bugs(bugs), Chance::new(seed));
    let mut store = open(&machine);
    // What may be there: the one that was acknowledged last, and those that were begun since.
    let (mut possible, mut cuts) = (vec![None], 0);
    for n in 0..8 {
        fill(&store, "a-1", chance.below(4) as usize);
        let through = store.view().watermark().0;
        let low = through.saturating_sub(chance.below(3));
        let data = vec![n; chance.below(2_000) as usize];
        let checkpoint = Checkpoint::new(Position(low), Position(through), data);
        possible.push(Some(checkpoint.clone()));
        let images = Arc::new(Mutex::new(Vec::new()));
        let (taken, first) = (images.clone(), chance.any());
        machine.watch(move |machine, _| {
            let mut taken = taken.lock().expect("a list");
            let seed = first.wrapping_add(taken.len() as u64);
            taken.push((machine.power_cut(seed, Crash::Torn), machine.kill(seed)));
        });
        let saved = store.backend().save_checkpoint("mailer", checkpoint.clone()).wait();
        machine.unwatch();
        saved.map_err(|error| format!("saving: {error}"))?;
        let mut images = std::mem::take(&mut *images.lock().expect("a list"));
        let killed = chance.happens(500).then(|| chance.below(images.len() as u64) as usize);
        for (cut, _) in &images {
            cuts += 1;
            match load(&open(cut), "mailer") {
                Ok(found) if possible.contains(&found) => {}
                found => return Err(format!("expected one of {possible:?}, found {found:?}")),
            }
        }
        match killed {
            Some(at) => {
                machine = images.swap_remove(at).1;
                store = open(&machine);
            }
            None => possible = vec![Some(checkpoint)],
        }
    }
    Ok(cuts)
}

/// D10, D22: whatever was acknowledged is there, or what was begun after it.
#[test]
fn rule_10_a_power_cut_at_any_step_of_saving_leaves_one_that_holds() {
    let (first, lives) = (number("ORCHESTRIX_SEED", 1), number("ORCHESTRIX_CRASHES", 5_000) / 50);
    let mut cuts = 0;
    for seed in first..first + lives {
        match live(seed, Bugs::default()) {
            Ok(found) => cuts += found,
            Err(what) => panic!(
                "{what}\nORCHESTRIX_SEED={seed} ORCHESTRIX_CRASHES=50 cargo test --test checkpoints rule_10"
            ),
        }
    }
    println!("{cuts} power cuts in {lives} lives");
    assert!(cuts > lives * 10);
}

/// Seeded bugs: each is noticed.
#[test]
fn mistakes_in_saving_are_noticed() {
    let bugs = [
        Bugs { checkpoint_unsynced: true, ..Bugs::default() },
        Bugs { one_slot: true, ..Bugs::default() },
        Bugs { believe_slots: true, ..Bugs::default() },
    ];
    for bugs in bugs {
        let noticed = (1..300).find(|seed| live(*seed, bugs).is_err());
        println!("{bugs:?}: noticed with seed {noticed:?}");
        assert!(noticed.is_some(), "{bugs:?}");
    }
}
