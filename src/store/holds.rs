//! Who needs what of a log, so that retention leaves it alone.

use super::core::Core;
use crate::Position;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The holds of a store, by their number.
#[derive(Default)]
pub(crate) struct Holds {
    holds: Mutex<BTreeMap<u64, Held>>,
}

/// Somebody who needs what stands behind a position.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Who.
    pub name: String,
    /// What stands behind this position is needed.
    pub after: Position,
}

impl Held {
    /// Name and position.
    pub(crate) fn new(name: impl Into<String>, after: Position) -> Self {
        Self { name: name.into(), after }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} needs what stands after position {}", self.name, self.after)
    }
}

impl Holds {
    /// Who needs the oldest events, if anybody holds any.
    pub(super) fn lowest(&self) -> Option<Held> {
        self.holds.lock().values().min_by_key(|held| held.after).cloned()
    }
}

/// Keeps what stands behind a position from retention, until it is dropped. It lives in this process: whoever needs events
/// after a restart takes it again before a retention is applied. See [`Store::hold`](crate::Store::hold).
#[must_use = "a hold that is dropped holds nothing"]
pub struct Hold {
    core: Arc<Core>,
    number: u64,
}

impl Hold {
    pub(super) fn new(core: &Arc<Core>, name: &str, after: Position) -> Self {
        let mut holds = core.holds.holds.lock();
        let number = holds.last_key_value().map_or(0, |(number, _)| number + 1);
        holds.insert(number, Held::new(name, after));
        drop(holds);
        Self { core: core.clone(), number }
    }

    /// From now on only what stands behind this position is needed. Going back has no effect: what stood before may be gone.
    pub fn advance(&self, after: Position) {
        if let Some(held) = self.core.holds.holds.lock().get_mut(&self.number) {
            held.after = held.after.max(after);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.core.holds.holds.lock().remove(&self.number);
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.core.holds.holds.lock().get(&self.number).cloned();
        f.debug_struct("Hold").field("held", &held).finish_non_exhaustive()
    }
}
