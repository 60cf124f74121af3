//! An embedded event store: a segmented, memory-mapped log that survives crashes, with streams, optimistic concurrency and
//! reads that copy nothing. It links into a program and opens a directory; there is no server.
//!
//! ```
//! use orchestrix::prelude::*;
//!
//! # let dir = tempfile::tempdir()?;
//! let store = Store::open(dir.path())?;
//! let opened = NewEvent::raw("account.opened", br#"{"owner":"Ada"}"#);
//! let first = store.append("account-7", NoStream, opened).wait()?; // Ok: survives power loss
//!
//! let paid = NewEvent::raw("account.credited", br#"{"cents":500}"#);
//! store.append("account-7", first.revision(), paid).wait()?; // or `.await` in a task
//!
//! for event in store.view().stream("account-7") {
//!     let event = event?; // borrowed from the log
//!     println!("{} {} {}", event.position(), event.event_type(), event.revision());
//! }
//! store.close().wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to begin
//!
//! - [`Store`]: open, append, read, close. [`Options`] for everything that has a default.
//! - [`NewEvent`] is what is written, [`EventRef`] what is lent when it is read, [`RecordedEvent`] the owned copy.
//! - [`Event`]: derive it for an enum, whose variants are then events under names that stay; [`NewEvent::of`] and
//!   [`EventRef::decode`] are the way there and back.
//! - [`Query`] says which events: [`Store::read`] gives them in owned batches, [`View::query`] lends them,
//!   [`Transaction::fail_if_any`] commits only if no new one matches.
//! - [`Store::subscribe`] follows the store: a [`Cursor`] gives owned batches of what is there and what comes, here and in other
//!   processes.
//! - [`Consumer`]: a durable reader that handles every event at least once, tries again what fails ([`RetryPolicy`]), keeps what it
//!   gives up ([`DeadLetters`]), and emits events exactly once ([`Delivery::emit`]).
//! - [`EventStore`] is what another back end implements; [`Store`] is written over it, [`AnyStore`] hides which one it is.
//! - [`Pending`] is every operation that can wait: `.wait()` in a thread, `.await` in a task.
//! - [`Durability`] names what an `Ok` has survived; [`RecoveryReport`] says what opening found.
//! - [`Error`] is opaque; its predicates and accessors tell what happened.
//!
//! Opening reads and checks the end of the log that the index on disk doesn't cover; older events are checked when they are
//! first read. Memory holds the index of that end, and a note of what was checked.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!(
    "orchestrix needs Linux on a 64-bit, little-endian machine: it maps files and stores them as they are"
);

// So that `#[derive(Event)]` works in here too: what it writes names the crate.
#[cfg(feature = "derive")]
extern crate self as orchestrix;

mod error;
mod expected;
pub mod limits;
mod pending;
mod position;
mod query;

mod event;
mod medium;

mod dispatch;
mod index;
mod log;
mod store;
mod subscribe;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use dispatch::{
    Consumer, ConsumerRequest, DeadLetter, DeadLetters, Delivery, FromEvent, GiveUp, GivenUp, Handled,
    Handler, NoHandler, Order, Outcome, Raw, Ready, Requested, RetryPolicy, RunningConsumer, Status,
    StoredConsumer, Task, WhenFull,
};
pub use error::{BoxError, Conflict, Corruption, Error, ErrorKind, Undecoded, UndecodedReason};
#[cfg(feature = "derive")]
#[doc(hidden)]
pub use event::derived as __private;
pub use event::{
    BINCODE_BYTES_MAX, Bincode, Codec, CodecError, Event, EventId, EventIdRef, EventRef, EventType,
    ExtensionValue, Metadata, NewEvent, OwnedMetadata, Recorded, RecordedEvent,
};
#[cfg(feature = "json")]
pub use event::{Json, cloudevents};
pub use expected::{Durability, Expected, Watermark};
pub use log::{RecoveryReport, RepairStep, TailCut, VerifyReport};
pub use medium::WriteMode;
#[cfg(feature = "derive")]
pub use orchestrix_derive::Event;
pub use pending::Pending;
pub use position::{Position, Revision};
pub use query::{Query, QueryItem};
pub use store::{
    AnyStore, Backup, Batch, BatchIter, Capabilities, Checkpoint, Clock, Commit, DropReason, Embedded,
    EventStore, Events, Head, Held, Hold, IndexStats, Lag, Lease, Located, Options, Partition, Progress,
    QueryEvents, Read, ReadRequest, Receipt, RepairPlan, ResumeToken, Retention, RetentionPlan, SegmentDrop,
    SentRequest, Snapshot, SnapshotStats, Start, Stats, Store, StreamEvents, Streams, Subscriber,
    Subscription, Transaction, View, Write, inspect_segment, repair, verify,
};

pub use subscribe::{Cursor, NextBatch, Subscribe};

/// What nearly every program uses: one `use orchestrix::prelude::*`.
pub mod prelude {
    #[doc(no_inline)]
    pub use crate::Expected::{self, Any, Exact, NoStream, StreamExists};
    #[doc(no_inline)]
    pub use crate::Outcome::{self, Ack};
    #[doc(no_inline)]
    pub use crate::{
        BoxError, Consumer, Delivery, Event, EventRef, Handled, NewEvent, Position, Recorded, Revision, Store,
    };
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
