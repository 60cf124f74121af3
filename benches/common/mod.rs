//! What the benches share: how large a run is, the input, the hand-written floors, and the paired measurement behind
//! the closing table. Nothing here is part of the crate.

#![allow(dead_code, unreachable_pub)] // each bench uses a part

pub mod child;
pub mod engine;
pub mod floor;
pub mod group;
pub mod large;
pub mod measure;
pub mod memory;
pub mod run;
pub mod scan;
pub mod shared_log;
pub mod table;
pub mod workload;
