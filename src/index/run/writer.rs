//! Writes a run: measures, reserves, writes section by section in pieces, then the checksums, then the head. Holds no more
//! in memory than directory, filter and buffers. Never gives the file its name.

use super::header::{
    Covered, Header, RUN_BLOCK, SECTIONS, SECTIONS_AT, SEGMENT_BYTES, SPARSE_BYTES, Section, Slot,
    directory_log2,
};
use super::input::{Input, Stop};
use super::reader::Run;
use crate::index::key::KeyKind;
use crate::index::tail::Noted;
use crate::index::{filter, packed};
use crate::log::blocks::StoreId;
use crate::medium::{Files, RegionWriter, Site};

/// What is reserved at once, and written at once.
const STEP_BYTES: u64 = 256 << 10;
const BUFFER_BYTES: usize = 64 << 10;

/// What a run has beside its keys.
pub(crate) struct Parts<'p> {
    pub(crate) covered: Covered,
    /// First position, and end of the frames, of each segment.
    pub(crate) segments: &'p [(u64, u64)],
    /// Noted frames, in order.
    pub(crate) sparse: &'p dyn Fn(u64) -> Result<Noted, Stop>,
    pub(crate) sparse_count: u64,
}

/// What the sections of the keys take.
#[derive(Default)]
struct Measure {
    keys: u32,
    new_streams: u64,
    names: u64,
    packer: packed::Packer,
}

fn measure(input: &dyn Input) -> Result<Measure, Stop> {
    let mut measure = Measure::default();
    input.each(&mut |key| {
        measure.keys = measure.keys.checked_add(1).ok_or(Stop::TooLarge)?;
        measure.names += key.key.name.len() as u64;
        if key.key.kind == KeyKind::Stream && key.earlier == 0 {
            measure.new_streams += 1;
        }
        measure.packer.list(key.count, &mut |n, out| (key.numbers)(n, out), &mut |_| Ok(()))?;
        Ok(())
    })?;
    match u32::try_from(measure.names) {
        Ok(_) => Ok(measure),
        Err(_) => Err(Stop::TooLarge),
    }
}

fn header(store: &StoreId, parts: &Parts<'_>, measure: &Measure) -> Header {
    let log2 = directory_log2(measure.keys);
    let mut header = Header {
        store: *store,
        covered: parts.covered,
        keys: measure.keys,
        directory_log2: log2,
        new_streams: measure.new_streams,
        lengths: [
            0,
            parts.segments.len() as u64 * SEGMENT_BYTES,
            parts.sparse_count * SPARSE_BYTES,
            4 * ((1 << log2) + 1),
            u64::from(measure.keys) * super::header::SLOT_BYTES,
            filter::blocks(measure.keys.into()) * filter::BLOCK as u64,
            measure.names,
            measure.packer.len() + packed::PADDING,
        ],
        checksums_crc: 0,
    };
    assert!(header.set_checksums_length(), "a run is shorter than a number of 64 bits can say");
    header
}

/// Writes a run to a new file at `path`, and syncs it. Removes the file if that fails.
///
/// # Errors
/// As the input's; `Io`.
pub(crate) fn write(
    files: &dyn Files,
    path: &str,
    store: &StoreId,
    segment_log2: u32,
    parts: &Parts<'_>,
    input: &dyn Input,
) -> Result<Run, Stop> {
    let measure = measure(input)?;
    let mut header = header(store, parts, &measure);
    let places = header.places().expect("it was measured");
    let mut region = files.create_region(path, places[SECTIONS])?;
    let written = fill(&mut region, &mut header, parts, input);
    if let Err(stop) = written {
        // The first failure is what counts; a leftover is removed by the next try.
        let _ = files.remove(path);
        return Err(stop);
    }
    region.publish(places[SECTIONS]);
    region.region().release();
    Ok(Run::over(header, &region, segment_log2, u64::MAX))
}

fn fill(
    region: &mut RegionWriter,
    header: &mut Header,
    parts: &Parts<'_>,
    input: &dyn Input,
) -> Result<(), Stop> {
    let places = header.places().expect("it was measured");
    let end = places[SECTIONS];
    for from in (0..end).step_by(STEP_BYTES as usize) {
        let to = (from + STEP_BYTES).min(end);
        region.region().reserve(from, to)?;
        region.region().populate(from, to)?;
    }
    let mut out = Sections { region, places };
    out.segments(parts)?;
    out.sparse(parts)?;
    out.keys(header, input)?;
    header.checksums_crc = out.checksums()?;
    region.region().store_head(0, &header.encode())?;
    region.region().sync_file()?;
    Ok(())
}

/// Writes one section from its beginning to its end.
struct Cursor {
    at: u64,
    buffer: Vec<u8>,
}

impl Cursor {
    fn new(at: u64) -> Self {
        Self { at, buffer: Vec::new() }
    }

    fn put(&mut self, region: &mut RegionWriter, bytes: &[u8]) -> Result<(), Stop> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush(region) } else { Ok(()) }
    }

    fn flush(&mut self, region: &mut RegionWriter) -> Result<(), Stop> {
        if !self.buffer.is_empty() {
            region.write(Site::Body, self.at, &self.buffer)?;
            self.at += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }
}

struct Sections<'r> {
    region: &'r mut RegionWriter,
    places: [u64; SECTIONS + 1],
}

impl Sections<'_> {
    fn cursor(&self, section: Section) -> Cursor {
        Cursor::new(self.places[section as usize])
    }

    fn segments(&mut self, parts: &Parts<'_>) -> Result<(), Stop> {
        let mut cursor = self.cursor(Section::Segments);
        for (first, end) in parts.segments {
            cursor.put(self.region, &first.to_le_bytes())?;
            cursor.put(self.region, &end.to_le_bytes())?;
        }
        cursor.flush(self.region)
    }

    fn sparse(&mut self, parts: &Parts<'_>) -> Result<(), Stop> {
        let mut cursor = self.cursor(Section::Sparse);
        for number in 0..parts.sparse_count {
            let noted = (parts.sparse)(number)?;
            let words = [noted.first, noted.place.0, noted.time_max as u64];
            words.iter().try_for_each(|word| cursor.put(self.region, &word.to_le_bytes()))?;
        }
        cursor.flush(self.region)
    }

    fn keys(&mut self, header: &Header, input: &dyn Input) -> Result<(), Stop> {
        let mut directory = vec![0u32; (1 << header.directory_log2) + 1];
        let mut filter = vec![0; header.lengths[Section::Filter as usize] as usize];
        let blocks = (filter.len() / filter::BLOCK) as u64;
        let [mut slots, mut names, mut postings] =
            [Section::Slots, Section::Names, Section::Postings].map(|section| self.cursor(section));
        let (mut number, mut name_at, mut packer) = (0, 0, packed::Packer::default());
        input.each(&mut |key| {
            let list = packer.list(key.count, &mut |n, out| (key.numbers)(n, out), &mut |bytes| {
                postings.put(self.region, bytes)
            })?;
            let slot = Slot {
                hash: key.hash,
                earlier: key.earlier,
                kind: key.key.kind as u8,
                name_at,
                name_bytes: key.key.name.len() as u16,
                count: key.count,
                postings_at: list.at,
            };
            slots.put(self.region, &slot.encode())?;
            names.put(self.region, key.key.name)?;
            name_at += key.key.name.len() as u32;
            number += 1;
            // Each range ends, so far, behind the last key that isn't of a later one.
            let range = key.hash.checked_shr(u64::BITS - header.directory_log2).unwrap_or(0);
            directory[range as usize + 1] = number;
            let at = filter::block_of(key.hash, blocks) as usize * filter::BLOCK;
            filter::insert(&mut filter[at..at + filter::BLOCK], key.hash);
            Ok(())
        })?;
        for range in 1..directory.len() {
            directory[range] = directory[range].max(directory[range - 1]);
        }
        for cursor in [&mut slots, &mut names, &mut postings] {
            cursor.flush(self.region)?;
        }
        let directory: Vec<u8> = directory.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.region.write(Site::Body, self.places[Section::Directory as usize], &directory)?;
        self.region.write(Site::Body, self.places[Section::Filter as usize], &filter)?;
        Ok(())
    }

    /// Sums every block behind the checksums; returns the checksum of these.
    fn checksums(&mut self) -> Result<u32, Stop> {
        let (start, end) = (self.places[1], self.places[SECTIONS]);
        let mut sums = Vec::new();
        for from in (start..end).step_by(RUN_BLOCK as usize) {
            let bytes = self.region.bytes(from, (from + RUN_BLOCK).min(end));
            sums.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
        }
        self.region.write(Site::Body, SECTIONS_AT, &sums)?;
        Ok(crc32fast::hash(&sums))
    }
}
