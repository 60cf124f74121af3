//! Where a log begins once retention has removed segments: the first one that is there, what the chain of frames goes on from,
//! and the streams that lost events. `docs/format.md` is the home of the layout. Part of the log: nothing else could give it
//! again, so damage to it is refused. Written by `base_draft`.

use super::blocks::{self, BLOCK_BYTES, BlockFault, StoreId, first_nonzero, u32_at, u64_at};
use super::geometry::LOG_DIR;
use super::scan::Chain;
use crate::error::{Corruption, Error};
use crate::medium::{Access, Medium, Region};
use std::path::Path;
use std::sync::Arc;
use twox_hash::XxHash3_64;

/// Path of the base, relative to the store, and its name in the log folder.
pub(crate) const BASE_PATH: &str = "log/base";
pub(super) const BASE_NAME: &str = "base";
/// The same while it is written.
pub(super) const BASE_DRAFT_PATH: &str = "log/base.new";
pub(super) const BASE_DRAFT_NAME: &str = "base.new";
const BASE_MAGIC: &[u8; 8] = b"ORCHBASE";
const FIELDS_END: usize = 112;
/// Where the streams begin: the head of a file is never lent.
pub(super) const BODY_AT: u64 = 4_096;
pub(super) const STREAM_BYTES: u64 = 24;
pub(super) const ANCHOR_BYTES: u64 = 32;
const U48: u64 = (1 << 48) - 1;

/// The head of a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Number of the first segment that is there.
    pub(super) first_segment: u64,
    /// What its first frame goes on from; all of it synced.
    pub(super) chain: Chain,
    /// The latest time of a commit that was removed.
    pub(super) time_max: i64,
    pub(super) streams: u64,
    pub(super) anchors: u64,
    pub(super) slots_log2: u32,
    pub(super) body_crc: u32,
    /// Bytes of the names.
    pub(super) names: u64,
}

impl Head {
    /// Where streams, anchors, slots and names begin, and where the names end.
    pub(super) fn places(&self) -> Option<[u64; 5]> {
        let anchors = BODY_AT.checked_add(self.streams.checked_mul(STREAM_BYTES)?)?;
        let slots = anchors.checked_add(self.anchors.checked_mul(ANCHOR_BYTES)?)?;
        let names = slots.checked_add(4u64.checked_shl(self.slots_log2)?)?;
        Some([BODY_AT, anchors, slots, names, names.checked_add(self.names)?])
    }

    pub(super) fn encode(&self, store: &StoreId) -> [u8; BLOCK_BYTES] {
        let mut bytes = blocks::start(BASE_MAGIC, store);
        let words = [
            (40, self.first_segment),
            (48, self.chain.next),
            (56, self.chain.epoch.unwrap_or_default()),
            (64, self.chain.commits),
            (72, self.time_max as u64),
            (80, self.streams),
            (88, self.anchors),
            (96, u64::from(self.slots_log2) | u64::from(self.body_crc) << 32),
            (104, self.names),
        ];
        for (at, word) in words {
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        blocks::finish(bytes)
    }

    fn decode(head: &[u8], store: &StoreId, bytes: u64) -> Result<Self, BlockFault> {
        let wrong = |at: usize, expected: &str, found: String| {
            Err(BlockFault::Damaged(at as u64, expected.to_owned(), found))
        };
        blocks::check(head, BASE_MAGIC, FIELDS_END)?;
        if blocks::store_id(head) != *store {
            return wrong(24, "the id of this store", "that of another one".to_owned());
        }
        let next = u64_at(head, 48);
        let base = Self {
            first_segment: u64_at(head, 40),
            chain: Chain {
                next,
                epoch: Some(u64_at(head, 56)),
                synced: next.saturating_sub(1),
                commits: u64_at(head, 64),
            },
            time_max: u64_at(head, 72) as i64,
            streams: u64_at(head, 80),
            anchors: u64_at(head, 88),
            slots_log2: u32_at(head, 96),
            body_crc: u32_at(head, 100),
            names: u64_at(head, 104),
        };
        if base.first_segment == 0 || next < 2 {
            return wrong(
                40,
                "a segment and position behind the first",
                format!("{} and {next}", base.first_segment),
            );
        }
        match base.places().map(|places| places[4].next_multiple_of(8)) {
            Some(end) if end == bytes && base.slots_log2 < 32 => Ok(base),
            _ => wrong(80, "numbers of entries that fill the file", format!("{bytes} bytes")),
        }
    }
}

/// A stream that lost events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Emptied<'b> {
    pub(crate) name: &'b [u8],
    /// Revision of its first event that wasn't removed, if there is one: as many were.
    pub(crate) next: u64,
    /// Position of the last event that was removed.
    pub(crate) last_position: u64,
}

/// An event that was removed, and that something outside of the log is as of: a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) revision: u64,
    /// Epoch of its frame.
    pub(crate) epoch: u64,
    /// Its id, as text.
    pub(crate) id: String,
}

/// Where a log begins.
pub(crate) struct Base {
    /// Nothing was removed without it.
    file: Option<(Head, [u64; 5], Arc<Region>)>,
}

impl Base {
    /// That of a log which has all that was ever written to it.
    pub(crate) fn none() -> Self {
        Self { file: None }
    }

    /// Reads and checks the base, if there is one.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported`, `Io`.
    pub(crate) fn read(medium: &Medium, store: &StoreId) -> Result<Self, Error> {
        let failed = |error| Error::io("reading", Path::new(BASE_PATH), error);
        let corrupt = |fault: BlockFault| fault.into_error("base", BASE_PATH, None);
        let entries = match medium.files.list(LOG_DIR) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::none()),
            Err(error) => return Err(failed(error)),
        };
        let Some(entry) = entries.iter().find(|entry| entry.name == BASE_NAME) else {
            return Ok(Self::none());
        };
        if !entry.is_file || entry.bytes < BODY_AT || !entry.bytes.is_multiple_of(8) {
            let found = format!("{} bytes", entry.bytes);
            return Err(corrupt(BlockFault::Damaged(0, "a base".to_owned(), found)));
        }
        let mut writer = medium.files.open_region(BASE_PATH, Access::Read).map_err(failed)?;
        let len = writer.region().len();
        let head_bytes = writer.region().head_bytes(0, BODY_AT);
        let head = Head::decode(&head_bytes, store, len).map_err(corrupt)?;
        if let Some(at) = first_nonzero(&head_bytes[BLOCK_BYTES..]) {
            let at = BLOCK_BYTES + at;
            let found = format!("{:#04x}", head_bytes[at]);
            return Err(corrupt(BlockFault::Damaged(at as u64, "zero".to_owned(), found)));
        }
        writer.publish(len);
        writer.region().release();
        let places = head.places().expect("lengths were checked");
        let base = Self { file: Some((head, places, writer.region().clone())) };
        base.check()?;
        Ok(base)
    }

    /// Checks the body.
    fn check(&self) -> Result<(), Error> {
        let Some((head, places, region)) = &self.file else { return Ok(()) };
        let found = crc32fast::hash(region.bytes(BODY_AT, region.len()));
        let wrong = |what: &str, expected: String, found: String| {
            Err(Error::corrupt(Corruption::new(what, BASE_PATH, None, BODY_AT, expected, found)))
        };
        if found != head.body_crc {
            return wrong("base", format!("checksum {:#010x}", head.body_crc), format!("{found:#010x}"));
        }
        // Whoever wrote a right checksum over wrong numbers gets no wild reads.
        let fits = |at: u64| (at & U48).saturating_add(at >> 48) <= head.names;
        let streams = (0..head.streams)
            .all(|n| fits(u64_at(region.bytes(BODY_AT, places[1]), (n * STREAM_BYTES + 16) as usize)));
        let anchors = region.bytes(places[1], places[2]);
        let anchors = (0..head.anchors as usize * 4)
            .step_by(4)
            .all(|n| u64_at(anchors, 8 * n) < head.streams && fits(u64_at(anchors, 8 * n + 24)));
        let slots = region.bytes(places[2], places[3]).as_chunks::<4>().0;
        let slots = slots.iter().all(|slot| u64::from(u32::from_le_bytes(*slot)) <= head.streams)
            && slots.contains(&[0; 4]);
        if streams && anchors && slots {
            return Ok(());
        }
        wrong("base", "entries that lie within it".to_owned(), "others".to_owned())
    }

    /// The bytes of the file, if there is one.
    pub(super) fn file_bytes(&self) -> Option<Vec<u8>> {
        let (_, _, region) = self.file.as_ref()?;
        let mut bytes = region.head_bytes(0, BODY_AT);
        bytes.extend_from_slice(region.bytes(BODY_AT, region.len()));
        Some(bytes)
    }

    /// Number of the first segment that is there, or will be.
    pub(crate) fn first_segment(&self) -> u64 {
        self.file.as_ref().map_or(0, |(head, ..)| head.first_segment)
    }

    /// What the first frame goes on from.
    pub(crate) fn chain(&self) -> Chain {
        self.file.as_ref().map_or(Chain::START, |(head, ..)| head.chain)
    }

    /// Position of the first event that wasn't removed.
    #[inline]
    pub(crate) fn first_position(&self) -> u64 {
        self.chain().next
    }

    /// The latest time of a commit that was removed.
    pub(crate) fn time_max(&self) -> i64 {
        self.file.as_ref().map_or(i64::MIN, |(head, ..)| head.time_max)
    }

    /// How many streams lost events.
    pub(crate) fn stream_count(&self) -> u64 {
        self.file.as_ref().map_or(0, |(head, ..)| head.streams)
    }

    fn name(&self, at: u64) -> &[u8] {
        let Some((_, places, region)) = &self.file else { return &[] };
        let start = places[3] + (at & U48);
        region.bytes(start, start + (at >> 48))
    }

    /// The `n`-th stream that lost events, in the order of their first ones.
    ///
    /// # Panics
    /// If there are fewer.
    pub(crate) fn stream(&self, n: u64) -> Emptied<'_> {
        let (_, places, region) = self.file.as_ref().expect("a base with streams");
        let bytes = region.bytes(BODY_AT, places[1]);
        let at = (n * STREAM_BYTES) as usize;
        Emptied {
            name: self.name(u64_at(bytes, at + 16)),
            next: u64_at(bytes, at),
            last_position: u64_at(bytes, at + 8),
        }
    }

    /// The number of a stream that lost events.
    fn number(&self, name: &[u8]) -> Option<u64> {
        let (head, places, region) = self.file.as_ref()?;
        let slots = region.bytes(places[2], places[3]);
        let mask = (1u64 << head.slots_log2) - 1;
        let mut at = slot_hash(name) & mask;
        loop {
            match u32_at(slots, 4 * at as usize) {
                0 => return None,
                n if self.stream(u64::from(n) - 1).name == name => return Some(u64::from(n) - 1),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// A stream, if it lost events.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Emptied<'_>> {
        self.number(name).map(|n| self.stream(n))
    }

    /// How many events a stream lost.
    #[inline]
    pub(crate) fn next_revision(&self, name: &[u8]) -> u64 {
        if self.file.is_none() { 0 } else { self.find(name).map_or(0, |stream| stream.next) }
    }

    /// The event of a stream that was removed and that something is as of.
    pub(crate) fn anchor(&self, name: &[u8]) -> Option<Anchor> {
        let (head, places, region) = self.file.as_ref()?;
        let number = self.number(name)?;
        let anchors = region.bytes(places[1], places[2]);
        let word = |n: u64, word: u64| u64_at(anchors, (n * ANCHOR_BYTES + 8 * word) as usize);
        let (mut n, mut end) = (0, head.anchors);
        while n < end {
            let middle = (n + end) / 2;
            if word(middle, 0) < number { n = middle + 1 } else { end = middle }
        }
        (n < head.anchors && word(n, 0) == number).then(|| Anchor {
            revision: word(n, 1),
            epoch: word(n, 2),
            id: String::from_utf8_lossy(self.name(word(n, 3))).into_owned(),
        })
    }
}

/// Where a name is looked for first.
pub(super) fn slot_hash(name: &[u8]) -> u64 {
    XxHash3_64::oneshot(name)
}
