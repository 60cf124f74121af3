//! What a consumer gives up on goes to the dead letters: an event counts as finished once that is durable.

use super::delivery::{Origin, Ticket};
use super::engine::Engine;
use super::letter::Record;
use super::letters::{self, Letters};
use super::order::Order;
use super::outcome::{GiveUp, WhenFull};
use super::schedule::Next;
use super::state::{State, poll};
use super::trim::{TRIM_AFTER, Trim};
use crate::error::Error;
use crate::medium::bug;
use crate::pending::Pending;
use crate::store::{Batch, EventStore, Kept, Receipt};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Parking {
    log: Result<Arc<dyn EventStore>, Error>,
    pub(super) letters: Letters,
    reading: Option<Pending<Batch>>,
    /// The log may have more than was read.
    is_stale: bool,
    /// The event whose stream has letters, as of the last look.
    checked: Option<u64>,
    /// Letters that are written, by the position of their event, with their bytes.
    writing: Vec<(u64, u64, Pending<Receipt>)>,
    /// Those that are, and weren't read yet: the same.
    written: Vec<(u64, u64)>,
    /// Letters that were redriven, as that is written.
    settling: Vec<(Vec<u64>, Pending<Receipt>)>,
    /// How many were, or were discarded, since the log was trimmed.
    settled: usize,
}

impl Parking {
    pub(super) fn new(log: Result<Arc<dyn EventStore>, Error>, letters: Letters) -> Self {
        Self {
            log,
            letters,
            reading: None,
            is_stale: false,
            checked: None,
            writing: Vec::new(),
            written: Vec::new(),
            settling: Vec::new(),
            settled: TRIM_AFTER - 1,
        }
    }

    pub(super) fn log(&self) -> Result<Arc<dyn EventStore>, Error> {
        self.log.clone()
    }

    /// Whether everything is written, and what was read of the log is up to date.
    pub(super) fn is_ready(&self) -> bool {
        self.reading.is_none() && !self.is_stale && self.writing.is_empty() && self.settling.is_empty()
    }

    /// Whether the log is yet to say that some of these letters, in ascending order, are done with.
    pub(super) fn is_settling(&self, numbers: &[u64]) -> bool {
        self.settling.iter().any(|(some, _)| some.iter().any(|number| numbers.binary_search(number).is_ok()))
    }

    /// Somebody else may have written to the log.
    pub(super) fn look_again(&mut self) {
        self.is_stale = true;
    }
}

/// What would be beyond its bound, if so many letters of so many bytes came to those that are open.
fn over(parking: &Parking, engine: &Engine, count: u64, bytes: u64) -> Option<Error> {
    let settings = &engine.settings;
    let beyond = |what: &str, max: u64, found: u64| {
        let what = || format!("{what} of consumer {:?}", engine.name);
        (found > max).then(|| Error::limit(what(), max, found))
    };
    beyond("open dead letters", settings.dead_letters_max, parking.letters.count() + count).or_else(|| {
        let bytes = parking.letters.bytes() + bytes;
        beyond("bytes of open dead letters", settings.dead_letter_bytes_max, bytes)
    })
}

impl State {
    pub(super) fn advance_parking(&mut self, engine: &Engine) -> Result<(), Error> {
        let Ok(log) = self.parking.log.clone() else { return Ok(()) };
        let parking = &mut self.parking;
        for (position, bytes, mut pending) in std::mem::take(&mut parking.writing) {
            match poll(&mut pending, &engine.waker) {
                Some(receipt) => {
                    receipt?;
                    parking.written.push((position, bytes));
                    parking.is_stale = true;
                }
                None => parking.writing.push((position, bytes, pending)),
            }
        }
        for (numbers, mut pending) in std::mem::take(&mut parking.settling) {
            match poll(&mut pending, &engine.waker) {
                Some(receipt) => {
                    receipt?;
                    self.emissions.forget(&numbers);
                    (parking.is_stale, parking.settled) = (true, parking.settled + numbers.len());
                }
                None => parking.settling.push((numbers, pending)),
            }
        }
        loop {
            if parking.reading.is_none() && std::mem::take(&mut parking.is_stale) {
                parking.reading = Some(parking.letters.ask(&*log));
            }
            let Some(pending) = &mut parking.reading else { break };
            let Some(batch) = poll(pending, &engine.waker) else { return Ok(()) };
            let caught_up = match batch {
                Ok(batch) => parking.letters.take(&batch)?,
                Err(error) if error.is_truncated() => {
                    // What it hadn't read was trimmed: none of its letters, but maybe what has closed them.
                    parking.letters = Letters::new(&engine.name);
                    false
                }
                Err(error) => return Err(error),
            };
            parking.reading = (!caught_up).then(|| parking.letters.ask(&*log));
        }
        if parking.settled >= TRIM_AFTER && parking.settling.is_empty() {
            parking.settled = 0;
            Trim::begin(&engine.clock, log);
        }
        for (position, _) in std::mem::take(&mut self.parking.written) {
            self.finish(position);
        }
        let settings = &engine.settings;
        if settings.when_full == WhenFull::DiscardOldest {
            let (count_max, bytes_max) = (settings.dead_letters_max, settings.dead_letter_bytes_max);
            let oldest = self.parking.letters.close_oldest(count_max, bytes_max);
            if !oldest.is_empty() {
                self.settle(engine, &oldest, false);
            }
        }
        Ok(())
    }

    /// Writes an event to the dead letters.
    pub(super) fn park(&mut self, engine: &Engine, ticket: &Ticket, reason: &str, errors: &[String]) {
        let position = ticket.position;
        let now = engine.clock.now();
        let record = Record {
            attempts: ticket.attempt,
            first_failure: if ticket.first_failure == 0 { now } else { ticket.first_failure },
            last_failure: now,
            handler_version: engine.settings.version.clone(),
            ..Record::new(ticket, reason, errors)
        };
        let (log, record) = match self.parking.log().and_then(|log| Ok((log, record.encode()?))) {
            Ok(found) => found,
            Err(error) => return self.cannot_park(position, error),
        };
        let event = ticket.kept.event();
        let bytes = Record::bytes(record.len(), event);
        if !self.make_room(engine, position, bytes) {
            return;
        }
        let pending = letters::keep(&*log, &engine.name, record, event);
        if bug!(engine.clock, park_unsynced) {
            drop(pending);
            return self.finish(position);
        }
        self.parking.writing.push((position, bytes, pending));
        self.refresh();
    }

    fn cannot_park(&mut self, position: u64, error: Error) {
        self.schedule.give_back(position);
        self.last_error = Some(error.to_string());
        self.stop(Duration::MAX, Err(error));
    }

    /// Whether one more dead letter of so many bytes may be written; if not, what is to be done then is done.
    fn make_room(&mut self, engine: &Engine, position: u64, bytes: u64) -> bool {
        let (settings, parking) = (&engine.settings, &self.parking);
        if settings.when_full == WhenFull::DiscardOldest {
            // Once it is written, and known how many there are.
            return true;
        }
        let writing = parking.writing.iter().map(|(_, bytes, _)| bytes);
        let unread = || writing.clone().chain(parking.written.iter().map(|(_, bytes)| bytes));
        let (count, bytes) = (1 + unread().count() as u64, bytes + unread().sum::<u64>());
        match over(parking, engine, count, bytes) {
            None => true,
            Some(error) if settings.when_full == WhenFull::Pause => {
                self.schedule.give_back(position);
                if !self.is_paused {
                    self.set_paused(true);
                }
                self.last_error = Some(error.to_string());
                false
            }
            Some(error) => {
                self.cannot_park(position, error);
                false
            }
        }
    }

    /// Later events of a stream that has dead letters follow them. `None` if this is one.
    pub(super) fn follow(&mut self, engine: &Engine, next: Next<Kept>) -> Option<Next<Kept>> {
        if self.parking.letters.has_position(next.position) {
            // An earlier run has written it, and has ended before it could say so.
            self.finish(next.position);
            self.refresh();
            return None;
        }
        let settings = &engine.settings;
        let follows = settings.give_up != GiveUp::ParkAlone && settings.order != Order::None;
        if !follows || !self.parking.letters.has(next.item.event().stream()) {
            return Some(next);
        }
        self.refresh();
        if self.parking.checked != Some(next.position) {
            // They may have been discarded since.
            self.parking.checked = Some(next.position);
            self.parking.look_again();
            self.schedule.give_back(next.position);
            return None;
        }
        let Next { item, attempt, first_failure, .. } = next;
        let tried = attempt - 1;
        let ticket = Ticket::new(item, &engine.name, tried, first_failure, Origin::Log, engine.emits);
        self.park(engine, &ticket, "it follows a dead letter of its stream", &[]);
        None
    }

    /// Letters were redriven, or are discarded: says so in the log.
    pub(super) fn settle(&mut self, engine: &Engine, numbers: &[u64], redriven: bool) {
        let Parking { log: Ok(log), settling, .. } = &mut self.parking else { return };
        for some in numbers.chunks(letters::SETTLED_MAX) {
            settling.push((some.to_vec(), letters::settle(&**log, &engine.name, some, redriven)));
        }
        self.refresh();
    }
}
