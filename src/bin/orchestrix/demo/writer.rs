//! What act 2 kills: four threads append, and print each position once they were told that it survives power loss.

use crate::failure::Failure;
use orchestrix::{Expected, NewEvent, Store};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

const THREADS: u64 = 4;

/// Runs until it is killed, or until nobody reads what it prints.
pub(crate) fn run(dir: &Path) -> Result<(), Failure> {
    let store = Store::options().create(false).open(dir)?;
    let run = format!(
        "{}-{:?}",
        std::process::id(),
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    );
    let (store, run) = (&store, run.as_str());
    thread::scope(|scope| {
        let threads: Vec<_> =
            (1..=THREADS).map(|thread| scope.spawn(move || append(store, run, thread))).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

fn append(store: &Store, run: &str, thread: u64) -> Result<(), Failure> {
    let stream = format!("writer-{thread}");
    for number in 1_u64.. {
        let data =
            json!({ "run": run, "thread": thread, "number": number, "text": "safe once it is printed" });
        let data = data.to_string();
        let event = NewEvent::raw("counted", data.as_bytes()).content_type("application/json");
        let receipt = store.append(&stream, Expected::Any, &event).wait()?;
        let acknowledged = format!("{} {}\n", receipt.position(), event.event_id());
        // One call a line, under the lock of standard output: a kill leaves whole lines.
        let mut out = std::io::stdout().lock();
        out.write_all(acknowledged.as_bytes()).and_then(|()| out.flush()).map_err(|e| Failure::stdout(&e))?;
    }
    Ok(())
}
