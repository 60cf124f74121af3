//! Requests to consumers: kept in the store, executed by the process that runs the consumer, or by the next one.

use crate::args::{Global, Wait};
use crate::failure::Failure;
use crate::open;
use crate::output::{Out, grouped, note};
use orchestrix::{ConsumerRequest, Store};
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

/// How often an outcome is looked for.
const EVERY: Duration = Duration::from_millis(50);

/// What is said of a request that was executed.
pub(crate) type Done<'d> = &'d dyn Fn(&str, u64) -> String;

/// The store, to do something at once, if no process has it open for writing.
pub(crate) fn to_change(global: &Global) -> Result<Option<Store>, Failure> {
    match Store::options().create(false).open(open::existing(global)?) {
        Ok(store) => Ok(Some(store)),
        Err(error) if error.is_locked() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Asks a consumer, and waits for what comes of it.
pub(crate) fn ask(
    global: &Global,
    consumer: &str,
    request: ConsumerRequest,
    wait: &Wait,
    done: Done<'_>,
) -> Result<(), Failure> {
    let store = open::to_read(global)?;
    let asked = store.request(consumer, request).wait()?;
    let limit = Duration::from_secs(wait.wait.into());
    let start = Instant::now();
    loop {
        if let Some(outcome) = asked.outcome().wait()? {
            asked.forget().wait()?;
            return match outcome {
                Ok(letters) => tell(global, consumer, Some(letters), done),
                Err(error) => Err(Failure::refused(format!("consumer {consumer:?}: {error}"))),
            };
        }
        if start.elapsed() >= limit {
            return tell(global, consumer, None, done);
        }
        thread::sleep(EVERY);
    }
}

/// Says what was done, and to how many dead letters; or that it is kept.
pub(crate) fn tell(
    global: &Global,
    consumer: &str,
    letters: Option<u64>,
    done: Done<'_>,
) -> Result<(), Failure> {
    match letters {
        Some(letters) => note(done(consumer, letters)),
        None => note(format_args!(
            "kept: no running process has executed it yet; the one that runs {consumer}, or the next one, does"
        )),
    }
    let mut out = Out::new();
    if global.json {
        let outcome = if letters.is_some() { "done" } else { "kept" };
        out.json(&json!({ "consumer": consumer, "outcome": outcome, "dead_letters": letters }))?;
    }
    out.finish()
}

/// So many dead letters, in words.
pub(crate) fn letters(count: u64) -> String {
    format!("{} dead letter{}", grouped(count), if count == 1 { "" } else { "s" })
}
