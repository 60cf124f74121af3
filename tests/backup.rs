//! Backups on real files, from memory and on a simulated machine: whatever happens to a run, the target either equals the source up
//! to its position, or says that it is incomplete, and the next run completes it. `ORCHESTRIX_CRASHES` sets the number of power cuts.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::testing::{Bugs, Chance, Crash, Machine};
use orchestrix::{Durability, Error, ErrorKind, Query, RecordedEvent, Retention, Snapshot, View, verify};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tools::{Dir, copy, small};

fn append(store: &Store, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let data = vec![n as u8; 300 + (n * 37 % 400) as usize];
        let events =
            [NewEvent::raw("done", data), NewEvent::raw("noted", n.to_le_bytes().to_vec()).tag("even")];
        store.append(format!("stream-{}", n % 5), Any, events).wait().expect("an append");
    }
}

fn events(store: &Store, up_to: Position) -> Vec<RecordedEvent> {
    let view = store.view();
    view.all()
        .map(|event| event.expect("an event").to_recorded())
        .take_while(|e| e.as_ref().position() <= up_to)
        .collect()
}

/// The target has what the source has up to its position, by every way of reading.
fn same(source: &Store, target: &Store) {
    let up_to = target.view().watermark();
    let (expected, found) = (events(source, up_to), events(target, up_to));
    assert!(expected == found, "{} events up to {up_to}, found {}", expected.len(), found.len());
    let (from, copied) = (source.view(), target.view());
    assert_eq!(from.first_position(), copied.first_position());
    for stream in copied.streams() {
        let (name, head) = stream.expect("a stream");
        let of_source = from.stream(&name).map(|event| event.expect("an event").position());
        let of_target = copied.stream(&name).map(|event| event.expect("an event").position());
        assert!(of_source.take_while(|position| *position <= up_to).eq(of_target), "{name}");
        assert!(head.position <= up_to);
    }
    let tagged = Query::tags(["even"]);
    let positions = |view: &View| {
        view.query(&tagged)
            .map(|event| event.expect("an event").position())
            .filter(|p| *p <= up_to)
            .collect::<Vec<_>>()
    };
    assert_eq!(positions(&from), positions(&copied));
}

fn same_on_disk(source: &Store, target: &std::path::Path) -> Position {
    let report = verify(target).expect("a report");
    assert!(report.is_clean() && report.index_problems.is_empty() && report.tail_bytes == 0, "{report:?}");
    let copied = Store::options().read_only().open(target).expect("a store");
    same(source, &copied);
    copied.view().watermark()
}

#[test]
fn a_backup_equals_the_source_and_takes_only_what_is_new() {
    let dir = Dir::new();
    let target = dir.path("copy");
    let store = small().open(dir.store()).expect("a store");
    append(&store, 0..60);
    let first = store.backup(&target).expect("a backup");
    assert_eq!((first.position, first.is_full), (Position(120), true));
    assert_eq!(same_on_disk(&store, &target), first.position);
    let whole = first.bytes;

    let again = store.backup(&target).expect("nothing new");
    assert_eq!((again.position, again.bytes, again.is_full), (first.position, 0, false));

    for n in 0..20 {
        append(&store, 60 + n * 3..63 + n * 3);
        let next = store.backup(&target).expect("a backup");
        assert!(!next.is_full && next.bytes > 0 && next.bytes < whole / 4, "{next:?}");
        assert_eq!(same_on_disk(&store, &target), next.position);
    }
    // The index is there, too.
    append(&store, 200..201);
    store.close().wait().expect("a close");
    let store = Store::options().read_only().open(dir.store()).expect("a reader");
    store.backup(&target).expect("a backup");
    let runs = |path: &Path| -> Vec<_> {
        let entries = fs::read_dir(path.join("index")).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>();
        names
            .into_iter()
            .map(|path| (path.file_name().map(ToOwned::to_owned), fs::read(path).expect("a run")))
            .collect()
    };
    let (mut there, mut copied) = (runs(&dir.store()), runs(&target));
    there.sort();
    copied.sort();
    assert!(there.len() > 1 && copied.len() > 1, "{} and {} runs", there.len(), copied.len());
    assert!(copied.iter().all(|run| there.contains(run)));
    let copied = Store::options().read_only().open(&target).expect("a store");
    assert!(copied.stats().expect("stats").index.problems.is_empty());
    assert!(!target.join("snapshots").exists());
}

/// Snapshots and the beginning that retention has moved go along.
// D10 D18
#[test]
fn snapshots_and_retention_go_along() {
    let dir = Dir::new();
    let target = dir.path("copy");
    let store = small().open(dir.store()).expect("a store");
    append(&store, 0..60);
    store.save_snapshot("stream-0", Snapshot::new(Revision(21), 1, b"early".to_vec())).wait().expect("saved");
    store.backup(&target).expect("a backup");
    let copied = Store::options().read_only().open(&target).expect("a store");
    let snapshot = copied.snapshot("stream-0").wait().expect("loaded").expect("there");
    assert_eq!((snapshot.revision, &snapshot.data[..]), (Revision(21), &b"early"[..]));
    drop(copied);

    append(&store, 60..100);
    let last = store.view().head("stream-0").expect("a head").expect("a stream").revision;
    store.save_snapshot("stream-0", Snapshot::new(last, 1, b"late".to_vec())).wait().expect("saved");
    // What was removed before a backup is removed there; what was removed behind its end is never copied.
    for before in [Position(60), Position(180)] {
        let mut limits = Retention::default();
        limits.before = Some(before);
        let plan = store.plan_retention(limits).expect("a plan");
        assert!(!plan.is_empty());
        plan.apply().expect("applied");
        append(&store, 100..110);
        let backup = store.backup(&target).expect("a backup");
        assert_eq!(same_on_disk(&store, &target), backup.position);
        let copied = Store::options().read_only().open(&target).expect("a store");
        let snapshot = copied.snapshot("stream-0").wait().expect("loaded").expect("there");
        assert_eq!((snapshot.revision, &snapshot.data[..]), (last, &b"late"[..]));
    }

    // All that the target has was removed.
    let mut limits = Retention::default();
    append(&store, 110..140);
    let last = store.view().head("stream-0").expect("a head").expect("a stream").revision;
    store.save_snapshot("stream-0", Snapshot::new(last, 1, b"last".to_vec())).wait().expect("saved");
    limits.before = Some(store.view().watermark());
    let plan = store.plan_retention(limits).expect("a plan");
    assert!(plan.first_position > Position(220));
    plan.apply().expect("applied");
    assert!(store.backup(&target).expect("a backup").is_full);
    same_on_disk(&store, &target);
}

/// A target that is written to is a store of its own from then on.
#[test]
fn a_target_that_is_written_to_is_no_backup_any_more() {
    let dir = Dir::new();
    let target = dir.path("copy");
    let store = small().open(dir.store()).expect("a store");
    append(&store, 0..40);
    store.backup(&target).expect("a backup");

    let restored = Store::open(&target).expect("a store");
    assert!(restored.recovery().is_clean(), "{}", restored.recovery());
    let error = store.backup(&target).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let head = restored.view().head("stream-1").expect("a head").expect("a stream");
    let receipt =
        restored.append("stream-1", head.revision, NewEvent::raw("on", b"")).wait().expect("an append");
    assert_eq!(receipt.position(), Position(81));
    restored.close().wait().expect("a close");
    assert!(verify(&target).expect("a report").is_clean());
    let error = store.backup(&target).expect_err("refused");
    assert!(error.to_string().contains("expected an empty directory or a backup of this store"), "{error}");
}

#[test]
fn what_is_no_backup_of_this_history_is_refused_and_left_alone() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    append(&store, 0..40);
    let refused = |path: &std::path::Path, what: &str| {
        let error = store.backup(path).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(what), "{error}");
    };
    fs::write(dir.path("file"), b"x").expect("a file");
    refused(&dir.path("file"), "no directory");
    fs::create_dir(dir.path("full")).expect("a directory");
    fs::write(dir.path("full/mine"), b"x").expect("a file");
    refused(&dir.path("full"), "found mine");
    refused(&dir.store(), "found ");

    let other = small().open(dir.path("other")).expect("a store");
    append(&other, 0..3);
    other.backup(dir.path("of-other")).expect("a backup");
    let before = tools::tree(&dir.path("of-other"));
    refused(&dir.path("of-other"), "a backup of another store");
    assert!(tools::tree(&dir.path("of-other")) == before);

    // The same store, restored twice and gone on in two ways.
    store.close().wait().expect("a close");
    copy(&dir.store(), &dir.path("twin"));
    let twins = [dir.store(), dir.path("twin")].map(|path| small().open(path).expect("a store"));
    append(&twins[0], 40..50);
    append(&twins[1], 50..70);
    twins[0].backup(dir.path("of-first")).expect("a backup");
    let before = tools::tree_but_lock(&dir.path("of-first"));
    let error = twins[1].backup(dir.path("of-first")).expect_err("refused");
    assert!(error.to_string().contains("of another; remove it"), "{error}");
    assert!(tools::tree_but_lock(&dir.path("of-first")) == before);
}

/// From a store in memory, an empty one, and one that is only read.
#[test]
fn every_store_can_be_backed_up() {
    let dir = Dir::new();
    let store = Store::in_memory();
    let empty = store.backup(dir.path("empty")).expect("a backup");
    assert_eq!(empty.position, Position::START);
    same_on_disk(&store, &dir.path("empty"));
    append(&store, 0..30);
    store.backup(dir.path("empty")).expect("a backup");
    assert_eq!(same_on_disk(&store, &dir.path("empty")), Position(60));

    let store = small().durability(Durability::Power).open(dir.store()).expect("a store");
    append(&store, 0..30);
    let reader = Store::options().read_only().open(dir.store()).expect("a reader");
    append(&store, 30..40);
    assert_eq!(reader.backup(dir.path("copy")).expect("a backup").position, Position(60));
    assert_eq!(same_on_disk(&store, &dir.path("copy")), Position(60));
    store.backup(dir.path("copy")).expect("a backup");
    assert_eq!(same_on_disk(&store, &dir.path("copy")), Position(80));
    // It knows less than the target has: nothing is taken back.
    let error = reader.backup(dir.path("copy")).expect_err("refused");
    assert!(error.to_string().contains("ends with position 60, found one up to position 80"), "{error}");
    assert_eq!(same_on_disk(&store, &dir.path("copy")), Position(80));
}

/// Any damage to the backup file is told, by opening, checking, repairing and the next backup.
#[test]
fn a_damaged_backup_file_is_told() {
    let dir = Dir::new();
    let target = dir.path("copy");
    let store = small().open(dir.store()).expect("a store");
    append(&store, 0..5);
    store.backup(&target).expect("a backup");
    let path = target.join("backup");
    let bytes = fs::read(&path).expect("the file");
    let corrupt = |what: &str| {
        let errors = [
            Store::options().read_only().open(&target).map(drop),
            Store::open(&target).map(drop),
            verify(&target).map(drop),
            orchestrix::repair(&target).map(drop),
            store.backup(&target).map(drop),
        ];
        for error in errors {
            let kind = error.map_err(|error| error.kind());
            assert!(matches!(kind, Err(ErrorKind::Corrupt | ErrorKind::Unsupported)), "{what}: {kind:?}");
        }
    };
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&path, &damaged).expect("a file");
        corrupt(&format!("byte {at}"));
    }
    fs::write(&path, &bytes[..100]).expect("a file");
    corrupt("cut");
    fs::write(&path, &bytes).expect("a file");
    append(&store, 5..6);
    store.backup(&target).expect("a backup");
    same_on_disk(&store, &target);
}

/// No room in the target: the source goes on, and the next run completes it.
#[test]
fn a_full_disk_leaves_the_target_incomplete() {
    let machine = Machine::new(7);
    let (home, target) = (machine.within("home"), machine.within("copy"));
    let store = home.open(small()).expect("a store");
    append(&store, 0..60);
    machine.set_space(Some(machine.bytes_on_disk() + (20 << 10)));
    let error = target.back_up(&store).expect_err("no room");
    assert!(error.is_disk_full(), "{error}");
    let error = target.open(Store::options().read_only()).map(drop).expect_err("incomplete");
    assert!(error.is_incomplete_backup(), "{error}");
    assert!(target.verify().expect_err("incomplete").is_incomplete_backup());
    assert!(target.repair().map(drop).expect_err("incomplete").is_incomplete_backup());
    machine.set_space(None);
    append(&store, 60..70);
    assert_eq!(target.back_up(&store).expect("a backup").position, Position(140));
    same(&store, &target.open(Store::options().read_only()).expect("a store"));
}

fn crashes() -> u64 {
    let text = std::env::var("ORCHESTRIX_CRASHES");
    text.map_or(5_000, |text| text.parse().expect("ORCHESTRIX_CRASHES is a number")) / 25
}

/// What a power cut left: the target is complete and equals the source, or says that it isn't; then it is completed.
fn left(machine: &Machine) -> Result<(), String> {
    let (home, target) = (machine.within("home"), machine.within("copy"));
    let store = home.open(small()).map_err(|error| format!("the source: {error}"))?;
    let check = |copied: Result<Store, Error>| -> Result<(), String> {
        let copied = match copied {
            Ok(copied) => copied,
            Err(error) if error.is_incomplete_backup() || error.is_not_a_store() => return Ok(()),
            Err(error) => return Err(format!("the target: {error}")),
        };
        let report = target.verify().map_err(|error| error.to_string())?;
        if !report.is_clean() {
            return Err(format!("the target is damaged: {:?}", report.problems));
        }
        let up_to = copied.view().watermark();
        let all = |store: &Store| {
            let view = store.view();
            view.all().map(|event| event.map(EventRef::to_recorded)).collect::<Result<Vec<_>, _>>()
        };
        let (mut expected, found) = match (all(&store), all(&copied)) {
            (Ok(expected), Ok(found)) => (expected, found),
            (Err(error), _) | (_, Err(error)) => return Err(error.to_string()),
        };
        expected.retain(|event| event.as_ref().position() <= up_to);
        if expected == found { Ok(()) } else { Err("the target differs from the source".to_owned()) }
    };
    check(target.open(Store::options().read_only()))?;
    let backup = target.back_up(&store).map_err(|error| format!("completing: {error}"))?;
    if backup.position != store.view().watermark() {
        return Err(format!("completed up to {} only", backup.position));
    }
    let copied = target.open(Store::options().read_only());
    match copied {
        Ok(copied) => check(Ok(copied)),
        Err(error) => Err(format!("completed, but {error}")),
    }
}

/// Backs up three times while the store grows; the power is cut at a random place of one of the runs.
fn crash(seed: u64, bugs: Bugs) -> Result<(), String> {
    let mut chance = Chance::new(seed);
    let machine = Machine::new(seed).with_bugs(bugs);
    let (home, target) = (machine.within("home"), machine.within("copy"));
    let store = home.open(small()).expect("a store");
    let (mut next, mut hooks) = (0, 400);
    for run in 0..3 {
        let more = 1 + chance.below(25);
        append(&store, next..next + more);
        next += more;
        if run == 1 {
            let head = store.view().head("stream-0").expect("a head").expect("a stream");
            store
                .save_snapshot("stream-0", Snapshot::new(head.revision, 1, vec![1; 90]))
                .wait()
                .expect("saved");
        }
        // How many places a run has is learned from the one before.
        let (seen, at) = (Arc::new(AtomicU64::new(0)), chance.below(hooks));
        let image = Arc::new(Mutex::new(None));
        let (counted, taken) = (seen.clone(), image.clone());
        machine.watch(move |machine, _| {
            if counted.fetch_add(1, Ordering::Relaxed) == at {
                *taken.lock().expect("a lock") = Some(machine.power_cut(seed, Crash::Torn));
            }
        });
        target.back_up(&store).map_err(|error| format!("run {run}: {error}"))?;
        machine.unwatch();
        hooks = seen.load(Ordering::Relaxed).max(1);
        if let Some(machine) = image.lock().expect("a lock").take() {
            left(&machine).map_err(|what| format!("run {run}, place {at} of {hooks}: {what}"))?;
        }
        left(&machine.power_cut(seed, Crash::Torn)).map_err(|what| format!("after run {run}: {what}"))?;
    }
    Ok(())
}

#[test]
fn power_cuts_leave_a_target_that_knows_what_it_is() {
    for seed in 0..crashes() {
        crash(seed, Bugs::default()).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    }
}

#[test]
fn it_is_noticed_that_a_target_calls_itself_complete_too_early() {
    let bugs = Bugs { complete_before_copy: true, ..Bugs::default() };
    let noticed = (0..1_000).find_map(|seed| crash(seed, bugs).err());
    let what = noticed.expect("not noticed");
    assert!(what.contains("the target"), "{what}");
}
