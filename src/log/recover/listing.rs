//! What stands in the log folder. Reads names alone.

use crate::error::{Corruption, Error};
use crate::log::base::{BASE_DRAFT_NAME, BASE_NAME};
use crate::log::geometry::{LOG_DIR, segment_number, segment_path};
use crate::log::prepare::NEXT_NAME;
use crate::medium::{Entry, Medium};
use std::path::Path;

/// What stands in the log folder.
#[derive(Default)]
pub(crate) struct Listing {
    /// Segments by number, ascending.
    pub(crate) segments: Vec<(u64, Entry)>,
    /// Segments before the first one of the log: what an interrupted retention left.
    pub(crate) leftover: Vec<String>,
    /// Files that don't belong there.
    pub(crate) foreign: Vec<String>,
}

/// Reads the log folder, in which the log begins with segment `first`. A gap counts only if a second look shows it too: files
/// come and go while a folder is read.
pub(crate) fn list(medium: &Medium, first: u64) -> Result<Listing, Error> {
    let once = || -> Result<Listing, Error> {
        let entries = match medium.files.list(LOG_DIR) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io("listing", Path::new(LOG_DIR), error)),
        };
        let mut listing = Listing::default();
        for entry in entries {
            match segment_number(&entry.name) {
                Some(number) if entry.is_file && number < first => {
                    listing.leftover.push(segment_path(number))
                }
                Some(number) if entry.is_file => listing.segments.push((number, entry)),
                None if OTHER_NAMES.contains(&entry.name.as_str()) && entry.is_file => {}
                _ => listing.foreign.push(format!("{LOG_DIR}/{}", entry.name)),
            }
        }
        listing.segments.sort_by_key(|(number, _)| *number);
        Ok(listing)
    };
    let listing = once()?;
    if listing.has_gap(first) { once() } else { Ok(listing) }
}

/// What the folder may hold beside segments.
const OTHER_NAMES: [&str; 3] = [NEXT_NAME, BASE_NAME, BASE_DRAFT_NAME];

impl Listing {
    fn has_gap(&self, first: u64) -> bool {
        (first..).zip(&self.segments).any(|(expected, (number, _))| expected != *number)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Entry> {
        let found = self.segments.binary_search_by_key(&number, |(number, _)| *number);
        found.ok().map(|index| &self.segments[index].1)
    }

    /// The segments from `number` on.
    pub(crate) fn from(&self, number: u64) -> impl Iterator<Item = &(u64, Entry)> {
        self.segments.iter().filter(move |(found, _)| *found >= number)
    }

    /// Refuses files that don't belong in the folder.
    pub(super) fn check(&self) -> Result<(), Error> {
        let Some(file) = self.foreign.first() else { return Ok(()) };
        let expected = "only segments, named by 20 digits and .seg";
        Err(Error::corrupt(Corruption::new("log folder", file, None, 0, expected, file)))
    }
}
