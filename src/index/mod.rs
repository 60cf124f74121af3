//! Keys and postings: where the events of a stream, a category, a type, a tag or a correlation id stand. Everything here is
//! derived from the log: the end of it in memory, the rest in runs, which are looked up in place.

mod copy;
mod feed;
mod filter;
#[allow(clippy::module_inception, reason = "the index itself, among its parts")]
mod index;
mod inspect;
mod key;
mod layers;
mod open;
mod packed;
mod postings;
mod rebuild;
mod retain;
mod revisions;
mod run;
mod tail;
mod upkeep;
mod write;

pub(crate) use copy::copy_runs;
pub(crate) use feed::{
    FeedEvent, FeedStream, Resolved, resolve_name, resolve_stream, resolve_type, stream_in,
};
pub(crate) use index::Index;
pub(crate) use inspect::Inspect;
pub(crate) use key::{Key, KeyKind};
pub(crate) use layers::{Layers, Numbered};
pub(crate) use open::{INDEX_DIR, Opening};
pub(crate) use revisions::Revisions;
pub(crate) use run::{Damaged, Run};
pub(crate) use tail::{FedFrame, KeyId, Keys, Tail};
pub(crate) use upkeep::Step;
