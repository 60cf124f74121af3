//! Runs: immutable files that index a range of the log. Looked up in place, checked block by block when first used, derivable
//! from the log at any time.

mod clip;
mod header;
mod input;
mod merge;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use clip::Clip;
pub(crate) use header::{Covered, Slot};
pub(crate) use input::{Input, KeyInput, Stop};
pub(crate) use merge::Merge;
pub(crate) use reader::{Damaged, Run};
pub(crate) use writer::{Parts, write};
