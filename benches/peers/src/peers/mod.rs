//! The stores, one file a peer.

pub mod lmdb;
pub mod nothing;
pub mod orchestrix;
pub mod redb;
