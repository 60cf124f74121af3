//! What a handler answers, and what becomes of an event that it can't handle.

use crate::error::BoxError;
use std::time::Duration;

/// What a handler answers. An error is an attempt that failed: it is tried again as the consumer's [`RetryPolicy`](crate::RetryPolicy)
/// says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The event is handled. What was emitted is committed together with the progress.
    Ack,
    /// The event is none of this handler's business: done, without anything emitted.
    Skip,
    /// Not now: again after so long, however often it was tried. Counts as an attempt.
    Retry(Duration),
    /// Never: it goes to the dead letters, for this reason.
    Park(String),
    /// The consumer stops. The event isn't handled: it comes again when the consumer is started again.
    Stop,
}

impl Outcome {
    /// It goes to the dead letters, for this reason.
    pub fn park(reason: impl Into<String>) -> Self {
        Self::Park(reason.into())
    }
}

/// What handlers return. One error type, so that `?` takes any error.
pub type Handled = Result<Outcome, BoxError>;

/// What becomes of an event whose attempts are used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GiveUp {
    /// It goes to the dead letters; so do later events of its stream, in order, until it is redriven or discarded.
    #[default]
    Park,
    /// It goes to the dead letters, and later events of its stream are handled.
    ParkAlone,
    /// It is left out.
    Skip,
    /// The consumer stops; the event comes again when it is started again.
    Stop,
}

/// What a consumer does that would have more dead letters than it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhenFull {
    /// It stops; the event comes again when it is started again.
    #[default]
    Stop,
    /// It pauses, and the event is tried again once it is resumed: after some were redriven or discarded.
    Pause,
    /// It writes the letter, and discards those that were written first, as many as it takes.
    DiscardOldest,
}

/// An error and what caused it, from the outside in.
pub(super) fn chain_of(error: &BoxError) -> Vec<String> {
    let mut chain = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source.filter(|_| chain.len() < CHAIN_MAX) {
        chain.push(cause.to_string());
        source = cause.source();
    }
    chain
}

/// Causes of an error that are kept.
const CHAIN_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn a_chain_has_every_cause() {
        let inner = std::io::Error::other("no route");
        let outer: BoxError = Error::io("posting to", std::path::Path::new("host"), inner).into();
        assert_eq!(chain_of(&outer), ["posting to host: no route", "no route"]);
        assert_eq!(chain_of(&"plain".into()), ["plain"]);
    }
}
