//! How the embedded store answers who follows it: frames behind a position, found by the place of the last one. What lies far
//! back and is covered by runs is read by the index, if a query asks for part of it. Takes no lock.

use super::batch::{Batch, End};
use super::core::Core;
use super::reading;
use super::request::ReadRequest;
use super::scan::Frames;
use super::start::{Lag, Located, ResumeToken, Start, Subscription};
use super::times::commit_time;
use super::view::View;
use crate::Position;
use crate::error::Error;
use crate::expected::Watermark;
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use crate::log::{Behind, FRAMES_AT, Place, Wanted};
use crate::medium::bug;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Bytes of frames that are looked through for one batch, where few match: a task isn't held up for longer.
const SCANNED_BYTES_MAX: u64 = 4 << 20;

/// What is asked for behind `spot`, where an earlier batch has ended or a subscription begins.
pub(super) fn batch(core: &Arc<Core>, request: &ReadRequest, spot: Place) -> Result<Batch, Error> {
    let mut through = request.through(Position(core.log.watch(Watermark::Committed).position())).0;
    if let Some((cause, synced)) = core.log.failure() {
        if request.after.0 >= synced {
            return Err(Error::poisoned(cause));
        }
        through = through.min(synced);
    }
    let wanted = Wanted { spot, after: request.after.0, through };
    if request.query.is_all() {
        return everything(core, request, wanted);
    }
    match View::of_runs(core, wanted) {
        Some((view, epoch)) => by_index(request, wanted, &view, epoch),
        None => matching(core, request, wanted),
    }
}

fn everything(core: &Core, request: &ReadRequest, wanted: Wanted) -> Result<Batch, Error> {
    let table = core.log.table_now();
    let taken = Behind::new(&core.log, &table, wanted)?.take(request.limit, BATCH_BYTES_MAX)?;
    let Some(taken) = taken else { return nothing(wanted) };
    if taken.stretch.may_be_coded() {
        taken.stretch.events().try_for_each(|event| event.check_plain())?;
    }
    let end = End { epoch: taken.epoch, spot: taken.spot };
    let caught_up = taken.through >= wanted.through;
    Ok(Batch::stretch(taken.stretch, Position(taken.through), caught_up).ending(end, caught_up))
}

/// Nothing stands behind what was seen.
fn nothing(wanted: Wanted) -> Result<Batch, Error> {
    if wanted.through > wanted.after {
        let (after, through) = (wanted.after, wanted.through);
        return Err(Error::other(format!(
            "no frame behind position {after}, though the log goes to {through}"
        )));
    }
    Ok(Batch::new(Vec::new(), Position(wanted.after), true))
}

/// The events that match, by a walk over the frames of one segment.
fn matching(core: &Core, request: &ReadRequest, wanted: Wanted) -> Result<Batch, Error> {
    let table = core.log.table_now();
    let geometry = core.log.geometry;
    let mut behind = Behind::new(&core.log, &table, wanted)?;
    let (mut places, mut bytes, mut scanned) = (Vec::new(), 0, 0);
    let (mut end, mut through) = (None, request.after);
    'frames: while let Some(frame) = behind.next().transpose()? {
        if end.is_none() {
            wanted.check_first(frame.commit)?;
        }
        let segment = geometry.segment(frame.place);
        if let Some((_, spot)) = end
            && (scanned >= SCANNED_BYTES_MAX || segment != geometry.segment(spot))
        {
            break;
        }
        let epoch = frame.commit.epoch();
        for event in frame.commit.events().filter(|event| event.position() > request.after) {
            if !request.query.matches(event) {
                continue;
            }
            event.check_plain()?;
            if places.len() >= request.limit || bytes >= BATCH_BYTES_MAX {
                end = Some((epoch, frame.place));
                through = Position(event.position().0 - 1);
                break 'frames;
            }
            if places.is_empty() {
                // One allocation a batch, however many match.
                let left = usize::try_from(wanted.through - wanted.after).unwrap_or(usize::MAX);
                places.reserve_exact(left.min(request.limit).min(BATCH_EVENTS_MAX));
            }
            places.push(Place(frame.place.0 + u64::from(event.offset())));
            bytes += u64::from(event.length());
        }
        scanned += u64::from(frame.commit.length());
        end = Some((epoch, frame.place));
        through = frame.commit.last_position();
    }
    let Some((epoch, spot)) = end else { return nothing(wanted) };
    let caught_up = through.0 >= wanted.through;
    let table = table.of_places(geometry, &places);
    Ok(Batch::placed(table, geometry, places, through, caught_up).ending(End { epoch, spot }, caught_up))
}

/// The events that match, by the runs.
fn by_index(request: &ReadRequest, wanted: Wanted, view: &View, epoch: u64) -> Result<Batch, Error> {
    let mut request = request.clone();
    request.before = None;
    let batch = reading::batch(view, &request)?;
    let (epoch, spot) = match batch.last_frame() {
        Some((spot, epoch)) if !batch.is_caught_up() => (epoch, spot),
        _ => (epoch, view.pinned().end),
    };
    let caught_up = batch.through().0 >= wanted.through;
    Ok(batch.ending(End { epoch, spot }, caught_up))
}

/// Where a subscription begins.
pub(super) fn locate(core: &Arc<Core>, subscription: &Subscription) -> Result<Located, Error> {
    let Subscription { start, watermark, .. } = *subscription;
    let view = View::committed(core);
    let asked = match start {
        Start::Beginning => Position::START,
        Start::After(position) => position,
        Start::Resume(token) => token.position(),
        Start::End => Position(core.log.watch(watermark).refreshed()),
        Start::Time(time) => match view.first_since(time)? {
            Some(position) => Position(position.0 - 1),
            None => behind(core, &view, time)?,
        },
    };
    let found = position_of(core, &view, asked)?;
    match start {
        // A token of a store that knows no epochs says nothing of the history.
        Start::Resume(token)
            if token.epoch() != 0 && token != found.token && !bug!(core.log.medium, believe_tokens) =>
        {
            Err(ahead(token, found.token))
        }
        _ => Ok(found),
    }
}

#[cold]
fn ahead(seen: ResumeToken, found: ResumeToken) -> Error {
    let (position, seen, found) = (seen.position(), seen.epoch(), found.epoch());
    Error::ahead(format!(
        "it has seen position {position} in epoch {seen:016x}, and it is of epoch {found:016x}"
    ))
}

/// What is before the first commit of a time or later that came after the view was taken, which has none; else the end.
fn behind(core: &Core, view: &View, time: SystemTime) -> Result<Position, Error> {
    let through = core.log.watch(Watermark::Committed).refreshed();
    let wanted = Wanted { spot: view.pinned().end, after: view.watermark().0, through };
    let table = core.log.table_now();
    let mut behind = Behind::new(&core.log, &table, wanted)?;
    let since = commit_time(time);
    while let Some(frame) = behind.next().transpose()? {
        if frame.commit.time() >= since {
            return Ok(Position(frame.commit.first_position().0 - 1));
        }
    }
    Ok(Position(through))
}

/// The epoch of the frame that has a position; 0 before the first one.
///
/// # Errors
/// `Ahead`: there is no such position. `Truncated`: retention has removed it. `Corrupt`, `Io`.
pub(super) fn epoch_of(core: &Arc<Core>, position: Position) -> Result<u64, Error> {
    let view = View::committed(core);
    frame_of(core, &view, position).map(|(epoch, _)| epoch)
}

/// A position with the epoch of its frame and the place of that.
fn position_of(core: &Core, view: &View, position: Position) -> Result<Located, Error> {
    let (epoch, spot) = frame_of(core, view, position)?;
    Ok(Located::at(ResumeToken::new(position, epoch), spot))
}

fn frame_of(core: &Core, view: &View, position: Position) -> Result<(u64, Place), Error> {
    let last = Position(core.log.watch(Watermark::Committed).refreshed());
    if position > last {
        return Err(Error::ahead(format!("it has seen position {position}, and the last one is {last}")));
    }
    let missing = || Error::other(format!("position {position} is in no frame of the log"));
    // It came after the view was taken; in a store that was opened to be read, since then.
    if position > view.watermark() {
        if let Some(newest) = core.log.newest_followed()
            && newest.position == position.0
        {
            return Ok((newest.epoch, newest.end));
        }
        let table = core.log.table_now();
        let wanted = Wanted { spot: view.pinned().end, after: position.0 - 1, through: position.0 };
        let frame = Behind::new(&core.log, &table, wanted)?.next().transpose()?.ok_or_else(missing)?;
        return Ok((frame.commit.epoch(), frame.place));
    }
    view.pinned().check_after(position)?;
    if position < view.first_position() {
        let base = view.base();
        let epoch = if position == Position::START { 0 } else { base.chain().epoch.unwrap_or_default() };
        return Ok((epoch, core.log.geometry.place(base.first_segment(), FRAMES_AT)));
    }
    let mut frames = Frames::at(view.pinned(), position.0)?.ok_or_else(missing)?;
    let frame = frames.next().transpose()?.ok_or_else(missing)?;
    Ok((frame.commit.epoch(), frame.place))
}

/// How far who has read up to `after`, and goes on at `spot`, is behind.
pub(super) fn lag(core: &Core, after: Position, spot: Place, watermark: Watermark) -> Lag {
    let through = core.log.watch(watermark).position();
    let wanted = Wanted { spot, after: after.0, through };
    let table = core.log.table_now();
    let next = Behind::new(&core.log, &table, wanted).ok().and_then(|mut behind| behind.next()?.ok());
    let Some(next) = next else { return Lag::default() };
    let events = through.saturating_sub(after.0.max(next.commit.first_position().0 - 1));
    let bytes = core.log.end_of(watermark).0.saturating_sub(next.place.0);
    let since = core.log.medium.time.now().saturating_sub(next.commit.time());
    Lag::new(events, bytes, Duration::from_nanos(u64::try_from(since).unwrap_or(0)))
}
