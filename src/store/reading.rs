//! How the embedded store answers a read of the contract: places in pinned segments, nothing copied.

use super::batch::Batch;
use super::core::Core;
use super::request::ReadRequest;
use super::view::View;
use crate::Position;
use crate::error::Error;
use crate::expected::Watermark;
use crate::limits::BATCH_BYTES_MAX;
use crate::log::Place;
use crate::pending::Pending;

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
    let pinned = |places: Vec<Place>, through, caught_up| {
        let geometry = view.pinned().core.log.geometry;
        let table = view.pinned().table.of_places(geometry, &places);
        Ok(Batch::placed(table, geometry, places, through, caught_up))
    };
    loop {
        let next = if request.backward { events.next_back_placed() } else { events.next_placed() };
        let Some(next) = next else { return pinned(places, through, true) };
        let (place, event) = next?;
        places.push(place);
        bytes += u64::from(event.length());
        if places.len() >= request.limit || bytes >= BATCH_BYTES_MAX {
            let position = event.position();
            return match request.backward {
                true => pinned(places, through, request.after.0 == position.0 - 1),
                false => pinned(places, position, position == through),
            };
        }
    }
}

/// Waits for a watermark. Every commit becomes synced within the sync interval.
pub(super) fn beyond(core: &Core, position: Position, watermark: Watermark) -> Pending<Position> {
    let watch = core.log.watch(watermark);
    let now = watch.refreshed();
    match now > position.0 {
        true => Pending::ready(Ok(Position(now))),
        false => Pending::reaching(watch.clone(), position.0.saturating_add(1)),
    }
}
