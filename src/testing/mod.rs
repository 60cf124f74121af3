//! The kit that tests the store, and programs on it, under crashes (feature `testing`).
//!
//! A [`Machine`] is a simulated computer: a disk that keeps page cache and platter apart, a clock and background work
//! that move only when told to, and chance that follows from a seed. A store that is opened on it is the real engine;
//! only what is under it is simulated.
//!
//! ```
//! use orchestrix::testing::{Crash, Machine};
//! use orchestrix::{NewEvent, Store, prelude::*};
//!
//! let machine = Machine::new(7);
//! let store = machine.open(Store::options().segment_bytes(8 << 10))?;
//! let safe = store.append("account-7", NoStream, NewEvent::raw("opened", b"{}")).wait()?; // survives power loss
//! drop(store.append("account-7", safe.revision(), NewEvent::raw("credited", b"{}"))); // may be lost
//!
//! let after = machine.power_cut(1, Crash::Torn);
//! let store = after.open(Store::options())?;
//! assert!(store.view().watermark() >= safe.position());
//! # Ok::<(), orchestrix::Error>(())
//! ```
//!
//! One thread at a time drives a machine: then everything that happens on it follows from its seed, and a failure is
//! repeated by the seed that it names.

pub mod contract;
#[doc(hidden)]
pub mod crash;
pub mod fuzz;
mod history;
mod life;
mod machine;
mod shared;
mod steps;
mod stopped;

pub use crate::medium::sim::{Call, Crash, Fault, Hook, When};
pub use crate::medium::{Bugs, Site};
pub use machine::{Chance, Machine};
pub use stopped::while_writer_is_stopped;
