//! `index`: compares the index with the log, or makes it again. The log is never changed.

use crate::args::{Global, Index};
use crate::failure::Failure;
use crate::open;
use crate::output::{Out, grouped};
use orchestrix::Store;
use serde_json::json;

pub(crate) fn run(global: &Global, args: &Index) -> Result<(), Failure> {
    match args {
        Index::Check => check(global),
        Index::Rebuild => rebuild(global),
    }
}

fn check(global: &Global) -> Result<(), Failure> {
    let store = open::to_read(global)?;
    let mut wrong = store.stats()?.index.problems;
    wrong.extend(store.check_index()?);
    let stats = store.stats()?.index;
    let mut out = Out::new();
    if global.json {
        out.json(&json!({ "clean": wrong.is_empty(), "runs": stats.runs, "bytes": stats.bytes, "problems": wrong }))?;
    } else {
        wrong.iter().try_for_each(|problem| out.line(problem))?;
        let verdict = if wrong.is_empty() { "clean" } else { "NOT clean" };
        out.line(format_args!("{verdict}: {} runs, {} bytes", grouped(stats.runs), grouped(stats.bytes)))?;
    }
    out.finish()?;
    if wrong.is_empty() { Ok(()) } else { Err(Failure::corrupt()) }
}

fn rebuild(global: &Global) -> Result<(), Failure> {
    let store = Store::options().create(false).open(open::existing(global)?)?;
    store.rebuild_index()?;
    store.close().wait()?;
    let stats = store.stats()?.index;
    let mut out = Out::new();
    if global.json {
        out.json(&json!({ "runs": stats.runs, "bytes": stats.bytes }))?;
    } else {
        out.line(format_args!("{} runs, {} bytes", grouped(stats.runs), grouped(stats.bytes)))?;
    }
    out.finish()
}
