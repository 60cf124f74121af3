//! Where a reader who follows a store begins, how it says later where it was, and how far it is behind.

use super::subscribers::Seen;
use crate::Position;
use crate::error::Error;
use crate::expected::Watermark;
use crate::log::Place;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// At the first event that is there.
    Beginning,
    /// Behind a position (exclusive): pass the one that was seen last.
    After(Position),
    /// Where another cursor stood. What it had seen may have been lost since, to power loss, if it saw
    /// [`Watermark::Committed`](crate::Watermark::Committed): then opening fails ([`Error::is_ahead`]).
    Resume(ResumeToken),
    /// At the first commit of that time or later; at the end, if there is none yet. Where the clock went back, a commit counts
    /// as made at the latest time of those before it.
    Time(SystemTime),
    /// Behind what may be seen now: what is committed and not yet synced comes, unless it is asked for as committed.
    End,
}

/// A position and the epoch of its commit, a random number that tells one history from another: where a cursor stood. It can be
/// kept as text.
///
/// ```
/// use orchestrix::{ResumeToken, Start, prelude::*};
/// let store = Store::in_memory();
/// store.append("room-1", NoStream, [NewEvent::raw("opened", b""), NewEvent::raw("closed", b"")]).wait()?;
/// let mut live = store.subscribe().batch_max(1).open()?;
/// live.next_batch().wait()?;
/// let kept: String = live.token().to_string();
///
/// let token: ResumeToken = kept.parse()?;
/// let mut again = store.subscribe().start(Start::Resume(token)).open()?;
/// let batch = again.next_batch().wait()?.expect("the store is open");
/// assert_eq!(batch.iter().next().expect("an event").event_type(), "closed");
/// # Ok::<(), orchestrix::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResumeToken {
    position: Position,
    epoch: u64,
}

impl ResumeToken {
    /// For authors of stores: a position, and a number that a history which was lost and grew again doesn't have there.
    pub fn new(position: Position, epoch: u64) -> Self {
        Self { position, epoch }
    }

    /// Everything up to here was seen.
    pub fn position(self) -> Position {
        self.position
    }

    /// The epoch of the commit there; 0 at the beginning.
    pub fn epoch(self) -> u64 {
        self.epoch
    }
}

/// As `position:epoch`, the position in decimal and the epoch in hexadecimal digits.
impl fmt::Display for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:016x}", self.position, self.epoch)
    }
}

impl FromStr for ResumeToken {
    type Err = Error;

    /// # Errors
    /// `Invalid`: it isn't what a token is written as.
    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once(':').filter(|(_, epoch)| epoch.len() == 16);
        let parsed = parts.and_then(|(position, epoch)| {
            let is_digits = position.bytes().all(|byte| byte.is_ascii_digit());
            let position = is_digits.then(|| position.parse().ok())??;
            let is_hex = epoch.bytes().all(|byte| byte.is_ascii_hexdigit());
            let epoch = is_hex.then(|| u64::from_str_radix(epoch, 16).ok())??;
            Some(Self::new(Position(position), epoch))
        });
        parsed.ok_or_else(|| {
            let expected = "a position, a colon and 16 hexadecimal digits";
            Error::invalid(format!("resume token: expected {expected}, found {text:?}"))
        })
    }
}

/// A subscription as it is asked for, but for its filter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription {
    /// Who it is, for lists; may be empty.
    pub name: String,
    /// Where it begins.
    pub start: Start,
    /// How far it may read.
    pub watermark: Watermark,
}

impl Subscription {
    /// One without a name.
    pub fn new(start: Start, watermark: Watermark) -> Self {
        Self { name: String::new(), start, watermark }
    }
}

/// For authors of stores: where a subscription that was asked for begins.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Located {
    /// Everything up to here counts as seen.
    pub token: ResumeToken,
    /// Where the embedded store goes on.
    pub(crate) spot: Option<Place>,
    /// Where it looks how far the subscription has come.
    pub(crate) progress: Option<Arc<Seen>>,
}

impl Located {
    /// A place.
    pub fn new(token: ResumeToken) -> Self {
        Self { token, spot: None, progress: None }
    }

    pub(super) fn at(token: ResumeToken, spot: Place) -> Self {
        Self { token, spot: Some(spot), progress: None }
    }

    pub(super) fn watched(self, progress: Arc<Seen>) -> Self {
        Self { progress: Some(progress), ..self }
    }
}

/// How far a reader is behind what it may read. What doesn't match its filter counts, too: it has to be passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lag {
    /// Events that it hasn't passed.
    pub events: u64,
    /// Bytes that they take in the log, roughly: the end of a segment that was left counts as full.
    pub bytes: u64,
    /// How long ago the first of them was committed; zero if there is none.
    pub time: Duration,
}

impl Lag {
    /// For authors of stores.
    pub fn new(events: u64, bytes: u64, time: Duration) -> Self {
        Self { events, bytes, time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is() {
        for token in [
            ResumeToken::new(Position::START, 0),
            ResumeToken::new(Position(7), 0xab),
            ResumeToken::new(Position(u64::MAX), u64::MAX),
        ] {
            assert_eq!(token.to_string().parse::<ResumeToken>().unwrap(), token);
        }
        for wrong in [
            "",
            ":",
            "7",
            "7:ab",
            ":00000000000000ab",
            "+7:00000000000000ab",
            "7:00000000000000a",
            "7:+0000000000000ab",
            "7:00000000000000abc",
            "18446744073709551616:0000000000000000",
        ] {
            let error = wrong.parse::<ResumeToken>().expect_err(wrong);
            assert!(error.to_string().contains("16 hexadecimal digits"), "{error}");
        }
    }
}
