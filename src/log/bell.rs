//! A position that grows, and the bell that tells sleepers so: publishing costs one store, one fence and one load, however many
//! sleep, and asks for at most one ringer, who wakes the rest. Only the orderings stand here; who sleeps how, and where the
//! ringer runs, is said by `watch`.
//!
//! | who | first | then |
//! |---|---|---|
//! | writer | `publish`: the position | whether the bell is armed |
//! | sleeper, who has registered itself | `arm`: the bell | the position |
//! | ringer that goes to rest | `rest`: the bell | the position |
//!
//! A `SeqCst` fence stands between first and then in each row: of a writer and a sleeper, one at least sees what the other has
//! done, so that no wake-up is lost.

use crate::medium::atomic::{self, AtomicU8, AtomicU64, Edge, Ordering};
use crossbeam_utils::CachePadded;

/// Nobody sleeps who isn't awake already.
const QUIET: u8 = 0;
/// Somebody sleeps: whoever publishes has the ringer run.
const ARMED: u8 = 1;
/// The ringer runs, or is about to: it looks at the position again before it rests.
const RINGING: u8 = 2;

/// See the module.
pub(crate) struct Bell {
    position: CachePadded<AtomicU64>,
    state: CachePadded<AtomicU8>,
}

impl Bell {
    pub(crate) fn new(position: u64) -> Self {
        Self {
            position: CachePadded::new(AtomicU64::new(position)),
            state: CachePadded::new(AtomicU8::new(QUIET)),
        }
    }

    /// The position. What was written before it was published is seen.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        // Pairs with the Release in `publish`.
        self.position.load(Ordering::Acquire)
    }

    /// Moves the position. Returns whether the caller must have the ringer run.
    #[inline]
    #[must_use = "somebody sleeps"]
    pub(crate) fn publish(&self, position: u64) -> bool {
        // Pairs with the Acquire in `position`.
        self.position.store(position, atomic::release(Edge::Position));
        // Pairs with the fences in `arm` and `rest`.
        atomic::fence(Edge::Publish);
        self.state.load(Ordering::Relaxed) == ARMED && self.ring()
    }

    /// Has whoever publishes next ring. The caller has registered itself with whatever the ringer wakes, and looks at the
    /// position after this, before it sleeps.
    pub(crate) fn arm(&self) {
        // Pairs with the fence in `rest`.
        atomic::fence(Edge::Arm);
        let _ = self.state.compare_exchange(QUIET, ARMED, Ordering::Relaxed, Ordering::Relaxed);
        // Pairs with the fence in `publish`.
        atomic::fence(Edge::Arm);
    }

    /// Takes the part of the ringer, if nobody has it. Whoever gets `true` has it run.
    #[cold]
    fn ring(&self) -> bool {
        self.state.compare_exchange(ARMED, RINGING, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The ringer goes to rest, having told of `told`. Returns `false` if it must go on: the position has moved meanwhile.
    pub(crate) fn rest(&self, told: u64, somebody_sleeps: impl Fn() -> bool) -> bool {
        let rests = if somebody_sleeps() { ARMED } else { QUIET };
        self.state.store(rests, Ordering::Relaxed);
        // Pairs with the fence in `publish`, and with that in `arm` of a sleeper that found the ringer at work.
        atomic::fence(Edge::Rest);
        if rests == QUIET && somebody_sleeps() {
            self.arm();
        }
        // Where another ringer was called meanwhile, that one goes on.
        self.position() == told || !self.ring()
    }
}

#[cfg(all(test, orchestrix_loom))]
mod tests;
