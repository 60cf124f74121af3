//! The index as one thing: its layers, which lookups read and upkeep replaces, and what was done to them.

use super::layers::Layers;
use super::run::Run;
use super::tail::{Tail, Through};
use crate::event::names::name_hash;
use crate::log::blocks::StoreId;
use crate::log::{Base, Geometry};
use crate::medium::{Loaded, Shared};
use foldhash::fast::FixedState;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Keys and postings of a log.
pub(crate) struct Index {
    pub(super) state: FixedState,
    pub(super) store: StoreId,
    pub(super) geometry: Geometry,
    layers: Shared<Layers>,
    /// Held by who makes the next layers.
    changing: Mutex<()>,
    pub(super) upkeep: Mutex<()>,
    pub(super) stopping: AtomicBool,
    pub(super) counts: Counts,
    /// What was found damaged and made again.
    pub(super) problems: Mutex<Vec<String>>,
}

/// What has been done to the index since it was opened.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) runs_written: AtomicU64,
    pub(crate) merges: AtomicU64,
    pub(crate) rebuilds: AtomicU64,
}

impl Counts {
    pub(super) fn add(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Index {
    /// An index of these runs behind a base, with an empty tail behind them. `state` is what names are hashed with in memory.
    pub(super) fn new(
        state: FixedState,
        store: &StoreId,
        geometry: Geometry,
        base: Arc<Base>,
        runs: Vec<Arc<Run>>,
    ) -> Self {
        Self {
            state,
            store: *store,
            geometry,
            layers: Shared::new(Layers::behind(base, runs, store, geometry)),
            changing: Mutex::new(()),
            upkeep: Mutex::new(()),
            stopping: AtomicBool::new(false),
            counts: Counts::default(),
            problems: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> &FixedState {
        &self.state
    }

    pub(crate) fn hash(&self, name: &[u8]) -> u64 {
        name_hash(&self.state, name)
    }

    /// The layers as they are now.
    #[inline]
    pub(crate) fn layers(&self) -> Arc<Layers> {
        self.layers.load()
    }

    /// The same, for as long as it takes to look something up. Who has the writer's lock knows that their tail is the one that
    /// grows.
    #[inline]
    pub(crate) fn layers_now(&self) -> Loaded<Layers> {
        self.layers.now()
    }

    /// These layers without what is in memory.
    pub(crate) fn runs_only(&self, layers: &Layers) -> Layers {
        Layers::behind(layers.base().clone(), layers.runs().to_vec(), &self.store, self.geometry)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Layers)) {
        let _one = self.changing.lock();
        let mut next = Layers::clone(&self.layers.now());
        change(&mut next);
        self.layers.put(next);
    }

    /// Begins the tail of a segment, if it isn't there. The caller has the writer's lock, or is the only one.
    #[cold]
    pub(crate) fn roll(&self, segment: u64) {
        self.change(|layers| {
            if layers.tail.segment == segment {
                return;
            }
            let (through, is_empty) = {
                let keys = layers.tail.read();
                (keys.through(), keys.is_empty())
            };
            let left = std::mem::replace(&mut layers.tail, Arc::new(Tail::new(segment, through)));
            if !is_empty {
                layers.frozen.push(left);
            }
        });
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What was found damaged and made again since the store was opened.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.problems.lock().clone()
    }
}

/// How far a run goes.
pub(super) fn through(run: &Run, geometry: Geometry) -> Through {
    let covered = run.covered();
    let last = covered.segments - 1;
    // A run whose table of segments is damaged is found out when it is used; the place is that of the frame at least.
    let end = run.segment(last).map_or(covered.last_frame, |(_, end)| end);
    Through {
        position: covered.last_position,
        place: geometry.place(covered.last_segment(), end.min(geometry.segment_bytes())),
        time_max: covered.time_max,
    }
}
