//! Calls that have passed their deadline and can't be stopped: other threads take their places until they return.

use super::engine::Engine;
use super::state::State;
use super::worker;

impl State {
    /// Has other threads take the places of those whose calls are overdue.
    pub(super) fn replace_overdue(&mut self, engine: &Engine) {
        if engine.settings.deadline.is_none() || !engine.handler.blocks() {
            return;
        }
        let now = self.now;
        let mut found = 0;
        for due in self.calls.values_mut() {
            if due.is_some_and(|due| due <= now) {
                (*due, found) = (None, found + 1);
            }
        }
        for _ in 0..found {
            self.overdue += 1;
            self.last_error = Some("a call of the handler is overdue, and can't be stopped".to_owned());
            let room = self.threads < engine.settings.workers + engine.settings.in_flight_max;
            if room
                && let Some(engine) = engine.itself().upgrade()
                && worker::spawn(&engine).is_ok()
            {
                self.threads += 1;
            }
        }
    }

    /// Whether the thread that has answered took the place of another, whose call has ended meanwhile: it goes.
    pub(super) fn is_surplus(&mut self, engine: &Engine) -> bool {
        let is_surplus = self.threads > engine.settings.workers + self.overdue;
        if is_surplus {
            self.threads -= 1;
        }
        is_surplus
    }
}
