//! Consumers in real processes: a pipeline that is killed with SIGKILL over and over derives each event once; a handler that ends
//! its process is found and left out; a second process takes over. `ORCHESTRIX_KILLS` is the number of rounds.

use orchestrix::prelude::*;
use orchestrix::testing::Chance;
use orchestrix::{Durability, Query, RunningConsumer, verify};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const CHILD: &str = "ORCHESTRIX_CONSUMER_CHILD";
/// Longest time between the beginning of a round and the kill.
const DELAY_MICROS_MAX: u64 = 80_000;
const STREAMS: u64 = 5;
/// Input that a round adds.
const EVENTS: u64 = 400;

fn open(dir: &Path) -> Store {
    let options = Store::options().segment_bytes(64 << 10).durability(Durability::Process);
    options.wait_for_lock(Duration::from_secs(20)).open(dir).expect("a store")
}

/// A consumer that derives an event of each that it is given.
fn stage(store: &Store, name: &str, from: &str, to: &'static str) -> RunningConsumer {
    let consumer = Consumer::named(name).category(from).workers(2).in_flight_max(64);
    let consumer = consumer.handle(move |event: Delivery| {
        let stream = format!("{to}-{}", event.stream().rsplit('-').next().unwrap_or_default());
        event.emit(stream, NewEvent::raw("derived", event.event().data().to_vec()))?;
        Ok(Ack)
    });
    consumer.start(store).expect("a consumer")
}

fn child(test: &str, dir: &Path) -> (Child, std::io::Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    (child, lines)
}

fn begins(lines: &mut std::io::Lines<BufReader<ChildStdout>>, word: &str) -> bool {
    lines.any(|line| line.expect("a line") == word)
}

/// Does nothing, but in the process that is to be killed.
#[test]
fn child_with_a_pipeline() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    println!();
    let store = open(Path::new(&dir));
    let stages = [stage(&store, "first", "in", "middle"), stage(&store, "second", "middle", "out")];
    println!("begun");
    for n in 0..EVENTS {
        let event = NewEvent::raw("happened", n.to_string().into_bytes());
        store.append(format!("in-{}", n % STREAMS), Any, event).wait().expect("an append");
    }
    for stage in stages {
        stage.wait_for(store.view().watermark()).wait().expect("it is reached");
    }
    println!("done");
    std::thread::sleep(Duration::from_secs(60));
}

/// The ids of a category's events by stream, in order; and of what each follows from.
fn by_stream(store: &Store, category: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut found = BTreeMap::<String, Vec<_>>::new();
    for event in store.view().category(category) {
        let event = event.expect("an event");
        let cause = event.metadata().causation().map(|id| id.to_string()).unwrap_or_default();
        let (_, entity) = event.stream().split_once('-').expect("a category");
        found.entry(entity.to_owned()).or_default().push((event.id().to_string(), cause));
    }
    found
}

// D21
#[test]
fn a_pipeline_that_is_killed_derives_each_event_once() {
    let kills = std::env::var("ORCHESTRIX_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let dir = tempfile::tempdir().expect("a directory");
    let mut chance = Chance::new(1);
    for round in 0..kills {
        let (mut process, mut lines) = child("child_with_a_pipeline", dir.path());
        assert!(begins(&mut lines, "begun"), "round {round}");
        std::thread::sleep(Duration::from_micros(chance.below(DELAY_MICROS_MAX)));
        process.kill().expect("a kill");
        process.wait().expect("a status");
        let report = verify(dir.path()).expect("a report");
        assert!(report.is_clean() && report.checkpoint_problems.is_empty(), "round {round}: {report:?}");
    }
    let store = open(dir.path());
    let stages = [stage(&store, "first", "in", "middle"), stage(&store, "second", "middle", "out")];
    for stage in &stages {
        stage.wait_for(store.view().watermark()).wait().expect("it is reached");
    }
    let [input, middle, output] = ["in", "middle", "out"].map(|category| by_stream(&store, category));
    let count: usize = input.values().map(Vec::len).sum();
    println!("{kills} kills, {count} events of input, each derived twice");
    assert!(count > kills as usize && !middle.is_empty());
    for (from, to) in [(&input, &middle), (&middle, &output)] {
        for (entity, events) in from {
            let ids: Vec<&String> = events.iter().map(|(id, _)| id).collect();
            let causes: Vec<&String> = to[entity].iter().map(|(_, cause)| cause).collect();
            assert_eq!(ids, causes, "{entity}: each once, in order");
        }
    }
    for stage in stages {
        stage.shutdown(Duration::from_secs(10)).wait().expect("it ends in order");
    }
    store.close().wait().expect("a close");
}

/// Does nothing, but in the process that its handler ends.
#[test]
fn child_whose_handler_aborts() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    println!();
    let store = open(Path::new(&dir));
    let consumer = Consumer::named("poisoned").category("in").workers(4).handle(|event: Delivery| {
        if event.event().data() == b"poison" {
            std::process::abort();
        }
        event.emit("out-1", NewEvent::raw("derived", event.event().data().to_vec()))?;
        Ok(Ack)
    });
    let consumer = consumer.start(&store).expect("a consumer");
    consumer.wait_for(store.view().watermark()).wait().expect("it is reached");
    consumer.shutdown(Duration::from_secs(10)).wait().expect("it ends in order");
    store.close().wait().expect("a close");
    println!("done");
}

/// An event whose handler ends the process is among the dead letters after three restarts at most, and all others are handled.
#[test]
fn an_event_that_ends_the_process_is_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    for n in 0..60 {
        let text = if n == 31 { "poison".to_owned() } else { n.to_string() };
        let event = NewEvent::raw("happened", text.into_bytes());
        store.append(format!("in-{}", n % 6), Any, event).wait().expect("an append");
    }
    store.close().wait().expect("a close");
    drop(store);
    let runs = (1..).find(|run| {
        assert!(*run <= 4, "it was started {run} times");
        let (mut process, mut lines) = child("child_whose_handler_aborts", dir.path());
        let done = begins(&mut lines, "done");
        assert_eq!(process.wait().expect("a status").success(), done);
        done
    });
    println!("done by run {runs:?}");
    let store = open(dir.path());
    let letters = store.dead_letters().list().wait().expect("letters");
    // The poison, and the four events of its stream behind it.
    assert_eq!(letters.len(), 5, "{letters:?}");
    assert_eq!(letters[0].event().data(), b"poison");
    assert_eq!(letters[0].reason, "its handler ended the process 2 times");
    assert!(letters.iter().all(|letter| letter.event().stream() == "in-1"));
    let derived = store.read(Query::stream("out-1")).fetch().wait().expect("a batch");
    assert_eq!(derived.len(), 55, "all others, each once");
}

/// Does nothing, but in a process that may have to wait for its turn.
#[test]
fn child_that_consumes() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    println!();
    println!("waits");
    let store = open(Path::new(&dir));
    let consumer = stage(&store, "reader", "in", "out");
    println!("runs");
    for _ in 0..40 {
        store.append("in-1", Any, NewEvent::raw("happened", b"x")).wait().expect("an append");
    }
    consumer.wait_for(store.view().watermark()).wait().expect("it is reached");
    println!("done");
    std::thread::sleep(Duration::from_secs(60));
}

/// A second process that waits for the lock takes over when the first is killed.
#[test]
fn a_standby_takes_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut first, mut said) = child("child_that_consumes", dir.path());
    assert!(begins(&mut said, "done"));
    let (mut second, mut says) = child("child_that_consumes", dir.path());
    assert!(begins(&mut says, "waits"));
    std::thread::sleep(Duration::from_millis(50));
    let killed = Instant::now();
    first.kill().expect("a kill");
    first.wait().expect("a status");
    assert!(begins(&mut says, "runs"));
    println!("taken over after {:?}", killed.elapsed());
    assert!(begins(&mut says, "done"));
    second.kill().expect("a kill");
    second.wait().expect("a status");
    let store = open(dir.path());
    let consumer = stage(&store, "reader", "in", "out");
    consumer.wait_for(store.view().watermark()).wait().expect("it is reached");
    let [input, output] = ["in", "out"].map(|category| by_stream(&store, category));
    assert_eq!((input["1"].len(), output["1"].len()), (80, 80));
}
