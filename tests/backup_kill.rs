//! A real process that backs a store up, again and again, under four writers is killed with SIGKILL, round after round on the same
//! store and the same target. After each, the target equals the source up to its position or says that it is incomplete; at
//! the end a backup completes it. `ORCHESTRIX_KILLS` is the number of rounds, twice that here.

use orchestrix::prelude::*;
use orchestrix::testing::Chance;
use orchestrix::{RecordedEvent, verify};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const CHILD: &str = "ORCHESTRIX_BACKUP_CHILD";
/// Longest time between the first backup of a round and the kill.
const DELAY_MICROS_MAX: u64 = 40_000;

/// Does nothing, but in the process that is to be killed.
#[test]
fn child_that_backs_up() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let dir = Path::new(&dir);
    println!();
    let store = Store::options().segment_bytes(64 << 10).open(dir.join("store")).expect("a store");
    std::thread::scope(|scope| {
        for writer in 0..4u64 {
            let store = store.clone();
            scope.spawn(move || {
                for n in 0u64.. {
                    let events: Vec<_> = (0..1 + n % 5)
                        .map(|i| NewEvent::raw("done", vec![n as u8; 200 + (i * 90) as usize]))
                        .collect();
                    let Ok(_) = store.append(format!("writer-{writer}"), Any, events).wait() else { return };
                }
            });
        }
        println!("begun");
        loop {
            let backup = store.backup(dir.join("copy")).expect("a backup");
            println!("{}", backup.position);
        }
    });
}

fn events(store: &Store) -> Vec<RecordedEvent> {
    store.view().all().map(|event| event.expect("an event").to_recorded()).collect()
}

/// Whether the target is complete; then it equals the source up to its position, which is at least `told`.
fn check(dir: &Path, told: u64) -> bool {
    let source = Store::options().read_only().open(dir.join("store")).expect("the source");
    let copied = match Store::options().read_only().open(dir.join("copy")) {
        Ok(copied) => copied,
        Err(error) => {
            assert!(error.is_incomplete_backup() || error.is_not_a_store(), "{error}");
            return false;
        }
    };
    let report = verify(dir.join("copy")).expect("a report");
    assert!(report.is_clean() && report.tail_bytes == 0, "{report:?}");
    let (mut expected, found) = (events(&source), events(&copied));
    expected.truncate(found.len());
    assert!(found.len() as u64 >= told, "told {told}, found {}", found.len());
    assert!(expected == found, "{} events", found.len());
    true
}

#[test]
fn a_backup_that_is_killed_is_completed() {
    let kills =
        std::env::var("ORCHESTRIX_KILLS").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(10) * 2;
    let dir = tempfile::tempdir().expect("a directory");
    let (mut incomplete, mut chance) = (0, Chance::new(1));
    for _ in 0..kills {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["child_that_backs_up", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut lines =
            BufReader::new(child.stdout.take().expect("a pipe")).lines().map(|line| line.expect("a line"));
        assert!(lines.any(|line| line == "begun"));
        std::thread::sleep(Duration::from_micros(chance.below(DELAY_MICROS_MAX)));
        child.kill().expect("a kill");
        let told = lines.filter_map(|line| line.parse::<u64>().ok()).last().unwrap_or(0);
        child.wait().expect("a status");
        incomplete += u64::from(!check(dir.path(), told));
    }
    println!("{incomplete} of {kills} left the target incomplete");
    assert!(incomplete > 0 || kills < 20, "no kill has met a backup half-way");
    let store = Store::open(dir.path().join("store")).expect("the source");
    let backup = store.backup(dir.path().join("copy")).expect("a backup");
    assert_eq!(backup.position, store.view().watermark());
    assert!(check(dir.path(), backup.position.0));
}
