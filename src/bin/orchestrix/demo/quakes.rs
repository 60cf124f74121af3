//! Act 1: a week of real earthquakes is imported while a subscriber follows, read by category and by stream, closed, verified and
//! opened again.

use crate::failure::Failure;
use crate::import::{Counts, End, Importer, Lines, Mapping, Stop, drive};
use crate::interrupt::Interrupt;
use crate::open;
use crate::output::Out;
use crate::progress::Progress;
use orchestrix::{Error, Start, Store, View};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::thread;

static EARTHQUAKES: &[u8] = include_bytes!("../../../../examples/data/earthquakes.ndjson");
const QUAKES: u64 = 1_707;
const NETWORKS: usize = 12;
const LINE_BYTES_MAX: u32 = 1 << 16;
const BATCH: usize = 100;
const STRONGEST: usize = 5;
const BAR_WIDTH: u64 = 50;

/// What of a quake is shown.
#[derive(Deserialize)]
struct Quake<'a> {
    mag: f64,
    #[serde(rename = "magType")]
    scale: &'a str,
    place: &'a str,
    net: &'a str,
}

/// A quake and when it was.
struct Shown {
    mag: f64,
    line: String,
}

#[derive(Default)]
struct Summary {
    strongest: Vec<Shown>,
    networks: BTreeMap<String, u64>,
    magnitudes: BTreeMap<i64, u64>,
    events: u64,
}

pub(crate) fn act(dir: &Path, out: &mut Out) -> Result<(), Failure> {
    out.line(format_args!("Act 1. A week of real earthquakes, into {}", dir.display()))?;
    let store = open::to_write(dir, Store::options())?;
    let mut live = store.subscribe().category("quakes").start(Start::End).open()?;
    let reader = thread::spawn(move || {
        let mut seen = 0;
        while let Some(batch) = live.next_batch().wait()? {
            seen += batch.len() as u64;
        }
        Ok::<_, Error>(seen)
    });
    let counts = import(&store)?;
    let Counts { added, skipped, .. } = counts;
    expect("lines that were added or skipped", QUAKES, added + skipped)?;
    out.line(format_args!("  added {added}, skipped {skipped}"))?;
    if added == 0 {
        out.line("  every one of them is there already: importing the same file again adds nothing")?;
    }
    let view = store.view();
    let summary = summary(&view)?;
    expect("events in the category quakes", QUAKES, summary.events)?;
    expect("networks", NETWORKS as u64, summary.networks.len() as u64)?;
    show(&summary, out)?;
    let events = view.watermark().0;
    drop(view);
    store.close().wait()?;
    drop(store);
    let seen = reader.join().map_err(|_| Failure::mismatch("the live reader panicked"))??;
    expect("events that a live reader was given", added, seen)?;
    out.line(format_args!("  a live reader was given {seen} events while they came"))?;

    let report = orchestrix::verify(dir)?;
    if let Some(problem) = report.problems.first() {
        return Err(Failure::mismatch(problem));
    }
    expect("events that verify found", events, report.events)?;
    let reopened = Store::options().create(false).read_only().open(dir)?;
    expect("events after reopening", events, reopened.view().all().count() as u64)?;
    out.line(format_args!("  closed, verified (every checksum), reopened: {events} events, clean"))?;
    out.flush()
}

pub(crate) fn expect(what: &str, expected: u64, found: u64) -> Result<(), Failure> {
    if expected == found {
        return Ok(());
    }
    Err(Failure::mismatch(format!("{what}: expected {expected}, found {found}")))
}

fn import(store: &Store) -> Result<Counts, Failure> {
    let mut lines = Lines::new(EARTHQUAKES, LINE_BYTES_MAX as usize, Interrupt::default());
    let progress = Progress::of_bytes(Some(EARTHQUAKES.len() as u64));
    let mut importer = Importer::new(store, Mapping::CloudEvents, BATCH, None, progress)?;
    match drive(&mut importer, &mut lines, LINE_BYTES_MAX) {
        End::Whole => Ok(importer.counts()),
        End::Interrupted => unreachable!("nothing sets the flag"),
        End::Stopped(Stop::Failed(failure)) => Err(failure),
        End::Stopped(Stop::BadLine { number, reason }) => {
            Err(Failure::mismatch(format!("line {number} of the quakes: {reason}")))
        }
    }
}

fn summary(view: &View) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    for event in view.category("quakes") {
        let event = event?;
        let quake: Quake<'_> = serde_json::from_slice(event.data())
            .map_err(|e| Failure::mismatch(format!("data of event {}: {e}", event.id())))?;
        summary.events += 1;
        *summary.networks.entry(quake.net.to_owned()).or_default() += 1;
        *summary.magnitudes.entry(quake.mag.floor() as i64).or_default() += 1;
        let Quake { mag, scale, place, .. } = quake;
        let strongest = &mut summary.strongest;
        let place_in_list = strongest.partition_point(|other| other.mag >= mag);
        if place_in_list < STRONGEST {
            let time = jiff::Timestamp::try_from(event.time())
                .map_err(|e| Failure::mismatch(format!("time of event {}: {e}", event.id())))?;
            let line = format!("{mag:4.1} {scale:4} {:.19}Z  {:12} {place}", time.to_string(), event.id());
            strongest.insert(place_in_list, Shown { mag, line });
            strongest.truncate(STRONGEST);
        }
    }
    Ok(summary)
}

fn show(summary: &Summary, out: &mut Out) -> Result<(), Failure> {
    out.line("\n  the strongest:")?;
    for quake in &summary.strongest {
        out.line(format_args!("    {}", quake.line))?;
    }
    out.line("\n  events a network (one stream each):")?;
    let mut networks: Vec<_> = summary.networks.iter().collect();
    networks.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for row in networks.chunks(6) {
        let cells: Vec<_> = row.iter().map(|(name, count)| format!("{name} {count:>4}")).collect();
        out.line(format_args!("    {}", cells.join("    ")))?;
    }
    out.line("\n  magnitudes:")?;
    let most = summary.magnitudes.values().copied().max().unwrap_or(1);
    for (floor, count) in &summary.magnitudes {
        let bar = "#".repeat((count * BAR_WIDTH).div_ceil(most) as usize);
        out.line(format_args!("    {floor:>2} to {:<2} {count:>5}  {bar}", floor + 1))?;
    }
    out.line("")
}
