//! What a consumer has read, handed out, finished and saved; and what it waits for. Nothing here blocks or calls user code.

use super::breaker::Breaker;
use super::chunk::Chunk;
use super::emission::Emissions;
use super::engine::Engine;
use super::inbox::Inbox;
use super::parking::Parking;
use super::progress::Progress;
use super::redrive::Redrives;
use super::reset::Reset;
use super::saver::Saver;
use super::schedule::Schedule;
use super::source::Source;
use crate::Position;
use crate::error::Error;
use crate::medium::bug;
use crate::pending::Pending;
use crate::store::{Kept, Lag, Lease};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How far a consumer is on its way to its end.
pub(super) enum Phase {
    Running,
    /// What is under way may end until then.
    Stopping {
        until: Duration,
        reason: Result<(), Error>,
        /// What is saved next is saved last.
        is_final: bool,
    },
    Over(Result<(), Error>),
}

pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) schedule: Schedule<Kept>,
    pub(super) source: Source,
    pub(super) saver: Saver,
    pub(super) parking: Parking,
    pub(super) emissions: Emissions,
    pub(super) redrives: Redrives,
    pub(super) inbox: Inbox,
    pub(super) reset: Option<Reset>,
    /// Calls of the handler that are under way.
    pub(super) in_flight: usize,
    /// Calls that were handed out together, and how many are next.
    pub(super) chunks: Vec<Arc<Chunk>>,
    pub(super) chunk_len: usize,
    /// When those that can't be stopped are overdue, by position and whether they are dead letters; `None` for those that are.
    pub(super) calls: BTreeMap<(u64, bool), Option<Duration>>,
    pub(super) is_paused: bool,
    pub(super) breaker: Breaker,
    /// The breaker has paused it.
    pub(super) is_tripped: bool,
    pub(super) last_error: Option<String>,
    /// Calls that are left to be made one at a time, since an earlier process may have died of one of them.
    pub(super) careful: usize,
    /// Events that are called so, and how often such a call was begun and not ended.
    pub(super) started: Vec<(u64, u32)>,
    /// Its call is to be made once that is durable.
    pub(super) begun: Option<u64>,
    /// Threads that work, and how many of them are in a call that is overdue.
    pub(super) threads: usize,
    pub(super) overdue: usize,
    /// Something was begun whose end may be there at once.
    fresh: bool,
    /// Somebody who waits may go on.
    has_settled: bool,
    /// Somebody waits until everything up to here is finished.
    awaited: Position,
    /// When the next alarm rings.
    alarm: Option<Duration>,
    /// When it was moved on last.
    pub(super) now: Duration,
    /// Kept until the consumer is over.
    pub(super) lease: Option<Lease>,
    /// What a spawner gave, kept until the work is over.
    pub(super) tasks: Vec<Box<dyn Send>>,
}

/// What came of something that is waited for, if that is known.
pub(super) fn poll<T>(pending: &mut Pending<T>, waker: &Waker) -> Option<Result<T, Error>> {
    match Pin::new(pending).poll(&mut Context::from_waker(waker)) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

impl State {
    pub(super) fn new(
        schedule: Schedule<Kept>,
        source: Source,
        saver: Saver,
        parking: Parking,
        inbox: Inbox,
        newest: &Progress,
        lease: Lease,
    ) -> Self {
        Self {
            phase: Phase::Running,
            schedule,
            source,
            saver,
            parking,
            emissions: Emissions::new(newest.redriven.clone()),
            redrives: Redrives::default(),
            inbox,
            reset: None,
            in_flight: 0,
            chunks: Vec::new(),
            chunk_len: 1,
            calls: BTreeMap::new(),
            is_paused: newest.is_paused,
            breaker: Breaker::default(),
            is_tripped: false,
            last_error: None,
            careful: 0,
            started: newest.started.clone(),
            begun: None,
            threads: 0,
            overdue: 0,
            fresh: true,
            has_settled: false,
            awaited: Position(u64::MAX),
            alarm: None,
            now: Duration::ZERO,
            lease: Some(lease),
            tasks: Vec::new(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    pub(super) fn ended(&self) -> Option<Result<(), Error>> {
        match &self.phase {
            Phase::Over(result) => Some(result.clone()),
            _ => None,
        }
    }

    /// Something was begun: its end is looked for at once.
    pub(super) fn refresh(&mut self) {
        self.fresh = true;
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    pub(super) fn settled(&mut self) {
        self.has_settled = true;
    }

    /// Whether somebody who waits may go on now.
    pub(super) fn take_settled(&mut self) -> bool {
        if self.awaited.0 < u64::MAX && self.schedule.low() >= self.awaited {
            (self.has_settled, self.awaited) = (true, Position(u64::MAX));
        }
        std::mem::take(&mut self.has_settled)
    }

    /// Whether everything up to a position is finished; whoever asks is told when it is.
    pub(super) fn is_finished(&mut self, position: Position) -> bool {
        let is_finished = self.schedule.low() >= position;
        if !is_finished {
            self.awaited = self.awaited.min(position);
        }
        is_finished
    }

    pub(super) fn lag(&self) -> Lag {
        self.source.lag(self.schedule.outstanding())
    }

    /// Ends in order: nothing more is handed out, what is under way may end until then, progress is saved.
    pub(super) fn stop(&mut self, until: Duration, reason: Result<(), Error>) {
        match &mut self.phase {
            Phase::Running => {
                self.phase = Phase::Stopping { until, reason, is_final: false };
                self.recall();
            }
            Phase::Stopping { until: earlier, .. } => *earlier = until.min(*earlier),
            Phase::Over(_) => {}
        }
        self.refresh();
    }

    /// Ends at once, because it can't go on.
    pub(super) fn fail(&mut self, error: Error) {
        self.last_error = Some(error.to_string());
        self.end(Err(error));
    }

    fn end(&mut self, result: Result<(), Error>) {
        if self.is_over() {
            return;
        }
        let why = result.clone().err().unwrap_or_else(Error::closed);
        self.phase = Phase::Over(result);
        self.redrives.end(&why);
        if let Some(reset) = self.reset.take() {
            reset.end(&why);
        }
        self.source.close();
        self.lease = None;
        self.settled();
    }

    /// Moves everything on that isn't a call.
    pub(super) fn advance(&mut self, engine: &Engine, was_woken: bool) {
        if self.saver.is_due(self.now, self.schedule.through()) {
            self.fresh = true;
        }
        if was_woken {
            self.source.wake();
            self.fresh = true;
        }
        while std::mem::take(&mut self.fresh) && !self.is_over() {
            let moved = self
                .advance_emissions(engine)
                .and_then(|()| self.advance_parking(engine))
                .and_then(|()| self.advance_redrives(engine))
                .and_then(|()| self.advance_save(engine));
            if let Err(error) = moved {
                return self.fail(error);
            }
            self.advance_reset(engine);
            self.advance_inbox(engine);
        }
        if !self.is_over()
            && let Err(error) = self.feed(engine)
        {
            return self.fail(error);
        }
        self.replace_overdue(engine);
        self.end_if_stopped();
    }

    /// Reads ahead as far as there is room.
    fn feed(&mut self, engine: &Engine) -> Result<(), Error> {
        if !matches!(self.phase, Phase::Running) {
            return Ok(());
        }
        self.source.feed(engine, &mut self.schedule)?;
        if self.source.is_closed() {
            self.stop(self.now, Err(Error::closed()));
        }
        Ok(())
    }

    /// What would be saved now.
    pub(super) fn progress(&self, engine: &Engine, done: Option<u64>) -> Progress {
        let (now, monotonic) = (engine.clock.now(), engine.clock.monotonic());
        let due = |at: Duration| {
            let left = i64::try_from(at.saturating_sub(monotonic).as_nanos()).unwrap_or(i64::MAX);
            now.saturating_add(left)
        };
        let scheduled = self.schedule.progress(done, due);
        let held = if bug!(engine.clock, forget_held) { Vec::new() } else { scheduled.held };
        let waiting = scheduled.waiting.into_iter();
        let through =
            if bug!(engine.clock, count_running) { self.schedule.through().0 } else { scheduled.through };
        Progress {
            through,
            held,
            redriven: self.emissions.redriven().to_vec(),
            is_paused: self.is_paused,
            is_clean: !matches!(self.phase, Phase::Running) && self.schedule.running() == 0,
            started: self.started.clone(),
            waiting: waiting
                .filter(|waiting| !bug!(engine.clock, count_running) || waiting.failed > 0)
                .collect(),
            ..scheduled
        }
    }

    fn advance_save(&mut self, engine: &Engine) -> Result<(), Error> {
        let now = self.now;
        if let Some(pending) = self.saver.under_way()
            && let Some(result) = poll(pending, &engine.waker)
        {
            if let Err(error) = &result {
                self.last_error = Some(error.to_string());
                if !matches!(self.phase, Phase::Running) {
                    return Err(error.clone());
                }
            }
            self.saver.end(result, now)?;
            self.settled();
            self.fresh = true;
        }
        // What is being emitted counts before or after: not in between.
        let may_save = self.emissions.is_empty() && self.reset.as_ref().is_none_or(Reset::lets_save);
        if may_save && self.saver.is_due(now, self.schedule.through()) {
            let progress = self.progress(engine, None);
            let reach = [self.schedule.low(), self.schedule.through()];
            self.saver.begin(&*engine.store, &engine.name, reach, progress, now);
            self.fresh = true;
        }
        Ok(())
    }

    /// Once nothing is under way that is waited for, what is finished is saved for the last time.
    fn end_if_stopped(&mut self) {
        let now = self.now;
        let Phase::Stopping { until, reason, is_final } = &mut self.phase else { return };
        let is_quiet = self.in_flight == 0 && self.parking.is_ready();
        let is_saved = self.emissions.is_empty() && self.saver.is_idle() && self.reset.is_none();
        if !(is_quiet || now >= *until) || !is_saved {
            return;
        }
        if !std::mem::replace(is_final, true) {
            self.saver.want();
            self.fresh = true;
            return;
        }
        let reason = reason.clone();
        self.end(reason);
    }

    /// Has progress saved, once what is saved now is.
    pub(super) fn ask_to_save(&mut self) {
        if self.saver.is_idle() {
            self.saver.want();
            self.fresh = true;
        }
    }

    /// When something becomes due without anybody being told; `None` if that is known already. What was due when this state was
    /// moved on last waits for something else.
    pub(super) fn next_alarm(&mut self) -> Option<Duration> {
        let retry = self.schedule.next_due().filter(|_| !self.is_paused);
        let save = self.saver.next_due(self.schedule.through());
        let stop = match &self.phase {
            Phase::Stopping { until, .. } if *until < Duration::MAX => Some(*until),
            Phase::Over(_) => return None,
            _ => None,
        };
        let call = self.calls.values().flatten().min().copied();
        let chunk = self.chunks.iter().filter(|chunk| chunk.left() > 0).map(|chunk| chunk.due()).min();
        let look = self.inbox.next_look().filter(|_| matches!(self.phase, Phase::Running));
        let due = [retry, save, stop, call, chunk, look].into_iter().flatten();
        let next = due.filter(|due| *due > self.now).min()?;
        if self.alarm.is_some_and(|alarm| alarm <= next) {
            return None;
        }
        self.alarm = Some(next);
        Some(next)
    }

    /// Whether it is this alarm that is waited for.
    pub(super) fn is_alarm(&self, at: Duration) -> bool {
        self.alarm == Some(at)
    }

    /// The alarm has rung.
    pub(super) fn alarmed(&mut self) {
        self.alarm = None;
        self.fresh = true;
    }
}
