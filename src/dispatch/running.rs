//! A consumer that runs, as its user holds it.

use super::dead_letters::DeadLetters;
use super::engine::Engine;
use super::worker;
use crate::Position;
use crate::error::Error;
use crate::pending::{Pending, Work};
use crate::store::Lag;
use event_listener::Event;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How a consumer is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Everything up to here is done: handled, left out, or among the dead letters.
    pub position: Position,
    /// How far it is behind what it may see: events that were read and aren't done are counted, whether they match or not is not
    /// known of those that weren't read.
    pub lag: Lag,
    /// Calls of the handler that are under way.
    pub in_flight: usize,
    /// Those of them that have passed their deadline and can't be stopped.
    pub overdue: usize,
    /// Events that have failed and will be tried again.
    pub retrying: usize,
    /// Dead letters that are open.
    pub parked: u64,
    /// It was paused, or the process before it was.
    pub paused: bool,
    /// Its breaker has paused it: too many attempts have failed.
    pub tripped: bool,
    /// It is over: stopped, by its user, its handler or an error.
    pub stopped: bool,
    /// What went wrong last, with an event or with the store.
    pub last_error: Option<String>,
}

/// A consumer that runs. Dropping it stops it: nothing half-done is acknowledged, and what was in flight comes again.
#[must_use = "dropping it stops the consumer"]
pub struct RunningConsumer {
    engine: Arc<Engine>,
    /// It is stopped in another way.
    lets_go: bool,
}

/// What is waited for.
enum What {
    Reached,
    Over,
    Paused,
    Resumed,
}

struct Waits {
    engine: Arc<Engine>,
    what: What,
}

impl Work for Waits {
    fn outcome(&self, target: u64) -> Option<Result<(), Error>> {
        let is_there = match self.what {
            What::Reached => self.engine.look(|state| state.is_finished(Position(target))),
            What::Over => return self.engine.ended(),
            What::Paused => self.engine.look(|state| state.is_pause_over(true)),
            What::Resumed => self.engine.look(|state| state.is_pause_over(false)),
        };
        if is_there {
            return Some(Ok(()));
        }
        self.engine.ended().map(|ended| ended.and(Err(Error::closed())))
    }

    fn lead(&self, _: u64) -> bool {
        false
    }

    fn request(&self, _: u64) {}

    fn event(&self) -> &Event {
        self.engine.settled()
    }
}

impl RunningConsumer {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, lets_go: false }
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(super) fn spawn_threads(&self, workers: usize) -> Result<(), Error> {
        for _ in 0..workers {
            worker::spawn(&self.engine)?;
            self.engine.with(|state| state.threads += 1);
        }
        Ok(())
    }

    pub(super) fn keep(&self, task: Box<dyn Send>) {
        self.engine.with(|state| state.tasks.push(task));
    }

    fn waits(&self, what: What, target: u64) -> Pending<()> {
        Pending::working(Arc::new(Waits { engine: self.engine.clone(), what }), target, ())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.engine.name
    }

    /// How it is doing now.
    pub fn status(&self) -> Status {
        self.engine.look(|state| Status {
            position: state.schedule.low(),
            lag: state.lag(),
            in_flight: state.under_way(),
            overdue: state.overdue,
            retrying: state.schedule.retrying(),
            parked: state.parking.letters.count(),
            paused: state.is_paused,
            tripped: state.is_tripped,
            stopped: state.is_over(),
            last_error: state.last_error.clone(),
        })
    }

    /// Hands out nothing more until it is resumed, also by the next process. `Ok` once no call is under way, and that is durable;
    /// or once it was resumed meanwhile.
    ///
    /// # Errors
    /// That which has stopped it; `Closed` if it was stopped in order. Those of saving its progress.
    pub fn pause(&self) -> Pending<()> {
        self.set_paused(true);
        self.waits(What::Paused, 0)
    }

    /// Goes on after a pause. `Ok` once that is durable, or once it was paused again.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub fn resume(&self) -> Pending<()> {
        self.set_paused(false);
        self.waits(What::Resumed, 0)
    }

    fn set_paused(&self, paused: bool) {
        self.engine.with(|state| {
            if state.is_paused != paused {
                state.set_paused(paused);
            }
        });
    }

    /// Goes on behind a position, whatever it has done before: [`Position::START`] for everything that is there. Calls that are under
    /// way end first, and what they answer counts. Its dead letters stay. `Ok` once that is durable.
    ///
    /// # Errors
    /// `Ahead`: there is no such position. `Truncated`: retention has removed what follows it. `Invalid`: it is being set back already.
    /// `Closed`: it was stopped.
    pub fn reset(&self, position: Position) -> Pending<()> {
        let reply = self.engine.with(|state| state.reset(position));
        Pending::new(async move { reply.get().await.map(drop) })
    }

    /// Waits until everything up to a position is done: handled, left out, or among the dead letters. Pass the position of a receipt to
    /// read what came of it.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub fn wait_for(&self, position: Position) -> Pending<()> {
        self.waits(What::Reached, position.0)
    }

    /// The events that it gave up on.
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::of_running(&self.engine)
    }

    /// Takes no more events, lets what is under way end for so long, and saves its progress. What has not ended by then comes
    /// again when the consumer is started again, whatever its handler answers.
    ///
    /// # Errors
    /// That which has stopped it before. Those of saving its progress.
    pub fn shutdown(mut self, limit: Duration) -> Pending<()> {
        self.lets_go = true;
        self.stop(limit);
        self.waits(What::Over, 0)
    }

    /// As [`shutdown`](Self::shutdown), and waits for no call.
    ///
    /// # Errors
    /// As [`shutdown`](Self::shutdown).
    pub fn abort(self) -> Pending<()> {
        self.shutdown(Duration::ZERO)
    }

    fn stop(&self, limit: Duration) {
        let until = self.engine.clock.monotonic().saturating_add(limit);
        self.engine.with(|state| state.stop(until, Ok(())));
    }
}

impl Drop for RunningConsumer {
    fn drop(&mut self) {
        if !self.lets_go {
            self.stop(Duration::ZERO);
        }
    }
}

impl fmt::Debug for RunningConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningConsumer")
            .field("name", &self.engine.name)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
