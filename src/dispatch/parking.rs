//! What a consumer gives up on goes to the dead letters: an event counts as finished once that is durable.

use super::delivery::{Origin, Ticket};
use super::engine::Engine;
use super::letter::Record;
use super::letters::{self, Letters};
use super::order::Order;
use super::outcome::GiveUp;
use super::schedule::Next;
use super::state::{State, poll};
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
    /// Letters that are written, by the position of their event.
    writing: Vec<(u64, Pending<Receipt>)>,
    /// Those that are, and weren't read yet.
    written: Vec<u64>,
    /// Letters that were redriven, as that is written.
    settling: Vec<(Vec<u64>, Pending<Receipt>)>,
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
        }
    }

    pub(super) fn log(&self) -> Result<Arc<dyn EventStore>, Error> {
        self.log.clone()
    }

    /// Whether everything is written, and what was read of the log is up to date.
    pub(super) fn is_ready(&self) -> bool {
        self.reading.is_none() && !self.is_stale && self.writing.is_empty() && self.settling.is_empty()
    }

    /// Somebody else may have written to the log.
    pub(super) fn look_again(&mut self) {
        self.is_stale = true;
    }
}

impl State {
    pub(super) fn advance_parking(&mut self, engine: &Engine) -> Result<(), Error> {
        let Ok(log) = self.parking.log.clone() else { return Ok(()) };
        let parking = &mut self.parking;
        for (position, mut pending) in std::mem::take(&mut parking.writing) {
            match poll(&mut pending, &engine.waker) {
                Some(receipt) => {
                    receipt?;
                    parking.written.push(position);
                    parking.is_stale = true;
                }
                None => parking.writing.push((position, pending)),
            }
        }
        for (numbers, mut pending) in std::mem::take(&mut parking.settling) {
            match poll(&mut pending, &engine.waker) {
                Some(receipt) => {
                    receipt?;
                    self.emissions.forget(&numbers);
                    parking.is_stale = true;
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
            let caught_up = parking.letters.take(&batch?)?;
            parking.reading = (!caught_up).then(|| parking.letters.ask(&*log));
        }
        for position in std::mem::take(&mut self.parking.written) {
            self.finish(position);
        }
        Ok(())
    }

    /// Writes an event to the dead letters.
    pub(super) fn park(&mut self, engine: &Engine, ticket: &Ticket, reason: &str, errors: &[String]) {
        let position = ticket.position;
        let max = engine.settings.dead_letters_max;
        let open = self.parking.letters.count() + self.parking.writing.len() as u64;
        let log = match &self.parking.log {
            Ok(log) if open < max => log.clone(),
            found => {
                let what = || format!("open dead letters of consumer {:?}", engine.name);
                let error =
                    found.as_ref().err().cloned().unwrap_or_else(|| Error::limit(what(), max, open + 1));
                self.schedule.give_back(position);
                self.last_error = Some(error.to_string());
                return self.stop(Duration::MAX, Err(error));
            }
        };
        let now = engine.clock.now();
        let record = Record {
            attempts: ticket.attempt,
            first_failure: if ticket.first_failure == 0 { now } else { ticket.first_failure },
            last_failure: now,
            handler_version: engine.settings.version.clone(),
            ..Record::new(ticket, reason, errors)
        };
        let pending = letters::keep(&*log, &engine.name, &record, ticket.kept.event());
        if bug!(engine.clock, park_unsynced) {
            drop(pending);
            return self.finish(position);
        }
        self.parking.writing.push((position, pending));
        self.refresh();
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

    /// Letters were redriven: says so in the log.
    pub(super) fn settle(&mut self, engine: &Engine, numbers: Vec<u64>) {
        if let Ok(log) = &self.parking.log {
            let pending = letters::settle(&**log, &engine.name, &numbers, true);
            self.parking.settling.push((numbers, pending));
            self.refresh();
        }
    }
}
