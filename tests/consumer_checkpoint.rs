//! What a consumer makes of a checkpoint that it can't go on from: it is told, and nothing is skipped or begun anew in silence.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Checkpoint, ConsumerRequest, ErrorKind, EventStore, Retention, RunningConsumer};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tools::{Dir, copy, fill, says, small};

fn start(store: &Store) -> Result<RunningConsumer, orchestrix::Error> {
    Consumer::named("mailer").handle(|_: Delivery| Ok(Ack)).start(store)
}

/// A store whose consumer has handled everything and was stopped.
fn handled(dir: &Dir, events: usize) -> Store {
    let store = small().open(dir.store()).expect("a store");
    fill(&store, "a-1", events);
    let consumer = start(&store).expect("a consumer");
    consumer.wait_for(Position(events as u64)).wait().expect("it is reached");
    consumer.shutdown(Duration::from_secs(10)).wait().expect("it ends in order");
    store
}

/// The store closed and opened again: what is complete may be dropped.
fn again(dir: &Dir, store: Store) -> Store {
    store.close().wait().expect("a close");
    drop(store);
    small().open(dir.store()).expect("a store")
}

fn slots(dir: &Dir) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.file("consumers")).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

/// F24: neither slot is whole.
#[test]
fn damage_to_both_slots_asks_for_a_decision() {
    let dir = Dir::new();
    let store = handled(&dir, 20);
    store.close().wait().expect("a close");
    drop(store);
    for slot in slots(&dir) {
        let mut bytes = fs::read(&slot).expect("a slot");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&slot, bytes).expect("a slot");
    }
    let store = small().open(dir.store()).expect("a store");
    says(start(&store), ErrorKind::Corrupt, &["mailer", "consumers/"]);
    // The decision: it begins anew.
    store.backend().forget_checkpoint("mailer").wait().expect("forgotten");
    let consumer = start(&store).expect("a consumer");
    consumer.wait_for(Position(20)).wait().expect("it is reached");
}

/// F25: retention has removed what it would go on with, since its checkpoint was taken away and brought back.
#[test]
fn a_checkpoint_below_the_retained_start_says_so() {
    let dir = Dir::new();
    let store = handled(&dir, 10);
    store.close().wait().expect("a close");
    drop(store);
    copy(&dir.file("consumers"), &dir.path("kept"));
    let store = small().open(dir.store()).expect("a store");
    fill(&store, "a-1", 600);
    let store = again(&dir, store);
    store.backend().forget_checkpoint("mailer").wait().expect("forgotten");
    let plan = store.plan_retention(Retention::default().before(Position(600))).expect("a plan");
    plan.apply().expect("a retention");
    store.close().wait().expect("a close");
    drop(store);
    copy(&dir.path("kept"), &dir.file("consumers"));
    let store = small().open(dir.store()).expect("a store");
    let error = says(start(&store), ErrorKind::Truncated, &["removed by retention"]);
    assert_eq!(error.first_position(), Some(store.view().first_position()));
}

#[test]
fn progress_of_others_is_refused() {
    let store = Store::in_memory();
    fill(&store, "a-1", 3);
    let save = |data: &[u8]| {
        let checkpoint = Checkpoint::new(Position(1), Position(1), data.to_vec());
        store.backend().save_checkpoint("mailer", checkpoint).wait().expect("saved");
    };
    save(b"");
    says(start(&store), ErrorKind::Invalid, &["mailer", "version 1"]);
    save(b"\x01\xFF");
    says(start(&store), ErrorKind::Invalid, &["mailer"]);
    save(b"\x02");
    says(start(&store), ErrorKind::Unsupported, &["mailer", "version 2"]);
}

/// A consumer keeps what it hasn't handled from retention, also while it doesn't run.
#[test]
fn a_consumer_that_is_behind_holds_retention_back() {
    let dir = Dir::new();
    let store = handled(&dir, 300);
    fill(&store, "a-1", 300);
    let store = again(&dir, store);
    let plan = store.plan_retention(Retention::default().before(Position(600))).expect("a plan");
    assert_eq!(plan.held.as_ref().map(|held| held.name.as_str()), Some("consumer \"mailer\""));
    assert!(plan.first_position <= Position(300), "{plan:?}");
    plan.apply().expect("a retention");
    let consumer = start(&store).expect("a consumer");
    consumer.wait_for(Position(600)).wait().expect("it is reached");
}

/// A request whose file is damaged isn't executed, is told, and keeps nobody from running.
#[test]
fn a_damaged_request_is_told_and_not_executed() {
    let dir = Dir::new();
    let store = handled(&dir, 5);
    store.request("mailer", ConsumerRequest::Pause).wait().expect("it is kept");
    let file = fs::read_dir(dir.file("requests")).expect("a folder").next().expect("it").expect("it").path();
    let whole = fs::read(&file).expect("a request");
    for at in [0, 9, 30, 45, 50, 58, 66, 511, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&file, bytes).expect("a request");
        says(store.backend().requests("mailer").wait(), ErrorKind::Corrupt, &["request", "requests/"]);
        let report = orchestrix::verify(dir.store()).expect("a report");
        assert!(report.is_clean() && report.request_problems.len() == 1, "byte {at}: {report:?}");
    }
    let consumer = start(&store).expect("a consumer");
    fill(&store, "a-1", 5);
    consumer.wait_for(Position(10)).wait().expect("it is reached");
    let status = consumer.status();
    assert!(
        !status.paused && status.last_error.as_ref().is_some_and(|error| error.contains("requests/")),
        "{status:?}"
    );
    fs::remove_file(&file).expect("it is removed");
    assert_eq!(store.backend().requests("mailer").wait().expect("none"), []);
}
