//! The floors of reading: hand-written loops over the segment files of a closed store, as `docs/format.md` lays them out.
//! Every checksum is checked and the payload is summed. Never copes with damage: it panics.

#![allow(unsafe_code)]

use memmap2::Mmap;
use std::fs::{self, File};
use std::path::Path;

const FIRST_FRAME: usize = 4096;
const FRAME_HEADER: usize = 64;
const RECORD_HEADER: usize = 42;
/// How many events ahead random reads prefetch.
const AHEAD: usize = 8;

/// What a pass over events found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub events: u64,
    /// Sum of all data, in words of 8 bytes.
    pub sum: u64,
}

impl Passed {
    /// Counts one event.
    #[inline]
    pub fn add(&mut self, data: &[u8]) {
        self.events += 1;
        let (words, rest) = data.as_chunks::<8>();
        let words = words.iter().fold(0, |sum: u64, word| sum.wrapping_add(u64::from_le_bytes(*word)));
        let rest = rest.iter().map(|byte| u64::from(*byte)).sum();
        self.sum = self.sum.wrapping_add(words).wrapping_add(rest);
    }
}

/// Where an event stands: segment and offset in it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    segment: u32,
    at: u32,
}

/// The mapped segments of a store.
pub struct Segments(Vec<Segment>);

struct Segment {
    bytes: Mmap,
    seed: u32,
}

/// Buffers that frames are checked in, made once.
#[derive(Default)]
struct Scratch {
    names: Vec<u32>,
    body: Vec<u8>,
}

impl Segments {
    /// Maps the segments of the store in `dir`, anew.
    pub fn map(dir: &Path) -> Self {
        let mut paths: Vec<_> = fs::read_dir(dir.join("log"))
            .expect("list the log")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|end| end == "seg"))
            .collect();
        paths.sort();
        Self(paths.iter().map(|path| Segment::map(&File::open(path).expect("open a segment"))).collect())
    }

    /// Walks all frames, checks every checksum, sums the payload.
    pub fn scan(&self) -> Passed {
        let (mut passed, mut scratch) = (Passed::default(), Scratch::default());
        for segment in &self.0 {
            segment.walk(|at, frame| {
                segment.check_frame(at, frame, &mut scratch, |_, data| passed.add(data));
            });
        }
        passed
    }

    /// The places of the events of each stream, in order, with the name.
    pub fn places(&self) -> Vec<(String, Vec<Place>)> {
        let mut streams = hashbrown::HashMap::<String, Vec<Place>, foldhash::fast::RandomState>::default();
        for (number, segment) in self.0.iter().enumerate() {
            segment.walk(|at, frame| {
                let several = streams_of(frame) > 1;
                assert!(!several, "the benches write one stream a commit");
                let name = std::str::from_utf8(name(frame, 0)).expect("a name");
                let places = streams.entry_ref(name).or_default();
                segment.check_frame(at, frame, &mut Scratch::default(), |record, _| {
                    places.push(Place { segment: number as u32, at: record as u32 });
                });
            });
        }
        streams.into_iter().collect()
    }

    /// Reads events one by one, each checked alone, with the ones to come prefetched.
    pub fn read(&self, places: impl Iterator<Item = Place> + Clone) -> Passed {
        let mut passed = Passed::default();
        let mut ahead = places.clone();
        (&mut ahead).take(AHEAD).for_each(|place| self.0[place.segment as usize].prefetch(place.at as usize));
        for place in places {
            if let Some(next) = ahead.next() {
                self.0[next.segment as usize].prefetch(next.at as usize);
            }
            passed.add(self.0[place.segment as usize].check_record(place.at as usize));
        }
        passed
    }

    /// Bytes from the start of the log to the end of its last frame, segment by segment.
    pub fn ends(&self) -> Vec<u64> {
        let end = |segment: &Segment| {
            let mut end = FIRST_FRAME;
            segment.walk(|at, frame| end = at + frame.len());
            end as u64
        };
        self.0.iter().map(end).collect()
    }
}

impl Segment {
    fn map(file: &File) -> Self {
        // SAFETY: the store is closed and nobody but this bench has its folder, so the file neither changes nor
        // shrinks while it is mapped.
        let bytes = unsafe { Mmap::map(file) }.expect("map a segment");
        let mut identity = [0; 24];
        identity.copy_from_slice(&bytes[24..48]);
        Self { seed: crc32fast::hash(&identity), bytes }
    }

    fn mask(&self, at: usize) -> u32 {
        self.seed ^ (at as u32).wrapping_mul(0x9E37_79B1)
    }

    /// Calls `each` with the offset and the bytes of each frame.
    #[inline]
    fn walk<'a>(&'a self, mut each: impl FnMut(usize, &'a [u8])) {
        let mut at = FIRST_FRAME;
        while at + FRAME_HEADER <= self.bytes.len() {
            let length = u32_at(&self.bytes, at) as usize;
            if length == 0 {
                break;
            }
            each(at, &self.bytes[at..at + length]);
            at += length;
        }
    }

    /// Checks header, names, events and body; calls `each` with the offset and the data of each event.
    #[inline]
    fn check_frame(
        &self,
        at: usize,
        frame: &[u8],
        scratch: &mut Scratch,
        mut each: impl FnMut(usize, &[u8]),
    ) {
        let init = self.mask(at) ^ (frame.len() as u32).rotate_left(16);
        assert_eq!(crc(init, &frame[8..FRAME_HEADER]), u32_at(frame, 4), "header at {at}");
        let streams = streams_of(frame);
        let directory = directory_at(streams);
        let names = directory + 4 * names_of(frame);
        if streams > 1 {
            let revisions = crc(self.mask(at), &frame[FRAME_HEADER..directory]);
            assert_eq!(u64::from(revisions), u64_at(frame, 40), "revisions at {at}");
        }
        assert_eq!(frame[53] & 2, 0, "no items are written");
        scratch.names.clear();
        scratch.body.clear();
        scratch.body.extend_from_slice(&frame[directory..names]);
        let mut from = names;
        for entry in frame[directory..names].chunks_exact(4) {
            let to = names + (u32_at(entry, 0) & 0x00FF_FFFF) as usize;
            let checksum = crc32fast::hash(&frame[from..to]);
            scratch.names.push(checksum);
            scratch.body.extend_from_slice(&checksum.to_le_bytes());
            from = to;
        }
        for _ in 0..u16_at(frame, 48) {
            let record = &frame[from..from + u32_at(frame, from) as usize];
            let (checksum, data) = check_event(record, streams, |name| scratch.names[name]);
            assert_eq!(checksum ^ self.mask(at + from), u32_at(record, 4), "event at {}", at + from);
            scratch.body.extend_from_slice(&checksum.to_le_bytes());
            each(at + from, data);
            from += record.len();
        }
        assert_eq!(crc32fast::hash(&scratch.body), u32_at(frame, 60), "body at {at}");
        assert!(frame[from..].iter().all(|byte| *byte == 0), "padding at {at}");
    }

    /// Checks one event alone and returns its data.
    #[inline]
    fn check_record(&self, at: usize) -> &[u8] {
        let record = &self.bytes[at..at + u32_at(&self.bytes, at) as usize];
        let frame = &self.bytes[at - u32_at(record, 8) as usize..at];
        let (checksum, data) =
            check_event(record, streams_of(frame), |number| crc32fast::hash(name(frame, number)));
        assert_eq!(checksum ^ self.mask(at), u32_at(record, 4), "event at {at}");
        data
    }

    #[inline]
    fn prefetch(&self, at: usize) {
        #[cfg(target_arch = "x86_64")]
        for line in (at..(at + 320).min(self.bytes.len())).step_by(64) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: `line` lies within the mapping, and a prefetch changes nothing that can be seen.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.bytes.as_ptr().add(line).cast()) };
        }
    }
}

/// The checksum of an event without its place, and its data. `name` gives the checksum of a name.
#[inline]
fn check_event(record: &[u8], streams: usize, name: impl Fn(usize) -> u32) -> (u32, &[u8]) {
    let flags = record[25];
    let mut init = record.len() as u32;
    init = init.rotate_left(5) ^ name(u16_at(record, 14));
    init = init.rotate_left(5) ^ name(streams + u16_at(record, 16));
    let mut at = RECORD_HEADER;
    if flags & 1 == 0 {
        at += (record[26] as usize).saturating_sub(15);
    }
    if flags & 2 != 0 {
        at += 8;
    }
    if flags & 4 != 0 {
        let keys = u16_at(record, at);
        at += 2;
        for key in record[at..at + 4 * keys].chunks_exact(4) {
            init = init.rotate_left(5) ^ name(u32_at(key, 0) as usize);
        }
        at += 4 * keys;
    }
    (crc(init, &record[8..]), &record[at + u16_at(record, 20)..])
}

fn streams_of(frame: &[u8]) -> usize {
    u16_at(frame, 50)
}

fn names_of(frame: &[u8]) -> usize {
    (u32_at(frame, 56) & 0x00FF_FFFF) as usize
}

fn directory_at(streams: usize) -> usize {
    FRAME_HEADER + if streams > 1 { 8 * streams } else { 0 }
}

/// Name number `number` of a frame.
#[inline]
fn name(frame: &[u8], number: usize) -> &[u8] {
    let directory = directory_at(streams_of(frame));
    let names = directory + 4 * names_of(frame);
    let end = |number: usize| names + (u32_at(frame, directory + 4 * number) & 0x00FF_FFFF) as usize;
    &frame[if number == 0 { names } else { end(number - 1) }..end(number)]
}

#[inline]
fn crc(init: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(init);
    hasher.update(bytes);
    hasher.finalize()
}

#[inline]
fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes")))
}

#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[inline]
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
