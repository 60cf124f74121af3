//! Checking a store as a whole.

use super::commit::feed_read;
use crate::error::Error;
use crate::index::Index;
use crate::log::{self, VerifyReport};
use crate::medium::Medium;
use std::path::Path;

/// Checks a store without opening it: every checksum, position, revision and reserved byte. Takes no lock, changes no byte.
///
/// Beside a living writer it sees what that one has written so far. The unsynced tail that a crash left is no problem; its
/// bytes are counted.
///
/// # Errors
/// `Invalid`: `dir` is no store. `Unsupported`: a later version wrote it. `Io`. Damage is no error but in the report.
pub fn verify(dir: impl AsRef<Path>) -> Result<VerifyReport, Error> {
    verify_on(&Medium::real(dir.as_ref(), None))
}

pub(crate) fn verify_on(medium: &Medium) -> Result<VerifyReport, Error> {
    let index = Index::new(0);
    log::verify(medium, &mut |commit, place| feed_read(&index, commit, place))
}
