//! Which calls are made next, and what is taken back of those that weren't begun.

use super::chunk::Chunk;
use super::delivery::{Origin, Ticket};
use super::engine::Engine;
use super::schedule::Next;
use super::state::{Phase, State};
use std::sync::Arc;

impl State {
    /// The next calls, if there are some to be made now.
    pub(super) fn next_chunk(&mut self, engine: &Engine) -> Option<Arc<Chunk>> {
        if self.is_quick() {
            return self.next_waiting();
        }
        let Some(first) = self.next(engine) else { return self.next_waiting() };
        let mut tickets = vec![first];
        let alone = !engine.handler.blocks() || engine.settings.deadline.is_some() || self.careful > 0;
        if !alone && self.redrives.is_empty() {
            while tickets.len() < self.chunk_len
                && let Some(ticket) = self.next(engine)
            {
                tickets.push(ticket);
            }
        }
        let chunk = Chunk::new(tickets, self.now);
        if chunk.left() > 1 {
            self.chunks.push(chunk.clone());
        }
        Some(chunk)
    }

    /// Whether another worker makes calls that are so quick that a second one would only be in its way.
    fn is_quick(&self) -> bool {
        self.chunks.iter().any(|chunk| chunk.due() > self.now)
    }

    /// A call that waits behind another for too long.
    fn next_waiting(&mut self) -> Option<Arc<Chunk>> {
        let mut waiting = self.chunks.iter().filter(|chunk| chunk.due() <= self.now);
        let ticket = waiting.find_map(|chunk| chunk.take())?.clone();
        Some(Chunk::new(vec![ticket], self.now))
    }

    /// A worker is done with a chunk.
    pub(super) fn chunk_is_over(&mut self, chunk: &Arc<Chunk>) {
        self.chunk_len = chunk.next_len(self.now);
        // What is left of one whose handler stops the consumer is taken back.
        self.chunks.retain(|other| other.left() > 0);
    }

    /// Takes back what was handed out and wasn't begun.
    pub(super) fn recall(&mut self) {
        for chunk in std::mem::take(&mut self.chunks) {
            for ticket in chunk.recall() {
                self.in_flight -= 1;
                self.schedule.give_back(ticket.position);
            }
        }
    }

    /// Calls of the handler that are under way.
    pub(super) fn under_way(&self) -> usize {
        self.in_flight - self.chunks.iter().map(|chunk| chunk.left()).sum::<usize>()
    }

    /// Whether calls may be made now.
    pub(super) fn hands_out(&self) -> bool {
        matches!(self.phase, Phase::Running)
            && !self.is_paused
            && self.saver.saved().is_some()
            && self.reset.is_none()
            && self.inbox.is_ready()
    }

    /// The next call, if there is one to be made now.
    fn next(&mut self, engine: &Engine) -> Option<Arc<Ticket>> {
        if !self.hands_out() {
            return None;
        }
        if let Some(ticket) = self.next_letter(engine) {
            return Some(self.call(engine, ticket));
        }
        if self.saver.uncounted() + self.schedule.running() >= engine.settings.in_flight_max {
            if self.saver.uncounted() > 0 {
                self.ask_to_save();
            }
            return None;
        }
        let Some(next) = self.schedule.next(self.now) else {
            if self.schedule.is_full() && self.schedule.make_room() {
                self.refresh();
            }
            return None;
        };
        let next = self.follow(engine, next)?;
        let next = self.begin_careful(engine, next)?;
        let Next { position: _, item, attempt, first_failure } = next;
        let ticket = Ticket::new(item, &engine.name, attempt, first_failure, Origin::Log, engine.emits);
        Some(self.call(engine, ticket))
    }

    fn call(&mut self, engine: &Engine, ticket: Ticket) -> Arc<Ticket> {
        self.in_flight += 1;
        if let Some(limit) = engine.settings.deadline.filter(|_| engine.handler.blocks()) {
            let due = self.now.saturating_add(limit);
            self.calls.insert((ticket.position, ticket.origin != Origin::Log), Some(due));
        }
        Arc::new(ticket)
    }

    /// Whether another worker would find a call to make.
    pub(super) fn has_work(&self, engine: &Engine) -> bool {
        let has_room = self.saver.uncounted() + self.schedule.running() < engine.settings.in_flight_max;
        let is_begun = self.begun.is_none() || self.is_begun_saved();
        let is_alone = self.careful == 0 || self.in_flight == 0 && is_begun;
        let is_waiting = |chunk: &Arc<Chunk>| chunk.due() <= self.now && chunk.left() > 0;
        let is_ready = self.redrives.is_ready() || self.chunks.iter().any(is_waiting);
        self.hands_out()
            && (is_ready || has_room && is_alone && !self.is_quick() && self.schedule.is_ready(self.now))
    }
}
