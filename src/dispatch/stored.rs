//! Consumers as the store knows them, whether they run or not: where they are, and how one is set back.

use super::progress::Progress;
use super::start;
use crate::Position;
use crate::pending::Pending;
use crate::store::{Checkpoint, EventStore, Partition, Store};
use std::sync::Arc;

/// Where a consumer is, by what is durable of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredConsumer {
    /// Its name.
    pub name: String,
    /// Everything up to here is done.
    pub position: Position,
    /// Everything up to here is done, but for events that have failed, and what waits for them.
    pub through: Position,
    /// Events that have failed and will be tried again.
    pub retrying: usize,
    /// Whether it is paused.
    pub paused: bool,
}

impl<B: EventStore> Store<B> {
    /// The consumers that have run on this store, by name, as their last checkpoint has them: a consumer that runs may be further.
    ///
    /// ```
    /// use orchestrix::prelude::*;
    /// let store = Store::in_memory();
    /// let consumer = Consumer::named("mailer").handle(|_: Delivery| Ok(Ack)).start(&store)?;
    /// consumer.shutdown(std::time::Duration::from_secs(10)).wait()?;
    /// let [mailer] = &store.consumers().wait()?[..] else { panic!("there is one") };
    /// assert_eq!((mailer.name.as_str(), mailer.position), ("mailer", Position(0)));
    /// # Ok::<(), orchestrix::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Corrupt`: a checkpoint is damaged, or counts events that the store doesn't have.
    pub fn consumers(&self) -> Pending<Vec<StoredConsumer>> {
        let store: Arc<dyn EventStore> = self.shared().clone();
        Pending::new(async move {
            let mut names = store.consumers().await?;
            names.sort();
            let mut found = Vec::with_capacity(names.len());
            for name in names {
                let Some(checkpoint) = store.checkpoint(&name).await? else { continue };
                let progress =
                    start::newest(store.clone(), name.as_str().into()).await?.progress.unwrap_or_default();
                let failed = progress.waiting.iter().filter(|waiting| waiting.failed > 0).count();
                found.push(StoredConsumer {
                    name,
                    position: checkpoint.low,
                    through: Position(progress.through),
                    retrying: failed,
                    paused: progress.is_paused,
                });
            }
            Ok(found)
        })
    }

    /// Has a consumer go on behind a position when it is started next, whatever it has done before: [`Position::START`] for
    /// everything that is there. Its dead letters stay. It must not run.
    ///
    /// # Errors
    /// `Locked`: it runs. `Ahead`: there is no such position. `Corrupt`: its checkpoint is damaged; it can be forgotten
    /// ([`EventStore::forget_checkpoint`]). `Invalid`: no name of a consumer, or the store is read-only.
    pub fn reset_consumer(&self, name: impl Into<String>, position: Position) -> Pending<()> {
        let (store, name): (Arc<dyn EventStore>, String) = (self.shared().clone(), name.into());
        Pending::new(async move {
            let _lease = store.lease(&name, Partition::WHOLE).await?;
            let generation = start::newest(store.clone(), name.as_str().into()).await?.generation + 1;
            let progress =
                Progress { generation, through: position.0, is_clean: true, ..Progress::default() };
            let checkpoint = Checkpoint::new(position, position, progress.encode()?);
            store.save_checkpoint(&name, checkpoint).await
        })
    }
}
