//! Where damage was found.

use std::fmt;
use std::path::PathBuf;

/// Where damage was found, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Corruption {
    /// What is damaged: `frame`, `event`, `segment header`, `store file` ...
    pub what: String,
    /// The file, relative to the store's directory.
    pub file: PathBuf,
    /// Number of the segment, if it is one.
    pub segment: Option<u64>,
    /// Byte place in the file.
    pub offset: u64,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Corruption {
    pub(crate) fn new(
        what: impl Into<String>,
        file: impl Into<PathBuf>,
        segment: Option<u64>,
        offset: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            file: file.into(),
            segment,
            offset,
            expected: expected.into(),
            found: found.into(),
        }
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, file, offset, expected, found, .. } = self;
        write!(f, "corrupt {what} in {} at byte {offset}: expected {expected}, found {found}", file.display())
    }
}
