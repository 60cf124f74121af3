//! The contract of every store (`contract`, `request`, `batch`), the handle over it (`handle`, `transaction`, `read`,
//! `cursor`), and the embedded store: conditions, appends, transactions and reads over the log and its index.

mod any;
mod batch;
mod check;
mod closing;
mod commit;
mod common;
mod condition;
mod contract;
mod core;
mod cursor;
mod embedded;
mod events;
mod handle;
mod holds;
mod key_events;
mod merge;
mod options;
mod pages;
mod query_events;
mod read;
mod reading;
mod receipt;
mod repeat;
mod request;
mod retention;
mod scan;
mod stats;
mod streams;
mod times;
mod transaction;
mod upkeep;
mod view;

pub use any::AnyStore;
pub use batch::{Batch, BatchIter};
pub use check::{RepairPlan, inspect_segment, repair, verify};
#[cfg(any(test, feature = "testing"))]
pub(crate) use check::{repair_on, verify_on};
pub use contract::{Capabilities, EventStore, Snapshot};
pub use cursor::{Cursor, NextBatch};
pub use embedded::Embedded;
pub use events::Events;
pub use handle::Store;
pub use holds::{Held, Hold};
pub use key_events::StreamEvents;
pub use options::Options;
pub use query_events::QueryEvents;
pub use read::Read;
pub use receipt::{Head, Receipt};
pub use request::{Commit, Progress, ReadRequest, Write};
pub use retention::{DropReason, Retention, RetentionPlan, SegmentDrop};
pub use stats::{IndexStats, Stats};
pub use streams::Streams;
pub use transaction::Transaction;
pub use view::View;
