//! The contract that every back end meets, as a suite that any store can run.
//!
//! ```
//! use orchestrix::{Store, testing::contract};
//! contract::run(Store::in_memory); // panics with the name of the case that failed
//! ```
//!
//! [`run`] is for a `#[test]`; [`cases`] and [`run_case`] are for those who want a test a case, or an async one:
//!
//! ```
//! # use orchestrix::{Store, testing::contract};
//! # fn block_on<T>(pending: orchestrix::Pending<T>) -> Result<T, orchestrix::Error> { pending.wait() }
//! for case in contract::cases() {
//!     let store = Store::in_memory();
//!     if contract::is_claimed(case, &store) {
//!         block_on(contract::run_case(case, &store))?; // or `.await?`
//!     }
//! }
//! # Ok::<(), orchestrix::Error>(())
//! ```
//!
//! # What is checked
//!
//! Always: the expectations and the facts of their conflicts; that a commit is whole or absent; repeats; fifty writers; the
//! head; reading both ways, within every bound, by stream, category, types, tags, correlation id and several of them; how
//! far a read has seen; cursors; waiting for what is beyond a position; subscriptions. Then what the store's
//! [`Capabilities`](crate::Capabilities) claim. What isn't claimed is printed, and it is checked that the store refuses it.
//!
//! Positions are opaque and increase, unless contiguous ones are claimed. Each case wants a store of its own without events.
//! Cases start threads; nothing in them depends on time but the deadline of [`run`].

mod appends;
mod bounds;
mod case;
mod check;
mod conditions;
mod extras;
mod following;
mod queries;
mod reads;
mod run;
mod threads;
mod transactions;
mod writers;

pub use run::{cases, is_claimed, run, run_case};
