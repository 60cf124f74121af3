//! Dead letters of a consumer: what is kept in the dead-letter log, and what of it is open. A letter is one commit of two events
//! in the stream of its consumer: what is said of it, and a copy of the event. What was redriven or discarded is told by later events.

use super::letter::{DeadLetter, Record, decode};
use super::record;
use crate::error::Error;
use crate::event::{EventId, EventRef, NewEvent, RecordedEvent};
use crate::expected::{Durability, Expected};
use crate::pending::Pending;
use crate::query::Query;
use crate::store::{Batch, Commit, EventStore, ReadRequest, Receipt, Write};
use crate::{Position, Revision};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Category of the streams of letters.
const CATEGORY: &str = "letters";
const LETTER: &str = "letter";
const REDRIVEN: &str = "redriven";
const DISCARDED: &str = "discarded";

pub(super) fn stream_of(consumer: &str) -> String {
    format!("{CATEGORY}-{consumer}")
}

/// Appends something to the letters of a consumer; its `Ok` survives power loss.
fn append(letters: &dyn EventStore, consumer: &str, events: &[NewEvent<'_>]) -> Pending<Receipt> {
    let stream = stream_of(consumer);
    letters.commit(Commit::new(&[Write::new(&stream, Expected::Any, events)], Durability::Power))
}

/// Most letters that one record says to be done with: it must fit into a commit of the smallest log, and be read back.
pub(super) const SETTLED_MAX: usize = 1_000;

/// Says that letters are done with, at most [`SETTLED_MAX`].
pub(super) fn settle(
    letters: &dyn EventStore,
    consumer: &str,
    numbers: &[u64],
    redriven: bool,
) -> Pending<Receipt> {
    match record::encode(numbers) {
        Ok(data) => {
            let event_type = if redriven { REDRIVEN } else { DISCARDED };
            append(letters, consumer, &[NewEvent::raw(event_type, data)])
        }
        Err(error) => Pending::ready(Err(error)),
    }
}

/// Keeps an event with what is said of it, an encoded record.
pub(super) fn keep(
    letters: &dyn EventStore,
    consumer: &str,
    record: Vec<u8>,
    event: EventRef<'_>,
) -> Pending<Receipt> {
    append(letters, consumer, &[NewEvent::raw(LETTER, record), event.to_new_event()])
}

/// What is open of the letters of some consumers, by consumer and number; what `visit` makes of each.
pub(super) struct Fold<T> {
    open: BTreeMap<(String, u64), T>,
    /// The record that the next event of a stream is the copy for, with its number and its bytes.
    before: HashMap<String, (u64, Record, usize)>,
    /// Positions that are open, by consumer: a letter that a crash has doubled counts once.
    positions: HashMap<String, HashSet<u64>>,
}

impl<T> Fold<T> {
    pub(super) fn new() -> Self {
        Self { open: BTreeMap::new(), before: HashMap::new(), positions: HashMap::new() }
    }

    /// Takes in the next event of the dead-letter log. Returns what is done with by it.
    pub(super) fn take(
        &mut self,
        event: EventRef<'_>,
        visit: impl FnOnce(&Record, &str, (u64, u64), EventRef<'_>) -> Result<T, Error>,
        position_of: impl Fn(&T) -> u64,
    ) -> Result<Vec<T>, Error> {
        let stream = event.stream();
        let Some(consumer) = stream.strip_prefix(CATEGORY).and_then(|rest| rest.strip_prefix('-')) else {
            return Ok(Vec::new());
        };
        if let Some((number, record, bytes)) = self.before.remove(stream) {
            if self.positions.entry(consumer.to_owned()).or_default().insert(record.position) {
                let made = visit(&record, consumer, (number, Record::bytes(bytes, event)), event)?;
                self.open.insert((consumer.to_owned(), number), made);
            }
            return Ok(Vec::new());
        }
        let mut closed = Vec::new();
        match event.event_type() {
            LETTER => {
                let record = (event.revision().0, Record::decode(event)?, event.data().len());
                self.before.insert(stream.to_owned(), record);
            }
            REDRIVEN | DISCARDED => {
                for number in decode::<Vec<u64>>(event)? {
                    closed.extend(self.close(consumer, number, &position_of));
                }
            }
            other => {
                return Err(Error::unsupported(format!("a record of type {other:?} in the dead-letter log")));
            }
        }
        Ok(closed)
    }

    /// A letter isn't open any more.
    fn close(&mut self, consumer: &str, number: u64, position_of: impl Fn(&T) -> u64) -> Option<T> {
        let done = self.open.remove(&(consumer.to_owned(), number))?;
        if let Some(positions) = self.positions.get_mut(consumer) {
            positions.remove(&position_of(&done));
        }
        Some(done)
    }
}

/// All letters of a consumer, or of all, that are open, in order.
pub(super) async fn list(
    letters: Arc<dyn EventStore>,
    consumer: Option<String>,
) -> Result<Vec<DeadLetter>, Error> {
    let visit = |record: &Record, consumer: &str, (number, _), copy: EventRef<'_>| {
        record.letter(consumer, number, copy)
    };
    let (open, _) = open(&*letters, consumer, visit, |letter| letter.event().position().0).await?;
    Ok(open.into_values().collect())
}

/// How many letters of a consumer, or of all, are open.
pub(super) async fn count(letters: Arc<dyn EventStore>, consumer: Option<String>) -> Result<u64, Error> {
    let (open, _) =
        open(&*letters, consumer, |record, _, _, _| Ok(record.position), |position| *position).await?;
    Ok(open.len() as u64)
}

/// Forgets the letters that are asked for, unhandled. Says how many there were.
pub(super) async fn discard(
    letters: Arc<dyn EventStore>,
    consumer: Option<String>,
    is_asked: impl Fn(&DeadLetter) -> bool,
) -> Result<u64, Error> {
    let mut numbers = BTreeMap::<String, Vec<u64>>::new();
    for letter in list(letters.clone(), consumer).await?.iter().filter(|letter| is_asked(letter)) {
        numbers.entry(letter.consumer.clone()).or_default().push(letter.number);
    }
    for (consumer, numbers) in &numbers {
        for some in numbers.chunks(SETTLED_MAX) {
            settle(&*letters, consumer, some, false).await?;
        }
    }
    if !numbers.is_empty() {
        // They are discarded, whether there is room for others now or not.
        let _ = trim(letters).await;
    }
    Ok(numbers.values().map(|numbers| numbers.len() as u64).sum())
}

/// What `visit` makes of each open letter, by consumer and number; and how far was read.
async fn open<T>(
    letters: &dyn EventStore,
    consumer: Option<String>,
    visit: impl Fn(&Record, &str, (u64, u64), EventRef<'_>) -> Result<T, Error>,
    position_of: impl Fn(&T) -> u64,
) -> Result<(BTreeMap<(String, u64), T>, Position), Error> {
    let begin = || (Fold::new(), Reader::new(consumer.as_deref()));
    let (mut fold, mut reader) = begin();
    loop {
        let batch = match reader.ask(letters).await {
            Ok(batch) => batch,
            Err(error) if error.is_truncated() => {
                // What was read so far was trimmed meanwhile.
                (fold, reader) = begin();
                continue;
            }
            Err(error) => return Err(error),
        };
        for event in &batch {
            fold.take(event, &visit, &position_of)?;
        }
        if reader.turn(&batch) {
            return Ok((fold.open, reader.request.after));
        }
    }
}

/// Lets go of what no open letter of any consumer needs: what stands before the first of them.
pub(super) async fn trim(letters: Arc<dyn EventStore>) -> Result<(), Error> {
    let visit = |record: &Record, _: &str, _, copy: EventRef<'_>| {
        // The record stands before the copy.
        Ok((record.position, Position(copy.position().0.saturating_sub(1))))
    };
    let (open, read) = open(&*letters, None, visit, |(position, _)| *position).await?;
    let first = open.values().map(|(_, position)| *position).min();
    letters.trim(first.unwrap_or(Position(read.0.saturating_add(1)))).await
}

/// The event that a letter is a copy of, as it was; `None` if the letter was discarded and is gone.
pub(super) async fn load(
    letters: Arc<dyn EventStore>,
    consumer: Arc<str>,
    number: u64,
) -> Result<Option<RecordedEvent>, Error> {
    let mut request = ReadRequest::new(Query::stream(stream_of(&consumer)));
    (request.from, request.limit) = (Some(Revision(number)), 2);
    let batch = match letters.read(&request).await {
        Err(error) if error.is_truncated() => return Ok(None),
        read => read?,
    };
    let mut events = batch.iter();
    let (Some(record), Some(copy)) = (events.next(), events.next()) else { return Ok(None) };
    Ok(Some(Record::decode(record)?.letter(&consumer, number, copy)?.event))
}

/// Reads the letters of a consumer, or of all, on from where it was.
struct Reader {
    request: ReadRequest,
}

impl Reader {
    fn new(consumer: Option<&str>) -> Self {
        let query = match consumer {
            Some(consumer) => Query::stream(stream_of(consumer)),
            None => Query::category(CATEGORY),
        };
        Self { request: ReadRequest::new(query) }
    }

    fn ask(&self, letters: &dyn EventStore) -> Pending<Batch> {
        letters.read(&self.request)
    }

    /// Whether nothing is left behind a batch.
    fn turn(&mut self, batch: &Batch) -> bool {
        self.request.after = self.request.after.max(batch.through());
        batch.is_caught_up()
    }
}

/// An open letter, as its consumer knows it.
pub(super) struct Open {
    position: u64,
    bytes: u64,
    pub(super) stream: Arc<str>,
    pub(super) id: EventId,
}

/// The letters of a consumer that runs.
pub(super) struct Letters {
    consumer: Arc<str>,
    reader: Reader,
    fold: Fold<Open>,
    /// How many open letters each stream has.
    streams: HashMap<Arc<str>, u64>,
    /// Bytes of those that are open.
    bytes: u64,
}

impl Letters {
    pub(super) fn new(consumer: &Arc<str>) -> Self {
        let (reader, fold) = (Reader::new(Some(consumer)), Fold::new());
        Self { consumer: consumer.clone(), reader, fold, streams: HashMap::new(), bytes: 0 }
    }

    /// Asks for what the log has got since, from whomever.
    pub(super) fn ask(&self, letters: &dyn EventStore) -> Pending<Batch> {
        self.reader.ask(letters)
    }

    /// Takes in what was asked for. Whether nothing is left.
    pub(super) fn take(&mut self, batch: &Batch) -> Result<bool, Error> {
        for event in batch {
            let (streams, all) = (&mut self.streams, &mut self.bytes);
            let made = |record: &Record, _: &str, (_, bytes), copy: EventRef<'_>| {
                let stream: Arc<str> = record.stream.as_str().into();
                *streams.entry(stream.clone()).or_default() += 1;
                *all += bytes;
                Ok(Open { position: record.position, bytes, stream, id: copy.id().to_event_id() })
            };
            for closed in self.fold.take(event, made, |open| open.position)? {
                self.closed(&closed);
            }
        }
        Ok(self.reader.turn(batch))
    }

    fn closed(&mut self, closed: &Open) {
        self.bytes -= closed.bytes;
        if let Some(count) = self.streams.get_mut(&closed.stream) {
            *count -= 1;
            if *count == 0 {
                self.streams.remove(&closed.stream);
            }
        }
    }

    /// Takes the letters that are asked for for closed: their numbers.
    pub(super) fn close_asked(&mut self, is_asked: impl Fn(&Open) -> bool) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Some((number, _)) = self.next(numbers.last().map_or(0, |last| last + 1), &is_asked) {
            self.close(number);
            numbers.push(number);
        }
        numbers
    }

    fn close(&mut self, number: u64) {
        if let Some(closed) = self.fold.close(&self.consumer, number, |open| open.position) {
            self.closed(&closed);
        }
    }

    /// Takes the letters with the lowest numbers for closed until at most so many are left, of at most so many bytes: their
    /// numbers.
    pub(super) fn close_oldest(&mut self, count_max: u64, bytes_max: u64) -> Vec<u64> {
        let mut numbers = Vec::new();
        while self.count() > count_max || self.bytes > bytes_max {
            let Some((number, _)) = self.next(0, |_| true) else { break };
            self.close(number);
            numbers.push(number);
        }
        numbers
    }

    pub(super) fn count(&self) -> u64 {
        self.fold.open.len() as u64
    }

    /// Bytes of those that are open: records and events.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a stream has an open letter.
    pub(super) fn has(&self, stream: &str) -> bool {
        !self.streams.is_empty() && self.streams.contains_key(stream)
    }

    /// Whether there is an open letter of the event at a position.
    pub(super) fn has_position(&self, position: u64) -> bool {
        !self.streams.is_empty()
            && self.fold.positions.get(&*self.consumer).is_some_and(|open| open.contains(&position))
    }

    /// The first open letter from a number on that is asked for.
    pub(super) fn next(&self, from: u64, is_asked: impl Fn(&Open) -> bool) -> Option<(u64, &Open)> {
        let mut open = self.fold.open.range((self.consumer.to_string(), from)..);
        let ((_, number), found) = open.find(|(_, open)| is_asked(open))?;
        Some((*number, found))
    }
}
