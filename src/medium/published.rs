//! The end of what is lent: whoever sees it sees what was written before it.

use super::atomic::{self, AtomicU64, Edge, Ordering};

/// A byte place that only grows.
pub(crate) struct Published(AtomicU64);

impl Published {
    pub(crate) fn new(end: u64) -> Self {
        Self(AtomicU64::new(end))
    }

    /// `Acquire`; pairs with [`publish`](Self::publish).
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// `Release`; pairs with [`get`](Self::get).
    #[inline]
    pub(crate) fn publish(&self, end: u64) {
        self.0.store(end, atomic::release(Edge::End));
    }
}
