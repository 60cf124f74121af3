//! The bodies of the fuzz targets: any bytes as a frame, any bytes as the files of a store. They panic where the engine
//! breaks a promise: that hostile bytes are refused with a typed error, or read the same every time. Never touch a file.
//!
//! The first byte of the input is a set of switches. With [`RESEAL`] the checksums are put right before the bytes are
//! read, so that what lies behind them is reached; without it, they are what the input says.
//!
//! ```
//! use orchestrix::testing::fuzz;
//! assert_eq!(fuzz::frame(b"anything"), 0);
//! assert_eq!(fuzz::recover(b""), Some(0)); // a store without a segment
//! ```

mod disk;
mod read;
mod seal;
mod seeds;

pub use seeds::{Seed, seeds};

use crate::error::Error;
use crate::log::{self, Chain, Checker, FRAMES_AT, Frames, Geometry};
use crate::store::Store;

/// Switch: the checksums of frames are put right.
pub const RESEAL: u8 = 1;
/// Switch of [`frame`]: so is the length of the frame: that of the input.
pub const LENGTH: u8 = 2;
/// Switch of [`recover`]: 40 bytes are the words of a slot of the watermark file.
pub const SLOT: u8 = 4;
/// Switch of [`recover`]: 24 bytes are the words of the first segment's seal.
pub const SEAL: u8 = 8;
/// Switch of [`recover`]: three bytes say which byte of the last segment's header block is changed, and how.
pub const HEADER: u8 = 16;
/// Switch of [`recover`]: two bytes say how much of the last segment is missing: 13 eighths of them.
pub const SHORT: u8 = 32;

/// Takes the bytes for a frame: switches, place, two bytes of what its checksums are bound to, then the frame.
/// Returns how many events were read from it, each by every accessor; 0 if it is refused.
///
/// # Panics
/// If the engine breaks a promise.
pub fn frame(data: &[u8]) -> u64 {
    let Some(([switches, place, store, segment], rest)) = data.split_first_chunk() else { return 0 };
    let at = FRAMES_AT + 8 * u64::from(*place);
    let seed = log::Seed::new(&[*store; 16], u64::from(*segment));
    let mut frame = rest.to_vec();
    if switches & LENGTH != 0 {
        frame.truncate(frame.len() / 8 * 8);
        let length = (frame.len() as u32).to_le_bytes();
        frame.iter_mut().zip(length).for_each(|(byte, new)| *byte = new);
    }
    if switches & RESEAL != 0 {
        seal::seal(&mut frame, seed, at);
    }
    let mut bytes = vec![0; 8 * usize::from(*place)];
    bytes.extend_from_slice(&frame);
    let frames = Frames::read(&bytes, seed, Geometry { segment_log2: 26, padded: false });
    let Ok(Some(header)) = frames.header(at) else { return 0 };
    let mut chain = Chain { next: header.first, epoch: Some(header.epoch), synced: 0, commits: 0 };
    let mut events = 0;
    frames.walk(at, &mut chain, &mut Checker::default(), &mut |commit, _| {
        events += read::commit(commit);
        Ok(())
    });
    events
}

/// Takes the bytes for the files of a store that a killed process left, on a simulated disk, and opens it: to read, to
/// write, and again. Returns how many events it has; `None` if it is refused.
///
/// # Panics
/// If the engine breaks a promise: a panic, an error that isn't `Corrupt` or `Unsupported`, a store that differs when it
/// is opened again, or a check that finds something else than opening does.
pub fn recover(data: &[u8]) -> Option<u64> {
    let machine = disk::machine(data);
    let reader = typed(machine.open(Store::options().read_only()));
    let report = typed(machine.verify());
    let whole = report.as_ref().is_some_and(log::VerifyReport::is_clean);
    let seen = reader.as_ref().map(|store| read::store(store, whole));
    let Some(store) = typed(machine.open(Store::options())) else {
        assert!(report.is_none_or(|report| !report.is_clean()), "verify passes what opening refuses");
        if let Some(plan) = typed(machine.repair()) {
            typed(plan.apply());
            typed(machine.open(Store::options()));
        }
        return None;
    };
    let events = read::store(&store, whole);
    if let Some(report) = report.filter(log::VerifyReport::is_clean) {
        assert_eq!(report.events, store.view().watermark().0, "verify and opening count the same");
    }
    assert!(seen.is_none_or(|seen| seen == events), "a reader sees what a writer does");
    store.close().wait().expect("a close");
    drop(store);
    let again = machine.open(Store::options()).expect("what was opened opens again");
    assert!(read::store(&again, whole) == events, "with the same events");
    assert!(again.recovery().is_clean(), "{}", again.recovery());
    Some(events.len() as u64)
}

fn typed<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error.is_corrupt() || error.is_unsupported(), "{error}");
            None
        }
    }
}
