//! What a thread or a task of a consumer does: it takes a delivery, calls the handler, and says how that has ended.

use super::delivery::Ticket;
use super::engine::{Answered, Engine, Turn};
use super::handler::{Answer, Called};
use super::outcome::Outcome;
use crate::error::Error;
use crate::medium::Job;
use crate::pending::Pending;
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A future that a spawner runs.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Works until the consumer is over.
pub(super) async fn work(engine: Arc<Engine>) {
    let (mut answered, mut listener) = (Answered::default(), None);
    loop {
        match engine.turn(&mut answered) {
            Turn::Over => return,
            Turn::Call(chunk) => {
                listener = None;
                while let Some(ticket) = chunk.take() {
                    let answer = Call::new(&engine, ticket).await;
                    let stops = matches!(answer, Answer::Handled(Ok(Outcome::Stop)));
                    answered.answers.push((ticket.clone(), answer));
                    if stops {
                        break;
                    }
                }
                answered.chunk = Some(chunk);
            }
            Turn::Idle => match listener.take() {
                // Looks once more, now that it would be woken.
                None => listener = Some(engine.listen()),
                Some(listening) => listening.await,
            },
        }
    }
}

/// Works on a thread of its own.
pub(super) fn spawn(engine: &Arc<Engine>) -> Result<(), Error> {
    let (name, worker) = (format!("orchestrix-{}", engine.name), engine.clone());
    let run = move || {
        let working: Pending<()> = Pending::new(async move {
            work(worker).await;
            Ok(())
        });
        // It has no way to fail.
        let _ = working.wait();
    };
    engine.clock.spawn(name, Box::new(run)).map_err(|error| {
        Error::io("starting a thread of consumer", std::path::Path::new(&*engine.name), error)
    })
}

/// A call of the handler, which is dropped at its deadline.
struct Call<'e> {
    engine: &'e Engine,
    called: Called<'e>,
    deadline: Option<Duration>,
    alarm: Option<Arc<Alarm>>,
}

impl<'e> Call<'e> {
    fn new(engine: &'e Engine, ticket: &Arc<Ticket>) -> Self {
        let deadline = engine.settings.deadline.filter(|_| !engine.handler.blocks());
        let deadline = deadline.map(|limit| engine.clock.monotonic().saturating_add(limit));
        Self { engine, called: engine.handler.call(ticket), deadline, alarm: None }
    }
}

/// Wakes a task at a deadline.
struct Alarm(Mutex<Waker>);

impl Job for Alarm {
    fn step(&self) -> Option<Duration> {
        self.0.lock().wake_by_ref();
        None
    }
}

impl Future for Call<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let call = &mut *self;
        if let Poll::Ready(answer) = call.called.poll(cx) {
            return Poll::Ready(answer);
        }
        let Some(deadline) = call.deadline else { return Poll::Pending };
        let left = deadline.saturating_sub(call.engine.clock.monotonic());
        if left.is_zero() {
            call.called.drop_call();
            return Poll::Ready(Answer::Late);
        }
        match &call.alarm {
            Some(alarm) => alarm.0.lock().clone_from(cx.waker()),
            None => {
                let alarm = Arc::new(Alarm(Mutex::new(cx.waker().clone())));
                call.alarm = Some(alarm.clone());
                call.engine.clock.schedule(left, alarm);
            }
        }
        Poll::Pending
    }
}
