//! After a stop that wasn't in order, one of the calls that were under way may have ended the process: they are made one at a time,
//! and counted durably before, so that an event that does so again and again is found.

use super::delivery::{Origin, Ticket};
use super::engine::Engine;
use super::schedule::Next;
use super::state::State;
use crate::store::Kept;

/// An event whose handler has ended the process so often isn't tried again.
const ENDED_MAX: u32 = 2;

impl State {
    /// After a stop that wasn't in order, an event is called alone, once it is durable that it will be; one that has ended the
    /// process twice is given up.
    pub(super) fn begin_careful(&mut self, engine: &Engine, next: Next<Kept>) -> Option<Next<Kept>> {
        if self.careful == 0 {
            return Some(next);
        }
        if self.in_flight > 0 {
            self.schedule.give_back(next.position);
            return None;
        }
        if self.begun == Some(next.position) {
            if self.is_begun_saved() {
                (self.begun, self.careful) = (None, self.careful - 1);
                return Some(next);
            }
            self.schedule.give_back(next.position);
            self.ask_to_save();
            return None;
        }
        let before = self.started.iter().find(|(position, _)| *position == next.position);
        let ended = before.map_or(0, |(_, ended)| *ended);
        if ended >= ENDED_MAX {
            self.forget_started(next.position);
            let reason = format!("its handler ended the process {ended} times");
            let Next { item, attempt, first_failure, .. } = next;
            let ticket = Ticket::new(item, &engine.name, attempt, first_failure, Origin::Log, engine.emits);
            self.park(engine, &ticket, &reason, &[]);
        } else {
            self.forget_started(next.position);
            self.started.push((next.position, ended + 1));
            self.begun = Some(next.position);
            self.schedule.give_back(next.position);
            self.saver.want();
            self.refresh();
        }
        None
    }

    /// The call of an event has ended.
    pub(super) fn forget_started(&mut self, position: u64) {
        self.started.retain(|(started, _)| *started != position);
    }

    /// Whether it is durable that the call of an event is to be made alone.
    pub(super) fn is_begun_saved(&self) -> bool {
        self.saver.saved().is_some_and(|saved| saved.started == self.started)
    }
}
