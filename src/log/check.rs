//! Checks a whole frame before it is read: every checksum, and that everything lies where it says. A frame that passes can
//! be walked by `event::layout` without a surprise. Never allocates for a frame that holds, once it is warm.

use super::frame::{Fault, Header};
use super::geometry::Seed;
use crate::event::check::is_printable;
use crate::event::commit::CommitRef;
use crate::event::layout::{self, Crc, header, kind, record, u8_at, u16_at, u32_at};
use crate::event::mark;
use crate::event::metadata::{self, MetadataError};

/// Up to so many names are compared pair by pair.
const LINEAR_NAMES: u32 = 8;

/// Checks whole frames. Keeps its tables between frames, so that checking many allocates nothing.
#[derive(Default)]
pub(crate) struct Checker {
    names: Vec<u32>,
    ordinals: Vec<u16>,
    /// Numbers of names by their checksums, while names that stand twice are looked for.
    places: Vec<u32>,
    crc: Crc,
    /// A seeded bug: frames of any epoch are taken.
    pub(crate) any_epoch: bool,
    /// A seeded bug: checksums aren't compared.
    pub(crate) unchecked: bool,
}

impl Checker {
    /// Checks a frame whose header has been decoded, at `at` of its segment. Nothing is allocated once it is warm.
    pub(crate) fn check(&mut self, frame: &[u8], head: &Header, seed: Seed, at: u64) -> Result<(), Fault> {
        head.check(frame)?;
        let commit = CommitRef::new(frame);
        if head.streams > 1 {
            let revisions = layout::slice_at(frame, header::BYTES, commit.directory_start());
            let crc = u64::from(layout::crc(seed.mask(at), revisions));
            self.compare("frame", header::REVISIONS, crc, head.revision, "checksum of revisions")?;
        }
        let start = self.check_names(commit, head)?;
        let mut sum = self.crc.body_sum(commit.directory());
        self.names.iter().for_each(|crc| sum.checksum(*crc));
        let records = check_items(commit, start)?;
        if records > start {
            sum.items(&frame[start..records]);
        }
        let end = self.check_records(commit, head, seed, at, records, &mut sum)?;
        if let Some(zero) = frame[end..].iter().position(|byte| *byte != 0).map(|byte| end + byte) {
            return Err(Fault::new("frame", zero, "zero", format_args!("{:#04x}", frame[zero])));
        }
        if frame.len() - end >= layout::FRAME_ALIGN {
            return Err(Fault::new("frame", end, "less than 8 bytes of padding", frame.len() - end));
        }
        self.compare(
            "frame",
            header::BODY_CRC,
            u64::from(sum.finish()),
            u64::from(head.body_crc),
            "body checksum",
        )
    }

    fn compare(
        &self,
        what: &'static str,
        at: usize,
        expected: u64,
        found: u64,
        of: &str,
    ) -> Result<(), Fault> {
        if expected == found || self.unchecked {
            return Ok(());
        }
        Err(Fault::new(what, at, format!("{of} {expected:#010x}"), format_args!("{found:#010x}")))
    }

    /// Directory and names; remembers the checksum of each. Returns where they end.
    fn check_names(&mut self, commit: CommitRef<'_>, head: &Header) -> Result<usize, Fault> {
        self.names.clear();
        let directory = commit.directory();
        let base = commit.directory_start() + 4 * head.names as usize;
        if head.names <= u32::from(head.streams) || base > commit.bytes().len() {
            return Err(Fault::new("frame", header::NAMES, "names for streams and types", head.names));
        }
        let mut start = 0;
        for number in 0..head.names {
            let entry = u32_at(directory, 4 * number as usize);
            let at = commit.directory_start() + 4 * number as usize;
            let end = (entry & layout::NAME_END_MASK) as usize;
            if end < start || base + end > commit.bytes().len() {
                return Err(Fault::new("frame", at, format!("a name that ends at {start} or later"), end));
            }
            let bytes = &commit.bytes()[base + start..base + end];
            check_name((entry >> 24) as u8, bytes, number < u32::from(head.streams), at)?;
            self.names.push(self.crc.of(bytes));
            start = end;
        }
        if let Some(number) = self.repeated_name(commit) {
            let at = commit.directory_start() + 4 * number as usize;
            return Err(Fault::new(
                "frame",
                at,
                "a name that doesn't stand twice",
                format_args!("name {number}"),
            ));
        }
        Ok(base + start)
    }

    /// A name that stands before, with the same kind and bytes. Only names with the same checksum are compared.
    fn repeated_name(&mut self, commit: CommitRef<'_>) -> Option<u32> {
        let names = &self.names;
        let is_same =
            |a: u32, b: u32| names[a as usize] == names[b as usize] && commit.name(a) == commit.name(b);
        let count = names.len() as u32;
        // A frame with one event of one stream and nothing more: a stream and a type.
        if count <= 2 {
            return None;
        }
        if count <= LINEAR_NAMES {
            // Most have a bit of their own among 256.
            let mut bits = [0_u64; 4];
            let differ = names.iter().all(|crc| {
                let (word, bit) = (&mut bits[*crc as usize / 64 % 4], 1 << (crc % 64));
                let is_new = *word & bit == 0;
                *word |= bit;
                is_new
            });
            let repeats = |number: &u32| (0..*number).any(|before| is_same(before, *number));
            return if differ { None } else { (1..count).find(repeats) };
        }
        // Open addressing, since the checksum is the hash; each place has the number of a name and 1, or 0.
        let places = (2 * names.len()).next_power_of_two();
        self.places.clear();
        self.places.resize(places, 0);
        let mut steps = 4 * names.len();
        for number in 0..count {
            let mut place = names[number as usize] as usize % places;
            while self.places[place] != 0 {
                if is_same(self.places[place] - 1, number) {
                    return Some(number);
                }
                if steps == 0 {
                    return repeated_by_order(commit, count);
                }
                steps -= 1;
                place = (place + 1) % places;
            }
            self.places[place] = number + 1;
        }
        None
    }

    /// Every event record. Returns where the last one ends.
    fn check_records(
        &mut self,
        commit: CommitRef<'_>,
        head: &Header,
        seed: Seed,
        place: u64,
        mut at: usize,
        sum: &mut layout::BodySum,
    ) -> Result<usize, Fault> {
        let frame = commit.bytes();
        self.ordinals.clear();
        self.ordinals.resize(usize::from(head.streams), 0);
        for number in 0..head.events {
            let rest = frame.get(at..).unwrap_or(&[]);
            let length = u32_at(rest, record::LENGTH) as usize;
            let Some(bytes) = rest.get(..length).filter(|bytes| bytes.len() >= record::BYTES) else {
                let expected = format!("a record of {} to {} bytes", record::BYTES, rest.len());
                return Err(Fault::new("event", at, expected, length));
            };
            let crc = u32_at(bytes, record::CRC) ^ seed.mask(place + at as u64);
            let expected = self.event_crc(bytes, head, at)?;
            self.compare("event", at + record::CRC, u64::from(expected), u64::from(crc), "checksum")?;
            self.check_record(bytes, commit, head, number, at)?;
            sum.checksum(crc);
            at += length;
        }
        if self.ordinals.contains(&0) {
            return Err(Fault::new("frame", header::STREAMS, "an event of each stream", "none of one"));
        }
        Ok(at)
    }

    /// The checksum that a record should have, its names included.
    fn event_crc(&self, bytes: &[u8], head: &Header, at: usize) -> Result<u32, Fault> {
        let streams = usize::from(head.streams);
        let name = |number: usize, what: &'static str| {
            let crc = self.names.get(number).copied();
            crc.ok_or_else(|| Fault::new("event", at, format!("{what} in the directory of names"), number))
        };
        let stream = name(usize::from(u16_at(bytes, record::STREAM)), "a stream")?;
        let of_type = name(streams + usize::from(u16_at(bytes, record::TYPE)), "a type")?;
        let keys = record_keys(bytes, at)?;
        if let Some(key) = keys.clone().find(|key| *key as usize >= self.names.len()) {
            return Err(Fault::new("event", at, "a key in the directory of names", key));
        }
        let keys = keys.map(|key| self.names[key as usize]);
        let init = layout::event_crc_init(bytes.len() as u32, stream, of_type, keys);
        Ok(layout::crc(init, &bytes[record::BACK..]))
    }

    /// A record whose checksum holds: what it says must fit the frame around it.
    fn check_record(
        &mut self,
        bytes: &[u8],
        commit: CommitRef<'_>,
        head: &Header,
        number: u16,
        at: usize,
    ) -> Result<(), Fault> {
        let wrong = |field: usize, expected: &str, found: u64| {
            Err(Fault::new("event", at + field, expected.to_owned(), found))
        };
        let (back, own) = (u32_at(bytes, record::BACK), u16_at(bytes, record::NUMBER));
        if back as usize != at {
            return wrong(record::BACK, &format!("{at} bytes back to the frame"), u64::from(back));
        }
        if own != number {
            return wrong(record::NUMBER, &format!("number {number}"), u64::from(own));
        }
        let stream = u16_at(bytes, record::STREAM);
        let ordinal = u16_at(bytes, record::ORDINAL);
        match self.ordinals.get_mut(usize::from(stream)) {
            Some(next) if *next == ordinal => *next += 1,
            _ => {
                return wrong(
                    record::ORDINAL,
                    &format!("the next ordinal of stream {stream}"),
                    u64::from(ordinal),
                );
            }
        }
        let of_type = u32::from(head.streams) + u32::from(u16_at(bytes, record::TYPE));
        if commit.name(of_type).0 != kind::TYPE {
            return wrong(record::TYPE, "the number of a type", u64::from(of_type));
        }
        for key in record_keys(bytes, at)? {
            if matches!(commit.name(key).0, kind::STREAM | kind::TYPE) {
                return wrong(record::BYTES, "the number of a tag or correlation id", u64::from(key));
            }
        }
        check_parts(bytes, at)
    }
}

/// As [`Checker::repeated_name`], for names that were made to have like checksums: sorts them.
#[cold]
fn repeated_by_order(commit: CommitRef<'_>, count: u32) -> Option<u32> {
    let mut numbers: Vec<u32> = (0..count).collect();
    numbers.sort_by_key(|number| commit.name(*number));
    numbers.windows(2).find(|pair| commit.name(pair[0]) == commit.name(pair[1])).map(|pair| pair[1])
}

fn check_name(of_kind: u8, bytes: &[u8], is_stream: bool, at: usize) -> Result<(), Fault> {
    let fits = match of_kind {
        kind::STREAM => is_stream,
        kind::TYPE | kind::TAG | kind::CORRELATION_TEXT => !is_stream,
        kind::CORRELATION_UUID => !is_stream && bytes.len() == 16,
        // A later kind of key comes with a read-only compatible feature: it is passed over.
        _ => !is_stream,
    };
    let text = matches!(of_kind, kind::STREAM | kind::TYPE | kind::TAG | kind::CORRELATION_TEXT);
    let is_utf8 = || is_printable(bytes) || std::str::from_utf8(bytes).is_ok();
    if !fits || bytes.is_empty() || (text && !is_utf8()) {
        return Err(Fault::new("frame", at, "a name of its kind, in UTF-8", format_args!("kind {of_kind}")));
    }
    Ok(())
}

/// The items: those that a later version wrote are passed over if they may be. Returns where the records begin.
fn check_items(commit: CommitRef<'_>, start: usize) -> Result<usize, Fault> {
    if commit.flags() & header::FLAG_ITEMS == 0 {
        return Ok(start);
    }
    let frame = commit.bytes();
    let end = start + 4 + u32_at(frame, start) as usize;
    let Some(bytes) = frame.get(start + 4..end) else {
        return Err(Fault::new("frame", start, "items within the frame", end));
    };
    for item in mark::items(bytes) {
        let item = item.map_err(|left| Fault::new("frame", end - left, "an item within the items", left))?;
        match item.mark() {
            Some(Err(())) => {
                let found = format_args!("{} other bytes", item.bytes.len());
                return Err(Fault::new("frame", start, "the name of a consumer in a mark", found));
            }
            None if !item.may_be_ignored => {
                return Err(Fault::later(start, format!("an item of kind {}", item.kind)));
            }
            _ => {}
        }
    }
    Ok(end)
}

/// The numbers of a record's keys, as far as they lie within it.
fn record_keys(bytes: &[u8], at: usize) -> Result<impl Iterator<Item = u32> + Clone, Fault> {
    let list = match u8_at(bytes, record::FLAGS) & record::FLAG_KEYS {
        0 => &[][..],
        _ => {
            let start = keys_start(bytes);
            let count = usize::from(u16_at(bytes, start));
            let list = bytes.get(start + 2..start + 2 + 4 * count);
            match list.filter(|_| (1..=record::KEYS_MAX).contains(&count)) {
                Some(list) => list,
                None => {
                    return Err(Fault::new("event", at + start, "1 to 1024 keys within the record", count));
                }
            }
        }
    };
    Ok(list.as_chunks::<4>().0.iter().map(|key| u32::from_le_bytes(*key)))
}

/// Where the keys of a record begin: after the rest of its id, and its time.
fn keys_start(bytes: &[u8]) -> usize {
    let flags = u8_at(bytes, record::FLAGS);
    let id = usize::from(u8_at(bytes, record::ID));
    let rest = if flags & record::FLAG_UUID == 0 { id.saturating_sub(record::ID_INLINE_BYTES) } else { 0 };
    record::BYTES + rest + if flags & record::FLAG_TIME == 0 { 0 } else { 8 }
}

/// Id, time, keys and metadata must lie within the record and be what they should.
fn check_parts(bytes: &[u8], at: usize) -> Result<(), Fault> {
    let flags = u8_at(bytes, record::FLAGS);
    if flags & !(record::FLAG_UUID | record::FLAG_TIME | record::FLAG_KEYS) != 0 {
        return Err(Fault::later(at + record::FLAGS, format!("event flags {flags:#04x}")));
    }
    let mut metadata_at = keys_start(bytes);
    if flags & record::FLAG_KEYS != 0 {
        metadata_at += 2 + 4 * usize::from(u16_at(bytes, metadata_at));
    }
    let metadata_end = metadata_at + usize::from(u16_at(bytes, record::METADATA_BYTES));
    let Some(list) = bytes.get(metadata_at..metadata_end) else {
        return Err(Fault::new(
            "event",
            at,
            format!("a record of at least {metadata_end} bytes"),
            bytes.len(),
        ));
    };
    if flags & record::FLAG_UUID == 0 {
        check_text_id(bytes, at)?;
    }
    metadata::validate(list).map_err(|why| match why {
        MetadataError::Unknown(_) => Fault::later(at + metadata_at, why.to_string()),
        MetadataError::Malformed(_) => Fault::new("event", at + metadata_at, "metadata", why),
    })
}

fn check_text_id(bytes: &[u8], at: usize) -> Result<(), Fault> {
    let length = usize::from(bytes[record::ID]);
    let inline = length.min(record::ID_INLINE_BYTES);
    let field = &bytes[record::ID + 1..record::BYTES];
    let zero = field[inline..].iter().all(|byte| *byte == 0);
    let rest = layout::slice_at(bytes, record::BYTES, record::BYTES + length - inline);
    let mut whole = [0; u8::MAX as usize];
    whole[..inline].copy_from_slice(&field[..inline]);
    whole[inline..inline + rest.len()].copy_from_slice(rest);
    if length == 0 || !zero || std::str::from_utf8(&whole[..length]).is_err() {
        return Err(Fault::new("event", at + record::ID, "an id of 1 to 255 bytes of UTF-8", length));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
