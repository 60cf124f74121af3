//! One simulated file: what processes see of it (the cache) and what a power cut leaves (the platter). What was not
//! synced is their difference. Names are not its business.

use super::Rng;
use super::chance::Chance;
use super::pages::{PAGE, Pages, SECTOR, Sector};
use crate::medium::mapping::Mapping;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Sectors on their way to the platter, as they were when the sync began.
pub(super) type InFlight = Vec<(u64, Sector)>;

#[derive(Default)]
pub(super) struct File {
    cache: Pages,
    /// What regions over it show: the same bytes, kept equal by the regions themselves.
    memory: Option<Mapping>,
    parted: bool,
    /// Its length is the durable one.
    platter: Pages,
    /// What a power cut brings back while the emptying of the file is not durable.
    before_emptying: Option<Pages>,
    /// Sectors that a failed sync left marked as clean: as they were then. Written again, they are dirty again.
    lost: BTreeMap<u64, Sector>,
    reserved: PageSet,
    reserved_durably: PageSet,
    /// Pages that the newest writing mapping has faulted in.
    populated: PageSet,
}

/// A set of page numbers.
#[derive(Clone, Default)]
struct PageSet(Vec<bool>);

impl PageSet {
    fn has(&self, page: usize) -> bool {
        self.0.get(page).copied().unwrap_or(false)
    }

    fn set(&mut self, page: usize, there: bool) {
        if self.0.len() <= page {
            self.0.resize(page + 1, false);
        }
        self.0[page] = there;
    }

    fn count(&self) -> u64 {
        self.0.iter().filter(|there| **there).count() as u64
    }
}

/// Numbers of the pages that a range touches.
fn pages_of(from: u64, to: u64) -> Range<usize> {
    from as usize / PAGE..(to as usize).div_ceil(PAGE)
}

fn sectors_of(from: u64, to: u64) -> Range<u64> {
    from / SECTOR as u64..to.div_ceil(SECTOR as u64)
}

impl File {
    /// A file whose content, length and blocks are durable.
    pub(super) fn durable(pages: Pages) -> Self {
        let mut reserved = PageSet::default();
        for page in (0..pages.page_count()).filter(|page| pages.page(*page).is_some()) {
            reserved.set(page, true);
        }
        Self {
            cache: pages.clone(),
            platter: pages,
            reserved_durably: reserved.clone(),
            reserved,
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.cache.len
    }

    pub(super) fn blocks(&self) -> u64 {
        self.reserved.count()
    }

    /// Sets the length of a file that was just created; it reads as zeros.
    pub(super) fn stretch(&mut self, len: u64) {
        self.cache.len = len;
    }

    pub(super) fn empty(&mut self) {
        if self.before_emptying.is_none() {
            self.before_emptying = Some(std::mem::take(&mut self.platter));
        }
        *self = Self { before_emptying: self.before_emptying.take(), ..Self::default() };
    }

    /// The first `bytes_max` bytes.
    pub(super) fn read(&self, bytes_max: usize) -> Vec<u8> {
        self.cache.head(bytes_max)
    }

    /// The word at a multiple of 8; `None` past the end.
    pub(super) fn word(&self, at: u64) -> Option<u64> {
        let within = (at % SECTOR as u64) as usize;
        let word = self.cache.sector(at / SECTOR as u64)[within..].first_chunk()?;
        (at < self.len()).then_some(u64::from_le_bytes(*word))
    }

    /// The memory that regions over this file share.
    pub(super) fn map(&mut self, for_writing: bool) -> io::Result<Mapping> {
        if for_writing {
            self.populated = PageSet::default();
        }
        let memory = match self.memory.take() {
            Some(memory) if !self.parted => memory,
            _ if self.cache.page_count() == 0 => Mapping::zeroed(self.len())?,
            _ => Mapping::copied(&self.cache.head(usize::MAX))?,
        };
        Ok(self.memory.insert(memory).share())
    }

    /// A write failed halfway: regions that are open don't show what it left. Each later one begins with what the file
    /// holds, and shares nothing with them.
    pub(super) fn part(&mut self) {
        self.parted = true;
    }

    /// A write of either kind. What a failed sync left marked as clean is dirty again.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) {
        self.cache.write(at, bytes);
        if !self.lost.is_empty() {
            let written = sectors_of(at, at + bytes.len() as u64);
            self.lost.retain(|sector, _| !written.contains(sector));
        }
    }

    /// How many blocks a range still needs.
    pub(super) fn missing(&self, from: u64, to: u64) -> u64 {
        pages_of(from, to).filter(|page| !self.reserved.has(*page)).count() as u64
    }

    /// Reserves the blocks of a range, at most `blocks_max` more of them.
    pub(super) fn reserve(&mut self, from: u64, to: u64, blocks_max: u64) {
        let missing = pages_of(from, to).filter(|page| !self.reserved.has(*page));
        for page in missing.take(blocks_max as usize).collect::<Vec<_>>() {
            self.reserved.set(page, true);
        }
    }

    pub(super) fn populate(&mut self, from: u64, to: u64) -> bool {
        let reserved = pages_of(from, to).all(|page| self.reserved.has(page));
        pages_of(from, to).for_each(|page| self.populated.set(page, true));
        reserved
    }

    /// Whether a plain store to this range could not have raised SIGBUS.
    pub(super) fn is_ready(&self, from: u64, to: u64) -> bool {
        pages_of(from, to).all(|page| self.reserved.has(page) && self.populated.has(page))
    }

    /// Makes the whole pages within a range a hole.
    pub(super) fn punch(&mut self, from: u64, to: u64) {
        for page in (from as usize).div_ceil(PAGE)..to as usize / PAGE {
            self.write((page * PAGE) as u64, &[0; PAGE]);
            self.cache.set_page(page, None);
            self.reserved.set(page, false);
            self.populated.set(page, false);
        }
    }

    /// The first byte at or after `from` that is not in a hole.
    pub(super) fn next_data(&self, from: u64) -> Option<u64> {
        let page = pages_of(from, self.len()).find(|page| self.has_data(*page))?;
        Some(from.max((page * PAGE) as u64))
    }

    /// Behind it are only holes.
    pub(super) fn data_end(&self) -> u64 {
        let last = pages_of(0, self.len()).rev().find(|page| self.has_data(*page));
        last.map_or(0, |page| (((page + 1) * PAGE) as u64).min(self.len()))
    }

    fn has_data(&self, page: usize) -> bool {
        self.populated.has(page) || self.cache.page(page).is_some()
    }

    /// The sectors of a range that were written and not synced.
    pub(super) fn dirty(&self, from: u64, to: u64) -> Vec<u64> {
        let mut dirty = Vec::new();
        for page in pages_of(from, to).filter(|page| !self.is_shared(*page)) {
            let first = (page * PAGE / SECTOR) as u64;
            for sector in (first..first + (PAGE / SECTOR) as u64).filter(|n| sectors_of(from, to).contains(n))
            {
                let cached = self.cache.sector(sector);
                if cached != self.platter.sector(sector) && self.lost.get(&sector) != Some(cached) {
                    dirty.push(sector);
                }
            }
        }
        dirty
    }

    /// Whether cache and platter have the same copy of a page, which says that it is clean.
    fn is_shared(&self, page: usize) -> bool {
        match (self.cache.page(page), self.platter.page(page)) {
            (Some(cached), Some(durable)) => Arc::ptr_eq(cached, durable),
            (None, None) => true,
            _ => false,
        }
    }

    /// Lets the platter share the pages of the cache that are equal to its own.
    fn share_pages(&mut self) {
        for page in 0..self.cache.page_count() {
            if let (Some(cached), Some(durable)) = (self.cache.page(page), self.platter.page(page))
                && !Arc::ptr_eq(cached, durable)
                && cached == durable
            {
                let cached = cached.clone();
                self.platter.set_page(page, Some(cached));
            }
        }
    }

    /// A sync begins: what it will write is what is there now.
    pub(super) fn begin_sync(&self, from: u64, to: u64) -> InFlight {
        self.dirty(from, to).into_iter().map(|sector| (sector, *self.cache.sector(sector))).collect()
    }

    pub(super) fn end_sync(&mut self, in_flight: InFlight) {
        for (sector, bytes) in in_flight {
            self.platter.set_sector(sector, &bytes);
        }
        self.share_pages();
    }

    /// The sync of the whole file has ended: length and blocks are durable too.
    pub(super) fn end_sync_file(&mut self, in_flight: InFlight) {
        self.end_sync(in_flight);
        self.platter.len = self.len();
        self.before_emptying = None;
        self.reserved_durably = self.reserved.clone();
    }

    /// The sync has failed: some sectors arrived, the others count as clean from now on (F32).
    pub(super) fn fail_sync(&mut self, in_flight: InFlight, rng: &mut Rng) {
        for (sector, bytes) in in_flight {
            if rng.chance(300) {
                self.platter.set_sector(sector, &bytes);
            } else {
                self.lost.insert(sector, bytes);
            }
        }
    }

    /// Writes some sectors back, as a page cache does when it likes.
    pub(super) fn flush(&mut self, rng: &mut Rng) {
        for sector in self.dirty(0, self.len()) {
            if rng.coin() {
                self.platter.set_sector(sector, self.cache.sector(sector));
            }
        }
    }

    /// What a power cut leaves. `other` gives a sector of any file.
    pub(super) fn after_crash(&self, chance: &mut Chance, other: &dyn Fn(&mut Rng) -> Sector) -> Self {
        if let Some(before) = &self.before_emptying
            && !chance.keeps()
        {
            return Self::durable(before.clone());
        }
        let mut len = self.platter.len;
        if len != self.len() && chance.keeps() {
            len = self.len();
        }
        let mut pages = self.platter.clone();
        for sector in self.dirty(0, self.len()) {
            let left = chance.sector(self.platter.sector(sector), self.cache.sector(sector), other);
            pages.set_sector(sector, &left);
        }
        pages.cut(len);
        let mut file = Self::durable(pages);
        for page in pages_of(0, len).filter(|page| self.reserved_durably.has(*page)) {
            file.reserved.set(page, true);
            file.reserved_durably.set(page, true);
        }
        file
    }

    /// What the death of the process leaves: everything, and what is not synced still isn't. Of what a failed sync
    /// left marked as clean, the cache may drop some: then the platter shows.
    pub(super) fn after_kill(&self, rng: &mut Rng) -> Self {
        let mut file = Self {
            cache: self.cache.clone(),
            memory: None,
            parted: false,
            platter: self.platter.clone(),
            before_emptying: self.before_emptying.clone(),
            lost: self.lost.clone(),
            reserved: self.reserved.clone(),
            reserved_durably: self.reserved_durably.clone(),
            populated: PageSet::default(),
        };
        if rng.coin() {
            file.evict(rng);
        }
        file
    }

    /// Drops sectors from the cache that count as clean and never reached the platter.
    fn evict(&mut self, rng: &mut Rng) {
        let (cache, platter) = (&mut self.cache, &self.platter);
        self.lost.retain(|sector, bytes| {
            let dropped = cache.sector(*sector) == bytes && rng.coin();
            if dropped {
                cache.set_sector(*sector, platter.sector(*sector));
            }
            !dropped
        });
    }

    /// Any sector of the file but the first, as the cache has it. A whole header of another segment in the place of one
    /// is what somebody has put there, to the engine, and never what a crash has left.
    pub(super) fn any_sector(&self, rng: &mut Rng) -> Sector {
        match (self.len() / SECTOR as u64).saturating_sub(1) {
            0 => [0; SECTOR],
            count => *self.cache.sector(1 + rng.below(count)),
        }
    }
}
