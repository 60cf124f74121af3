//! The dead letters of a store, as its user sees them.

use super::engine::Engine;
use super::letter::DeadLetter;
use super::letters;
use crate::error::Error;
use crate::event::EventId;
use crate::pending::Pending;
use crate::store::{EventStore, Store};
use std::fmt;
use std::sync::Arc;

/// The events that consumers gave up on: listed, counted, handled again, discarded. They survive restarts, and listing removes none.
#[derive(Clone)]
pub struct DeadLetters {
    log: Result<Arc<dyn EventStore>, Error>,
    consumer: Option<String>,
    /// Only those of this event, and for a reason that has this in it.
    event: Option<EventId>,
    reason: Option<String>,
    engine: Option<Arc<Engine>>,
}

impl<B: EventStore> Store<B> {
    /// The events that the consumers of this store gave up on.
    ///
    /// ```
    /// use orchestrix::{RetryPolicy, prelude::*};
    /// let store = Store::in_memory();
    /// let broken = Consumer::named("mailer")
    ///     .retry(RetryPolicy::none())
    ///     .handle(|_: Delivery| Err("no route".into()))
    ///     .start(&store)?;
    /// let placed = store.append("order-1", NoStream, NewEvent::raw("placed", b"{}")).wait()?;
    /// broken.wait_for(placed.position()).wait()?;
    /// let letters = store.dead_letters().of("mailer").list().wait()?;
    /// assert_eq!((letters[0].reason.as_str(), letters[0].event().stream()), ("no route", "order-1"));
    /// # Ok::<(), orchestrix::Error>(())
    /// ```
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters {
            log: self.backend().dead_letters(),
            consumer: None,
            event: None,
            reason: None,
            engine: None,
        }
    }
}

impl DeadLetters {
    pub(super) fn of_running(engine: &Arc<Engine>) -> Self {
        let consumer = Some(engine.name.to_string());
        let (log, engine) = (engine.store.dead_letters(), Some(engine.clone()));
        Self { log, consumer, event: None, reason: None, engine }
    }

    /// Only those of a consumer.
    #[must_use]
    pub fn of(self, consumer: impl Into<String>) -> Self {
        let consumer = consumer.into();
        let engine = self.engine.filter(|engine| *engine.name == *consumer);
        Self { consumer: Some(consumer), engine, ..self }
    }

    /// Only those of the event with this id: one for each consumer that gave up on it.
    #[must_use]
    pub fn event(self, id: impl Into<EventId>) -> Self {
        Self { event: Some(id.into()), ..self }
    }

    /// Only those whose reason has this text in it.
    #[must_use]
    pub fn reason(self, text: impl Into<String>) -> Self {
        Self { reason: Some(text.into()), ..self }
    }

    fn is_asked(&self, letter: &DeadLetter) -> bool {
        self.event.as_ref().is_none_or(|id| letter.event_id == *id)
            && self.reason.as_ref().is_none_or(|text| letter.reason.contains(text.as_str()))
    }

    fn is_narrowed(&self) -> bool {
        self.event.is_some() || self.reason.is_some()
    }

    /// All that are open, by consumer, and in the order in which they would be redriven.
    ///
    /// # Errors
    /// `Unsupported`: the store keeps none. `Corrupt`: their log is damaged. `Limit`: they don't fit into memory.
    pub fn list(&self) -> Pending<Vec<DeadLetter>> {
        let asked = self.clone();
        Pending::new(async move {
            let mut letters = letters::list(asked.log.clone()?, asked.consumer.clone()).await?;
            letters.retain(|letter| asked.is_asked(letter));
            Ok(letters)
        })
    }

    /// How many are open.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn count(&self) -> Pending<u64> {
        let asked = self.clone();
        Pending::new(async move {
            match asked.is_narrowed() {
                true => Ok(asked.list().await?.len() as u64),
                false => letters::count(asked.log.clone()?, asked.consumer).await,
            }
        })
    }

    /// Handles one again, at one attempt. It is gone from the dead letters once that was acknowledged.
    ///
    /// # Errors
    /// `Invalid`: there is none of an event with this id, or no consumer runs here that would handle it: ask
    /// [`RunningConsumer::dead_letters`](crate::RunningConsumer::dead_letters). `Other`: the handler has failed again, and the
    /// letter stays.
    pub fn redrive(&self, id: &EventId) -> Pending<()> {
        let id = id.clone();
        let (before, asked) = (self.clone(), self.ask(Some(vec![id.clone()])));
        Pending::new(async move {
            if asked.await? > 0 {
                return Ok(());
            }
            let letters = before.list().await?;
            match letters.iter().find(|letter| letter.event_id == id) {
                None => Err(no_letter(&id)),
                Some(letter) => {
                    let last = before.engine.and_then(|engine| engine.look(|state| state.last_error.clone()));
                    let why = last.unwrap_or_default();
                    Err(Error::other(format!("dead letter {} of {:?} stays: {why}", id, letter.consumer)))
                }
            }
        })
    }

    /// Handles all again, or those that it was narrowed to, in order, each at one attempt. One that fails stays, and so do the later
    /// ones of its stream. Says how many were acknowledged.
    ///
    /// # Errors
    /// `Invalid`: as [`redrive`](Self::redrive). Those of the dead-letter log.
    pub fn redrive_all(&self) -> Pending<u64> {
        if !self.is_narrowed() {
            return self.ask(None);
        }
        let asked = self.clone();
        Pending::new(async move {
            let letters = asked.list().await?;
            asked.ask(Some(letters.into_iter().map(|letter| letter.event_id).collect())).await
        })
    }

    fn ask(&self, ids: Option<Vec<EventId>>) -> Pending<u64> {
        let Some(engine) = &self.engine else {
            let what =
                "dead letters are redriven by a consumer that runs: ask `RunningConsumer::dead_letters`";
            return Pending::ready(Err(Error::invalid(what)));
        };
        let reply = engine.with(|state| state.redrive(ids));
        Pending::new(reply.get())
    }

    /// Forgets those of the event with this id, unhandled.
    ///
    /// # Errors
    /// `Invalid`: there is none. Those of the dead-letter log.
    pub fn discard(&self, id: &EventId) -> Pending<()> {
        let id = id.clone();
        let (letters, by_id) = (self.clone(), id.clone());
        Pending::new(async move {
            match letters.discard_if(move |letter| letter.event_id == by_id).await? {
                0 => Err(no_letter(&id)),
                _ => Ok(()),
            }
        })
    }

    /// Forgets all, or those that it was narrowed to, unhandled. Says how many.
    ///
    /// # Errors
    /// Those of the dead-letter log.
    pub fn discard_all(&self) -> Pending<u64> {
        let letters = self.clone();
        Pending::new(async move { letters.discard_if(|_| true).await })
    }

    async fn discard_if(
        &self,
        is_asked: impl Fn(&DeadLetter) -> bool + Send + 'static,
    ) -> Result<u64, Error> {
        let narrowed = self.clone();
        let is_asked = move |letter: &DeadLetter| narrowed.is_asked(letter) && is_asked(letter);
        let count = letters::discard(self.log.clone()?, self.consumer.clone(), is_asked).await?;
        if let Some(engine) = &self.engine {
            engine.with(|state| {
                state.parking.look_again();
                state.refresh();
            });
        }
        Ok(count)
    }
}

fn no_letter(id: &EventId) -> Error {
    Error::invalid(format!("there is no open dead letter of an event with the id {id}"))
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters")
            .field("consumer", &self.consumer)
            .field("event", &self.event)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
