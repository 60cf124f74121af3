//! Requests to consumers that are kept until they are executed: what the process that runs a consumer is asked for by others.

use super::record;
use crate::Position;
use crate::error::Error;
use crate::event::EventId;
use crate::limits::REQUEST_BYTES_MAX;
use crate::pending::Pending;
use crate::store::{EventStore, Store};
use std::fmt;
use std::sync::Arc;

/// What a request may take in memory, and an answer.
const DECODED_BYTES_MAX: usize = 4 * REQUEST_BYTES_MAX;

const PAUSE: u8 = 0;
const RESUME: u8 = 1;
const RESET: u8 = 2;
const REDRIVE: u8 = 3;
const DISCARD: u8 = 4;

/// What a consumer may be asked for by another process, or by another part of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsumerRequest {
    /// [`RunningConsumer::pause`](crate::RunningConsumer::pause).
    Pause,
    /// [`RunningConsumer::resume`](crate::RunningConsumer::resume).
    Resume,
    /// [`RunningConsumer::reset`](crate::RunningConsumer::reset).
    Reset(Position),
    /// Handles dead letters again: those of the events with these ids, or all.
    Redrive(Option<Vec<EventId>>),
    /// Forgets dead letters, unhandled: those of the events with these ids, or all.
    Discard(Option<Vec<EventId>>),
}

/// As it is kept: what it is, a position, ids.
type Stored = (u8, u64, Option<Vec<String>>);

impl ConsumerRequest {
    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        let texts = |ids: &Option<Vec<EventId>>| {
            ids.as_ref().map(|ids| ids.iter().map(EventId::to_string).collect::<Vec<_>>())
        };
        let stored: Stored = match self {
            Self::Pause => (PAUSE, 0, None),
            Self::Resume => (RESUME, 0, None),
            Self::Reset(position) => (RESET, position.0, None),
            Self::Redrive(ids) => (REDRIVE, 0, texts(ids)),
            Self::Discard(ids) => (DISCARD, 0, texts(ids)),
        };
        record::encode(&stored)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (kind, position, ids) =
            record::decode::<Stored, DECODED_BYTES_MAX>(&"a request to a consumer", bytes)?;
        let ids = ids.map(|ids| ids.into_iter().map(EventId::from).collect());
        match kind {
            PAUSE => Ok(Self::Pause),
            RESUME => Ok(Self::Resume),
            RESET => Ok(Self::Reset(Position(position))),
            REDRIVE => Ok(Self::Redrive(ids)),
            DISCARD => Ok(Self::Discard(ids)),
            later => Err(Error::unsupported(format!("a request of kind {later}, known are 0 to {DISCARD}"))),
        }
    }
}

/// What came of a request: the dead letters that it was about, or why it wasn't done.
pub(super) fn encode_answer(outcome: &Result<u64, Error>) -> Result<Vec<u8>, Error> {
    let stored = match outcome {
        Ok(count) => (true, *count, String::new()),
        Err(error) => (false, 0, error.to_string()),
    };
    record::encode(&stored)
}

fn decode_answer(bytes: &[u8]) -> Result<Result<u64, Error>, Error> {
    let (is_done, count, why) =
        record::decode::<(bool, u64, String), DECODED_BYTES_MAX>(&"an answer of a consumer", bytes)?;
    Ok(if is_done { Ok(count) } else { Err(Error::other(why)) })
}

impl<B: EventStore> Store<B> {
    /// Asks a consumer for something, whoever runs it: the process that does executes it within about a second, or the next one
    /// when it starts the consumer. Also on a store that was opened to be read beside the process that writes. Its `Ok` says that
    /// the request is kept, over power loss too; [`Requested::outcome`] says what came of it. It is executed at least once: twice
    /// if the process ends before it could say so.
    ///
    /// ```
    /// use orchestrix::{ConsumerRequest, prelude::*};
    /// let store = Store::in_memory();
    /// let consumer = Consumer::named("mailer").handle(|_: Delivery| Ok(Ack)).start(&store)?;
    /// let asked = store.request("mailer", ConsumerRequest::Pause).wait()?;
    /// while asked.outcome().wait()?.is_none() {
    ///     std::thread::sleep(std::time::Duration::from_millis(10));
    /// }
    /// assert!(consumer.status().paused);
    /// asked.forget().wait()?;
    /// # Ok::<(), orchestrix::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid`, `Limit`: no name of a consumer, or too many ids. `Unsupported`: the store keeps no requests. `DiskFull`, `Io`.
    pub fn request(&self, consumer: impl Into<String>, request: ConsumerRequest) -> Pending<Requested> {
        let (store, consumer): (Arc<dyn EventStore>, String) = (self.shared().clone(), consumer.into());
        let sent = match request.encode() {
            Ok(data) => store.send_request(&consumer, data),
            Err(error) => Pending::ready(Err(error)),
        };
        Pending::new(async move {
            let id = sent.await?;
            Ok(Requested { store, consumer, id })
        })
    }
}

/// A request that was sent.
#[derive(Clone)]
pub struct Requested {
    store: Arc<dyn EventStore>,
    consumer: String,
    id: u64,
}

impl Requested {
    /// What came of it, if it was executed: how many dead letters it was about, or why it wasn't done.
    ///
    /// # Errors
    /// `Invalid`: it was removed. Those of reading it.
    pub fn outcome(&self) -> Pending<Option<Result<u64, Error>>> {
        let Self { store, consumer, id } = self.clone();
        Pending::new(async move {
            match store.requests(&consumer).await?.into_iter().find(|request| request.id == id) {
                Some(request) => request.answer.as_deref().map(decode_answer).transpose(),
                None => Err(Error::invalid(format!("request {id} to consumer {consumer:?} is not there"))),
            }
        })
    }

    /// Removes it: whoever has seen its outcome needs it no more, and one that wasn't executed yet won't be.
    ///
    /// # Errors
    /// `Io`.
    pub fn forget(&self) -> Pending<()> {
        self.store.remove_request(&self.consumer, self.id)
    }
}

impl fmt::Debug for Requested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requested")
            .field("consumer", &self.consumer)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_are_read_as_they_were_written() {
        let ids = || Some(vec![EventId::from("a"), EventId::from("018f0000-0000-7000-8000-000000000000")]);
        let requests = [
            ConsumerRequest::Pause,
            ConsumerRequest::Resume,
            ConsumerRequest::Reset(Position(u64::MAX)),
            ConsumerRequest::Redrive(None),
            ConsumerRequest::Discard(ids()),
            ConsumerRequest::Redrive(ids()),
        ];
        for request in requests {
            let bytes = request.encode().expect("bytes");
            assert_eq!(ConsumerRequest::decode(&bytes).expect("whole"), request);
            for length in 0..bytes.len() {
                assert!(ConsumerRequest::decode(&bytes[..length]).is_err(), "{length} bytes of {request:?}");
            }
        }
        let answer = encode_answer(&Ok(7)).expect("bytes");
        assert_eq!(decode_answer(&answer).expect("whole").expect("done"), 7);
        let refused = encode_answer(&Err(Error::other("no letter"))).expect("bytes");
        let why = decode_answer(&refused).expect("whole").expect_err("not done");
        assert_eq!(why.to_string(), "no letter");
    }

    #[test]
    fn what_a_later_program_asks_for_is_refused() {
        let later = record::encode(&(9_u8, 0_u64, None::<Vec<String>>));
        let error = ConsumerRequest::decode(&later.expect("bytes")).expect_err("kind 9");
        assert!(error.is_unsupported() && error.to_string().contains("kind 9"), "{error}");
        assert!(ConsumerRequest::decode(&[2, 0]).expect_err("version 2").is_unsupported());
    }
}
