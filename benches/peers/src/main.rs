//! What do other embedded stores make of the work of an event store? Orchestrix, LMDB and redb hold the same events, keyed
//! by stream and revision; each reads without copying as far as its interface allows. A row *nothing* measures the harness.
//! `ORCHESTRIX_PEER_STREAMS` sets the number of streams.
//!
//! The peers take turns in every round and the median of the rounds counts, so that what else the machine does hits them
//! alike. They don't do the same: Orchestrix also orders all events, stamps and checks them; the others take any key and
//! can change what is written. The last column says what a commit survives.

mod contender;
mod peer;
mod peers;
mod record;
mod table;
mod workload;

use contender::{At, Contender, READS};
use peer::{Mode, Outcome, Peer};
use peers::{lmdb::Lmdb, nothing::Nothing, orchestrix::Orchestrix, redb::Redb};
use std::path::Path;
use table::Table;
use workload::{BATCH, EVENTS_A_STREAM, PAYLOAD_BYTES, Workload};

const ROUNDS: u64 = 5;

type Peers<'w> = [Box<dyn Contender + 'w>; 4];

fn main() -> Outcome<()> {
    let workload = Workload::new(workload::streams());
    // Beside the program: a temporary folder may lie in memory, where a sync costs nothing.
    let program = std::env::current_exe()?;
    let dir = program.parent().unwrap_or(Path::new("."));
    let mut peers: Peers<'_> = [
        contender::<Orchestrix>(&workload, dir)?,
        contender::<Lmdb>(&workload, dir)?,
        contender::<Redb>(&workload, dir)?,
        contender::<Nothing>(&workload, dir)?,
    ];
    println!(
        "{} streams of {EVENTS_A_STREAM} events of {PAYLOAD_BYTES} bytes in {}",
        workload.streams(),
        dir.display()
    );
    let mut table = Table::default();
    load(&mut peers, &workload, &mut table)?;
    read(&mut peers, &mut table)?;
    append(&mut peers, &mut table)?;
    table.print();
    Ok(())
}

fn contender<'w, P: Peer + 'w>(workload: &'w Workload, dir: &Path) -> Outcome<Box<dyn Contender + 'w>> {
    Ok(Box::new(At::<P>::new(workload, dir)?))
}

fn load(peers: &mut Peers<'_>, workload: &Workload, table: &mut Table) -> Outcome<()> {
    let mode = Mode::Unsynced;
    let times = measure(peers, mode, 1, |peer, _| peer.load())?;
    table.rates(&format!("load, commits of {BATCH} over as many streams"), &times);
    let times = measure(peers, mode, 1, |peer, _| peer.reopen(mode))?;
    table.times("open again", &blank(times));
    let payload = (workload.events() * PAYLOAD_BYTES as u64) as f64;
    let bytes = measure(peers, mode, 1, |peer, _| Ok(peer.bytes_on_disk() as f64 / payload))?;
    table.bytes("bytes on disk / payload", &blank(bytes));
    Ok(())
}

fn read(peers: &mut Peers<'_>, table: &mut Table) -> Outcome<()> {
    let mut seen = Vec::new();
    for peer in peers.iter_mut() {
        seen.push((peer.name(), peer.warm()?));
    }
    same(&seen)?;
    for (kind, snapshot_each) in [("a snapshot each", true), ("one snapshot", false)] {
        let mut seen = Vec::new();
        let times = measure(peers, Mode::Unsynced, ROUNDS, |peer, round| {
            let (time, tally) = peer.read(round, snapshot_each)?;
            if round == 0 {
                seen.push((peer.name(), tally));
            }
            Ok(time)
        })?;
        same(&seen)?;
        table.rates(&format!("{READS} random streams, {kind}"), &blank(times));
    }
    Ok(())
}

fn append(peers: &mut Peers<'_>, table: &mut Table) -> Outcome<()> {
    let mode = Mode::Unsynced;
    let times = measure(peers, mode, ROUNDS, |peer, round| peer.append_ones(round, mode))?;
    table.rates("append one event", &times);
    let times = measure(peers, mode, ROUNDS, |peer, round| peer.append_batches(round))?;
    table.rates(&format!("append {BATCH} events of one stream"), &times);
    let mode = Mode::Synced;
    for peer in peers.iter_mut() {
        peer.reopen(mode)?;
    }
    let times = measure(peers, mode, ROUNDS, |peer, round| peer.append_ones(round, mode))?;
    table.rates("append one event, synced", &times);
    Ok(())
}

/// The median of the rounds for each peer, with what a commit survives in this mode.
fn measure<'n>(
    peers: &mut Peers<'_>,
    mode: Mode,
    rounds: u64,
    mut work: impl FnMut(&mut dyn Contender, u64) -> Outcome<f64>,
) -> Outcome<[(&'n str, f64, &'n str); 4]> {
    let mut samples = [const { Vec::new() }; 4];
    for round in 0..rounds {
        for (samples, peer) in samples.iter_mut().zip(peers.iter_mut()) {
            samples.push(work(peer.as_mut(), round)?);
        }
    }
    let median = |samples: &mut Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    };
    Ok(std::array::from_fn(|n| (peers[n].name(), median(&mut samples[n]), peers[n].survives(mode))))
}

/// Without what a commit survives, where nothing is committed.
fn blank<'n>(rows: [(&'n str, f64, &'n str); 4]) -> [(&'n str, f64, &'n str); 4] {
    rows.map(|(name, value, _)| (name, value, ""))
}

/// All peers have read the same.
fn same(seen: &[(&str, peer::Tally)]) -> Outcome<()> {
    match seen.iter().find(|(_, tally)| *tally != seen[0].1) {
        Some((name, tally)) => {
            Err(format!("{name} read {tally:?}, {} read {:?}", seen[0].0, seen[0].1).into())
        }
        None => Ok(()),
    }
}
