//! `stats`: what a store holds and what it takes.

use crate::args::Global;
use crate::failure::Failure;
use crate::open;
use crate::output::{Out, grouped};
use orchestrix::{Stats, WriteMode};
use serde_json::json;

pub(crate) fn run(global: &Global) -> Result<(), Failure> {
    let stats = open::to_read(global)?.stats()?;
    let mut out = Out::new();
    if global.json {
        json(&stats, &mut out)?
    } else {
        text(&stats, &mut out)?
    }
    out.finish()
}

fn json(stats: &Stats, out: &mut Out) -> Result<(), Failure> {
    out.json(&json!({
        "events": stats.events,
        "streams": stats.streams,
        "segments": stats.segments,
        "bytes_on_disk": stats.bytes_on_disk,
        "first_position": stats.first_position.0,
        "last_position": stats.last_position.0,
        "synced_position": stats.synced_position.0,
        "segment_bytes": stats.segment_bytes,
        "write_mode": mode(stats.write_mode),
        "writer_lives": stats.writer_lives,
        "index_runs": stats.index.runs,
        "index_bytes": stats.index.bytes,
    }))
}

fn text(stats: &Stats, out: &mut Out) -> Result<(), Failure> {
    for (name, number) in [
        ("events", stats.events),
        ("streams", stats.streams),
        ("segments", stats.segments),
        ("segment bytes", stats.segment_bytes),
        ("bytes on disk", stats.bytes_on_disk),
        ("first position", stats.first_position.0),
        ("last position", stats.last_position.0),
        ("synced position", stats.synced_position.0),
        ("index runs", stats.index.runs),
        ("index bytes", stats.index.bytes),
    ] {
        out.line(format_args!("{name:16} {:>16}", grouped(number)))?;
    }
    out.line(format_args!("{:16} {:>16}", "write mode", mode(stats.write_mode)))
}

fn mode(mode: WriteMode) -> &'static str {
    match mode {
        WriteMode::Mapped => "mapped",
        WriteMode::Positioned => "positioned",
        WriteMode::Heap => "heap",
        _ => "unknown",
    }
}
