//! `verify`: every checksum, position and revision of a store. It takes no lock and changes nothing. Damage to the index or
//! the snapshots alone is told, and no failure: the log has everything.

use crate::args::Global;
use crate::failure::Failure;
use crate::open;
use crate::output::{Out, grouped};
use orchestrix::{Corruption, VerifyReport};
use serde_json::{Value, json};

pub(crate) fn run(global: &Global) -> Result<(), Failure> {
    let dir = open::existing(global)?;
    let report = orchestrix::verify(dir)?;
    let printed = print(global, &report);
    // What was found matters more than whether anybody reads it.
    if report.is_clean() { printed } else { Err(Failure::corrupt()) }
}

fn print(global: &Global, report: &VerifyReport) -> Result<(), Failure> {
    let mut out = Out::new();
    if global.json {
        out.json(&json!({
            "clean": report.is_clean(),
            "events": report.events,
            "commits": report.commits,
            "segments": report.segments,
            "tail_bytes": report.tail_bytes,
            "problems": report.problems.iter().map(problem).collect::<Vec<_>>(),
            "index_problems": report.index_problems.iter().map(problem).collect::<Vec<_>>(),
            "snapshot_problems": report.snapshot_problems.iter().map(problem).collect::<Vec<_>>(),
            "dead_letter_problems": report.dead_letter_problems.iter().map(problem).collect::<Vec<_>>(),
            "checkpoint_problems": report.checkpoint_problems.iter().map(problem).collect::<Vec<_>>(),
            "request_problems": report.request_problems.iter().map(problem).collect::<Vec<_>>(),
        }))?;
    } else {
        text(report, &mut out)?;
    }
    out.finish()
}

fn problem(found: &Corruption) -> Value {
    json!({
        "what": found.what,
        "file": found.file.to_string_lossy(),
        "segment": found.segment,
        "offset": found.offset,
        "expected": found.expected,
        "found": found.found,
    })
}

fn text(report: &VerifyReport, out: &mut Out) -> Result<(), Failure> {
    let besides = [
        &report.index_problems,
        &report.snapshot_problems,
        &report.dead_letter_problems,
        &report.checkpoint_problems,
        &report.request_problems,
    ];
    for problem in report.problems.iter().chain(besides.into_iter().flatten()) {
        out.line(problem)?;
    }
    let events = grouped(report.events);
    let commits = grouped(report.commits);
    let verdict = if report.is_clean() { "clean" } else { "NOT clean" };
    out.line(format_args!("{verdict}: {events} events in {commits} commits, {} segments", report.segments))?;
    if report.tail_bytes > 0 {
        let bytes = grouped(report.tail_bytes);
        out.line(format_args!("an unsynced tail of {bytes} bytes, which the next writer cuts off"))?;
    }
    if !report.index_problems.is_empty() {
        out.line("the index is damaged: no data is lost, and `index rebuild` makes it again")?;
    }
    if !report.snapshot_problems.is_empty() {
        out.line("snapshots are damaged: those are passed over, and no event is lost")?;
    }
    if !report.dead_letter_problems.is_empty() {
        out.line(
            "dead letters are damaged: `repair` their folder before consumers that have some are started",
        )?;
    }
    if !report.checkpoint_problems.is_empty() {
        out.line("checkpoints are damaged: their consumers have to be set back, and no event is lost")?;
    }
    if !report.request_problems.is_empty() {
        out.line("requests to consumers are damaged: remove those files, and ask again")?;
    }
    Ok(())
}
