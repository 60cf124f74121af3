//! Makes the next base of a log, from the one before it and the frames that go.

use super::base::{
    ANCHOR_BYTES, Anchor, BASE_DRAFT_PATH, BASE_PATH, BODY_AT, Base, Head, STREAM_BYTES, slot_hash,
};
use super::blocks::StoreId;
use super::geometry::LOG_DIR;
use super::scan::Chain;
use crate::error::Error;
use crate::event::commit::CommitRef;
use crate::medium::Medium;
use std::collections::HashMap;
use std::path::Path;

/// A stream of the draft.
struct Lost {
    name: Box<[u8]>,
    next: u64,
    last_position: u64,
}

/// A base that is being made. Takes memory for each stream that loses events.
pub(crate) struct BaseDraft {
    first_segment: u64,
    chain: Chain,
    time_max: i64,
    streams: Vec<Lost>,
    numbers: HashMap<Box<[u8]>, usize>,
}

impl BaseDraft {
    /// Goes on from the base that is there.
    pub(crate) fn from(base: &Base) -> Self {
        let mut draft = Self {
            first_segment: base.first_segment(),
            chain: base.chain(),
            time_max: base.time_max(),
            streams: Vec::new(),
            numbers: HashMap::new(),
        };
        for stream in (0..base.stream_count()).map(|n| base.stream(n)) {
            draft.lose(stream.name, stream.next, stream.last_position);
        }
        draft
    }

    fn lose(&mut self, name: &[u8], next: u64, last_position: u64) {
        match self.numbers.get(name) {
            Some(n) => {
                let stream = &mut self.streams[*n];
                (stream.next, stream.last_position) = (next, last_position);
            }
            None => {
                self.numbers.insert(name.into(), self.streams.len());
                self.streams.push(Lost { name: name.into(), next, last_position });
            }
        }
    }

    /// Takes in the next commit that goes.
    pub(crate) fn feed(&mut self, commit: CommitRef<'_>) {
        for event in commit.events() {
            let name = commit.stream_name(event.stream_number());
            self.lose(name, event.revision().0 + 1, event.position().0);
        }
        let last = commit.last_position().0;
        self.chain = Chain {
            next: last + 1,
            epoch: Some(commit.epoch()),
            synced: last,
            commits: self.chain.commits + 1,
        };
        self.time_max = self.time_max.max(commit.time());
    }

    /// Position of the first event behind it.
    pub(crate) fn first_position(&self) -> u64 {
        self.chain.next
    }

    fn encode(&self, store: &StoreId, anchors: &[(String, Anchor)]) -> Vec<u8> {
        let slots_log2 = (self.streams.len() * 2).next_power_of_two().trailing_zeros().max(1);
        let mut slots = vec![0u32; 1 << slots_log2];
        let mut names = Vec::new();
        let mut put = |name: &[u8]| {
            let at = names.len() as u64 | (name.len() as u64) << 48;
            names.extend_from_slice(name);
            at
        };
        let mut body = Vec::with_capacity(self.streams.len() * STREAM_BYTES as usize);
        for (n, stream) in (1u32..).zip(&self.streams) {
            for word in [stream.next, stream.last_position, put(&stream.name)] {
                body.extend_from_slice(&word.to_le_bytes());
            }
            let mut at = slot_hash(&stream.name) as usize & (slots.len() - 1);
            while slots[at] != 0 {
                at = (at + 1) & (slots.len() - 1);
            }
            slots[at] = n;
        }
        let known =
            anchors.iter().filter_map(|(name, anchor)| Some((*self.numbers.get(name.as_bytes())?, anchor)));
        let mut known: Vec<_> = known.collect();
        known.sort_unstable_by_key(|(n, _)| *n);
        known.dedup_by_key(|(n, _)| *n);
        for (n, anchor) in &known {
            for word in [*n as u64, anchor.revision, anchor.epoch, put(anchor.id.as_bytes())] {
                body.extend_from_slice(&word.to_le_bytes());
            }
        }
        debug_assert_eq!(
            body.len() as u64,
            self.streams.len() as u64 * STREAM_BYTES + known.len() as u64 * ANCHOR_BYTES
        );
        body.extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
        body.extend_from_slice(&names);
        body.resize(body.len().next_multiple_of(8), 0);
        let head = Head {
            first_segment: self.first_segment,
            chain: self.chain,
            time_max: self.time_max,
            streams: self.streams.len() as u64,
            anchors: known.len() as u64,
            slots_log2,
            body_crc: crc32fast::hash(&body),
            names: names.len() as u64,
        };
        let mut bytes = head.encode(store).to_vec();
        bytes.resize(BODY_AT as usize, 0);
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Makes it the base of the log, whose first segment is then `first`. Durable when it returns.
    ///
    /// # Errors
    /// `DiskFull`, `Io`. The old base may be in place, or this one.
    pub(crate) fn store(
        mut self,
        medium: &Medium,
        store: &StoreId,
        first: u64,
        anchors: &[(String, Anchor)],
    ) -> Result<Base, Error> {
        self.first_segment = first;
        let failed = |error| Error::io("writing", Path::new(BASE_PATH), error);
        let files = &medium.files;
        files.write(BASE_DRAFT_PATH, &self.encode(store, anchors)).map_err(failed)?;
        files.rename(BASE_DRAFT_PATH, BASE_PATH).map_err(failed)?;
        files.sync_dir(LOG_DIR).map_err(failed)?;
        Base::read(medium, store)
    }
}
