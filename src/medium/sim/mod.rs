//! The simulated disk. It keeps what a page cache and a platter would: what was written and not synced is their
//! difference, in sectors of 512 bytes, and a power cut keeps, drops, tears or spoils each of them on its own. Names
//! and lengths are lost until their directory and file are synced. Syncs fail, space runs out, bits flip.
//!
//! It promises less than any real file system: a sync of a range makes the sectors of that range durable and nothing
//! else; each unsynced change of a name is kept or lost on its own; what a failed sync did not write counts as clean.
//! Everything follows from one seed, as long as one thread at a time drives the disk. It never models a medium that
//! lies about a sync that succeeded.

mod calls;
mod chance;
mod clock;
mod disk;
mod file;
mod hooks;
mod jobs;
mod names;
mod pages;
mod region;
mod rng;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use clock::SimTime;
pub(crate) use disk::SimDisk;
pub(crate) use jobs::SimJobs;
pub(crate) use rng::Rng;

pub use chance::Crash;
pub use hooks::{Call, Fault, Hook, When};
