//! Following a store: a subscription is a cursor over the log with a filter. Catching up and following live are one loop, and
//! the same cursor serves threads, tasks and streams of either.

mod cursor;
mod next;
#[allow(clippy::module_inception, reason = "how a subscription is asked for, among its parts")]
mod subscribe;
mod tail;
mod under_way;

pub use cursor::Cursor;
pub use next::NextBatch;
pub use subscribe::Subscribe;
