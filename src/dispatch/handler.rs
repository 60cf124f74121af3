//! User code behind one face: closures that may block, closures and types that return futures. What panics is caught.

use super::delivery::{Delivery, FromEvent, Ticket};
use super::outcome::Handled;
use crate::error::Error;
use crate::pending::awaiting;
use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A handler with state of its own. `async fn handle(&self, ..)` implements it.
///
/// ```
/// use orchestrix::{Handler, prelude::*};
/// struct Printer { prefix: String }
/// impl Handler for Printer {
///     type Event = orchestrix::Raw;
///     async fn handle(&self, event: Delivery) -> Handled {
///         println!("{} {}", self.prefix, event.event().event_type());
///         Ok(Ack)
///     }
/// }
/// ```
pub trait Handler: Send + Sync + 'static {
    /// What of an event it asks for.
    type Event: FromEvent;

    /// Handles one event. Several calls may run at once, for events that don't wait for one another.
    fn handle(&self, event: Delivery<Self::Event>) -> impl Future<Output = Handled> + Send;
}

/// How a call of a handler ended.
pub(super) enum Answer {
    Handled(Handled),
    /// The event isn't what the handler asks for.
    Undecoded(Error),
    Panicked(String),
    /// It took longer than the consumer's deadline, and was dropped.
    Late,
}

/// A call: over, or to be polled.
pub(super) enum Called<'h> {
    Over(Answer),
    UnderWay(Pin<Box<dyn Future<Output = Handled> + Send + 'h>>),
}

/// What a consumer calls.
pub(super) trait Handle: Send + Sync {
    fn call(&self, ticket: &Arc<Ticket>) -> Called<'_>;
    /// Whether a call may block its thread.
    fn blocks(&self) -> bool;
}

/// A closure that may block.
pub(super) struct Blocking<E, F>(pub(super) F, pub(super) PhantomData<fn(E)>);
/// A closure that returns a future.
pub(super) struct Async<E, F>(pub(super) F, pub(super) PhantomData<fn(E)>);
/// A type.
pub(super) struct Typed<H>(pub(super) H);

impl<E, F> Handle for Blocking<E, F>
where
    E: FromEvent,
    F: Fn(Delivery<E>) -> Handled + Send + Sync + 'static,
{
    fn call(&self, ticket: &Arc<Ticket>) -> Called<'_> {
        called(ticket, |delivery| Called::Over(Answer::Handled((self.0)(delivery))))
    }

    fn blocks(&self) -> bool {
        true
    }
}

impl<E, F, Fut> Handle for Async<E, F>
where
    E: FromEvent,
    F: Fn(Delivery<E>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Handled> + Send + 'static,
{
    fn call(&self, ticket: &Arc<Ticket>) -> Called<'_> {
        called(ticket, |delivery| Called::UnderWay(Box::pin(awaiting(|| (self.0)(delivery)))))
    }

    fn blocks(&self) -> bool {
        false
    }
}

impl<H: Handler> Handle for Typed<H> {
    fn call(&self, ticket: &Arc<Ticket>) -> Called<'_> {
        called(ticket, |delivery| Called::UnderWay(Box::pin(self.0.handle(delivery))))
    }

    fn blocks(&self) -> bool {
        false
    }
}

fn called<'h, E: FromEvent>(
    ticket: &Arc<Ticket>,
    call: impl FnOnce(Delivery<E>) -> Called<'h>,
) -> Called<'h> {
    let called = caught(|| match Delivery::new(ticket) {
        Ok(delivery) => call(delivery),
        Err(error) => Called::Over(Answer::Undecoded(error)),
    });
    called.unwrap_or_else(|message| Called::Over(Answer::Panicked(message)))
}

/// Runs user code. `Err` with what it panicked with.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    // What it leaves half done is the user's own: the consumer shares nothing with it but the delivery.
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let message = message_of(&*payload);
        // Dropping what was thrown may panic once more.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
        message
    })
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "something that is no text".to_owned(),
    }
}

impl Called<'_> {
    /// Goes on with the call.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        let polled = match self {
            Self::Over(answer) => return Poll::Ready(std::mem::replace(answer, Answer::Late)),
            Self::UnderWay(future) => caught(|| awaiting(|| future.as_mut().poll(cx))),
        };
        let answer = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(handled)) => Answer::Handled(handled),
            Err(message) => Answer::Panicked(message),
        };
        self.drop_call();
        Poll::Ready(answer)
    }

    /// Drops the call, whatever it has come to; dropping may panic, too.
    pub(super) fn drop_call(&mut self) {
        let over = std::mem::replace(self, Self::Over(Answer::Late));
        let _ = caught(move || drop(over));
    }
}
