//! One event at one attempt, as a handler gets it.

use crate::error::Error;
use crate::event::{Event, EventRef, NewEvent, RecordedEvent};
use crate::store::Kept;
use crate::{Position, Revision};
use parking_lot::Mutex;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What a handler may ask for: a type of events, [`Raw`], or [`RecordedEvent`].
pub trait FromEvent: Sized + Send + Sync + 'static {
    /// Makes it of an event.
    ///
    /// # Errors
    /// If the event isn't what this is made of: it is given up at once.
    fn from_event(event: EventRef<'_>) -> Result<Self, Error>;
}

impl<E: Event> FromEvent for E {
    fn from_event(event: EventRef<'_>) -> Result<Self, Error> {
        E::decode(event)
    }
}

/// Nothing is decoded: the delivery lends the bytes ([`Delivery::event`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw;

impl FromEvent for Raw {
    fn from_event(_: EventRef<'_>) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl FromEvent for RecordedEvent {
    fn from_event(event: EventRef<'_>) -> Result<Self, Error> {
        Ok(event.to_recorded())
    }
}

/// Events that one handler emits, by stream.
pub(super) type Staged = Vec<(String, Vec<NewEvent<'static>>)>;

/// Where a delivery comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Log,
    /// A dead letter that is redriven, by its number.
    Letter(u64),
}

/// What the consumer knows of a delivery.
pub(super) struct Ticket {
    pub(super) kept: Kept,
    pub(super) consumer: Arc<str>,
    pub(super) attempt: u32,
    pub(super) first_failure: i64,
    pub(super) origin: Origin,
    pub(super) position: u64,
    /// Whether the store commits progress with events.
    pub(super) emits: bool,
    key: OnceLock<String>,
    /// `None` once the handler has answered.
    staged: Mutex<Option<Staged>>,
}

impl Ticket {
    pub(super) fn new(
        kept: Kept,
        consumer: &Arc<str>,
        attempt: u32,
        first_failure: i64,
        origin: Origin,
        emits: bool,
    ) -> Self {
        let (key, staged, position) =
            (OnceLock::new(), Mutex::new(Some(Vec::new())), kept.event().position().0);
        Self {
            kept,
            consumer: consumer.clone(),
            attempt,
            first_failure,
            origin,
            position,
            emits,
            key,
            staged,
        }
    }

    /// The handler has answered: what it has emitted, and nothing more is taken.
    pub(super) fn close(&self) -> Staged {
        self.staged.lock().take().unwrap_or_default()
    }
}

/// One event, at one attempt: owned, and shares the batch that it came in, so nothing was copied.
pub struct Delivery<E = Raw> {
    ticket: Arc<Ticket>,
    data: E,
}

impl<E: FromEvent> Delivery<E> {
    pub(super) fn new(ticket: &Arc<Ticket>) -> Result<Self, Error> {
        Ok(Self { data: E::from_event(ticket.kept.event())?, ticket: ticket.clone() })
    }
}

impl<E> Delivery<E> {
    /// The data.
    pub fn data(&self) -> &E {
        &self.data
    }

    /// The data, without the rest.
    pub fn into_data(self) -> E {
        self.data
    }

    /// The event as it is stored.
    pub fn event(&self) -> EventRef<'_> {
        self.ticket.kept.event()
    }

    /// The stream that it belongs to.
    pub fn stream(&self) -> &str {
        self.event().stream()
    }

    /// Its place in its stream.
    pub fn revision(&self) -> Revision {
        self.event().revision()
    }

    /// Its place in the whole log.
    pub fn position(&self) -> Position {
        self.event().position()
    }

    /// Which attempt this is, from 1 on. A redrive counts from 1 again. After a crash the number may be one that was used before.
    pub fn attempt(&self) -> u32 {
        self.ticket.attempt
    }

    /// The same text at every attempt, also after a restart or a redrive, and no other delivery's: for who acts on the world
    /// outside, and has to know what it has done before.
    pub fn idempotency_key(&self) -> &str {
        let ticket = &self.ticket;
        ticket.key.get_or_init(|| format!("{}/{}", ticket.consumer, self.event().id()))
    }

    /// Adds events to a stream, whatever it is, if the handler answers `Ack`: they and the progress of this consumer become one
    /// commit, so they are there exactly once, also after a crash. Any other answer discards them. An event that has no
    /// causation id, or no correlation id, gets those that say that it follows from this one.
    ///
    /// # Errors
    /// `Invalid`: an event that may not be written, or the handler has answered already. `Unsupported`: the store doesn't commit
    /// progress.
    pub fn emit<'e>(&self, stream: impl AsRef<str>, events: impl AsRef<[NewEvent<'e>]>) -> Result<(), Error> {
        if !self.ticket.emits {
            return Err(Error::unsupported(
                "events that a consumer emits: the store doesn't commit progress",
            ));
        }
        let follows: Vec<_> =
            events.as_ref().iter().map(|event| event.clone().following(self.event()).into_owned()).collect();
        follows.iter().try_for_each(NewEvent::check)?;
        match &mut *self.ticket.staged.lock() {
            Some(staged) => staged.push((stream.as_ref().to_owned(), follows)),
            None => return Err(Error::invalid("emit: the handler has answered already")),
        }
        Ok(())
    }
}

impl<E: fmt::Debug> fmt::Debug for Delivery<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("event", &self.event())
            .field("attempt", &self.attempt())
            .field("data", &self.data)
            .finish()
    }
}
