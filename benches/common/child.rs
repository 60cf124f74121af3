//! Work for a process of its own: filling a store and being killed, or looking at its own memory. The bench starts itself
//! again, with what is to be done in its environment.

use super::engine::{Ids, append_ones};
use super::large::{Shape, grow};
use super::memory::Resident;
use super::run::scratch;
use super::workload::Workload;
use orchestrix::{Durability, Store};
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const JOB: &str = "ORCHESTRIX_BENCH_CHILD_JOB";
const DIR: &str = "ORCHESTRIX_BENCH_CHILD_DIR";
const NUMBERS: &str = "ORCHESTRIX_BENCH_CHILD_NUMBERS";

/// Appends single events to a new store: how many.
const FILL: &str = "fill";
/// Appends to a store of a shape: its number of streams, how many.
const GROW: &str = "grow";
/// Opens a store of a shape and reads streams: its number of streams, how many to read.
const LOOK: &str = "look";

/// In the child: does its work, says so, and waits for its end. Else returns at once. Called first in `main`.
pub fn serve() {
    let (Ok(job), Ok(dir), Ok(numbers)) = (std::env::var(JOB), std::env::var(DIR), std::env::var(NUMBERS))
    else {
        return;
    };
    let numbers: Vec<u64> = numbers.split(' ').map(|number| number.parse().expect("a number")).collect();
    let dir = Path::new(&dir);
    let _store = match (job.as_str(), &numbers[..]) {
        (FILL, [events]) => {
            let store = Store::options().durability(Durability::Process).open(dir).expect("open a store");
            append_ones(&store, &Workload::new(), 0..*events, Ids::Given);
            println!("filled");
            store
        }
        (GROW, [streams, events]) => {
            let store = grow(dir, shape_of(*streams), *events);
            println!("grown");
            store
        }
        (LOOK, [streams, reads]) => look(dir, shape_of(*streams), *reads),
        _ => panic!("no job of a bench: {job} {numbers:?}"),
    };
    loop {
        std::thread::park();
    }
}

/// A shape that is known by its streams alone: the store stands already.
fn shape_of(streams: u64) -> Shape {
    Shape { events: 0, streams, segment_bytes: 0, marked: false }
}

/// Starts this program again for a job. Returns it, and the line that it says when the work is done.
fn start(job: &str, dir: &Path, numbers: &[u64]) -> (Child, String) {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .env(JOB, job)
        .env(DIR, dir)
        .env(NUMBERS, numbers.join(" "))
        .stdout(Stdio::piped())
        .spawn()
        .expect("start the child");
    let mut said = String::new();
    BufReader::new(child.stdout.take().expect("its output"))
        .read_line(&mut said)
        .expect("a line of the child");
    (child, said.trim().to_owned())
}

fn killed(job: &str, dir: &Path, numbers: &[u64], says: &str) {
    let (mut child, said) = start(job, dir, numbers);
    assert_eq!(said, says);
    child.kill().expect("kill the child");
    child.wait().expect("the end of the child");
}

/// The folder of a store to which a process that was killed has appended `events` events.
pub fn killed_store(events: u64) -> TempDir {
    let dir = scratch();
    killed(FILL, dir.path(), &[events], "filled");
    dir
}

/// Has `events` events appended to the store of a shape in `dir` by a process that is killed then.
pub fn kill_growing(dir: &Path, shape: Shape, events: u64) {
    killed(GROW, dir, &[shape.streams, events], "grown");
}

fn look(dir: &Path, shape: Shape, reads: u64) -> Store {
    let before = Resident::now().anonymous;
    let store = Store::open(dir).expect("open a store");
    let opened = Resident::now();
    let view = store.view();
    for n in 0..reads {
        // Somewhere, the same on every run.
        let stream = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % shape.streams;
        let read =
            view.stream(shape.name(stream)).map(|event| event.expect("an event").data().len()).sum::<usize>();
        assert!(black_box(read) > 0, "every stream has events");
    }
    let read = Resident::now();
    println!("{before} {} {} {} {}", opened.anonymous, opened.all, read.anonymous, read.all);
    store
}

/// What a new process has in memory that opens a store and reads some of its streams.
#[derive(Clone, Copy, Debug)]
pub struct Looked {
    /// Anonymous memory before it opens the store.
    pub before: u64,
    pub opened: Resident,
    pub read: Resident,
}

/// Has the store of a shape in `dir` opened, and `reads` of its streams read.
pub fn memory_of_reading(dir: &Path, shape: Shape, reads: u64) -> Looked {
    let (mut child, said) = start(LOOK, dir, &[shape.streams, reads]);
    child.kill().expect("end the child");
    child.wait().expect("the end of the child");
    let numbers: Vec<u64> = said.split(' ').filter_map(|number| number.parse().ok()).collect();
    let [before, opened, opened_all, read, read_all] = numbers[..] else {
        panic!("five numbers, found {said:?}")
    };
    let resident = |anonymous, all| Resident { anonymous, all };
    Looked { before, opened: resident(opened, opened_all), read: resident(read, read_all) }
}
