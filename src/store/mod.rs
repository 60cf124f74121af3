//! The embedded store: conditions, appends, transactions and reads over the log and its index.

mod check;
mod closing;
mod commit;
mod core;
mod embedded;
mod events;
mod key_events;
mod options;
mod receipt;
mod repeat;
mod scan;
mod stats;
mod streams;
mod transaction;
mod upkeep;
mod view;

pub use check::{RepairPlan, inspect_segment, repair, verify};
#[cfg(any(test, feature = "testing"))]
pub(crate) use check::{repair_on, verify_on};
pub use embedded::Store;
pub use events::Events;
pub use key_events::StreamEvents;
pub use options::Options;
pub use receipt::{Head, Receipt};
pub use stats::Stats;
pub use transaction::Transaction;
pub use streams::Streams;
pub use view::View;
