//! What the headers of all segments say, looked at before anything is believed or changed: none may be of a later version,
//! of another store or of another place. Leaves torn headers to recovery. Changes nothing.

use super::blocks::{self, BLOCK_BYTES, BlockFault, StoreFile};
use super::geometry::{FRAMES_AT, segment_path};
use super::recover::Listing;
use crate::error::Error;
use crate::medium::Medium;
use std::io::ErrorKind;
use std::path::Path;

/// Returns whether a feature is set that only a later program may write with.
///
/// # Errors
/// `Unsupported`: a segment is of a later version. `Corrupt`: a whole header is not what belongs there; an unfinished
/// creation leaves none like that, so it is never taken for one and removed.
pub(crate) fn check(medium: &Medium, store: &StoreFile, listing: &Listing) -> Result<bool, Error> {
    let mut read_only = false;
    for (number, _) in &listing.segments {
        match look(medium, store, *number)? {
            Said::Right { later } => read_only |= later,
            Said::Torn => {}
            Said::Foreign(fault) => {
                return Err(fault.into_error("segment header", &segment_path(*number), Some(*number)));
            }
        }
    }
    Ok(read_only)
}

/// Numbers of the segments whose header is whole and not what belongs there.
///
/// # Errors
/// `Unsupported`: a segment is of a later version.
pub(crate) fn foreign(medium: &Medium, store: &StoreFile, listing: &Listing) -> Result<Vec<u64>, Error> {
    let mut foreign = Vec::new();
    for (number, _) in &listing.segments {
        if let Said::Foreign(_) = look(medium, store, *number)? {
            foreign.push(*number);
        }
    }
    Ok(foreign)
}

/// What one header says.
enum Said {
    Right { later: bool },
    Torn,
    Foreign(BlockFault),
}

fn look(medium: &Medium, store: &StoreFile, number: u64) -> Result<Said, Error> {
    let path = segment_path(number);
    let mut head = match medium.files.read(&path, FRAMES_AT as usize) {
        Ok(head) => head,
        // Given back by a living writer since it was listed.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Said::Torn),
        Err(error) => return Err(Error::io("reading", Path::new(&path), error)),
    };
    head.resize(FRAMES_AT as usize, 0);
    match blocks::check_segment_header(&head, &store.id, number, store.geometry) {
        Ok(later) => Ok(Said::Right { later }),
        Err(later @ BlockFault::Later(_)) => Err(later.into_error("segment header", &path, Some(number))),
        Err(BlockFault::Damaged(at, expected, found)) => {
            let whole = at < BLOCK_BYTES as u64 && blocks::is_whole_segment_header(&head);
            Ok(if whole { Said::Foreign(BlockFault::Damaged(at, expected, found)) } else { Said::Torn })
        }
    }
}
