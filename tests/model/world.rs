//! A store and its model, which do the same.

use crate::counts::Counts;
use crate::home::{Home, Place};
use crate::ops::{Damage, How, Op, STREAMS};
use crate::plain::{Plain, Request};
use crate::queries::{check_fetch, check_query};
use crate::reads::{check_all, check_heads, check_read, scaled};
use crate::snapshots::Snapshots;
use orchestrix::prelude::*;
use orchestrix::testing::Crash;
use orchestrix::{Durability, ErrorKind, Options, Retention, View, WriteMode};
use std::time::Duration;

/// Segments as small as they may be, so that a case rolls over.
pub(crate) const SEGMENT_BYTES: u64 = orchestrix::limits::SEGMENT_BYTES_MIN;

/// What kind of store a case has, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) place: Place,
    pub(crate) padded: bool,
    /// Whether background syncs come all the time, or never.
    pub(crate) busy: bool,
}

pub(crate) struct World<'c> {
    kind: Kind,
    home: Home,
    store: Option<Store>,
    pub(crate) plain: Plain,
    pub(crate) history: Vec<Request>,
    views: Vec<(View, usize)>,
    snapshots: Snapshots,
    /// A file of the index was damaged, and not every one has been made again since.
    damaged: bool,
    pub(crate) counts: &'c Counts,
}

impl<'c> World<'c> {
    pub(crate) fn new(kind: Kind, seed: u64, counts: &'c Counts) -> Self {
        let mut world = Self {
            kind,
            home: Home::new(kind.place, seed),
            store: None,
            plain: Plain::default(),
            history: Vec::new(),
            views: Vec::new(),
            snapshots: Snapshots::default(),
            damaged: false,
            counts,
        };
        world.store = Some(world.home.open(world.options()).expect("a store"));
        world
    }

    fn options(&self) -> Options {
        let interval = if self.kind.busy { Duration::from_millis(1) } else { Duration::from_secs(3_600) };
        let options = Store::options().segment_bytes(SEGMENT_BYTES).pad_syncs(self.kind.padded);
        let options = options.durability(Durability::Process).sync_interval(interval);
        match self.kind.place {
            Place::Files(mode) => options.write_mode(mode),
            Place::Machine(_) | Place::Memory => options,
        }
    }

    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().expect("an open store")
    }

    /// Events so far.
    fn seen(&self) -> usize {
        self.plain.events.len()
    }

    /// Events that are there.
    fn there(&self) -> u64 {
        self.seen() as u64 - self.plain.gone
    }

    pub(crate) fn run(&mut self, op: &Op) {
        match op {
            Op::Commit { .. } | Op::Fill { .. } | Op::Repeat { .. } => self.run_request(op),
            Op::Read(_) | Op::Query(_) | Op::Heads(_) | Op::Pin => self.run_read(op),
            Op::Sync | Op::Step(_) | Op::Rebuild | Op::CheckIndex => self.run_upkeep(op),
            Op::Retain(part) => self.retain(*part),
            Op::Snapshot { stream, back } => self.save(*stream, *back),
            _ if self.home.is_memory() => {}
            Op::Damage(_) | Op::Close | Op::Drop | Op::Kill(_) | Op::PowerCut { .. } => self.run_end(op),
            Op::ReadOnly => self.read_only(),
            Op::Verify => self.verify(!self.damaged),
        }
    }

    fn run_read(&mut self, op: &Op) {
        match op {
            Op::Read(read) => {
                let (view, seen) = self.view(read.view);
                check_read(&mut self.plain, &view, seen, read);
            }
            Op::Query(read) => {
                let (view, seen) = self.view(read.view);
                let found = check_query(&mut self.plain, &view, seen, read);
                Counts::add(&self.counts.found, found);
                let store = self.store().clone();
                check_fetch(&mut self.plain, &store, read);
            }
            Op::Heads(view) => {
                let (view, seen) = self.view(*view);
                check_heads(&self.plain, &view, seen);
            }
            _ => self.views.push((self.store().view(), self.seen())),
        }
    }

    /// What the store does in the background, or is asked to do for itself.
    fn run_upkeep(&mut self, op: &Op) {
        match op {
            Op::Sync => {
                self.store().sync().wait().expect("a sync");
                assert_eq!(self.store().view_synced().watermark(), Position(self.seen() as u64));
            }
            Op::Step(steps) => self.home.step(*steps),
            Op::Rebuild => self.rebuild(),
            _ => {
                if self.damaged {
                    self.rebuild();
                }
                assert_eq!(self.store().check_index().expect("a check"), Vec::<String>::new());
            }
        }
    }

    fn save(&mut self, stream: u8, back: u8) {
        let stream = STREAMS[usize::from(stream)];
        let (count, gone) = (self.plain.count(stream), self.plain.gone_of(stream, self.plain.gone));
        let store = self.store().clone();
        let saved = self.snapshots.save(&store, stream, count, gone, back.into());
        Counts::add(&self.counts.saved, u64::from(saved));
    }

    /// Whole segments go, as far as a position says and no further.
    fn retain(&mut self, part: u16) {
        let before = scaled(part, self.seen());
        let mut limits = Retention::default();
        limits.before = Some(Position(before));
        let plan = self.store().plan_retention(limits).expect("a plan");
        let (first, gone) = (plan.first_position.0, self.plain.gone);
        assert!(first > gone && (first <= before || first == gone + 1), "{plan:?}");
        assert!(self.plain.ends_commit(first - 1), "{plan:?}");
        assert_eq!(plan.is_empty(), first == gone + 1);
        plan.apply().expect("a retention");
        self.plain.gone = first - 1;
        Counts::add(&self.counts.dropped, first - 1 - gone);
        assert_eq!(self.store().view().first_position(), Position(first));
    }

    fn rebuild(&mut self) {
        self.store().rebuild_index().expect("a rebuild");
        self.damaged = false;
    }

    /// How a store ends, and how it begins again.
    fn run_end(&mut self, op: &Op) {
        self.counts.count_index(&self.store().stats().expect("stats").index);
        match op {
            Op::Damage(damage) => {
                self.close();
                if self.damage(*damage) {
                    Counts::add(&self.counts.damages, 1);
                    self.damaged = true;
                }
                self.reopen();
            }
            Op::Close => {
                self.close();
                self.reopen();
            }
            Op::Drop => {
                self.store = None;
                self.reopen();
            }
            Op::Kill(seed) => {
                self.home.kill(*seed);
                self.store = None;
                self.read_only();
                // Log and index were copied one after the other.
                self.verify(false);
                self.reopen();
            }
            Op::PowerCut { seed, crash } => self.cut_power(*seed, *crash),
            _ => unreachable!("no end of a store: {op:?}"),
        }
    }

    fn close(&mut self) {
        let store = self.store.take().expect("an open store");
        store.close().wait().expect("a close");
        let refused = store.append("cart-1", Any, NewEvent::raw("late", b"")).wait();
        assert!(refused.is_err_and(|error| error.is_closed()));
    }

    fn damage(&self, damage: Damage) -> bool {
        let part = |part: u16, of: usize| usize::from(part) * of / (usize::from(u16::MAX) + 1);
        self.home.damage(damage.file, |mut bytes| match damage.how {
            How::Flip(at, bit) => {
                let at = part(at, bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
                Some(bytes)
            }
            How::Cut(at) => {
                bytes.truncate(part(at, bytes.len() / 8) * 8);
                Some(bytes)
            }
            How::Remove => None,
        })
    }

    /// Everything that was called synced is there, whole commits and no gap.
    fn cut_power(&mut self, seed: u64, crash: Crash) {
        let promised = self.store().view_synced().watermark().0 as usize;
        if !self.home.cut_power(seed, crash) {
            return;
        }
        self.store = None;
        let store = self.home.open(self.options()).expect("the store after a power cut");
        let kept = store.view().watermark().0 as usize;
        assert!(
            (promised..=self.seen()).contains(&kept),
            "kept {kept} of {}, {promised} promised",
            self.seen()
        );
        Counts::add(&self.counts.cuts, 1);
        Counts::add(&self.counts.lost, (self.seen() - kept) as u64);
        self.plain.cut(kept);
        // What other views show isn't there any more.
        self.views.retain(|(_, seen)| *seen <= kept);
        check_all(&mut self.plain, &store.view(), kept);
        self.snapshots.check(&store);
        self.store = Some(store);
        Counts::add(&self.counts.reopenings, 1);
    }

    fn reopen(&mut self) {
        let store = self.home.open(self.options()).expect("the store again");
        let report = store.recovery();
        assert!(report.is_clean() && report.events == self.there(), "{report}");
        let (view, seen) = (store.view(), self.seen());
        self.snapshots.check(&store);
        self.store = Some(store);
        check_all(&mut self.plain, &view, seen);
        Counts::add(&self.counts.reopenings, 1);
    }

    fn read_only(&mut self) {
        let reader = self.home.open(Store::options().read_only()).expect("a reader");
        let refused = reader.append("cart-1", Any, NewEvent::raw("late", b"")).wait();
        assert!(refused.is_err_and(|error| error.kind() == ErrorKind::Invalid));
        let seen = self.seen();
        check_all(&mut self.plain, &reader.view(), seen);
        self.snapshots.check(&reader);
    }

    /// `all`: the files of the index, too.
    fn verify(&self, all: bool) {
        let report = self.home.verify();
        assert!(!all || report.index_problems.is_empty(), "{report:?}");
        let found = (report.is_clean(), report.events, report.tail_bytes);
        assert_eq!(found, (true, self.there(), 0), "{report:?}");
    }

    /// One of the views that were kept, or one of now.
    fn view(&self, number: u8) -> (View, usize) {
        let now = (self.store().view(), self.seen());
        self.views.get(usize::from(number) % (self.views.len() + 2)).cloned().unwrap_or(now)
    }

    /// At the end: everything, and every view still shows what it did.
    pub(crate) fn finish(mut self, verified: bool) {
        let seen = self.seen();
        for (view, seen) in std::mem::take(&mut self.views) {
            check_all(&mut self.plain, &view, seen);
        }
        let view = self.store().view();
        check_all(&mut self.plain, &view, seen);
        self.snapshots.check(self.store());
        let stats = self.store().stats().expect("stats");
        assert_eq!((stats.events, stats.last_position), (self.there(), Position(seen as u64)));
        let first = if self.there() > 0 { self.plain.gone + 1 } else { 0 };
        assert_eq!(stats.first_position, Position(first));
        assert_eq!(stats.streams, view.stream_count().expect("a count"));
        self.counts.count_index(&stats.index);
        Counts::add(&self.counts.rollovers, stats.segments.saturating_sub(1));
        Counts::add(&self.counts.events, seen as u64);
        if verified {
            self.run_upkeep(&Op::CheckIndex);
        }
        if verified && !self.home.is_memory() {
            self.verify(true);
            self.store().close().wait().expect("a close");
            self.verify(true);
        }
    }
}

/// How a store is written, by number: mapped or positioned.
pub(crate) fn write_mode(number: u64) -> WriteMode {
    if number.is_multiple_of(2) { WriteMode::Mapped } else { WriteMode::Positioned }
}
