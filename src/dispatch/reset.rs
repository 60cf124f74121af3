//! A consumer that is set back, or forward, while it runs: what is under way ends, its new place is made durable under a new
//! generation, so that no progress of before counts, and it goes on from there.

use super::engine::Engine;
use super::progress::Progress;
use super::redrive::Reply;
use super::saver::Saver;
use super::schedule::Schedule;
use super::source::Source;
use super::start;
use super::state::{Phase, State, poll};
use crate::Position;
use crate::error::Error;
use crate::pending::Pending;
use crate::store::{Checkpoint, Located, Start};
use std::sync::Arc;

pub(super) struct Reset {
    position: Position,
    reply: Arc<Reply>,
    step: Step,
}

enum Step {
    /// Calls are under way, or what they have led to.
    Draining,
    /// Whether events follow that position.
    Locating(Pending<Located>),
    Saving(Box<Located>, Progress, Pending<()>),
}

impl Reset {
    /// Whether progress of before may still be saved.
    pub(super) fn lets_save(&self) -> bool {
        matches!(self.step, Step::Draining)
    }

    pub(super) fn end(self, why: &Error) {
        self.reply.set(Err(why.clone()));
    }
}

impl State {
    /// Goes on behind a position.
    pub(super) fn reset(&mut self, position: Position) -> Arc<Reply> {
        let reply = Arc::<Reply>::default();
        if !matches!(self.phase, Phase::Running) {
            reply.set(Err(Error::closed()));
        } else if self.reset.is_some() {
            reply.set(Err(Error::invalid("the consumer is being set back already")));
        } else {
            self.recall();
            self.reset = Some(Reset { position, reply: reply.clone(), step: Step::Draining });
            self.refresh();
        }
        reply
    }

    pub(super) fn advance_reset(&mut self, engine: &Engine) {
        while let Some(Reset { position, reply, step }) = self.reset.take() {
            let is_running = matches!(self.phase, Phase::Running);
            let next = match step {
                Step::Draining | Step::Locating(_) if !is_running => Err(Error::closed()),
                Step::Draining if !self.is_quiet() => Ok((Step::Draining, true)),
                Step::Draining => {
                    let follow = start::follow(&engine.store, &engine.settings, &engine.name);
                    let locating = follow.start(Start::After(position)).locate();
                    Ok((Step::Locating(locating), false))
                }
                Step::Locating(mut pending) => match poll(&mut pending, &engine.waker) {
                    None => Ok((Step::Locating(pending), true)),
                    Some(located) => located.and_then(|located| self.save_reset(engine, position, located)),
                },
                Step::Saving(located, progress, mut pending) => match poll(&mut pending, &engine.waker) {
                    None => Ok((Step::Saving(located, progress, pending), true)),
                    Some(Ok(())) => {
                        self.begin_anew(engine, *located, &progress);
                        reply.set(Ok(0));
                        return;
                    }
                    Some(Err(error)) => Err(error),
                },
            };
            match next {
                Ok((step, waits)) => {
                    self.reset = Some(Reset { position, reply, step });
                    if waits {
                        return;
                    }
                }
                Err(error) => {
                    reply.set(Err(error));
                    self.refresh();
                }
            }
        }
    }

    /// Whether nothing is under way that would change progress.
    fn is_quiet(&self) -> bool {
        self.in_flight == 0
            && self.emissions.is_empty()
            && self.parking.is_ready()
            && self.saver.is_idle()
            && self.saver.saved().is_some()
    }

    fn save_reset(
        &mut self,
        engine: &Engine,
        position: Position,
        located: Located,
    ) -> Result<(Step, bool), Error> {
        let progress = Progress {
            generation: self.saver.generation + 1,
            through: position.0,
            is_paused: self.is_paused,
            is_clean: true,
            ..Progress::default()
        };
        let checkpoint = Checkpoint::new(position, position, progress.encode()?);
        let saving = engine.store.save_checkpoint(&engine.name, checkpoint);
        Ok((Step::Saving(Box::new(located), progress, saving), false))
    }

    fn begin_anew(&mut self, engine: &Engine, located: Located, progress: &Progress) {
        let settings = &engine.settings;
        let follow = start::follow(&engine.store, settings, &engine.name);
        let seed = engine.clock.now() as u64;
        let through = Position(progress.through);
        self.schedule = Schedule::new(settings.order, settings.in_flight_max, through, seed);
        self.source = Source::new(follow.following(located));
        self.saver = Saver::new(progress, settings.checkpoint_every, settings.in_flight_max.div_ceil(2));
        (self.careful, self.begun) = (0, None);
        self.started.clear();
        self.breaker.reset();
        self.refresh();
    }
}
