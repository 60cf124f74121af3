//! The atomic numbers that readers and writers of a log meet at: those of the standard library, or of the model checker when
//! models are run. Models also show that they notice an ordering that is weakened: each that matters has a [`Edge`], and one
//! at a time can be switched off, in models only.

#[cfg(orchestrix_loom)]
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU64, Ordering};
#[cfg(not(orchestrix_loom))]
pub(crate) use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// An ordering that something depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(orchestrix_loom), allow(dead_code, reason = "told apart in models"))]
pub(crate) enum Edge {
    /// The end of what is lent is published.
    End,
    /// A position is published.
    Position,
    /// Between publishing a position and looking whether somebody sleeps.
    Publish,
    /// Between arming the bell and looking at the position.
    Arm,
    /// Between putting the bell to rest and looking at the position.
    Rest,
    /// A list is put in the place of another.
    List,
}

/// A `SeqCst` fence.
#[inline(always)]
pub(crate) fn fence(edge: Edge) {
    #[cfg(orchestrix_loom)]
    if !weakened::is(edge) {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
    #[cfg(not(orchestrix_loom))]
    {
        let _ = edge;
        std::sync::atomic::fence(Ordering::SeqCst);
    }
}

/// The ordering of a store that publishes.
#[inline(always)]
pub(crate) fn release(edge: Edge) -> Ordering {
    #[cfg(orchestrix_loom)]
    if weakened::is(edge) {
        return Ordering::Relaxed;
    }
    let _ = edge;
    Ordering::Release
}

/// What is switched off, in models.
#[cfg(orchestrix_loom)]
pub(crate) mod weakened {
    use super::Edge;
    use std::sync::OnceLock;

    static WEAKENED: OnceLock<Edge> = OnceLock::new();

    pub(super) fn is(edge: Edge) -> bool {
        WEAKENED.get() == Some(&edge)
    }

    /// Switches an ordering off, for the rest of the process.
    #[cfg(test)]
    pub(crate) fn set(edge: Edge) {
        WEAKENED.set(edge).expect("one a process");
    }
}

#[cfg(all(test, orchestrix_loom))]
impl Edge {
    pub(crate) const ALL: [Self; 6] =
        [Self::End, Self::Position, Self::Publish, Self::Arm, Self::Rest, Self::List];
    pub(crate) const NAMES: [&str; 6] = ["End", "Position", "Publish", "Arm", "Rest", "List"];
}
