//! Brings a damaged log back to what still holds: a plan first, then the act. Keeps whatever it takes away.

use super::backup_file;
use super::base::Base;
use super::blocks::{self, BlockFault, SEAL_AT, SEAL_BYTES, StoreFile};
use super::check::Checker;
use super::geometry::{FRAMES_AT, LOG_DIR, segment_path};
use super::headers;
use super::open::{lock, read_store_file};
use super::recover::{Listing, list};
use super::scan::{Chain, Frames, Stop};
use super::segment::Segment;
use super::watermark::{WATERMARK_FILE, read_mark};
use crate::error::Error;
use crate::medium::{Access, Found, Medium, Site};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Folder for what a repair takes away.
const REMOVED_DIR: &str = "removed";
/// Bytes that are copied at a time.
const PIECE_BYTES: usize = 1 << 20;

/// One act of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RepairStep {
    /// The header of a segment is written again: all that it says is known.
    RebuildHeader {
        /// Segment number.
        segment: u64,
    },
    /// The log ends before this place from now on. The segment is copied away first.
    Cut {
        /// Segment number.
        segment: u64,
        /// Byte place of the first frame that goes.
        offset: u64,
        /// Position of the first event that is lost.
        position: u64,
        /// What is wrong there.
        why: String,
    },
    /// A file is moved away.
    Move {
        /// Path in the store.
        file: String,
    },
    /// What testifies to a longer log is forgotten.
    ForgetMark,
}

impl fmt::Display for RepairStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RebuildHeader { segment } => {
                write!(f, "write the header of {} again", segment_path(*segment))
            }
            Self::Cut { segment, offset, position, why } => write!(
                f,
                "cut {} at byte {offset}, losing position {position} and all after it ({why}); a copy is kept in {REMOVED_DIR}/",
                segment_path(*segment)
            ),
            Self::Move { file } => write!(f, "move {file} to {REMOVED_DIR}/"),
            Self::ForgetMark => write!(
                f,
                "forget the mark in {WATERMARK_FILE} that calls more synced; it is kept in {REMOVED_DIR}/"
            ),
        }
    }
}

/// What would bring the log back to what still holds; nothing has been changed.
pub(crate) fn plan(medium: &Medium) -> Result<Vec<RepairStep>, Error> {
    backup_file::check_complete(medium)?;
    let Some(store) = read_store_file(medium)? else {
        return Err(Error::not_a_store(medium.files.root(), "it has no store file"));
    };
    let base = Base::read(medium, &store.id)?;
    let first = base.first_segment();
    let listing = list(medium, first)?;
    let mut steps: Vec<_> =
        listing.foreign.iter().map(|file| RepairStep::Move { file: file.clone() }).collect();
    let foreign = headers::foreign(medium, &store, &listing)?;
    let away = |number: &u64| RepairStep::Move { file: segment_path(*number) };
    steps.extend(foreign.iter().map(away));
    let mut chain = base.chain();
    let mut end = None;
    for number in first.. {
        if listing.get(number).is_none() || foreign.contains(&number) {
            break;
        }
        match examine(medium, &store, &listing, number, &mut chain)? {
            Examined::Whole { rebuild } => {
                steps.extend(rebuild.then_some(RepairStep::RebuildHeader { segment: number }));
            }
            Examined::Ends { rebuild, offset, why } => {
                steps.extend(rebuild.then_some(RepairStep::RebuildHeader { segment: number }));
                end = Some((number, offset, why));
                break;
            }
            Examined::Unusable => break,
        }
    }
    let known = read_mark(medium, &store.id)?.map_or(0, |mark| mark.synced);
    let usable = end.as_ref().map_or(first, |(number, ..)| number + 1);
    let behind = match &end {
        Some((number, offset, _)) => super::behind::look_behind(medium, &store, &listing, *number, *offset)?,
        None => super::behind::look_behind(medium, &store, &listing, first, FRAMES_AT)?,
    };
    if behind.synced.max(behind.sealed).max(known) < chain.next {
        // Nothing acknowledged is missing: opening does the rest.
        return Ok(steps);
    }
    if let Some((segment, offset, why)) = end {
        steps.push(RepairStep::Cut { segment, offset, position: chain.next, why });
    }
    let behind = listing.from(usable).map(|(number, _)| number).filter(|number| !foreign.contains(number));
    steps.extend(behind.map(away));
    if known >= chain.next {
        steps.push(RepairStep::ForgetMark);
    }
    Ok(steps)
}

/// What one segment is good for.
enum Examined {
    /// The log goes on in the next one.
    Whole { rebuild: bool },
    /// The log ends in it, at `offset`.
    Ends { rebuild: bool, offset: u64, why: String },
    /// It isn't of its length.
    Unusable,
}

fn examine(
    medium: &Medium,
    store: &StoreFile,
    listing: &Listing,
    number: u64,
    chain: &mut Chain,
) -> Result<Examined, Error> {
    let (geometry, whole) = (store.geometry, store.geometry.segment_bytes());
    if listing.get(number).is_none_or(|entry| entry.bytes != whole) {
        return Ok(Examined::Unusable);
    }
    let (segment, writer) = Segment::open(medium, &store.id, number, Access::Read)?;
    let head = segment.region.head_bytes(0, FRAMES_AT);
    let rebuild = match blocks::check_segment_header(&head, &store.id, number, geometry) {
        Ok(_) => false,
        Err(BlockFault::Damaged(..)) => true,
        Err(later) => return Err(later.into_error("segment header", &segment_path(number), Some(number))),
    };
    let frames = Frames::of(&segment, &writer, geometry)?;
    let (offset, stop) = frames.walk(FRAMES_AT, chain, &mut Checker::default(), &mut |_, _| Ok(()));
    let why = match stop {
        Stop::Unsupported(feature) => {
            return Err(Error::unsupported(format!("{feature} in {}", segment_path(number))));
        }
        Stop::Bad(fault) => fault.to_string(),
        Stop::Zeros | Stop::Full => "no frame where one was acknowledged".to_owned(),
    };
    if let Some(entry) = listing.get(number + 1)
        && entry.bytes == whole
    {
        let (next, writer) = Segment::open(medium, &store.id, number + 1, Access::Read)?;
        let frames = Frames::of(&next, &writer, geometry)?;
        let first = frames.header(FRAMES_AT).ok().flatten();
        if first.is_some_and(|header| chain.admit(&header, false).is_ok()) {
            return Ok(Examined::Whole { rebuild });
        }
    }
    Ok(Examined::Ends { rebuild, offset, why })
}

/// Carries out a plan, under the writer's lock. What is taken away is copied and synced first.
pub(crate) fn apply(medium: &Medium, steps: &[RepairStep]) -> Result<(), Error> {
    let _lock = lock(medium, Duration::ZERO)?;
    if plan(medium)? != steps {
        return Err(Error::invalid("the store has changed since the repair was planned: plan it again"));
    }
    let Some(store) = read_store_file(medium)? else {
        return Err(Error::not_a_store(medium.files.root(), "it has no store file"));
    };
    backup_file::forget(medium)?;
    let failed = |error| Error::io("repairing into", Path::new(REMOVED_DIR), error);
    medium.files.create_dir(REMOVED_DIR).map_err(failed)?;
    medium.files.sync_dir("").map_err(failed)?;
    // The last first: a repair that is cut short leaves a plan that still holds.
    for step in steps.iter().rev() {
        one(medium, &store, step)?;
    }
    for dir in [REMOVED_DIR, LOG_DIR, ""] {
        // A log whose folder is gone has only its mark to be forgotten.
        if medium.files.found(dir).map_err(failed)? != Found::Nothing {
            medium.files.sync_dir(dir).map_err(failed)?;
        }
    }
    Ok(())
}

fn one(medium: &Medium, store: &StoreFile, step: &RepairStep) -> Result<(), Error> {
    match step {
        RepairStep::Move { file } => {
            let to = free_name(medium, file)?;
            let moved = medium.files.rename(file, &to);
            moved.map_err(|error| Error::io("moving away", Path::new(file), error))
        }
        RepairStep::ForgetMark => {
            keep_copy(medium, WATERMARK_FILE)?;
            let removed = medium.files.remove(WATERMARK_FILE);
            removed.map_err(|error| Error::io("removing", Path::new(WATERMARK_FILE), error))
        }
        RepairStep::RebuildHeader { segment } => rebuild_header(medium, store, *segment),
        RepairStep::Cut { segment, offset, .. } => cut(medium, store, *segment, *offset),
    }
}

/// A name in the folder for what is taken away that isn't in use.
fn free_name(medium: &Medium, file: &str) -> Result<String, Error> {
    let base = file.rsplit('/').next().unwrap_or(file);
    for n in 0u64.. {
        let name = if n == 0 { format!("{REMOVED_DIR}/{base}") } else { format!("{REMOVED_DIR}/{base}.{n}") };
        let found = medium.files.found(&name);
        if found.map_err(|error| Error::io("looking at", Path::new(&name), error))? == Found::Nothing {
            return Ok(name);
        }
    }
    unreachable!("there are more names than files")
}

fn keep_copy(medium: &Medium, file: &str) -> Result<(), Error> {
    let to = free_name(medium, file)?;
    let failed = |error| Error::io("copying", Path::new(file), error);
    let bytes = medium.files.read(file, crate::limits::SEGMENT_BYTES_MAX as usize).map_err(failed)?;
    medium.files.write(&to, &bytes).map_err(failed)
}

fn rebuild_header(medium: &Medium, store: &StoreFile, number: u64) -> Result<(), Error> {
    let (segment, _) = Segment::open(medium, &store.id, number, Access::Write)?;
    let header = blocks::segment_header(&store.id, number, store.geometry);
    let mut head = vec![0; FRAMES_AT as usize];
    head[..header.len()].copy_from_slice(&header);
    let seal = segment.region.head_bytes(SEAL_AT, SEAL_AT + SEAL_BYTES as u64);
    head[SEAL_AT as usize..SEAL_AT as usize + SEAL_BYTES].copy_from_slice(&seal);
    let region = &segment.region;
    let written = region
        .reserve(0, FRAMES_AT)
        .and_then(|()| region.populate(0, FRAMES_AT))
        .and_then(|()| region.store_head(0, &head))
        .and_then(|()| region.sync_file());
    written.map_err(|error| Error::io("writing the header of", Path::new(&segment_path(number)), error))
}

/// Ends the log in a segment: a copy is kept, then everything from `offset` on is zeroed, and the seal.
fn cut(medium: &Medium, store: &StoreFile, number: u64, offset: u64) -> Result<(), Error> {
    let path = segment_path(number);
    keep_copy(medium, &path)?;
    let failed = |error| Error::io("cutting", Path::new(&path), error);
    medium.files.sync_dir(REMOVED_DIR).map_err(failed)?;
    let (segment, mut writer) = Segment::open(medium, &store.id, number, Access::Write)?;
    let whole = store.geometry.segment_bytes();
    let region = segment.region.clone();
    let zero = |writer: &mut crate::medium::RegionWriter| {
        region.reserve(0, FRAMES_AT)?;
        region.populate(0, FRAMES_AT)?;
        region.store_head(SEAL_AT, &[0; SEAL_BYTES])?;
        let mut at = offset;
        while at < whole {
            let to = (at + PIECE_BYTES as u64).min(whole);
            let data = region.next_data(at)?;
            let Some(data) = data.filter(|data| *data < whole) else { break };
            if data < to {
                region.reserve(at, to)?;
                region.populate(at, to)?;
                writer.zero(Site::Body, at, to)?;
            }
            at = to;
        }
        region.sync_range(0, whole)?;
        region.sync_file()
    };
    zero(&mut writer).map_err(failed)
}
