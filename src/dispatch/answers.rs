//! What becomes of an event once its handler has answered, or hasn't.

use super::delivery::{Origin, Ticket};
use super::engine::Engine;
use super::handler::Answer;
use super::outcome::{GiveUp, Outcome, chain_of};
use super::state::State;
use crate::Position;
use crate::error::Error;
use std::sync::Arc;
use std::time::Duration;

impl State {
    /// Takes in how a call has ended.
    pub(super) fn answered(&mut self, engine: &Engine, ticket: &Arc<Ticket>, answer: Answer) {
        let staged = ticket.close();
        self.in_flight -= 1;
        if self.in_flight == 0 && !self.hands_out() {
            self.settled();
            self.refresh();
        }
        let is_letter = ticket.origin != Origin::Log;
        if !self.calls.is_empty() && self.calls.remove(&(ticket.position, is_letter)) == Some(None) {
            self.overdue -= 1;
        }
        if self.is_over() {
            return;
        }
        self.forget_started(ticket.position);
        if matches!(answer, Answer::Handled(Ok(_))) {
            self.counts_attempt(engine, false);
        }
        match answer {
            Answer::Handled(Ok(Outcome::Ack)) if !staged.is_empty() => {
                self.emissions.push(ticket, staged);
                self.refresh();
            }
            Answer::Handled(Ok(Outcome::Ack | Outcome::Skip)) => self.done(engine, ticket),
            Answer::Handled(Ok(Outcome::Retry(after))) => self.retry(engine, ticket, after),
            Answer::Handled(Ok(Outcome::Park(reason))) => self.give_up(engine, ticket, &reason, &[], true),
            Answer::Handled(Ok(Outcome::Stop)) => {
                self.not_handled(ticket);
                let what = format!("the handler of consumer {:?} has stopped it", engine.name);
                self.last_error = Some(what.clone());
                let at = Position(ticket.position);
                let error = Error::invalid(format!("{what}, at position {at}"));
                self.stop(Duration::MAX, Err(error));
            }
            Answer::Handled(Err(error)) => self.failed(engine, ticket, &chain_of(&error)),
            Answer::Panicked(message) => {
                self.failed(engine, ticket, &[format!("the handler panicked: {message}")]);
            }
            Answer::Undecoded(error) => {
                let errors = chain_of(&error.into());
                self.last_error = errors.first().cloned();
                self.give_up(engine, ticket, "it can't be decoded", &errors, false);
            }
            Answer::Late => {
                let limit = engine.settings.deadline.unwrap_or_default();
                self.failed(engine, ticket, &[format!("no answer within {limit:?}")]);
            }
        }
    }

    /// An event is handled, or left out.
    pub(super) fn done(&mut self, engine: &Engine, ticket: &Ticket) {
        match ticket.origin {
            Origin::Log => self.finish(ticket.position),
            Origin::Letter(number) => self.redriven(engine, number),
        }
    }

    pub(super) fn finish(&mut self, position: u64) {
        self.schedule.finish(position);
        self.saver.finished();
    }

    /// An event that was handed out comes again as if it hadn't been.
    fn not_handled(&mut self, ticket: &Ticket) {
        match ticket.origin {
            Origin::Log => self.schedule.give_back(ticket.position),
            Origin::Letter(_) => self.redrive_failed(),
        }
    }

    fn retry(&mut self, engine: &Engine, ticket: &Ticket, after: Duration) {
        match ticket.origin {
            Origin::Log => {
                let due = self.now.saturating_add(after);
                self.schedule.fail(ticket.position, due, engine.clock.now());
                self.saver.changed();
            }
            Origin::Letter(_) => self.redrive_failed(),
        }
    }

    /// An attempt has failed.
    pub(super) fn failed(&mut self, engine: &Engine, ticket: &Ticket, errors: &[String]) {
        self.last_error = errors.first().cloned();
        if self.counts_attempt(engine, true) {
            return self.not_handled(ticket);
        }
        match engine.settings.retry.delay(ticket.attempt, ticket.position) {
            Some(delay) => self.retry(engine, ticket, delay),
            None => {
                let reason = errors.first().map_or("", String::as_str);
                self.give_up(engine, ticket, reason, errors, false);
            }
        }
    }

    /// Takes in an attempt for the breaker. Whether that has paused the consumer.
    fn counts_attempt(&mut self, engine: &Engine, has_failed: bool) -> bool {
        let Some(breaker) = engine.settings.breaker else { return false };
        if !self.breaker.trips(has_failed, breaker) || self.is_paused {
            return false;
        }
        self.set_paused(true);
        self.is_tripped = true;
        true
    }

    /// Hands out nothing more, or goes on.
    pub(super) fn set_paused(&mut self, paused: bool) {
        self.recall();
        self.breaker.reset();
        (self.is_paused, self.is_tripped) = (paused, false);
        self.saver.want();
        self.settled();
        self.refresh();
    }

    /// Whether it is paused, or isn't, and that is durable, with nothing under way in a pause; or the contrary was asked for, or
    /// has happened, meanwhile.
    pub(super) fn is_pause_over(&self, paused: bool) -> bool {
        let saved = self.saver.saved().is_some_and(|saved| saved.is_paused == paused);
        let is_still = !paused || self.in_flight == 0;
        self.is_paused != paused || is_still && saved && self.saver.is_idle()
    }

    /// No attempt is left; `is_told` if it is the handler who says so.
    fn give_up(&mut self, engine: &Engine, ticket: &Ticket, reason: &str, errors: &[String], is_told: bool) {
        if ticket.origin != Origin::Log {
            self.last_error = Some(reason.to_owned());
            return self.redrive_failed();
        }
        match engine.settings.give_up {
            GiveUp::Skip if !is_told => self.finish(ticket.position),
            GiveUp::Stop if !is_told => {
                self.not_handled(ticket);
                let (name, at) = (&engine.name, Position(ticket.position));
                let what = format!("consumer {name:?} gave up on the event at position {at}: {reason}");
                self.stop(Duration::MAX, Err(Error::other(what)));
            }
            _ => self.park(engine, ticket, reason, errors),
        }
    }
}
