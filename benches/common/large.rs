//! Stores whose size is the point: millions of events over many streams, each commit with an event of a hundred of these, so
//! that the events of a stream stand far from each other. Filled by commits of many streams, as fast as that goes.

use super::run::{check_room, scratch};
use super::workload::{BATCH, EVENT_TYPE, Workload, id};
use orchestrix::{Commit, Durability, EventStore, Expected, NewEvent, Store, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Bytes that an event takes on disk, its share of the index among them, generously.
const EVENT_BYTES: u64 = 400;
/// A prime number that divides no number of streams: event `n` is of stream `n * STEP` modulo their number.
const STEP: u64 = 1_000_003;
/// Merging takes less.
const MERGING_MAX: Duration = Duration::from_secs(120);
/// Type of one event in a thousand, where they are marked.
pub const RARE_TYPE: &str = "MeterReplaced";
/// Tag of one event in a thousand.
pub const RARE_TAG: &str = "alarm";
/// Two tags that one event in 32 has each, and one in 1,024 both.
pub const COMMON_TAGS: [&str; 2] = ["cellar", "winter"];

/// How large a store is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// About how many events: the log ends in the middle of a segment, so that stores of any size have a tail alike.
    pub events: u64,
    pub streams: u64,
    pub segment_bytes: u64,
    /// Whether some events have a rare type or tags.
    pub marked: bool,
}

/// How many runs so many segments have once all are merged: four of a kind become one, so the sum of the digits to base four.
fn runs_of(segments: u64) -> u64 {
    if segments == 0 { 0 } else { segments % 4 + runs_of(segments / 4) }
}

/// A store of a shape, in a folder of its own.
pub struct Large {
    pub store: Store,
    dir: TempDir,
    shape: Shape,
    /// Number of the next event.
    next: u64,
    /// Events of a segment.
    pub segment_events: u64,
}

impl Shape {
    /// Bytes that a store of this shape may take.
    pub fn bytes(self) -> u64 {
        self.events * EVENT_BYTES + 4 * self.segment_bytes
    }

    /// Name of stream number `number`.
    pub fn name(self, number: u64) -> String {
        format!("meter-{number:07}")
    }

    /// Type and tags of the `n`-th event.
    fn marks(self, n: u64) -> (&'static str, impl Iterator<Item = &'static str>) {
        // Well-mixed bits, ten and five at a time.
        let bits = if self.marked { id_bits(n) } else { u64::MAX };
        let is_none = |from: u32, count: u32| (bits >> from).trailing_zeros() >= count;
        let of_type = if is_none(0, 10) { RARE_TYPE } else { EVENT_TYPE };
        let tags =
            [(RARE_TAG, is_none(10, 10)), (COMMON_TAGS[0], is_none(20, 5)), (COMMON_TAGS[1], is_none(25, 5))];
        (of_type, tags.into_iter().filter_map(|(tag, has)| has.then_some(tag)))
    }

    /// Keys that the first `events` events have.
    pub fn keys(self, events: u64) -> u64 {
        (0..events).map(|n| 3 + self.marks(n).1.count() as u64).sum()
    }

    fn event(self, workload: &Workload, n: u64) -> NewEvent<'_> {
        let (of_type, tags) = self.marks(n);
        tags.fold(NewEvent::with_id(id(n), of_type, workload.payload(n)), |event, tag| event.tag(tag))
    }

    /// Appends a commit of a hundred events from number `first` on.
    fn commit(self, store: &Store, workload: &Workload, first: u64) {
        let numbers = first..first + BATCH as u64;
        let streams: Vec<String> = numbers.clone().map(|n| self.name(n * STEP % self.streams)).collect();
        let events: Vec<[NewEvent<'_>; 1]> = numbers.map(|n| [self.event(workload, n)]).collect();
        let writes: Vec<Write<'_>> = streams
            .iter()
            .zip(&events)
            .map(|(stream, event)| Write::new(stream, Expected::Any, event))
            .collect();
        store.backend().commit(Commit::new(&writes, Durability::Process)).wait().expect("append");
    }
}

/// SplitMix64 of a number.
fn id_bits(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Large {
    /// A new store, filled. Ends the program with a message if the disk has no room for it.
    pub fn fill(shape: Shape) -> Self {
        check_room(shape.bytes());
        let (workload, dir) = (Workload::new(), scratch());
        let options = Store::options().durability(Durability::Process).segment_bytes(shape.segment_bytes);
        let store = options.open(dir.path()).expect("open a store");
        let mut large = Self { store, dir, shape, next: 0, segment_events: 0 };
        let mut end = shape.events;
        while large.next < end {
            large.commit(&workload);
            if large.segment_events == 0 && large.store.stats().expect("stats").segments > 1 {
                let each = large.next;
                large.segment_events = each;
                end = shape.events / each * each + each / 2;
            }
        }
        large
    }

    fn commit(&mut self, workload: &Workload) {
        self.shape.commit(&self.store, workload, self.next);
        self.next += BATCH as u64;
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Events in the store.
    pub fn events(&self) -> u64 {
        self.next
    }

    /// Waits until the index is on disk as far as it can be, and merged.
    pub fn settle(&self) {
        self.store.sync().wait().expect("sync");
        let start = Instant::now();
        loop {
            let stats = self.store.stats().expect("stats");
            if stats.index.runs == runs_of(stats.segments - 1) {
                return;
            }
            assert!(start.elapsed() < MERGING_MAX, "runs of {} segments: {:?}", stats.segments, stats.index);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Closes the store; its folder goes on.
    pub fn close(self) -> TempDir {
        self.store.close().wait().expect("close");
        self.dir
    }
}

/// Appends `more` events to a store of this shape that is closed. Returns the store, open.
pub fn grow(dir: &Path, shape: Shape, more: u64) -> Store {
    let store = Store::options().durability(Durability::Process).open(dir).expect("open a store");
    let (workload, next) = (Workload::new(), store.view().watermark().0);
    for first in (next..next + more).step_by(BATCH) {
        shape.commit(&store, &workload, first);
    }
    store
}
