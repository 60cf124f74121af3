//! Requests from others: looked for twice a second, executed in order, answered. Dead letters that are redriven keep no later
//! request waiting: it may be the one to go on.

use super::engine::Engine;
use super::letters::Open;
use super::redrive::Reply;
use super::requests::{self, ConsumerRequest};
use super::state::{Phase, State, poll};
use crate::error::Error;
use crate::pending::Pending;
use crate::store::SentRequest;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How often requests are looked for.
const EVERY: Duration = Duration::from_millis(500);
/// Answers that nobody has fetched are kept up to so many.
const ANSWERS_MAX: usize = 100;

#[derive(Default)]
pub(super) struct Inbox {
    /// The store keeps requests.
    is_there: bool,
    /// Requests were looked for, so that one to pause is executed before anything is handed out.
    has_looked: bool,
    next_look: Duration,
    looking: Option<Pending<Vec<SentRequest>>>,
    waiting: VecDeque<SentRequest>,
    running: Option<(u64, Running)>,
    redriving: Vec<(u64, Option<u64>, Arc<Reply>)>,
    answering: Vec<(u64, Pending<()>)>,
    /// Those that were taken, as long as they are there.
    taken: BTreeSet<u64>,
}

/// A request that is being executed.
enum Running {
    Paused(bool),
    Reset(Arc<Reply>),
    /// The numbers of the letters, until their log says so.
    Discard(Vec<u64>),
}

impl Inbox {
    pub(super) fn new(is_there: bool) -> Self {
        Self { is_there, has_looked: !is_there, ..Self::default() }
    }

    /// Whether it is known what was asked for before the consumer was started.
    pub(super) fn is_ready(&self) -> bool {
        self.has_looked && self.waiting.is_empty()
    }

    /// When it is looked for requests next.
    pub(super) fn next_look(&self) -> Option<Duration> {
        (self.is_there && self.looking.is_none()).then_some(self.next_look)
    }
}

impl State {
    pub(super) fn advance_inbox(&mut self, engine: &Engine) {
        if !self.inbox.is_there {
            return;
        }
        self.look_for_requests(engine);
        self.end_answers(engine);
        self.end_redrives(engine);
        loop {
            if let Some((id, running)) = self.inbox.running.take() {
                match self.outcome(running) {
                    Ok(outcome) => self.answer(engine, id, &outcome),
                    Err(running) => {
                        self.inbox.running = Some((id, running));
                        return;
                    }
                }
            }
            if !matches!(self.phase, Phase::Running) {
                return;
            }
            let Some(request) = self.inbox.waiting.pop_front() else { return };
            match ConsumerRequest::decode(&request.data) {
                Ok(asked) => self.begin_request(engine, request.id, asked),
                Err(error) => self.answer(engine, request.id, &Err(error)),
            }
        }
    }

    fn look_for_requests(&mut self, engine: &Engine) {
        let inbox = &mut self.inbox;
        let is_due = inbox.looking.is_none() && self.now >= inbox.next_look;
        if is_due && matches!(self.phase, Phase::Running) {
            inbox.looking = Some(engine.store.requests(&engine.name));
        }
        let Some(pending) = &mut inbox.looking else { return };
        let Some(found) = poll(pending, &engine.waker) else { return };
        (inbox.looking, inbox.has_looked) = (None, true);
        inbox.next_look = self.now.saturating_add(EVERY);
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.last_error = Some(error.to_string());
                return;
            }
        };
        let there: BTreeSet<u64> = found.iter().map(|request| request.id).collect();
        inbox.taken.retain(|id| there.contains(id));
        let answered: Vec<u64> =
            found.iter().filter(|request| request.answer.is_some()).map(|request| request.id).collect();
        for id in answered.iter().rev().skip(ANSWERS_MAX) {
            inbox.answering.push((*id, engine.store.remove_request(&engine.name, *id)));
        }
        for request in found {
            if request.answer.is_none() && inbox.taken.insert(request.id) {
                inbox.waiting.push_back(request);
            }
        }
        self.refresh();
    }

    fn begin_request(&mut self, engine: &Engine, id: u64, asked: ConsumerRequest) {
        let running = match asked {
            ConsumerRequest::Pause | ConsumerRequest::Resume => {
                let paused = asked == ConsumerRequest::Pause;
                if self.is_paused != paused {
                    self.set_paused(paused);
                }
                Running::Paused(paused)
            }
            ConsumerRequest::Reset(position) => Running::Reset(self.reset(position)),
            ConsumerRequest::Redrive(ids) => {
                let asked = ids.as_ref().map(|ids| ids.len() as u64);
                let reply = self.redrive(ids);
                self.inbox.redriving.push((id, asked, reply));
                return;
            }
            ConsumerRequest::Discard(ids) => {
                if let Err(error) = self.parking.log() {
                    return self.answer(engine, id, &Err(error));
                }
                let is_asked = |open: &Open| ids.as_ref().is_none_or(|ids| ids.contains(&open.id));
                let numbers = self.parking.letters.close_asked(is_asked);
                self.settle(engine, &numbers, false);
                Running::Discard(numbers)
            }
        };
        self.inbox.running = Some((id, running));
    }

    /// What came of a request, or the request as it goes on.
    fn outcome(&self, running: Running) -> Result<Result<u64, Error>, Running> {
        let outcome = match &running {
            Running::Paused(paused) => self.is_pause_over(*paused).then_some(Ok(0)),
            Running::Reset(reply) => reply.result(),
            Running::Discard(numbers) => {
                (!self.parking.is_settling(numbers)).then_some(Ok(numbers.len() as u64))
            }
        };
        outcome.ok_or(running)
    }

    fn end_redrives(&mut self, engine: &Engine) {
        for (id, asked, reply) in std::mem::take(&mut self.inbox.redriving) {
            let Some(outcome) = reply.result() else {
                self.inbox.redriving.push((id, asked, reply));
                continue;
            };
            if self.is_over() {
                // The next process does it.
                continue;
            }
            let outcome = outcome.and_then(|count| match asked {
                Some(asked) if count < asked => {
                    let last = self.last_error.as_deref().unwrap_or("they are not there");
                    Err(Error::other(format!("{count} of {asked} dead letters were handled: {last}")))
                }
                _ => Ok(count),
            });
            self.answer(engine, id, &outcome);
        }
    }

    fn answer(&mut self, engine: &Engine, id: u64, outcome: &Result<u64, Error>) {
        let pending = match requests::encode_answer(outcome) {
            Ok(answer) => engine.store.answer_request(&engine.name, id, answer),
            Err(error) => Pending::ready(Err(error)),
        };
        self.inbox.answering.push((id, pending));
        self.refresh();
    }

    fn end_answers(&mut self, engine: &Engine) {
        for (id, mut pending) in std::mem::take(&mut self.inbox.answering) {
            match poll(&mut pending, &engine.waker) {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    // It is executed once more.
                    self.inbox.taken.remove(&id);
                    self.last_error = Some(error.to_string());
                }
                None => self.inbox.answering.push((id, pending)),
            }
        }
    }
}
