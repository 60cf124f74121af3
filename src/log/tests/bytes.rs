//! Segments of frames made in memory, and stores on the simulated disk to spoil.

use crate::event::NewEvent;
use crate::event::body::{BodyEncoder, WriteRef};
use crate::log::check::Checker;
use crate::log::frame::{Frame, HeaderFields};
use crate::log::geometry::{FRAMES_AT, Geometry, Seed};
use crate::log::scan::{Chain, Frames, Stop};
use crate::testing::Machine;
use crate::{Durability, Expected, Options, Store};
use foldhash::fast::FixedState;

pub(super) const STORE: [u8; 16] = [7; 16];

/// One segment, filled frame by frame.
pub(super) struct Bytes {
    pub(super) all: Vec<u8>,
    pub(super) seed: Seed,
    pub(super) geometry: Geometry,
    pub(super) end: u64,
    next: u64,
}

impl Bytes {
    pub(super) fn new(store: &[u8; 16], number: u64) -> Self {
        let geometry = Geometry { segment_log2: 16, padded: false };
        let all = vec![0; (geometry.segment_bytes() - FRAMES_AT) as usize];
        Self { all, seed: Seed::new(store, number), geometry, end: FRAMES_AT, next: 1 }
    }

    /// A frame with an event for each text, all of one stream. Returns its offset.
    pub(super) fn push(&mut self, texts: &[&str], epoch: u64, first_of_epoch: bool) -> u64 {
        let events: Vec<_> =
            texts.iter().map(|text| NewEvent::raw("t", text.as_bytes()).id("x").tag("tag")).collect();
        let writes = [WriteRef { stream: "a-1", events: &events }];
        self.push_writes(&writes, epoch, first_of_epoch)
    }

    pub(super) fn push_writes(&mut self, writes: &[WriteRef<'_>], epoch: u64, first_of_epoch: bool) -> u64 {
        let mut body = BodyEncoder::new(FixedState::with_seed(7));
        body.encode(writes, self.geometry.segment_bytes()).expect("a commit");
        let fields = HeaderFields { first: self.next, synced: self.next - 1, time: 5, epoch, first_of_epoch };
        let revisions: Vec<u64> = (0..u64::from(body.stream_count())).map(|n| self.next - 1 + n).collect();
        let word = Frame::finish(&mut body, &revisions, &fields, self.seed, self.end);
        let at = self.end;
        let start = (at - FRAMES_AT) as usize;
        self.all[start..start + body.bytes().len()].copy_from_slice(body.bytes());
        self.all[start..start + 8].copy_from_slice(&word.to_le_bytes());
        self.end += body.bytes().len() as u64;
        self.next += u64::from(body.event_count());
        at
    }

    /// The byte at an offset of the segment.
    pub(super) fn at(&mut self, offset: u64) -> &mut u8 {
        &mut self.all[(offset - FRAMES_AT) as usize]
    }

    pub(super) fn frames(&self) -> Frames<'_> {
        Frames::read(&self.all, self.seed, self.geometry)
    }

    /// Walks all of it: commits, where it ends, and why.
    pub(super) fn walk(&self) -> (u64, u64, Stop) {
        let mut chain = Chain::START;
        let (at, stop) =
            self.frames().walk(FRAMES_AT, &mut chain, &mut Checker::default(), &mut |_, _| Ok(()));
        (chain.commits, at, stop)
    }

    /// That it ends at `end` for a fault of this kind; gives the offset of the fault and what was expected.
    #[track_caller]
    pub(super) fn fault(&self, end: u64, what: &str) -> (u64, String) {
        match self.walk() {
            (_, at, Stop::Bad(fault)) => {
                assert_eq!((at, fault.what), (end, what), "{fault:?}");
                (at + fault.at as u64, fault.expected)
            }
            other => panic!("expected a fault at {end}, found {other:?}"),
        }
    }
}

/// Segments of 8 KiB, background syncs an hour away.
pub(super) fn quiet() -> Options {
    let hour = std::time::Duration::from_secs(3_600);
    Store::options().segment_bytes(8 << 10).durability(Durability::Process).sync_interval(hour)
}

/// Appends single events whose data are numbers from `from` on.
pub(super) fn append(store: &Store, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let event = NewEvent::raw("t", n.to_string().into_bytes()).id(n.to_string());
        store.append("a-1", Expected::Any, event).wait().expect("an append");
    }
}

/// The data of all events.
pub(super) fn numbers(store: &Store) -> Vec<u64> {
    let number = |data: &[u8]| std::str::from_utf8(data).expect("text").parse().expect("a number");
    store.view().all().map(|event| number(event.expect("an event").data())).collect()
}

pub(super) fn path(number: u64) -> String {
    crate::log::geometry::segment_path(number)
}

/// Changes a file from outside.
pub(super) fn edit(machine: &Machine, path: &str, change: impl FnOnce(&mut [u8])) {
    let mut bytes = machine.read_file(path).expect("a file");
    change(&mut bytes);
    machine.put_file(path, &bytes);
}

/// Offsets of the frames of a segment, without padding.
pub(super) fn frames_of(machine: &Machine, number: u64) -> Vec<usize> {
    let bytes = machine.read_file(&path(number)).expect("a segment");
    let (mut at, mut found) = (FRAMES_AT as usize, Vec::new());
    while at + 64 <= bytes.len() && bytes[at..at + 4] != [0; 4] {
        found.push(at);
        at += u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
    }
    found
}
