//! Dead letters that are handled again: in order, one at a time, each gone from the dead letters only once it was acknowledged.

use super::delivery::{Origin, Ticket};
use super::engine::Engine;
use super::letters;
use super::state::{State, poll};
use crate::error::Error;
use crate::event::{EventId, RecordedEvent};
use crate::pending::Pending;
use crate::store::Kept;
use event_listener::Event;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, OnceLock};

/// What who asked is told.
#[derive(Default)]
pub(super) struct Reply {
    result: OnceLock<Result<u64, Error>>,
    event: Event,
}

impl Reply {
    pub(super) fn set(&self, result: Result<u64, Error>) {
        self.result.get_or_init(|| result);
        self.event.notify(usize::MAX);
    }

    pub(super) fn result(&self) -> Option<Result<u64, Error>> {
        self.result.get().cloned()
    }

    pub(super) async fn get(self: Arc<Self>) -> Result<u64, Error> {
        loop {
            let listening = self.event.listen();
            if let Some(result) = self.result.get() {
                return result.clone();
            }
            listening.await;
        }
    }
}

#[derive(Default)]
pub(super) struct Redrives(VecDeque<Redrive>);

/// One request.
struct Redrive {
    /// Those that are asked for; `None`: all.
    ids: Option<Vec<EventId>>,
    /// Letters with a lower number were tried.
    from: u64,
    /// Streams of which one has failed: the later ones of it stay, too.
    failed: HashSet<Arc<str>>,
    count: u64,
    reply: Arc<Reply>,
    step: Step,
}

enum Step {
    /// The next one is looked for.
    Looking,
    Loading(u64, Arc<str>, Pending<Option<RecordedEvent>>),
    Loaded(u64, Arc<str>, Kept),
    Called(Arc<str>),
    /// It was acknowledged, and that is written.
    Settling,
}

impl Redrives {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a letter could be handled now.
    pub(super) fn is_ready(&self) -> bool {
        self.0.front().is_some_and(|redrive| matches!(redrive.step, Step::Loaded(..)))
    }

    /// Nothing is redriven any more.
    pub(super) fn end(&mut self, why: &Error) {
        for redrive in self.0.drain(..) {
            redrive.reply.set(Err(why.clone()));
        }
    }
}

impl State {
    /// Asks for letters to be handled again.
    pub(super) fn redrive(&mut self, ids: Option<Vec<EventId>>) -> Arc<Reply> {
        let reply = Arc::<Reply>::default();
        let log = self.parking.log().err();
        if let Some(error) = log.or_else(|| self.ended().map(|_| Error::closed())) {
            reply.set(Err(error));
            return reply;
        }
        let (failed, step) = (HashSet::new(), Step::Looking);
        self.redrives.0.push_back(Redrive { ids, from: 0, failed, count: 0, reply: reply.clone(), step });
        self.parking.look_again();
        self.refresh();
        reply
    }

    pub(super) fn advance_redrives(&mut self, engine: &Engine) -> Result<(), Error> {
        let is_ready = self.parking.is_ready();
        while let Some(redrive) = self.redrives.0.front_mut() {
            match &mut redrive.step {
                Step::Settling if is_ready => {
                    redrive.count += 1;
                    redrive.step = Step::Looking;
                }
                Step::Looking if is_ready => {
                    let Redrive { ids, failed, from, .. } = redrive;
                    let is_asked = |open: &letters::Open| {
                        !failed.contains(&open.stream)
                            && ids.as_ref().is_none_or(|ids| ids.contains(&open.id))
                    };
                    let Some((number, open)) = self.parking.letters.next(*from, is_asked) else {
                        redrive.reply.set(Ok(redrive.count));
                        self.redrives.0.pop_front();
                        continue;
                    };
                    let log = self.parking.log()?;
                    let loading = letters::load(log, engine.name.clone(), number);
                    *from = number + 1;
                    redrive.step = Step::Loading(number, open.stream.clone(), Pending::new(loading));
                }
                Step::Loading(number, stream, pending) => {
                    let Some(loaded) = poll(pending, &engine.waker) else { break };
                    redrive.step = match loaded? {
                        Some(event) => Step::Loaded(*number, stream.clone(), event.into()),
                        None => Step::Looking,
                    };
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// The next dead letter to be handled, if one is redriven.
    pub(super) fn next_letter(&mut self, engine: &Engine) -> Option<Ticket> {
        let redrive = self.redrives.0.front_mut()?;
        let Step::Loaded(number, stream, kept) = &redrive.step else { return None };
        let (number, stream, kept) = (*number, stream.clone(), kept.clone());
        redrive.step = Step::Called(stream);
        Some(Ticket::new(kept, &engine.name, 1, 0, Origin::Letter(number), engine.emits))
    }

    /// A letter was handled.
    pub(super) fn redriven(&mut self, engine: &Engine, number: u64) {
        if let Some(redrive) = self.redrives.0.front_mut() {
            redrive.step = Step::Settling;
        }
        self.settle(engine, &[number], true);
    }

    /// A letter wasn't handled: it stays.
    pub(super) fn redrive_failed(&mut self) {
        if let Some(redrive) = self.redrives.0.front_mut() {
            if let Step::Called(stream) = &redrive.step {
                redrive.failed.insert(stream.clone());
            }
            redrive.step = Step::Looking;
        }
        self.refresh();
    }
}
