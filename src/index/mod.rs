//! Keys and postings: where the events of a stream, a category or a type stand. In this version it lives in memory and is
//! derived from the log at every open.

mod memory;
mod postings;

pub(crate) use memory::{FeedEvent, FeedSingle, FeedStream, Index, KeyId, KeyKind};
