//! What handlers have seen, and how events are appended for them.

use orchestrix::prelude::*;
use orchestrix::{EventStore, RetryPolicy, RunningConsumer};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Notes of a handler, in the order in which they were made.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<(String, String, u32)>>>);

impl Seen {
    /// Notes a delivery: stream, data as text, attempt.
    pub(crate) fn note<E>(&self, event: &Delivery<E>) {
        let text = String::from_utf8_lossy(event.event().data()).into_owned();
        self.0.lock().expect("no panic").push((event.stream().to_owned(), text, event.attempt()));
    }

    pub(crate) fn all(&self) -> Vec<(String, String, u32)> {
        self.0.lock().expect("no panic").clone()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().expect("no panic").clear();
    }

    /// The texts of a stream.
    pub(crate) fn of(&self, stream: &str) -> Vec<String> {
        self.all().into_iter().filter(|(of, ..)| of == stream).map(|(_, text, _)| text).collect()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.all().into_iter().map(|(_, text, _)| text).collect()
    }
}

/// Appends one event with this text.
pub(crate) fn append<B: EventStore>(store: &Store<B>, stream: &str, text: &str) -> Position {
    let event = NewEvent::raw("happened", text.as_bytes().to_vec());
    store.append(stream, Any, event).wait().expect("an append").position()
}

/// Appends `0`, `1` ... to streams in turn; the last position.
pub(crate) fn fill<B: EventStore>(store: &Store<B>, streams: usize, each: usize) -> Position {
    let mut last = Position::START;
    for n in 0..each {
        for stream in 0..streams {
            last = append(store, &format!("s-{stream}"), &n.to_string());
        }
    }
    last
}

pub(crate) fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

/// Tries again at once, so often.
pub(crate) fn at_once(retries: u32) -> RetryPolicy {
    RetryPolicy::fixed(Duration::from_millis(1)).expect("a policy").max_retries(retries)
}

#[track_caller]
pub(crate) fn reach(consumer: &RunningConsumer, position: Position) {
    match consumer.wait_for(position).wait_timeout(Duration::from_secs(20)) {
        Ok(done) => done.expect("it is reached"),
        Err(_) => panic!("position {position} isn't reached: {consumer:?}"),
    }
}

#[track_caller]
pub(crate) fn stop(consumer: RunningConsumer) {
    match consumer.shutdown(Duration::from_secs(10)).wait_timeout(Duration::from_secs(20)) {
        Ok(done) => done.expect("it ends in order"),
        Err(_) => panic!("it doesn't end"),
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("never came: {what}");
}
