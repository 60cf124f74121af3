//! One dead letter: what is said of an event that was given up, and a copy of it.

use super::delivery::Ticket;
use super::record;
use crate::error::Error;
use crate::event::new::time_of;
use crate::event::{EventId, EventRef, RecordedEvent};
use crate::{Position, Revision};
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::SystemTime;

/// Bytes of a reason, and of each error, that are kept.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// A record holds some texts, and a place.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// What is said of an event that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) stream: String,
    pub(super) revision: u64,
    pub(super) position: u64,
    pub(super) commit_time: i64,
    pub(super) reason: String,
    pub(super) errors: Vec<String>,
    pub(super) attempts: u32,
    pub(super) first_failure: i64,
    pub(super) last_failure: i64,
    pub(super) handler_version: String,
}

/// As it is kept.
type Stored = ((String, u64, u64, i64), String, Vec<String>, (u32, i64, i64), String);

/// An event that a consumer gave up on, with what it failed with. It stays until a redrive of it is acknowledged, or it is discarded.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The id of the event.
    pub event_id: EventId,
    /// Who gave up on it.
    pub consumer: String,
    /// Why, in one line.
    pub reason: String,
    /// What the last attempt failed with, from the outside in: an error, its cause, the cause of that.
    pub errors: Vec<String>,
    /// How often it was tried; 0 if it only follows another one of its stream.
    pub attempts: u32,
    /// When the first attempt failed.
    pub first_failure: SystemTime,
    /// When the last one did.
    pub last_failure: SystemTime,
    /// The version that the handler was given ([`Consumer::version`](crate::Consumer::version)); empty if none.
    pub handler_version: String,
    /// Its number among the letters of its consumer: they are redriven in this order.
    pub number: u64,
    pub(super) event: RecordedEvent,
}

impl DeadLetter {
    /// The event as it was: a copy, which is there after retention has removed the original.
    pub fn event(&self) -> EventRef<'_> {
        self.event.as_ref()
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("consumer", &self.consumer)
            .field("number", &self.number)
            .field("event_id", &self.event_id)
            .field("reason", &self.reason)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// The beginning of a text, at most so many bytes of it.
fn cut(text: &str) -> String {
    let end = (0..=text.len().min(TEXT_BYTES_MAX)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

impl Record {
    pub(super) fn new(ticket: &Ticket, reason: &str, errors: &[String]) -> Self {
        let event = ticket.kept.event();
        Self {
            stream: event.stream().to_owned(),
            revision: event.revision().0,
            position: event.position().0,
            commit_time: event.commit().time(),
            reason: cut(reason),
            errors: errors.iter().map(|error| cut(error)).collect(),
            attempts: 0,
            first_failure: 0,
            last_failure: 0,
            handler_version: String::new(),
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        let place = (&self.stream, self.revision, self.position, self.commit_time);
        let times = (self.attempts, self.first_failure, self.last_failure);
        record::encode(&(place, &self.reason, &self.errors, times, &self.handler_version))
    }

    /// Bytes of a letter: of an encoded record, and of its event.
    pub(super) fn bytes(encoded: usize, event: EventRef<'_>) -> u64 {
        encoded as u64 + u64::from(event.length())
    }

    /// The record that an event of the dead-letter log holds.
    pub(super) fn decode(event: EventRef<'_>) -> Result<Self, Error> {
        let (place, reason, errors, times, handler_version) = decode::<Stored>(event)?;
        let (stream, revision, position, commit_time) = place;
        let (attempts, first_failure, last_failure) = times;
        Ok(Self {
            stream,
            revision,
            position,
            commit_time,
            reason,
            errors,
            attempts,
            first_failure,
            last_failure,
            handler_version,
        })
    }

    pub(super) fn letter(
        &self,
        consumer: &str,
        number: u64,
        copy: EventRef<'_>,
    ) -> Result<DeadLetter, Error> {
        let event = RecordedEvent::try_new(
            &self.stream,
            Revision(self.revision),
            Position(self.position),
            time_of(self.commit_time),
            &copy.to_new_event(),
        )?;
        Ok(DeadLetter {
            event_id: copy.id().to_event_id(),
            consumer: consumer.to_owned(),
            reason: self.reason.clone(),
            errors: self.errors.clone(),
            attempts: self.attempts,
            first_failure: time_of(self.first_failure),
            last_failure: time_of(self.last_failure),
            handler_version: self.handler_version.clone(),
            number,
            event,
        })
    }
}

/// Decodes the data of an event of the dead-letter log.
pub(super) fn decode<T: DeserializeOwned>(event: EventRef<'_>) -> Result<T, Error> {
    let (stream, revision) = (event.stream(), event.revision());
    let what = format_args!("dead-letter log, stream {stream:?}, revision {revision}");
    record::decode::<T, RECORD_BYTES_MAX>(&what, event.data())
}
