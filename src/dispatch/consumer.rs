//! How a consumer is described and started.

use super::delivery::{Delivery, FromEvent};
use super::engine::Settings;
use super::handler::{Async, Blocking, Handle, Handler, Typed};
use super::order::Order;
use super::outcome::{GiveUp, Handled, WhenFull};
use super::retry::RetryPolicy;
use super::running::RunningConsumer;
use super::start;
use super::worker::{self, Task};
use crate::error::Error;
use crate::limits::{DEAD_LETTER_BYTES_MAX, DEAD_LETTERS_MAX, IN_FLIGHT_MAX, WORKERS_MAX};
use crate::query::Query;
use crate::store::{EventStore, Start, Store};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

/// Says that a consumer has no handler yet.
#[derive(Debug)]
pub struct NoHandler(());

/// Says that a consumer has a handler.
pub struct Ready(Box<dyn Handle>);

/// A consumer that is being described: a durable reader with a name, which handles each event at least once, and goes on where
/// it was when it is started again. It runs after [`start`](Consumer::start) or [`start_on`](Consumer::start_on), which exist once
/// it has a handler.
///
/// ```
/// use orchestrix::prelude::*;
/// let store = Store::in_memory();
/// let mailer = Consumer::named("mailer")
///     .category("order")
///     .handle(|event: Delivery| {
///         println!("{} has {}", event.stream(), event.event().event_type());
///         Ok(Ack)
///     })
///     .start(&store)?;
/// let placed = store.append("order-1", NoStream, NewEvent::raw("placed", b"{}")).wait()?;
/// mailer.wait_for(placed.position()).wait()?;
/// mailer.shutdown(std::time::Duration::from_secs(10)).wait()?;
/// # Ok::<(), orchestrix::Error>(())
/// ```
#[must_use = "a consumer does nothing until `start` or `start_on`"]
pub struct Consumer<H = NoHandler> {
    name: String,
    settings: Settings,
    handler: H,
}

impl Consumer {
    /// A consumer of this name, 1 to 255 bytes: what it has done is kept under it. One of a name runs at a time.
    pub fn named(name: impl Into<String>) -> Self {
        let settings = Settings {
            query: Query::all(),
            begin: Start::Beginning,
            order: Order::PerStream,
            workers: 1,
            in_flight_max: 1_024,
            retry: RetryPolicy::default(),
            give_up: GiveUp::Park,
            deadline: None,
            checkpoint_every: Duration::from_secs(1),
            dead_letters_max: DEAD_LETTERS_MAX,
            dead_letter_bytes_max: DEAD_LETTER_BYTES_MAX,
            when_full: WhenFull::default(),
            breaker: None,
            version: String::new(),
        };
        Self { name: name.into(), settings, handler: NoHandler(()) }
    }

    /// Handles events by a closure that may block: it runs on threads of the consumer's own.
    pub fn handle<E, F>(self, handler: F) -> Consumer<Ready>
    where
        E: FromEvent,
        F: Fn(Delivery<E>) -> Handled + Send + Sync + 'static,
    {
        self.ready(Blocking(handler, PhantomData))
    }

    /// Handles events by a function or closure that returns a future.
    pub fn handle_async<E, F, Fut>(self, handler: F) -> Consumer<Ready>
    where
        E: FromEvent,
        F: Fn(Delivery<E>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Handled> + Send + 'static,
    {
        self.ready(Async(handler, PhantomData))
    }

    /// Handles events by a type with state of its own.
    pub fn handler<H: Handler>(self, handler: H) -> Consumer<Ready> {
        self.ready(Typed(handler))
    }

    fn ready(self, handler: impl Handle + 'static) -> Consumer<Ready> {
        Consumer { name: self.name, settings: self.settings, handler: Ready(Box::new(handler)) }
    }
}

impl<H> Consumer<H> {
    /// Only the events of a stream. As [`query`](Self::query), the last one of these counts.
    pub fn stream(self, name: impl Into<String>) -> Self {
        self.query(Query::stream(name))
    }

    /// Only the events of a category.
    pub fn category(self, name: impl Into<String>) -> Self {
        self.query(Query::category(name))
    }

    /// Only what a query asks for. Default: all events. What it asked for when it ran before doesn't matter: what it has passed
    /// over then stays passed over.
    pub fn query(mut self, query: Query) -> Self {
        self.settings.query = query;
        self
    }

    /// Where it begins when it is started for the first time. Default: at the first event that is there.
    pub fn begin(mut self, start: Start) -> Self {
        self.settings.begin = start;
        self
    }

    /// Which events wait for one another. Default: those of a stream.
    pub fn order(mut self, order: Order) -> Self {
        self.settings.order = order;
        self
    }

    /// How many events are handled at once, 1 to [`WORKERS_MAX`]. Default: 1.
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = workers;
        self
    }

    /// How many events may be read and not finished, or finished and not yet counted by a durable checkpoint: 1 to
    /// [`IN_FLIGHT_MAX`]. So many come again at most, after a crash. Default: 1,024.
    pub fn in_flight_max(mut self, events: usize) -> Self {
        self.settings.in_flight_max = events;
        self
    }

    /// When a failed attempt is followed by another. Default: [`RetryPolicy::default`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry = policy;
        self
    }

    /// What becomes of an event whose attempts are used up. Default: it goes to the dead letters, and what follows it in its
    /// stream as well.
    pub fn give_up(mut self, how: GiveUp) -> Self {
        self.settings.give_up = how;
        self
    }

    /// How long an attempt may take. A future is dropped then, and the attempt has failed. A closure can't be stopped: its
    /// stream stays held until it returns, another thread takes its place meanwhile, and [`Status::overdue`](crate::Status) counts
    /// it. Default: no bound.
    pub fn deadline(mut self, per_attempt: Duration) -> Self {
        self.settings.deadline = Some(per_attempt);
        self
    }

    /// How often progress is saved, if anything was done; it is also saved after half of
    /// [`in_flight_max`](Self::in_flight_max). Default: every second.
    pub fn checkpoint_every(mut self, interval: Duration) -> Self {
        self.settings.checkpoint_every = interval;
        self
    }

    /// How many dead letters may be open. Default: [`DEAD_LETTERS_MAX`].
    pub fn dead_letters_max(mut self, letters: u64) -> Self {
        self.settings.dead_letters_max = letters;
        self
    }

    /// How many bytes open dead letters may have, events and what is said of them. Default: [`DEAD_LETTER_BYTES_MAX`].
    pub fn dead_letter_bytes_max(mut self, bytes: u64) -> Self {
        self.settings.dead_letter_bytes_max = bytes;
        self
    }

    /// What it does at a dead letter that would be beyond one of these bounds. Default: it stops.
    pub fn when_full(mut self, how: WhenFull) -> Self {
        self.settings.when_full = how;
        self
    }

    /// Pauses the consumer when at least `failed` of its last `of` attempts have failed, as a bad deployment would have it, instead of
    /// giving up on one event after another. It goes on when it is resumed; the event that failed last is tried again. `of` is 1
    /// to [`IN_FLIGHT_MAX`]. Default: never.
    pub fn breaker(mut self, failed: usize, of: usize) -> Self {
        self.settings.breaker = Some((failed, of));
        self
    }

    /// The version of the handler, which dead letters tell.
    pub fn version(mut self, handler: impl Into<String>) -> Self {
        self.settings.version = handler.into();
        self
    }
}

impl Consumer<Ready> {
    /// Starts it on threads of its own. It waits for what the store says of where it was.
    ///
    /// # Errors
    /// `Locked`: a consumer of this name runs already, or the store is read-only. `Invalid`: the name or a setting is out of its
    /// bounds. `Corrupt`: its checkpoint, or the dead-letter log, is damaged, or counts events that the log doesn't have. `Truncated`:
    /// retention has removed what it would go on with. `Unsupported`: the store keeps no checkpoints. `Io`: no thread.
    pub fn start<B: EventStore>(self, store: &Store<B>) -> Result<RunningConsumer, Error> {
        let workers = self.settings.workers;
        let running = self.run(store)?;
        running.spawn_threads(workers)?;
        Ok(running)
    }

    /// Starts it on a runtime: `spawn` is called before this returns, on this thread, once for each worker. What it gives back (a
    /// `JoinHandle`, a `Task`) is kept until the work is over. A closure that may block runs on threads all the same.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_on<B, S, R>(self, store: &Store<B>, mut spawn: S) -> Result<RunningConsumer, Error>
    where
        B: EventStore,
        S: FnMut(Task) -> R,
        R: Send + 'static,
    {
        if self.handler.0.blocks() {
            return self.start(store);
        }
        let workers = self.settings.workers;
        let running = self.run(store)?;
        for _ in 0..workers {
            let task = spawn(Box::pin(worker::work(running.engine().clone())));
            running.keep(Box::new(task));
        }
        Ok(running)
    }

    fn run<B: EventStore>(self, store: &Store<B>) -> Result<RunningConsumer, Error> {
        self.check()?;
        start::start(store, &self.name, self.settings, self.handler.0).map(RunningConsumer::new)
    }

    fn check(&self) -> Result<(), Error> {
        let within = |what: &str, found: usize, max: usize| match (1..=max).contains(&found) {
            true => Ok(()),
            false => Err(Error::invalid(format!("{what}: expected 1 to {max}, found {found}"))),
        };
        within("workers", self.settings.workers, WORKERS_MAX)?;
        within("in_flight_max", self.settings.in_flight_max, IN_FLIGHT_MAX)?;
        if let Some((failed, of)) = self.settings.breaker {
            within("breaker, of so many attempts", of, IN_FLIGHT_MAX)?;
            within("breaker, failed attempts", failed, of)?;
        }
        match self.settings.deadline {
            Some(Duration::ZERO) => {
                Err(Error::invalid("deadline of an attempt: expected more than zero, found 0ns"))
            }
            _ => Ok(()),
        }
    }
}

impl<H> fmt::Debug for Consumer<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
