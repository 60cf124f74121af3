//! Who follows a store, and how far each has come: for lists and metrics. A subscriber notes its place after each batch; nobody
//! else waits for anything here.

use super::core::Core;
use super::following;
use super::start::{Lag, Located, Subscription};
use crate::Position;
use crate::expected::Watermark;
use crate::log::Place;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// One who follows the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscriber {
    /// What it calls itself; may be empty.
    pub name: String,
    /// Up to where it has seen everything.
    pub position: Position,
    /// How far it may read.
    pub watermark: Watermark,
    /// How far it is behind that.
    pub lag: Lag,
}

/// Up to where a subscriber has seen everything. The two numbers are read one after the other, so a list is about right.
#[derive(Debug)]
pub(crate) struct Seen {
    name: String,
    watermark: Watermark,
    position: AtomicU64,
    spot: AtomicU64,
    list: Weak<Subscribers>,
    number: u64,
}

impl Drop for Seen {
    fn drop(&mut self) {
        if let Some(list) = self.list.upgrade() {
            list.all.lock().remove(&self.number);
        }
    }
}

impl Seen {
    pub(crate) fn note(&self, position: Position, spot: Place) {
        self.position.store(position.0, Ordering::Relaxed);
        self.spot.store(spot.0, Ordering::Relaxed);
    }
}

/// Who follows a store.
#[derive(Default)]
pub(crate) struct Subscribers {
    /// By the order in which they began.
    all: Mutex<BTreeMap<u64, Weak<Seen>>>,
}

impl Subscribers {
    pub(super) fn add(self: &Arc<Self>, subscription: &Subscription, at: &Located) -> Arc<Seen> {
        let Subscription { name, watermark, .. } = subscription.clone();
        let [position, spot] = [at.token.position().0, at.spot.unwrap_or(Place(0)).0].map(AtomicU64::new);
        let mut all = self.all.lock();
        let number = all.last_key_value().map_or(0, |(number, _)| number + 1);
        let seen = Arc::new(Seen { name, watermark, position, spot, list: Arc::downgrade(self), number });
        all.insert(number, Arc::downgrade(&seen));
        seen
    }

    pub(super) fn list(&self, core: &Core) -> Vec<Subscriber> {
        let all: Vec<Arc<Seen>> = self.all.lock().values().filter_map(Weak::upgrade).collect();
        let subscriber = |seen: &Arc<Seen>| {
            let spot = Place(seen.spot.load(Ordering::Relaxed));
            let position = Position(seen.position.load(Ordering::Relaxed));
            let lag = following::lag(core, position, spot, seen.watermark);
            Subscriber { name: seen.name.clone(), position, watermark: seen.watermark, lag }
        };
        all.iter().map(subscriber).collect()
    }
}

/// Sets the gauges of the facade `metrics`.
#[cfg(feature = "metrics")]
pub(super) fn record(subscribers: &[Subscriber]) {
    let mut furthest: BTreeMap<&str, [f64; 3]> = BTreeMap::new();
    for Subscriber { name, lag, .. } in subscribers {
        let lag = [lag.events as f64, lag.bytes as f64, lag.time.as_secs_f64()];
        let known = furthest.entry(name).or_default();
        for (known, lag) in known.iter_mut().zip(lag) {
            *known = known.max(lag);
        }
    }
    for (name, [events, bytes, seconds]) in furthest {
        metrics::gauge!("orchestrix_subscriber_lag_events", "subscriber" => name.to_owned()).set(events);
        metrics::gauge!("orchestrix_subscriber_lag_bytes", "subscriber" => name.to_owned()).set(bytes);
        metrics::gauge!("orchestrix_subscriber_lag_seconds", "subscriber" => name.to_owned()).set(seconds);
    }
}
