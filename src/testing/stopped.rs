//! A writer that stands still in the middle of an append.

use crate::store::Store;

/// Does something while the writer of a store stands inside its lock, as a thread does that was stopped in the middle of an
/// append: whoever appends meanwhile waits, and so does whoever takes a view. Readers that follow the store go on.
///
/// # Panics
/// If the store is read-only.
pub fn while_writer_is_stopped<T>(store: &Store, work: impl FnOnce() -> T) -> T {
    store.backend().while_writer_is_stopped(work)
}
