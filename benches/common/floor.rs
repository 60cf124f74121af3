//! The floors of writing: what a log costs that does nothing but copy, check and look up. Not a store: nothing can be
//! read back, and nothing is recovered.

#![allow(unsafe_code)]

use super::run::scratch;
use super::workload::Workload;
use hashbrown::HashMap;
use memmap2::{Advice, MmapRaw};
use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Bytes of the header of a record.
pub const HEADER_BYTES: usize = 64;
/// Bytes of the mapping: a segment of the store by default.
const FLOOR_BYTES: usize = 64 << 20;
/// What one bare write of the sync floor writes.
const SYNC_BYTES: usize = 4096;

/// A log in one shared, reserved, pre-faulted mapping, under one lock. As large as a segment, so that what is written to
/// was faulted in a while ago, and lies in no cache because of that.
pub struct FloorLog {
    map: MmapRaw,
    state: Mutex<State>,
    dir: TempDir,
}

struct State {
    end: usize,
    position: u64,
    /// Next revision of each stream.
    streams: HashMap<Box<str>, u64, foldhash::fast::RandomState>,
}

impl FloorLog {
    /// An empty log that knows the streams of the workload.
    pub fn new(workload: &Workload) -> Self {
        let dir = scratch();
        let streams = workload.names().iter().map(|name| (name.as_str().into(), 0)).collect();
        let state = Mutex::new(State { end: 0, position: 0, streams });
        Self { map: faulted_in(&dir), state, dir }
    }

    /// Begins anew, if there is no room for so many records with so much payload.
    pub fn make_room(&mut self, records: u64, payload_bytes: usize) {
        let bytes = records as usize * (HEADER_BYTES + payload_bytes);
        assert!(bytes <= FLOOR_BYTES, "a round of the floor fits");
        let state = self.state.get_mut();
        if state.end + bytes > FLOOR_BYTES {
            state.end = 0;
            self.map = faulted_in(&self.dir);
        }
    }

    /// One checksum, one lock, one look-up of the stream, one copy of header and payload. Returns the offset after the
    /// record.
    #[inline]
    pub fn append(&self, stream: &str, payload: &[u8]) -> usize {
        let mut header = [0; HEADER_BYTES];
        header[4..8].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
        let bytes = HEADER_BYTES + payload.len();
        let mut state = self.state.lock();
        let state = &mut *state;
        let revision = state.streams.get_mut(stream).expect("a stream of the workload");
        let (from, to) = (state.end, state.end + bytes);
        assert!(to <= self.map.len(), "the floor is full");
        state.position += 1;
        header[..4].copy_from_slice(&(bytes as u32).to_le_bytes());
        header[8..16].copy_from_slice(&state.position.to_le_bytes());
        header[40..48].copy_from_slice(&revision.to_le_bytes());
        *revision += 1;
        // SAFETY: `from..to` lies within the mapping (asserted), which lives as long as `self`. `end` only grows, under
        // the lock that is held here, so nobody else ever has a reference to these bytes.
        let record = unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().add(from), bytes) };
        record[..HEADER_BYTES].copy_from_slice(&header);
        record[HEADER_BYTES..].copy_from_slice(payload);
        state.end = to;
        to
    }

    /// Offset after the last record.
    pub fn end(&self) -> usize {
        self.state.lock().end
    }

    /// `msync(MS_SYNC)` of the pages of a range.
    pub fn sync(&self, from: usize, to: usize) {
        self.map.flush_range(from, to - from).expect("sync the floor");
    }

    /// Times `records` appends, with what `payload` gives for each.
    pub fn time<'w>(
        &mut self,
        workload: &'w Workload,
        records: u64,
        payload: impl Fn(u64) -> &'w [u8],
    ) -> Duration {
        self.make_room(records, payload(0).len());
        let start = Instant::now();
        for n in 0..records {
            black_box(self.append(workload.stream(n), black_box(payload(n))));
        }
        start.elapsed()
    }
}

fn faulted_in(dir: &TempDir) -> MmapRaw {
    let path = dir.path().join("floor");
    // The one before is gone with its mapping.
    let _ = std::fs::remove_file(&path);
    let map = MmapRaw::map_raw(&reserved(dir, "floor", FLOOR_BYTES)).expect("map the floor's file");
    map.advise(Advice::PopulateWrite).expect("fault the floor's pages in");
    map
}

/// The sync floor: 4 KiB at the same place, written and synced.
pub struct SyncFloor {
    file: File,
    block: [u8; SYNC_BYTES],
    _dir: TempDir,
}

impl Default for SyncFloor {
    fn default() -> Self {
        Self::new()
    }
}

impl SyncFloor {
    /// A file of one block that has been written before, so that a sync writes data alone.
    pub fn new() -> Self {
        let dir = scratch();
        let file = reserved(&dir, "sync", SYNC_BYTES);
        let floor = Self { file, block: [7; SYNC_BYTES], _dir: dir };
        floor.file.write_all_at(&floor.block, 0).expect("write the block");
        floor.file.sync_all().expect("sync the file");
        floor
    }

    /// Times so many times one `pwrite` and one `fdatasync`.
    pub fn time(&mut self, writes: u64) -> Duration {
        let start = Instant::now();
        for _ in 0..writes {
            self.block[0] = self.block[0].wrapping_add(1);
            self.file.write_all_at(&self.block, 0).expect("write the block");
            self.file.sync_data().expect("sync the block");
        }
        start.elapsed()
    }
}

/// A file of `bytes` bytes whose blocks are reserved.
fn reserved(dir: &TempDir, name: &str, bytes: usize) -> File {
    let path = dir.path().join(name);
    let file = File::options().read(true).write(true).create_new(true).open(path).expect("create a file");
    fallocate(&file, FallocateFlags::empty(), 0, bytes as u64).expect("reserve blocks");
    file
}
