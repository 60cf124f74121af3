//! Inputs to begin with: frames and stores that hold.

use super::disk::{STORE_ID, empty};
use super::{RESEAL, SEAL, SLOT};
use crate::event::layout::u32_at;
use crate::expected::Expected::Any;
use crate::log::{FRAMES_AT, SEAL_AT, segment_path};
use crate::store::Store;
use crate::{EventId, NewEvent};
use std::time::{Duration, SystemTime};

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seed {
    /// `frame` or `recover`.
    pub target: &'static str,
    /// Name of its file in the corpus.
    pub name: String,
    /// What the target is called with.
    pub bytes: Vec<u8>,
}

/// Inputs that hold, the same every time: what the committed corpora are made of.
///
/// # Panics
/// If the engine fails on a simulated disk without faults.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |target, name: String, bytes| seeds.push(Seed { target, name, bytes });
    for (name, commit) in COMMITS {
        let frame = first_frame(commit);
        let bound = [STORE_ID[0], 0];
        add("frame", format!("valid-{name}"), [&[0, 0], &bound[..], &frame].concat());
        add("frame", format!("valid-{name}-sealed"), [&[RESEAL, 9, 1, 2], &frame[..]].concat());
    }
    let segments = two_segments();
    let frames: Vec<u8> = segments.iter().flat_map(|segment| with_length(frames_of(segment))).collect();
    let last = segments[1].as_slice();
    let words = |numbers: [u64; 5]| numbers.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let seal = segments[0][SEAL_AT as usize + 8..SEAL_AT as usize + 32].to_vec();
    let first = crate::event::layout::u64_at(last, FRAMES_AT as usize + 8);
    let slot = words([1, first, 1, FRAMES_AT + frames_of(last).len() as u64, 0]);
    for (name, switches) in [("", 0), ("-sealed", RESEAL)] {
        add("recover", format!("valid-plain{name}"), [&[switches], &frames[..]].concat());
        let with = [&[switches | SLOT], &slot[..], &frames].concat();
        add("recover", format!("valid-slot{name}"), with);
        let with = [&[switches | SLOT | SEAL], &slot[..], &seal, &frames].concat();
        add("recover", format!("valid-seal{name}"), with);
    }
    seeds
}

type Commit = fn(&Store);

const COMMITS: [(&str, Commit); 3] = [("single", single), ("streams", streams), ("tags", tags)];

fn event(text: &str) -> NewEvent<'static> {
    NewEvent::raw("happened", text.as_bytes().to_vec()).id(text)
}

fn single(store: &Store) {
    store.append("account-7", Any, event("one")).wait().expect("an append");
}

fn streams(store: &Store) {
    let events = [event("two"), event("an id that is longer than what the record has room for")];
    let work = store.transaction().append("order-1", Any, event("one")).append("order-2", Any, events);
    work.append("solo", Any, event("four")).commit().wait().expect("a commit");
}

fn tags(store: &Store) {
    let whole = NewEvent::raw("opened", br#"{"a":1}"#.as_slice()).id("o-1").tag("vip").tag("north");
    let whole = whole.correlation("story").causation("cause").source("urn:a").subject("b");
    let whole =
        whole.content_type("text/x-own").schema_version(3).data_schema("urn:s").extension("tier", "1a");
    let whole = whole.trace_parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let whole = whole.time(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400));
    let other = event("p")
        .id(EventId::from(uuid::Uuid::from_u128(5)))
        .tag("vip")
        .correlation(uuid::Uuid::from_u128(6));
    store.append("account-7", Any, [whole, other]).wait().expect("an append");
}

fn first_frame(commit: Commit) -> Vec<u8> {
    let machine = empty();
    let store = machine.open(Store::options()).expect("a store");
    commit(&store);
    let segment = machine.read_file(&segment_path(0)).expect("a segment");
    let at = FRAMES_AT as usize;
    segment[at..at + u32_at(&segment, at) as usize].to_vec()
}

/// The segments of a store with a sealed one.
fn two_segments() -> Vec<Vec<u8>> {
    let machine = empty();
    let store = machine.open(Store::options()).expect("a store");
    while machine.read_file(&segment_path(1)).is_none_or(|bytes| frames_of(&bytes).is_empty()) {
        COMMITS.iter().for_each(|(_, commit)| commit(&store));
    }
    store.close().wait().expect("a close");
    [0, 1].map(|number| machine.read_file(&segment_path(number)).expect("a segment")).to_vec()
}

fn frames_of(segment: &[u8]) -> &[u8] {
    let mut end = FRAMES_AT as usize;
    while u32_at(segment, end) != 0 {
        end += u32_at(segment, end) as usize;
    }
    &segment[FRAMES_AT as usize..end]
}

fn with_length(frames: &[u8]) -> Vec<u8> {
    [&(frames.len() as u16).to_le_bytes(), frames].concat()
}
