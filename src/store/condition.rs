//! Whether an event stands where an append wants none. Asked under the writer's lock, so that what it says still holds when
//! the commit is written.

use super::core::Core;
use super::view::View;
use crate::Position;
use crate::error::Error;
use crate::query::Query;
use std::sync::Arc;

/// Position of the newest committed event after `after` that matches. `Position::START` means the first event that is there.
///
/// # Errors
/// `Truncated`: events after `after` have been removed, so that nobody knows. Those of reading.
pub(super) fn newest_match(
    core: &Arc<Core>,
    query: &Query,
    after: Position,
) -> Result<Option<Position>, Error> {
    let view = View::written(core);
    let newest = view.query(query).after(after).next_back().transpose()?;
    Ok(newest.map(|event| event.position()))
}
