//! Act 2: a process that appends from four threads is killed; everything that it was told is safe is there.

use super::quakes::expect;
use crate::failure::Failure;
use crate::open;
use crate::output::Out;
use orchestrix::{Position, Store};
use signal_hook::consts::SIGKILL;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Small, so that the log rolls over while it is written, and a copy of it is quick.
const SEGMENT_BYTES: u64 = 1 << 20;
/// The process is killed after so many acknowledgements ...
const ENOUGH: usize = 4_000;
/// ... or after this time.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// An event that the process was told is safe.
pub(crate) struct Acknowledged {
    pub(crate) position: Position,
    id: String,
}

/// Returns what was acknowledged, in the order of positions.
pub(crate) fn act(dir: &Path, out: &mut Out) -> Result<Vec<Acknowledged>, Failure> {
    out.line(format_args!(
        "\nAct 2. A process that four threads write from is killed, in {}",
        dir.display()
    ))?;
    out.flush()?;
    let store = open::to_write(dir, Store::options().segment_bytes(SEGMENT_BYTES))?;
    let before = store.view().watermark();
    store.close().wait()?;
    drop(store);

    let mut child = start(dir)?;
    let process = child.id();
    let acknowledged = BufReader::new(child.stdout.take().expect("it is piped"));
    let (enough, wait) = channel();
    let killer = thread::spawn(move || kill(child, &wait));
    let mut acknowledged = read(acknowledged, || _ = enough.send(()))?;
    killer.join().expect("it doesn't panic")?;
    acknowledged.sort_unstable_by_key(|event| event.position);
    if acknowledged.is_empty() {
        return Err(Failure::mismatch("the process that was to be killed acknowledged nothing"));
    }
    out.line(format_args!("  process {process} was killed with SIGKILL while it wrote"))?;

    let store = open::to_write(dir, Store::options())?;
    let found = check(&store, before, &acknowledged)?;
    out.line(format_args!(
        "  acknowledged {}, found {found}, tail cut {} bytes",
        acknowledged.len(),
        store.recovery().tail_bytes()
    ))?;
    store.close().wait()?;
    Ok(acknowledged)
}

fn start(dir: &Path) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(|e| Failure::io("finding this program", &e))?;
    Command::new(program)
        .arg("demo-writer")
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| Failure::io("starting a second process", &e))
}

/// Kills the process once somebody says so, or after a while.
fn kill(mut child: Child, enough: &Receiver<()>) -> Result<(), Failure> {
    let _ = enough.recv_timeout(PATIENCE);
    child.kill().map_err(|e| Failure::io("killing the second process", &e))?;
    let status = child.wait().map_err(|e| Failure::io("waiting for the second process", &e))?;
    match status.signal() {
        Some(SIGKILL) => Ok(()),
        _ => Err(Failure::mismatch(format!(
            "the second process was to be killed and ended by itself: {status}"
        ))),
    }
}

/// Reads acknowledgements until the pipe is closed; half a line is none.
fn read(mut from: impl BufRead, enough: impl Fn()) -> Result<Vec<Acknowledged>, Failure> {
    let mut acknowledged = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        from.read_line(&mut line).map_err(|e| Failure::io("reading from the second process", &e))?;
        let Some(whole) = line.strip_suffix('\n') else { return Ok(acknowledged) };
        let parsed = whole.split_once(' ').and_then(|(position, id)| Some((position.parse().ok()?, id)));
        let Some((position, id)) = parsed else {
            return Err(Failure::mismatch(format!("the second process printed {whole:?}")));
        };
        acknowledged.push(Acknowledged { position: Position(position), id: id.to_owned() });
        if acknowledged.len() == ENOUGH {
            enough();
        }
    }
}

/// Every acknowledged event is there, under its position and id, and positions have no gap. Returns the number of
/// events since `before`.
fn check(store: &Store, before: Position, acknowledged: &[Acknowledged]) -> Result<u64, Failure> {
    let view = store.view();
    let mut waiting = acknowledged.iter().peekable();
    let mut found = 0;
    for event in view.all().after(before) {
        let event = event?;
        found += 1;
        expect("position", before.0 + found, event.position().0)?;
        if let Some(Acknowledged { position, id }) = waiting.next_if(|safe| safe.position == event.position())
            && event.id() != id.as_str()
        {
            let found = event.id();
            return Err(Failure::mismatch(format!(
                "id of the event at position {position}: expected {id}, found {found}"
            )));
        }
    }
    match waiting.next() {
        None => Ok(found),
        Some(lost) => {
            Err(Failure::mismatch(format!("position {} was acknowledged and is lost", lost.position)))
        }
    }
}
