//! One peer at work: what is timed, and that it holds what it was given. Times are in nanoseconds.

use crate::peer::{Mode, Outcome, Peer, Tally};
use crate::workload::{BATCH, PAYLOAD_BYTES, Random, Workload};
use std::fs;
use std::hint::black_box;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;

/// Commits of the load after which it is synced, as a service would from time to time.
const COMMITS_A_SYNC: u64 = 1_000;
/// Streams that are read in a round.
pub const READS: u64 = 10_000;
/// Commits of a round of appends.
const ONES: u64 = 4_000;
const BATCHES: u64 = 100;
const ONES_SYNCED: u64 = 50;

/// What a peer is asked to do, whatever its types.
pub trait Contender {
    fn name(&self) -> &'static str;
    fn survives(&self, mode: Mode) -> &'static str;
    /// Writes all streams; for each event.
    fn load(&mut self) -> Outcome<f64>;
    /// Closes the store and opens it again; how long the opening took.
    fn reopen(&mut self, mode: Mode) -> Outcome<f64>;
    /// Reads every stream once, so that all is warm.
    fn warm(&mut self) -> Outcome<Tally>;
    /// Reads random streams, with a snapshot for each or one for all; for each event.
    fn read(&mut self, seed: u64, snapshot_each: bool) -> Outcome<(f64, Tally)>;
    /// Appends single events to random streams; for each event.
    fn append_ones(&mut self, seed: u64, mode: Mode) -> Outcome<f64>;
    /// Appends a hundred events to one random stream and another; for each event.
    fn append_batches(&mut self, seed: u64) -> Outcome<f64>;
    /// Bytes that its files took when it was last closed.
    fn bytes_on_disk(&self) -> u64;
}

pub struct At<'w, P> {
    workload: &'w Workload,
    dir: TempDir,
    peer: Option<P>,
    /// Events of each stream.
    heads: Vec<u64>,
    bytes_max: u64,
    bytes_on_disk: u64,
}

impl<'w, P: Peer> At<'w, P> {
    /// A new store in a folder below `dir`.
    pub fn new(workload: &'w Workload, dir: &Path) -> Outcome<Self> {
        let dir = tempfile::tempdir_in(dir)?;
        let bytes_max = (workload.events() + 1_000_000) * PAYLOAD_BYTES as u64;
        let peer = Some(P::open(dir.path(), Mode::Unsynced, bytes_max)?);
        let heads = vec![0; workload.streams() as usize];
        Ok(Self { workload, dir, peer, heads, bytes_max, bytes_on_disk: 0 })
    }

    /// Appends `batch` events to each of so many random streams.
    fn append(&mut self, seed: u64, commits: u64, batch: usize) -> Outcome<f64> {
        let mut random = Random(seed);
        let workload = self.workload;
        let peer = self.peer.as_mut().expect("an open store");
        let mut events = Vec::with_capacity(batch);
        let start = Instant::now();
        for _ in 0..commits {
            let stream = random.below(workload.streams());
            let head = &mut self.heads[stream as usize];
            events.clear();
            events.extend((*head..*head + batch as u64).map(|revision| workload.event(stream, revision)));
            *head += batch as u64;
            peer.append(&events)?;
        }
        Ok(each(start, commits * batch as u64))
    }
}

impl<P: Peer> Contender for At<'_, P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn survives(&self, mode: Mode) -> &'static str {
        P::survives(mode)
    }

    fn load(&mut self) -> Outcome<f64> {
        let peer = self.peer.as_mut().expect("an open store");
        let mut commits = 0;
        let start = Instant::now();
        self.workload.load(|events| {
            peer.append(events)?;
            commits += 1;
            if commits % COMMITS_A_SYNC == 0 { peer.sync() } else { Ok(()) }
        })?;
        peer.sync()?;
        let time = each(start, self.workload.events());
        self.heads.fill(crate::workload::EVENTS_A_STREAM);
        Ok(time)
    }

    fn reopen(&mut self, mode: Mode) -> Outcome<f64> {
        if let Some(peer) = self.peer.take() {
            peer.close()?;
        }
        self.bytes_on_disk = bytes_below(self.dir.path());
        let start = Instant::now();
        self.peer = Some(P::open(self.dir.path(), mode, self.bytes_max)?);
        Ok(start.elapsed().as_nanos() as f64)
    }

    fn warm(&mut self) -> Outcome<Tally> {
        let snapshot = self.peer.as_ref().expect("an open store").snapshot()?;
        let mut tally = Tally::default();
        for stream in 0..self.workload.streams() {
            P::read(&snapshot, self.workload.name(stream), &mut tally)?;
        }
        Ok(tally)
    }

    fn read(&mut self, seed: u64, snapshot_each: bool) -> Outcome<(f64, Tally)> {
        let mut random = Random(seed);
        let mut tally = Tally::default();
        let peer = self.peer.as_ref().expect("an open store");
        let start = Instant::now();
        let mut snapshot = peer.snapshot()?;
        for _ in 0..READS {
            if snapshot_each {
                // One at a time: LMDB allows a thread no more.
                drop(snapshot);
                snapshot = peer.snapshot()?;
            }
            P::read(&snapshot, self.workload.name(random.below(self.workload.streams())), &mut tally)?;
        }
        Ok((each(start, tally.events), black_box(tally)))
    }

    fn append_ones(&mut self, seed: u64, mode: Mode) -> Outcome<f64> {
        let commits = if mode == Mode::Synced { ONES_SYNCED } else { ONES };
        self.append(seed, commits, 1)
    }

    fn append_batches(&mut self, seed: u64) -> Outcome<f64> {
        self.append(seed, BATCHES, BATCH)
    }

    fn bytes_on_disk(&self) -> u64 {
        self.bytes_on_disk
    }
}

fn each(start: Instant, events: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / events as f64
}

/// Blocks that the files of a folder take.
fn bytes_below(dir: &Path) -> u64 {
    let entries =
        fs::read_dir(dir).expect("a folder of a store").map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| match path.metadata().expect("a file of a store") {
            data if data.is_dir() => bytes_below(&path),
            data => data.blocks() * 512,
        })
        .sum()
}
