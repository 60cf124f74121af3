//! A store whose process was killed: a child appends to it, says so, and is killed where it stands.

use super::engine::{Ids, append_ones};
use super::run::scratch;
use super::workload::Workload;
use orchestrix::{Durability, Store};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const DIR: &str = "ORCHESTRIX_BENCH_CHILD_DIR";
const EVENTS: &str = "ORCHESTRIX_BENCH_CHILD_EVENTS";

/// In the child: fills the store, says so, and waits for its end. Else returns at once. Called first in `main`.
pub fn serve() {
    let (Ok(dir), Ok(events)) = (std::env::var(DIR), std::env::var(EVENTS)) else { return };
    let workload = Workload::new();
    let store = Store::options().durability(Durability::Process).open(Path::new(&dir)).expect("open a store");
    append_ones(&store, &workload, 0..events.parse().expect("a number of events"), Ids::Given);
    println!("filled");
    loop {
        std::thread::park();
    }
}

/// The folder of a store to which a process that was killed has appended `events` events.
pub fn killed_store(events: u64) -> TempDir {
    let dir = scratch();
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .env(DIR, dir.path())
        .env(EVENTS, events.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start the child");
    let mut said = String::new();
    BufReader::new(child.stdout.take().expect("its output"))
        .read_line(&mut said)
        .expect("a line of the child");
    assert_eq!(said.trim(), "filled");
    child.kill().expect("kill the child");
    child.wait().expect("the end of the child");
    dir
}
