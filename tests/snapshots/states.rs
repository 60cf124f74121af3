//! States of streams, by snapshot and by replay.
#![allow(dead_code, reason = "each test program uses a part of it")]

use orchestrix::Snapshot;
use orchestrix::prelude::*;

/// The state of a stream: a digest of everything that happened, which no other history has.
pub(crate) fn apply(state: u64, event: EventRef<'_>) -> u64 {
    event.data().iter().fold(state.wrapping_mul(31).wrapping_add(event.revision().0), |state, byte| {
        state.rotate_left(7).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(*byte)
    })
}

pub(crate) fn replay(store: &Store, stream: &str, up_to: Revision) -> u64 {
    let view = store.view();
    view.stream(stream).up_to(up_to).fold(1, |state, event| apply(state, event.expect("an event")))
}

/// The state by the newest snapshot and the events after it, and whether there was one.
pub(crate) fn state(store: &Store, stream: &str) -> (u64, bool) {
    let snapshot = store.snapshot(stream).wait().expect("a snapshot is never an error");
    let (state, next) = match &snapshot {
        None => (1, Revision(0)),
        Some(snapshot) => {
            let bytes = snapshot.data[..8].try_into().expect("eight bytes");
            (u64::from_le_bytes(bytes), Revision(snapshot.revision.0 + 1))
        }
    };
    let view = store.view();
    let state =
        view.stream(stream).from(next).fold(state, |state, event| apply(state, event.expect("an event")));
    (state, snapshot.is_some())
}

pub(crate) fn append(store: &Store, stream: &str, n: u64) -> Revision {
    let receipt = store.append(stream, Any, NewEvent::raw("done", format!("{stream} {n}").into_bytes()));
    receipt.wait().expect("an append").revision()
}

pub(crate) fn append_all(store: &Store, stream: &str, numbers: std::ops::Range<u64>) {
    for n in numbers {
        append(store, stream, n);
    }
}

pub(crate) fn save(store: &Store, stream: &str, revision: Revision, padding: usize) {
    let mut data = replay(store, stream, revision).to_le_bytes().to_vec();
    data.resize(8 + padding, 7);
    store.save_snapshot(stream, Snapshot::new(revision, 1, data)).wait().expect("saved");
}

pub(crate) fn crashes() -> u64 {
    let asked = std::env::var("ORCHESTRIX_CRASHES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(5_000_u64) / 20
}
