//! A real process that appends from four threads is killed with SIGKILL, round after round on the same store. Whatever
//! it was told to be committed is there after each, in its place and whole; what it was refused isn't.
//!
//! `ORCHESTRIX_KILLS` is the number of rounds, `ORCHESTRIX_SEED` decides what is appended and when the kills come. What
//! several threads and a kill make of it differs from run to run.

#[path = "kill/child.rs"]
mod child;
#[path = "kill/ledger.rs"]
mod ledger;
#[path = "tools/mod.rs"]
mod tools;
#[path = "kill/words.rs"]
mod words;

use ledger::Ledger;
use orchestrix::{Store, verify};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tools::number;
use words::Random;

/// Most events of all rounds together.
const EVENTS_MAX: u64 = 1_000_000;
/// Most commits that a round waits for before it kills.
const ACKNOWLEDGED_MAX: u64 = 4_000;
/// About so many events has a commit.
const EVENTS_OF_COMMIT: u64 = 9;
/// Longest time between the last commit that was waited for and the kill.
const DELAY_MICROS_MAX: u64 = 5_000;
/// Longest life of a child that is killed without any wait: in its opening, mostly.
const LIFE_MICROS_MAX: u64 = 30_000;
/// Every so many rounds there is such a child.
const SHORT_LIVED: u32 = 5;

const CHILD: &str = "ORCHESTRIX_KILL_CHILD";
const CHILD_ROUND: &str = "ORCHESTRIX_KILL_CHILD_ROUND";

/// Does nothing, but in the process that is to be killed.
#[test]
fn child_that_appends() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let seed = number("ORCHESTRIX_SEED", 1);
    // What the harness has written ends here.
    println!();
    child::run(Path::new(&dir), seed, number(CHILD_ROUND, 0) as u32, EVENTS_MAX);
}

fn start(dir: &Path, round: u32) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["child_that_appends", "--exact", "--nocapture", "--test-threads=1"])
        .envs([(CHILD, dir.as_os_str()), (CHILD_ROUND, round.to_string().as_ref())])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child")
}

/// Kills a child at some moment and takes down all that it has said. Returns how many commits it acknowledged.
fn live_and_die(mut child: Child, goal: Option<u64>, random: &mut Random, ledger: &mut Ledger) -> u64 {
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let (mut line, mut acknowledged, mut done) = (String::new(), 0, false);
    if goal.is_none() {
        std::thread::sleep(Duration::from_micros(random.below(LIFE_MICROS_MAX)));
        child.kill().expect("a kill");
    }
    while lines.read_line(&mut line).expect("a line") > 0 {
        // A line that isn't whole was never said.
        if let Some(line) = line.strip_suffix('\n') {
            let told = ledger.note(line);
            acknowledged += u64::from(told);
            done |= line == "done";
            if told && goal == Some(acknowledged) {
                std::thread::sleep(Duration::from_micros(random.below(DELAY_MICROS_MAX)));
                child.kill().expect("a kill");
            }
        }
        line.clear();
    }
    let status = child.wait().expect("a status");
    assert!(status.signal() == Some(9) || done && status.success(), "the child ended by itself: {status}");
    acknowledged
}

/// A check, a reader and a writer all find what was acknowledged. Returns the segments of the log.
fn survive(dir: &Path, round: u32, ledger: &mut Ledger) -> u64 {
    let before = verify(dir).expect("a report");
    assert!(before.is_clean(), "{before:?}");
    let reader = Store::options().read_only().open(dir).expect("a reader");
    let events = ledger.check(&reader.view()).len() as u64;
    assert_eq!(before.events, events);
    drop(reader);

    let store = Store::open(dir).expect("the store again");
    println!("round {round}: {} acknowledged in all; {}", ledger.acknowledged, store.recovery());
    assert_eq!(store.recovery().events, events, "what a writer keeps is what a reader saw");
    ledger.keep(&store.view());
    let segments = store.stats().expect("stats").segments;
    if round.is_multiple_of(2) {
        store.close().wait().expect("a close");
    }
    drop(store);
    let after = verify(dir).expect("a report");
    assert_eq!((after.is_clean(), after.events, after.tail_bytes), (true, events, 0), "{after:?}");
    segments
}

/// F1, F2, F3: an acknowledged commit is there and whole, every other one is there and whole or absent.
#[test]
fn what_a_killed_process_was_told_is_there() {
    let (seed, rounds) = (number("ORCHESTRIX_SEED", 1), number("ORCHESTRIX_KILLS", 10) as u32);
    println!("ORCHESTRIX_SEED={seed} ORCHESTRIX_KILLS={rounds} cargo test --test kill what_a_killed_process");
    let dir = tools::Dir::new();
    let (mut random, mut ledger, mut segments) = (Random(seed), Ledger::default(), 0);
    let most = (2 * EVENTS_MAX / EVENTS_OF_COMMIT / u64::from(rounds.max(1))).clamp(1, ACKNOWLEDGED_MAX);
    for round in 1..=rounds {
        let goal = (round % SHORT_LIVED != 0).then(|| 1 + random.below(most));
        let child = start(&dir.store(), round);
        let acknowledged = live_and_die(child, goal, &mut random, &mut ledger);
        println!("round {round}: killed after {goal:?} commits, {acknowledged} acknowledged");
        segments = survive(&dir.store(), round, &mut ledger);
    }
    println!(
        "{} events acknowledged, {} conflicts, {segments} segments",
        ledger.acknowledged, ledger.conflicts
    );
    assert!(ledger.acknowledged >= u64::from(rounds) / 2);
    if rounds >= 10 {
        assert!(segments > 1 && ledger.conflicts > 0, "segments rolled over, and threads met");
    }
}
