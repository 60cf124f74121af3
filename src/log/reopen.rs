//! What a writing open does with the log that recovery found: everything that nothing durable vouches for is written again,
//! in place, with the same bytes; the cut is made durable; only then may an append follow.
//!
//! What a page cache shows is not on disk, and a sync by a new descriptor doesn't prove that it is: hence the rewriting.

use super::base::BASE_DRAFT_PATH;
use super::blocks::{SEAL_AT, StoreFile};
use super::geometry::{FRAMES_AT, HEADER_BYTES, LOG_DIR, segment_path};
use super::prepare::NEXT_PATH;
use super::recover::Recovered;
use super::segment::{FIRST_WINDOW_BYTES, Segment, Table};
use super::watermark::Mark;
use super::writer::{Writable, Writer};
use crate::error::Error;
use crate::medium::{Access, Found, Medium, RegionWriter, Site, bug};
use std::io;
use std::path::Path;

/// A log that is ready for its first append.
pub(crate) struct Reopened {
    pub(crate) table: Table,
    pub(crate) writer: Writer,
    pub(crate) mark: Mark,
    /// Number of the segment that is written to.
    pub(crate) writer_segment: u64,
}

/// Makes what was recovered durable, and the end ready for writing.
pub(crate) fn reopen(
    medium: &Medium,
    store: &StoreFile,
    epoch: u64,
    mut found: Recovered,
) -> Result<Reopened, Error> {
    remove_surplus(medium, &found)?;
    for (number, seal) in &found.unsealed {
        // The frames before a seal must be durable before it: seals of segments that are written again come after that.
        if found.unsynced_from.is_none_or(|(first, _)| *number < first) {
            write_seal(medium, store, *number, seal)?;
        }
    }
    rewrite(medium, store, &mut found)?;
    let ends = found.ends.clone();
    super::recover::publish_all(&mut found.segments, ends.into_iter());
    let (current, offset) = current(medium, store, &mut found)?;
    let mut table = Table::default();
    for (segment, _) in &found.segments {
        table = table.with(segment.clone());
    }
    table = table.with(current.0.clone());
    let next = found.chain.next;
    let last_epoch = found.chain.epoch.unwrap_or(0);
    let mark = Mark { synced: next - 1, segment: current.0.number, offset, epoch: last_epoch };
    let writer = Writer {
        current,
        prepared: None,
        offset: store.geometry.after_sync(offset),
        end: offset,
        next,
        epoch,
        first_of_epoch: true,
        closed: false,
        last_epoch,
        left: Vec::new(),
    };
    Ok(Reopened { table, writer, mark, writer_segment: mark.segment })
}

/// Removes what stands behind the end, where nothing was acknowledged, and what a retention would have removed.
fn remove_surplus(medium: &Medium, found: &Recovered) -> Result<(), Error> {
    let mut surplus = found.surplus.clone();
    surplus.extend(found.leftover.iter().rev().cloned());
    let failed = |path: &str, error| Error::io("removing", Path::new(path), error);
    for path in [NEXT_PATH, BASE_DRAFT_PATH] {
        if medium.files.found(path).map_err(|error| failed(path, error))? != Found::Nothing {
            surplus.push(path.to_owned());
        }
    }
    // The last first, so that a crash in between leaves no gap.
    for path in surplus.iter().rev() {
        medium.files.remove(path).map_err(|error| failed(path, error))?;
    }
    if !surplus.is_empty() {
        medium.files.sync_dir(LOG_DIR).map_err(|error| failed(LOG_DIR, error))?;
    }
    Ok(())
}

fn write_seal(
    medium: &Medium,
    store: &StoreFile,
    number: u64,
    seal: &super::blocks::Seal,
) -> Result<(), Error> {
    let (segment, _) = Segment::open(medium, &store.id, number, Access::Write)?;
    let sealed = segment
        .region
        .populate(0, FRAMES_AT)
        .and_then(|()| segment.region.store_head(SEAL_AT, &seal.encode(segment.seed)))
        .and_then(|()| segment.region.sync_range(0, FRAMES_AT));
    sealed.map_err(|error| Error::io("sealing segment", Path::new(&segment_path(number)), error))
}

/// Writes the unsynced frames again, makes the cut, syncs both.
fn rewrite(medium: &Medium, store: &StoreFile, found: &mut Recovered) -> Result<(), Error> {
    let Some((last, end)) = found.end else { return Ok(()) };
    let (first, from) = found.unsynced_from.unwrap_or((last, end));
    for number in first..=last {
        let index = (number - found.first) as usize;
        let mut opened = Segment::open(medium, &store.id, number, Access::Write)?;
        Segment::keep_unchecked(&found.segments[index].0, &mut opened.0);
        let from = if number == first { from } else { FRAMES_AT };
        let to = found.ends[index];
        let cut = (number == last).then_some(end);
        let done = rewrite_one(medium, store, &mut opened, (from, to), cut);
        done.map_err(|error| Error::io("writing again segment", Path::new(&segment_path(number)), error))?;
        if number < last {
            // Nothing in it is written or synced again.
            opened.0.region.release();
        }
        found.segments[index] = opened;
    }
    for (number, seal) in &found.unsealed {
        if *number >= first {
            write_seal(medium, store, *number, seal)?;
        }
    }
    Ok(())
}

fn rewrite_one(
    medium: &Medium,
    store: &StoreFile,
    opened: &mut Writable,
    (from, to): (u64, u64),
    cut: Option<u64>,
) -> io::Result<()> {
    let whole = store.geometry.segment_bytes();
    let segment = opened.0.clone();
    segment.region.reserve(0, FRAMES_AT)?;
    segment.region.populate(0, FRAMES_AT)?;
    segment.restart(from.min(to) / FRAMES_AT * FRAMES_AT);
    segment.ensure(if cut.is_some() { (to + FIRST_WINDOW_BYTES).min(whole) } else { to })?;
    if bug!(medium, trust_page_cache) {
        return Ok(());
    }
    // The header may be in the page cache alone, too: after a sync of the new file that failed.
    segment.region.store_head(0, &segment.region.head_bytes(0, FRAMES_AT))?;
    opened.1.rewrite(from, to)?;
    let mut synced_to = to;
    if let Some(end) = cut
        && !bug!(medium, forget_cut)
    {
        synced_to = zero_tail(store, opened, end)?;
    }
    if synced_to > from {
        segment.region.sync_range(from, synced_to)?;
    }
    segment.make_durable(medium)
}

/// Zeros the header at the cut, wherever the next frame may be looked for, and what a crash left behind it: in a padded
/// store the next frame may begin behind that, and must not be hidden by it.
fn zero_tail(store: &StoreFile, (segment, writer): &mut Writable, end: u64) -> io::Result<u64> {
    let whole = store.geometry.segment_bytes();
    let headers = (store.geometry.after_sync(end) + HEADER_BYTES).min(whole);
    let to = headers.max(end).max(tail_end(segment, writer, end)?);
    segment.ensure(to)?;
    writer.zero(Site::Body, end, to)?;
    Ok(to)
}

/// The end of the last word at or after `from` that isn't zero. Skips holes.
fn tail_end(segment: &Segment, writer: &RegionWriter, from: u64) -> io::Result<u64> {
    const PIECE_BYTES: u64 = 64 << 10;
    let (mut end, mut at) = (from, from);
    while let Some(data) = segment.region.next_data(at)? {
        let piece = data & !7;
        at = (piece + PIECE_BYTES).min(segment.region.len());
        if let Some(last) = writer.bytes(piece, at).iter().rposition(|byte| *byte != 0) {
            end = end.max((piece + last as u64 + 1).next_multiple_of(8));
        }
        if at == segment.region.len() {
            break;
        }
    }
    Ok(end)
}

/// The segment that the next frame goes to: the last one, or a new one behind it.
fn current(medium: &Medium, store: &StoreFile, found: &mut Recovered) -> Result<(Writable, u64), Error> {
    match found.end {
        Some((_, end)) if !found.sealed_end => {
            let last = found.segments.pop().expect("an end lies in a segment");
            Ok((last, end))
        }
        _ => {
            let number = found.first + found.segments.len() as u64;
            let path = segment_path(number);
            let created = Segment::create(medium, &store.id, store.geometry, number, &path)?;
            let durable = created.0.make_durable(medium);
            durable.map_err(|error| Error::io("syncing segment", Path::new(&path), error))?;
            Ok((created, FRAMES_AT))
        }
    }
}
