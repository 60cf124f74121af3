//! Where a subscription stands: what it asks its store for next, and what it has seen. One loop for catching up and living.

use super::under_way::{Done, UnderWay};
use crate::Position;
use crate::error::Error;
use crate::expected::Watermark;
use crate::store::{Batch, EventStore, Lag, Located, ReadRequest, ResumeToken, Seen};
use std::sync::Arc;

/// A subscription's place.
pub(super) struct Tail {
    store: Arc<dyn EventStore>,
    /// What is asked for next: behind what was seen.
    request: ReadRequest,
    epoch: u64,
    watermark: Watermark,
    /// The watermark, as far as it is known.
    known: Position,
    /// Whether the last batch said that it had caught up.
    told: bool,
    progress: Option<Arc<Seen>>,
}

impl Tail {
    pub(super) fn new(
        store: Arc<dyn EventStore>,
        mut request: ReadRequest,
        begin: Located,
        watermark: Watermark,
    ) -> Self {
        (request.after, request.spot) = (begin.token.position(), begin.spot);
        let epoch = begin.token.epoch();
        let known = request.after;
        Self { known, store, request, epoch, watermark, told: false, progress: begin.progress }
    }

    /// Everything up to here was seen.
    pub(super) fn position(&self) -> Position {
        self.request.after
    }

    pub(super) fn token(&self) -> ResumeToken {
        ResumeToken::new(self.request.after, self.epoch)
    }

    pub(super) fn lag(&self) -> Lag {
        self.store.lag(&self.request, self.watermark)
    }

    /// Asks for the next batch, or for the watermark if everything up to it was seen.
    pub(super) fn ask(&mut self) -> UnderWay {
        let seen = self.request.after;
        if self.known <= seen {
            return UnderWay::Beyond(match self.watermark {
                Watermark::Committed => self.store.committed_beyond(seen),
                Watermark::Synced => self.store.beyond(seen),
            });
        }
        self.request.before = Some(Position(self.known.0.saturating_add(1)));
        UnderWay::Batch(self.store.read(&self.request))
    }

    /// Whether the last batch said that nothing was left.
    pub(super) fn has_told(&self) -> bool {
        self.told
    }

    /// The batch that says so.
    pub(super) fn tell_caught_up(&mut self) -> Batch {
        self.told = true;
        Batch::new(Vec::new(), self.request.after, true)
    }

    /// Takes in what was asked for. `None`: nothing is given for it.
    pub(super) fn take(&mut self, done: Done) -> Result<Option<Batch>, Error> {
        let batch = match done {
            Done::Beyond(position) => {
                let (position, seen) = (position?, self.request.after);
                if position <= seen {
                    let what =
                        "the store says that something stands beyond what was seen, and isn't beyond it";
                    return Err(Error::other(format!("{what}: position {position}, seen is {seen}")));
                }
                self.known = position;
                return Ok(None);
            }
            Done::Batch(batch) => batch?,
        };
        let from = self.request.after;
        let reached = if batch.is_caught_up() { batch.through().max(self.known) } else { batch.through() };
        if reached <= from {
            let what = "a batch of the store is neither caught up nor beyond the one before";
            return Err(Error::other(format!("{what}, at position {from}")));
        }
        self.request.after = reached;
        match batch.end() {
            Some(end) => {
                (self.request.spot, self.epoch) = (Some(end.spot), end.epoch);
                if let Some(progress) = &self.progress {
                    progress.note(reached, end.spot);
                }
            }
            None => self.epoch = 0,
        }
        let caught_up = reached >= self.known;
        let gives = !batch.is_empty() || caught_up && !self.told;
        if gives {
            self.told = caught_up;
        }
        Ok(gives.then_some(batch))
    }
}
