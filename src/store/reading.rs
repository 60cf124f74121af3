//! How the embedded store answers a read of the contract: places in pinned segments, nothing copied.

use super::batch::Batch;
use super::core::Core;
use super::request::ReadRequest;
use super::view::View;
use crate::Position;
use crate::error::Error;
use crate::limits::BATCH_BYTES_MAX;
use crate::log::WriteSide;
use crate::pending::{Pending, Work};

/// What a view has of what is asked for, up to the limit and the bytes of a batch.
pub(super) fn batch(view: &View, request: &ReadRequest) -> Result<Batch, Error> {
    let mut events = view.query(&request.query);
    if request.after != Position::START {
        events = events.after(request.after);
    }
    if let Some(before) = request.before {
        events = events.before(before);
    }
    if let Some(from) = request.from {
        events = events.from(from);
    }
    let through = request.through(view.watermark());
    let (mut places, mut bytes) = (Vec::new(), 0);
    loop {
        let next = if request.backward { events.next_back_placed() } else { events.next_placed() };
        let Some(next) = next else {
            return Ok(Batch::pinned(view.clone(), places, through, true));
        };
        let (place, event) = next?;
        places.push(place);
        bytes += u64::from(event.length());
        if places.len() >= request.limit || bytes >= BATCH_BYTES_MAX {
            let position = event.position();
            return Ok(match request.backward {
                true => Batch::pinned(view.clone(), places, through, request.after.0 == position.0 - 1),
                false => Batch::pinned(view.clone(), places, position, position == through),
            });
        }
    }
}

/// Waits for the synced watermark, which every commit reaches within the sync interval.
pub(super) fn beyond(core: &Core, position: Position) -> Pending<Position> {
    let side = match core.log.write_side() {
        Ok(side) => side.clone(),
        Err(_) if core.read_only_synced > position.0 => {
            return Pending::ready(Ok(Position(core.read_only_synced)));
        }
        Err(_) => {
            let what =
                "the store was opened read-only and shows what was there then: nothing will stand beyond";
            return Pending::ready(Err(Error::invalid(format!("{what} position {position}"))));
        }
    };
    if let Some(known) = reached(&side, position) {
        return Pending::ready(known);
    }
    Pending::new(async move {
        loop {
            let changed = side.event().listen();
            match reached(&side, position) {
                Some(known) => return known,
                None => changed.await,
            }
        }
    })
}

/// How far one may read, if that is beyond a position; or why that will never be.
fn reached(side: &WriteSide, position: Position) -> Option<Result<Position, Error>> {
    let synced = side.sync.synced();
    if synced > position.0 {
        return Some(Ok(Position(synced)));
    }
    match side.sync.failure() {
        Some(cause) => Some(Err(Error::poisoned(cause.clone()))),
        None => side.is_released().then(|| Err(Error::closed())),
    }
}
