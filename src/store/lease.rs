//! Who runs a consumer: one at a time.

use super::core::Core;
use crate::error::Error;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// The right to run a consumer, for as long as it is kept.
#[must_use = "a lease that is dropped is given back"]
#[derive(Default)]
pub struct Lease(Option<Box<dyn Send + Sync>>);

impl Lease {
    /// For authors of stores: `guard` gives the right back when it is dropped. [`Lease::default`] is for a store whose consumers
    /// have no competitors.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Some(Box::new(guard)))
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("competes", &self.0.is_some()).finish()
    }
}

/// The consumers that run on a store. Other processes can't run any: they don't have its lock.
#[derive(Default)]
pub(super) struct Leases(Mutex<HashSet<String>>);

struct Guard {
    core: Arc<Core>,
    consumer: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.core.leases.0.lock().remove(&self.consumer);
    }
}

pub(super) fn take(core: &Arc<Core>, consumer: &str) -> Result<Lease, Error> {
    core.log.write_side()?;
    if !core.leases.0.lock().insert(consumer.to_owned()) {
        return Err(Error::taken(format!("consumer {consumer:?}")));
    }
    Ok(Lease::new(Guard { core: core.clone(), consumer: consumer.to_owned() }))
}
