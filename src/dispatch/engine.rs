//! What runs a consumer: one state under one lock, which its workers, the clock and whatever it waits for move on. Nothing in here
//! blocks; handlers are called outside of it.

use super::chunk::Chunk;
use super::delivery::Ticket;
use super::handler::{Answer, Handle};
use super::order::Order;
use super::outcome::{GiveUp, WhenFull};
use super::retry::RetryPolicy;
use super::state::State;
use crate::error::Error;
use crate::medium::Job;
use crate::query::Query;
use crate::store::{Clock, EventStore, Start};
use event_listener::{Event, EventListener};
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;

/// How a consumer is to run.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) query: Query,
    pub(super) begin: Start,
    pub(super) order: Order,
    pub(super) workers: usize,
    pub(super) in_flight_max: usize,
    pub(super) retry: RetryPolicy,
    pub(super) give_up: GiveUp,
    pub(super) deadline: Option<Duration>,
    pub(super) checkpoint_every: Duration,
    pub(super) dead_letters_max: u64,
    pub(super) dead_letter_bytes_max: u64,
    pub(super) when_full: WhenFull,
    /// So many failed attempts of the last so many pause it.
    pub(super) breaker: Option<(usize, usize)>,
    pub(super) version: String,
}

/// A consumer that runs.
pub(super) struct Engine {
    pub(super) name: Arc<str>,
    pub(super) store: Arc<dyn EventStore>,
    pub(super) settings: Settings,
    pub(super) handler: Box<dyn Handle>,
    pub(super) clock: Clock,
    /// Whether the store commits progress with events.
    pub(super) emits: bool,
    state: Mutex<State>,
    /// Workers without work wait here.
    workers: Event,
    /// Whoever waits for the consumer waits here.
    settled: Event,
    /// Something that was waited for may be there.
    woken: AtomicBool,
    pub(super) waker: Waker,
    itself: Weak<Engine>,
}

/// What a worker has done.
#[derive(Default)]
pub(super) struct Answered {
    pub(super) chunk: Option<Arc<Chunk>>,
    pub(super) answers: Vec<(Arc<Ticket>, Answer)>,
}

/// What a worker does next.
pub(super) enum Turn {
    Call(Arc<Chunk>),
    Idle,
    Over,
}

/// Wakes an engine, if it is still there.
struct Bell(Weak<Engine>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(engine) = self.0.upgrade() {
            engine.ring();
        }
    }
}

impl Engine {
    pub(super) fn new(
        name: Arc<str>,
        store: Arc<dyn EventStore>,
        settings: Settings,
        handler: Box<dyn Handle>,
        state: State,
    ) -> Arc<Self> {
        Arc::new_cyclic(|itself: &Weak<Self>| Self {
            name,
            clock: store.clock(),
            emits: store.capabilities().progress,
            store,
            settings,
            handler,
            state: Mutex::new(state),
            workers: Event::new(),
            settled: Event::new(),
            woken: AtomicBool::new(true),
            waker: Arc::new(Bell(itself.clone())).into(),
            itself: itself.clone(),
        })
    }

    pub(super) fn itself(&self) -> Weak<Self> {
        self.itself.clone()
    }

    /// Something that was waited for may be there: a worker looks, or the pool if all are busy.
    pub(super) fn ring(&self) {
        self.woken.store(true, Ordering::SeqCst);
        if self.workers.total_listeners() > 0 {
            self.workers.notify(1);
        } else if let Some(engine) = self.itself.upgrade() {
            self.clock.schedule(Duration::ZERO, engine);
        }
    }

    /// The state, to be moved on from now.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        state.now = self.clock.monotonic();
        state
    }

    /// Takes in how calls have ended, and says what the worker does next.
    pub(super) fn turn(&self, answered: &mut Answered) -> Turn {
        let mut state = self.lock();
        if let Some(chunk) = answered.chunk.take() {
            state.chunk_is_over(&chunk);
        }
        for (ticket, answer) in answered.answers.drain(..) {
            state.answered(self, &ticket, answer);
        }
        let stays = !state.is_surplus(self);
        let turn = match self.step(&mut state, stays) {
            Turn::Idle if !stays => Turn::Over,
            turn => turn,
        };
        self.leave(state);
        turn
    }

    /// Moves the state on as far as it goes now; `calls` if this is a worker that would call the handler.
    fn step(&self, state: &mut State, calls: bool) -> Turn {
        loop {
            let was_woken = self.woken.swap(false, Ordering::SeqCst);
            state.advance(self, was_woken);
            if state.is_over() {
                return Turn::Over;
            }
            if calls && let Some(chunk) = state.next_chunk(self) {
                return Turn::Call(chunk);
            }
            if !state.is_fresh() && !self.woken.load(Ordering::SeqCst) {
                return Turn::Idle;
            }
        }
    }

    /// Lets go of the state, and wakes who has something to do now.
    fn leave(&self, mut state: MutexGuard<'_, State>) {
        let (more, is_over, has_settled) = (state.has_work(self), state.is_over(), state.take_settled());
        if let Some(at) = state.next_alarm() {
            let delay = at.saturating_sub(self.clock.monotonic());
            self.clock.schedule(delay, Arc::new(Alarm { engine: self.itself.clone(), at }));
        }
        drop(state);
        if is_over {
            self.workers.notify(usize::MAX);
        } else if more {
            self.workers.notify(1);
        }
        if has_settled || is_over {
            self.settled.notify(usize::MAX);
        }
    }

    /// Does something with the state, and moves it on.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = work(&mut state);
        self.step(&mut state, false);
        self.leave(state);
        result
    }

    /// Looks at the state.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock())
    }

    pub(super) fn listen(&self) -> EventListener {
        self.workers.listen()
    }

    pub(super) fn settled(&self) -> &Event {
        &self.settled
    }

    /// How a consumer that is over has ended.
    pub(super) fn ended(&self) -> Option<Result<(), Error>> {
        self.look(|state| state.ended())
    }
}

/// The pool moves an engine on whose workers are busy.
impl Job for Engine {
    fn step(&self) -> Option<Duration> {
        self.with(|_| ());
        None
    }
}

/// Rings when something is due. One that was set for a later time than another is passed over.
struct Alarm {
    engine: Weak<Engine>,
    at: Duration,
}

impl Job for Alarm {
    fn step(&self) -> Option<Duration> {
        if let Some(engine) = self.engine.upgrade()
            && engine.look(|state| state.is_alarm(self.at))
        {
            engine.with(State::alarmed);
        }
        None
    }
}
