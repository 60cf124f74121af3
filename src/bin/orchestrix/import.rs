//! `import`: events from a file or standard input, one JSON object a line. Running it again adds nothing twice.

mod batch;
mod compact;
mod fields;
mod importer;
mod known;
mod lines;
mod record;
mod rejects;
mod same;

pub(crate) use importer::{Counts, Importer, Stop};
pub(crate) use lines::{Lines, Next};
pub(crate) use record::Mapping;

use crate::args::{Cli, Global, Import};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::open;
use crate::output::{Out, grouped, note};
use crate::progress::Progress;
use clap::CommandFactory;
use orchestrix::{Durability, Store};
use rejects::Rejects;
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How the input ended.
pub(crate) enum End {
    Whole,
    Interrupted,
    Stopped(Stop),
}

pub(crate) fn run(global: &Global, args: &Import) -> Result<(), Failure> {
    let dir = open::dir(global);
    let mapping = Mapping::new(args).unwrap_or_else(|missing| {
        Cli::command().error(clap::error::ErrorKind::MissingRequiredArgument, missing).exit()
    });
    let file = args.file.as_deref().filter(|path| *path != Path::new("-")).map(input).transpose()?;
    let rejects = args.rejects.as_deref().map(|path| Rejects::create(path, file.as_ref())).transpose()?;
    let interrupt = Interrupt::install()?;
    let store = open::to_write(dir, Store::options().durability(Durability::Process))?;
    let progress = Progress::of_bytes(file.as_ref().and_then(length));
    let input: Box<dyn Read + Send> = match file {
        Some(file) => Box::new(file),
        None => Box::new(std::io::stdin()),
    };
    let mut lines = Lines::new(input, args.max_line as usize, interrupt);
    let mut importer = Importer::new(&store, mapping, args.batch as usize, rejects, progress)?;
    let end = drive(&mut importer, &mut lines, args.max_line);
    let (counts, progress) = (importer.counts(), importer.progress());
    let (seconds, rate) = (progress.elapsed().as_secs_f64(), progress.rate(counts.added + counts.skipped));
    drop(importer);
    note(format_args!("{} lines in {seconds:.2} s, {} events/s", grouped(lines.number()), grouped(rate)));
    let closed = store.close().wait();
    if let End::Stopped(Stop::Failed(failure)) = end {
        let Counts { added, skipped, .. } = counts;
        note(format_args!("added {added}, skipped {skipped} before it failed; not all of it may be stored"));
        return Err(failure);
    }
    report(global, counts, lines.number(), seconds)?;
    conclude(end, &lines)?;
    Ok(closed?)
}

/// Takes every line; ends with everything that was taken committed and synced, if the store can.
pub(crate) fn drive(importer: &mut Importer<'_>, lines: &mut Lines, line_bytes_max: u32) -> End {
    let mut take = || loop {
        match lines.advance()? {
            Next::Line => importer.line(lines)?,
            Next::TooLong => importer.too_long(lines, line_bytes_max)?,
            Next::Idle => importer.flush()?,
            Next::Interrupted => return Ok(End::Interrupted),
            Next::End => return Ok(End::Whole),
        }
    };
    let end = take().unwrap_or_else(End::Stopped);
    // A bad line in what was waiting stands before the one that ended the loop.
    match importer.finish() {
        Ok(()) => end,
        Err(stop) => match end {
            End::Stopped(first @ Stop::Failed(_)) => End::Stopped(first),
            _ => End::Stopped(stop),
        },
    }
}

fn input(path: &Path) -> Result<File, Failure> {
    let failure = |e: &dyn std::fmt::Display| Failure::bad_input(format!("{}: {e}", path.display()));
    let file = File::open(path).map_err(|e| failure(&e))?;
    if file.metadata().is_ok_and(|found| found.is_dir()) {
        return Err(failure(&"a directory"));
    }
    Ok(file)
}

fn length(file: &File) -> Option<u64> {
    file.metadata().ok().filter(|found| found.is_file()).map(|found| found.len())
}

fn report(global: &Global, counts: Counts, lines: u64, seconds: f64) -> Result<(), Failure> {
    let Counts { added, skipped, rejected } = counts;
    let mut out = Out::new();
    if global.json {
        out.json(&json!({
            "added": added,
            "skipped": skipped,
            "rejected": rejected,
            "lines": lines,
            "seconds": seconds,
        }))?;
    } else if rejected > 0 {
        out.line(format_args!("added {added}, skipped {skipped}, rejected {rejected}"))?;
    } else {
        out.line(format_args!("added {added}, skipped {skipped}"))?;
    }
    out.finish()
}

fn conclude(end: End, lines: &Lines) -> Result<(), Failure> {
    match end {
        End::Whole => Ok(()),
        End::Interrupted => Err(Failure::interrupted(format_args!(
            "interrupted after line {}: what was read is stored; run the same command again to go on",
            lines.number()
        ))),
        End::Stopped(Stop::BadLine { number, reason }) => Err(Failure::bad_input(format_args!(
            "line {number}: {reason}; the lines before it are stored. Mend it and run the same command again, or set \
             bad lines aside with --rejects FILE"
        ))),
        End::Stopped(Stop::Failed(failure)) => Err(failure),
    }
}
