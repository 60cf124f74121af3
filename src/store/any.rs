//! A back end that was chosen at run time: the trait object, and how a store becomes one.

use super::batch::Batch;
use super::clock::Clock;
use super::contract::{Capabilities, Checkpoint, EventStore, SentRequest, Snapshot};
use super::handle::Store;
use super::lease::{Lease, Partition};
use super::receipt::{Head, Receipt};
use super::request::{Commit, ReadRequest};
use super::start::{Lag, Located, Subscription};
use crate::Position;
use crate::error::Error;
use crate::expected::{Durability, Watermark};
use crate::pending::Pending;
use std::any::Any;
use std::sync::Arc;

/// A store whose back end was chosen at run time.
pub type AnyStore = Store<Box<dyn EventStore>>;

/// The back end of another handle.
struct Shared<B>(Arc<B>);

/// Hands every method on to `self.0` or `**self`. A method that were missing here would fall back to its default.
macro_rules! hand_on {
    ($self:ident => $to:expr) => {
        fn commit(&$self, commit: Commit<'_>) -> Pending<Receipt> {
            $to.commit(commit)
        }
        fn read(&$self, request: &ReadRequest) -> Pending<Batch> {
            $to.read(request)
        }
        fn head(&$self, stream: &str) -> Pending<Option<Head>> {
            $to.head(stream)
        }
        fn beyond(&$self, position: Position) -> Pending<Position> {
            $to.beyond(position)
        }
        fn committed_beyond(&$self, position: Position) -> Pending<Position> {
            $to.committed_beyond(position)
        }
        fn locate(&$self, subscription: &Subscription) -> Pending<Located> {
            $to.locate(subscription)
        }
        fn lag(&$self, request: &ReadRequest, watermark: Watermark) -> Lag {
            $to.lag(request, watermark)
        }
        fn progress(&$self, consumer: &str) -> Pending<Option<Vec<u8>>> {
            $to.progress(consumer)
        }
        fn checkpoint(&$self, consumer: &str) -> Pending<Option<Checkpoint>> {
            $to.checkpoint(consumer)
        }
        fn save_checkpoint(&$self, consumer: &str, checkpoint: Checkpoint) -> Pending<()> {
            $to.save_checkpoint(consumer, checkpoint)
        }
        fn consumers(&$self) -> Pending<Vec<String>> {
            $to.consumers()
        }
        fn forget_checkpoint(&$self, consumer: &str) -> Pending<()> {
            $to.forget_checkpoint(consumer)
        }
        fn lease(&$self, consumer: &str, partition: Partition) -> Pending<Lease> {
            $to.lease(consumer, partition)
        }
        fn send_request(&$self, consumer: &str, data: Vec<u8>) -> Pending<u64> {
            $to.send_request(consumer, data)
        }
        fn requests(&$self, consumer: &str) -> Pending<Vec<SentRequest>> {
            $to.requests(consumer)
        }
        fn answer_request(&$self, consumer: &str, id: u64, answer: Vec<u8>) -> Pending<()> {
            $to.answer_request(consumer, id, answer)
        }
        fn remove_request(&$self, consumer: &str, id: u64) -> Pending<()> {
            $to.remove_request(consumer, id)
        }
        fn dead_letters(&$self) -> Result<Arc<dyn EventStore>, Error> {
            $to.dead_letters()
        }
        fn trim(&$self, before: Position) -> Pending<()> {
            $to.trim(before)
        }
        fn clock(&$self) -> Clock {
            $to.clock()
        }
        fn snapshot(&$self, stream: &str) -> Pending<Option<Snapshot>> {
            $to.snapshot(stream)
        }
        fn save_snapshot(&$self, stream: &str, snapshot: Snapshot) -> Pending<()> {
            $to.save_snapshot(stream, snapshot)
        }
        fn default_durability(&$self) -> Durability {
            $to.default_durability()
        }
        fn capabilities(&$self) -> Capabilities {
            $to.capabilities()
        }
    };
}

impl EventStore for Box<dyn EventStore> {
    hand_on!(self => (**self));
}

impl<B: EventStore> EventStore for Shared<B> {
    hand_on!(self => self.0);
}

impl<B: EventStore> Store<B> {
    /// The same store, its back end known at run time only: for different ones in one collection. A store that is one of
    /// these already is not wrapped again.
    ///
    /// ```
    /// use orchestrix::{AnyStore, prelude::*};
    /// let stores: Vec<AnyStore> = vec![Store::in_memory().erase(), Store::in_memory().erase()];
    /// for store in &stores {
    ///     store.append("room-1", NoStream, NewEvent::raw("opened", b"")).wait()?;
    /// }
    /// # Ok::<(), orchestrix::Error>(())
    /// ```
    pub fn erase(&self) -> AnyStore {
        match (self.shared() as &dyn Any).downcast_ref::<Arc<Box<dyn EventStore>>>() {
            Some(erased) => Store::of(erased.clone()),
            None => Store::with(Box::new(Shared(self.shared().clone()))),
        }
    }
}
