//! Runs against the tails that they were made from: every lookup gives the same, merged or not; with any byte changed, the same
//! or damage, never another answer.

use super::*;
use crate::index::index::Index;
use crate::index::key::{Key, KeyKind};
use crate::index::tail::{FedFrame, KeyId, Tail, Through};
use crate::log::{Base, FRAMES_AT, Geometry, Place};
use crate::medium::{Files, HeapFiles};
use foldhash::fast::FixedState;
use std::sync::Arc;

const GEOMETRY: Geometry = Geometry { segment_log2: 20, padded: false };

/// Before the first frame.
const START: Through = Through { position: 0, place: Place(0), time_max: i64::MIN };

fn index() -> Index {
    Index::new(FixedState::with_seed(7), b"a store's own id", GEOMETRY, Arc::new(Base::none()), Vec::new())
}

/// Keys as a test knows them: kind, name, earlier postings, places.
type Known = Vec<(KeyKind, Vec<u8>, u64, Vec<Place>)>;

/// A tail of `events` events, of which some keys have been seen before `earlier` times.
fn tail(index: &Index, segment: u64, before: Through, events: u64) -> (Tail, Known) {
    let tail = Tail::new(segment, before);
    let mut known: Known = Vec::new();
    let mut keys = tail.write();
    let category =
        keys.add(Key { kind: KeyKind::Category, name: b"s" }, index.hash(b"s"), 10 * segment, None);
    known.push((KeyKind::Category, b"s".to_vec(), 10 * segment, Vec::new()));
    let mut ids: Vec<KeyId> = vec![category];
    for n in 0..events.div_ceil(3) {
        let name = format!("s-{segment}-{n}").into_bytes();
        let id = keys.add(Key { kind: KeyKind::Stream, name: &name }, index.hash(&name), 0, Some(category));
        known.push((KeyKind::Stream, name, 0, Vec::new()));
        ids.push(id);
    }
    for n in 0..events {
        let place = GEOMETRY.place(segment, FRAMES_AT + 200 * n);
        let position = before.position + 1 + n;
        let stream = 1 + (n * 7 % events.div_ceil(3)) as usize;
        for number in [0, stream] {
            keys.post(ids[number], place, position);
            known[number].3.push(place);
        }
        let (end, time) = (Place(place.0 + 200), 1_000 + position as i64);
        keys.note(&FedFrame { first: position, last: position, place, end, time, epoch: 9 });
    }
    known.retain(|(.., places)| !places.is_empty());
    drop(keys);
    (tail, known)
}

fn find(index: &Index, run: &Run, kind: KeyKind, name: &[u8]) -> Result<Option<Slot>, Damaged> {
    let key = Key { kind, name };
    run.find(key, index.layers().seed.hash(key))
}

/// Whether the run says what is known; an error if it is damaged.
fn says(index: &Index, run: &Run, known: &Known) -> Result<bool, Damaged> {
    let mut same = true;
    for (kind, name, earlier, places) in known {
        let Some(slot) = find(index, run, *kind, name)? else { return Ok(false) };
        let mut out = vec![Place(0); places.len() + 1];
        let copied = run.copy(&slot, 0, &mut out)?;
        same &= slot.earlier == *earlier && out[..copied] == places[..];
        let middle = places[places.len() / 2];
        same &= run.before(&slot, middle)? as usize == places.len() / 2;
        same &= run.copy(&slot, places.len() as u32 / 2, &mut out[..1])? == 1 && out[0] == middle;
    }
    Ok(same && find(index, run, KeyKind::Stream, b"nobody")?.is_none())
}

#[test]
fn a_run_says_what_its_tail_said() {
    let index = index();
    for events in [1, 3, 130, 2_000] {
        let (tail, known) = tail(&index, 4, Through { position: 100, ..START }, events);
        let run = index.pack(&tail).unwrap();
        assert!(says(&index, &run, &known).unwrap(), "{events} events");
        assert_eq!(run.new_streams(), events.div_ceil(3));
        assert_eq!((run.covered().first_position, run.covered().last_position), (101, 100 + events));
        assert_eq!(run.segment(0).unwrap(), (101, FRAMES_AT + 200 * events));
        let noted = run.noted(|noted| noted.first <= 101).unwrap();
        assert_eq!(noted.map(|noted| noted.first), Some(101));
        assert_eq!(run.noted(|noted| noted.first < 101).unwrap(), None);
    }
}

#[test]
fn merged_runs_say_what_each_of_them_said() {
    let index = index();
    let (mut before, mut runs, mut all) = (START, Vec::new(), Known::new());
    for segment in 0..5 {
        let (tail, known) = tail(&index, segment, before, 200 + segment);
        before = tail.read().through();
        runs.push(Arc::new(index.pack(&tail).unwrap()));
        for (kind, name, earlier, places) in known {
            match all.iter_mut().find(|known| (known.0, &known.1) == (kind, &name)) {
                Some(known) => known.3.extend(places),
                None => all.push((kind, name, earlier, places)),
            }
        }
    }
    let merge =
        |runs: &[Arc<Run>]| Arc::new(index.write_merged(&HeapFiles::new(), "run", runs, &|| true).unwrap());
    let merged = merge(&runs);
    assert!(says(&index, &merged, &all).unwrap());
    assert_eq!(merged.covered().segments, 5);
    assert_eq!(merged.new_streams(), runs.iter().map(|run| run.new_streams()).sum::<u64>());
    assert_eq!(merged.segment(3).unwrap(), runs[3].segment(0).unwrap());
    let in_steps = merge(&[merge(&runs[..2]), merge(&runs[2..])]);
    assert!(merged.same_as(&in_steps).unwrap(), "the way there leaves no trace");
    assert!(matches!(
        index.write_merged(&HeapFiles::new(), "run", &runs, &|| false),
        Ok(_) | Err(Stop::Interrupted)
    ));
}

// D16, D19
#[test]
fn with_any_byte_changed_a_run_is_damaged_or_says_the_same() {
    let index = index();
    let (tail, known) = tail(&index, 0, START, 150);
    let run = index.pack(&tail).unwrap();
    let bytes = run.copy_of_file();
    let files = HeapFiles::new();
    let open = |bytes: &[u8]| {
        files.write("run", bytes).unwrap();
        Run::open(&files, "run", b"a store's own id", GEOMETRY.segment_log2).unwrap()
    };
    assert!(says(&index, &open(&bytes).unwrap(), &known).unwrap());
    let (mut refused, mut damaged, mut same) = (0, 0, 0);
    let opening_checks = |at: usize| at < 512 || (4_096..8_192).contains(&at);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        match open(&changed) {
            Err(_) => refused += 1,
            Ok(_) if opening_checks(at) => panic!("byte {at} of the head or the checksums"),
            Ok(run) => match says(&index, &run, &known) {
                Err(_) => damaged += 1,
                Ok(right) => {
                    assert!(right, "byte {at}");
                    same += 1;
                }
            },
        }
    }
    println!("{} bytes: {refused} refused, {damaged} damaged, {same} without effect", bytes.len());
    assert!(refused >= 512 && damaged > 0);
    for length in [8, 512, 4_088, 4_096, bytes.len() - 8] {
        assert!(open(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert!(Run::open(&files, "run", b"another one's id", GEOMETRY.segment_log2).unwrap().is_err());
}
