//! One value for an operation that can wait: a thread `wait`s for it, a task `await`s it. One implementation.

use crate::{Error, Position};
use event_listener::{Event, EventListener, Listener};
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

thread_local! {
    /// This thread polls a task that is to await, not to wait.
    static AWAITS: Cell<bool> = const { Cell::new(false) };
}

/// Polls a part of a task. In builds with debug assertions, waiting in it panics where it would block the executor's thread.
pub(crate) fn awaiting<T>(poll: impl FnOnce() -> T) -> T {
    /// Puts back what was, also if the poll panics.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            AWAITS.set(self.0);
        }
    }
    let _before = cfg!(debug_assertions).then(|| Before(AWAITS.replace(true)));
    poll()
}

/// Called by whoever is about to block.
#[track_caller]
fn check_may_block() {
    if cfg!(debug_assertions) && AWAITS.get() {
        panic!(
            "waiting would block the thread of an async handler: write `.await`, or use a handler that may block"
        );
    }
}

/// Work that many wait for and any of them, or a background job, may do.
pub(crate) trait Work: Send + Sync {
    /// The outcome for `target`, once it is known.
    fn outcome(&self, target: u64) -> Option<Result<(), Error>>;
    /// Does the work on this thread if nobody is doing it. Returns `false` if somebody is: then listen to `event`.
    fn lead(&self, target: u64) -> bool;
    /// Asks a background job to do it soon.
    fn request(&self, target: u64);
    /// Notified after each change of an outcome.
    fn event(&self) -> &Event;
    /// How far it has come, where that is more than a target was.
    fn reached(&self) -> u64 {
        0
    }
}

/// An operation that is under way: a thread [`wait`](Pending::wait)s for it, a task `.await`s it.
///
/// Dropping it cancels nothing that was begun: an embedded append has happened at the call, and its `Ok` says that
/// the durability that was asked for has been reached. It never needs the caller's runtime.
#[must_use = "nothing is known to be durable until `.wait()` (threads) or `.await` (tasks) says so"]
pub struct Pending<T, E = Error>(State<T, E>);

/// What waiting gives, from the outcome and the value that was kept for it.
type Finish<T, E> = fn(Result<(), Error>, &dyn Work, T) -> Result<T, E>;

enum State<T, E> {
    Ready(Result<T, E>),
    Working {
        work: Arc<dyn Work>,
        target: u64,
        value: T,
        listener: Option<EventListener>,
        finish: Finish<T, E>,
    },
    Future(Pin<Box<dyn Future<Output = Result<T, E>> + Send>>),
    Done,
}

// Nothing is pinned structurally: the future is boxed, the listener is `Unpin`.
impl<T, E> Unpin for Pending<T, E> {}

impl<T> Pending<T, Error> {
    /// `value`, once `work` has reached `target`.
    pub(crate) fn working(work: Arc<dyn Work>, target: u64, value: T) -> Self {
        let finish: Finish<T, Error> = |outcome, _, value| outcome.map(|()| value);
        Self(State::Working { work, target, value, listener: None, finish })
    }
}

impl Pending<Position, Error> {
    /// How far `work` has come, once it has reached `target`.
    pub(crate) fn reaching(work: Arc<dyn Work>, target: u64) -> Self {
        let finish: Finish<Position, Error> = |outcome, work, _| outcome.map(|()| Position(work.reached()));
        Self(State::Working { work, target, value: Position::START, listener: None, finish })
    }
}

impl<T, E> Pending<T, E> {
    /// An operation that is over.
    pub fn ready(result: Result<T, E>) -> Self {
        Self(State::Ready(result))
    }

    /// For authors of stores: an operation that a future completes. It is polled by whoever waits.
    pub fn new(future: impl Future<Output = Result<T, E>> + Send + 'static) -> Self {
        Self(State::Future(Box::pin(future)))
    }

    /// The result, if it is over now; nobody is asked to go on with it, and nothing is woken later.
    pub(crate) fn now(self) -> Result<Result<T, E>, Self> {
        match self.0 {
            State::Ready(result) => Ok(result),
            State::Working { work, target, value, listener, finish } => match work.outcome(target) {
                Some(outcome) => Ok(finish(outcome, &*work, value)),
                None => Err(Self(State::Working { work, target, value, listener, finish })),
            },
            under_way => Err(Self(under_way)),
        }
    }

    /// As [`now`](Self::now), and a future of another back end is polled once for it.
    pub(crate) fn peek(self) -> Result<Result<T, E>, Self> {
        match self.0 {
            State::Future(mut future) => {
                match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(result) => Ok(result),
                    Poll::Pending => Err(Self(State::Future(future))),
                }
            }
            other => Self(other).now(),
        }
    }

    /// The result, where it was known when the operation began: an append that failed, or that has nothing to wait for.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn known(&self) -> Option<&Result<T, E>> {
        match &self.0 {
            State::Ready(result) => Some(result),
            _ => None,
        }
    }

    /// Blocks this thread until the operation is over. In a task write `.await` instead: a thread of the executor that waits runs
    /// no other task meanwhile. In the handler of a consumer that is async, a build with debug assertions panics where it would block, which is
    /// a failed attempt that says so. Elsewhere, these lines of `clippy.toml` forbid it:
    ///
    /// ```toml
    /// disallowed-methods = [
    ///     { path = "orchestrix::Pending::wait", reason = "it blocks the executor: write `.await`" },
    ///     { path = "orchestrix::Pending::wait_timeout", reason = "it blocks the executor" },
    /// ]
    /// ```
    ///
    /// # Errors
    /// Those of the operation.
    ///
    /// # Panics
    /// If it was polled to its end before. See above.
    #[inline]
    pub fn wait(self) -> Result<T, E> {
        if let State::Ready(result) = self.0 {
            return result;
        }
        match self.wait_until(None) {
            Ok(result) => result,
            Err(_) => unreachable!("without a deadline, waiting ends with a result"),
        }
    }

    /// Blocks this thread for at most about `limit`; gives itself back if that was not enough. A sync that this
    /// thread leads is not interrupted, so it may take longer by one sync.
    ///
    /// # Errors
    /// The outer one is the operation itself, still under way.
    ///
    /// # Panics
    /// If it was polled to its end before.
    pub fn wait_timeout(self, limit: Duration) -> Result<Result<T, E>, Self> {
        self.wait_until(deadline(limit))
    }

    pub(crate) fn wait_until(self, deadline: Option<Instant>) -> Result<Result<T, E>, Self> {
        match self.0 {
            State::Ready(result) => Ok(result),
            State::Working { work, target, value, listener, finish } => loop {
                if let Some(outcome) = work.outcome(target) {
                    return Ok(finish(outcome, &*work, value));
                }
                check_may_block();
                let listening = work.event().listen();
                if work.outcome(target).is_some() || work.lead(target) {
                    continue;
                }
                let in_time = match deadline {
                    Some(deadline) => listening.wait_deadline(deadline).is_some(),
                    None => {
                        listening.wait();
                        true
                    }
                };
                if !in_time && work.outcome(target).is_none() {
                    return Err(Self(State::Working { work, target, value, listener, finish }));
                }
            },
            State::Future(future) => block_on(future, deadline).map_err(|future| Self(State::Future(future))),
            State::Done => panic!("a Pending was used after it had given its result"),
        }
    }
}

impl<T, E> Future for Pending<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.0, State::Done) {
            State::Ready(result) => Poll::Ready(result),
            State::Working { work, target, value, mut listener, finish } => loop {
                if let Some(outcome) = work.outcome(target) {
                    return Poll::Ready(finish(outcome, &*work, value));
                }
                match &mut listener {
                    Some(waiting) => match Pin::new(waiting).poll(cx) {
                        Poll::Ready(()) => listener = None,
                        Poll::Pending => {
                            self.0 = State::Working { work, target, value, listener, finish };
                            return Poll::Pending;
                        }
                    },
                    None => {
                        listener = Some(work.event().listen());
                        work.request(target);
                    }
                }
            },
            State::Future(mut future) => {
                let polled = future.as_mut().poll(cx);
                if polled.is_pending() {
                    self.0 = State::Future(future);
                }
                polled
            }
            State::Done => panic!("a Pending was polled after it had given its result"),
        }
    }
}

impl<T, E> fmt::Debug for Pending<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Ready(_) => "Pending(ready)",
            State::Working { .. } | State::Future(_) => "Pending(under way)",
            State::Done => "Pending(taken)",
        })
    }
}

/// The moment when so much time has passed; `None` if no clock gets there.
pub(crate) fn deadline(limit: Duration) -> Option<Instant> {
    Instant::now().checked_add(limit)
}

/// Polls `future` on this thread, which parks in between. Gives it back at the deadline.
fn block_on<F: Future + Unpin>(mut future: F, deadline: Option<Instant>) -> Result<F::Output, F> {
    struct Unpark(Arc<Event>);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.notify_additional(1);
        }
    }
    let woken = Arc::new(Event::new());
    let waker = Arc::new(Unpark(woken.clone())).into();
    let mut cx = Context::from_waker(&waker);
    loop {
        let listening = woken.listen();
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut cx) {
            return Ok(output);
        }
        check_may_block();
        match deadline {
            Some(deadline) => {
                if listening.wait_deadline(deadline).is_none() {
                    return Err(future);
                }
            }
            None => listening.wait(),
        }
    }
}
