//! When the progress of a consumer is saved: by count, by time, and before what may end the process. One save at a time.

use super::progress::Progress;
use crate::Position;
use crate::error::Error;
use crate::pending::Pending;
use crate::store::{Checkpoint, EventStore};
use std::time::Duration;

/// How long after a save that failed for a passing reason the next is tried.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Saver {
    pub(super) generation: u64,
    sequence: u64,
    /// Position of the last event that the consumer has emitted.
    emitted: Position,
    /// Events that were finished since progress was taken for a save.
    finished: usize,
    under_way: Option<UnderWay>,
    /// Something has changed besides, since then: an attempt has failed.
    is_changed: bool,
    /// A save is to begin whatever the count.
    is_wanted: bool,
    /// What was saved last, and when its save began.
    saved: Option<Progress>,
    began: Duration,
    /// How far was read when it began.
    read: Position,
    /// No save begins earlier, since one has failed.
    not_before: Duration,
    every: Duration,
    count: usize,
}

struct UnderWay {
    pending: Pending<()>,
    progress: Progress,
    /// Events that were finished and that it is the first to count.
    finished: usize,
}

impl Saver {
    /// Goes on behind the newest progress that is there.
    pub(super) fn new(newest: &Progress, every: Duration, count: usize) -> Self {
        Self {
            generation: newest.generation,
            sequence: newest.sequence,
            emitted: Position::START,
            finished: 0,
            is_changed: false,
            under_way: None,
            is_wanted: true,
            saved: None,
            began: Duration::ZERO,
            read: Position::START,
            not_before: Duration::ZERO,
            every,
            count,
        }
    }

    /// Numbers a progress that is about to be kept.
    pub(super) fn number(&mut self, progress: Progress) -> Progress {
        self.sequence += 1;
        Progress { generation: self.generation, sequence: self.sequence, ..progress }
    }

    pub(super) fn finished(&mut self) {
        self.finished += 1;
    }

    /// What isn't finished has changed: an attempt has failed.
    pub(super) fn changed(&mut self) {
        self.is_changed = true;
    }

    pub(super) fn emitted(&mut self, position: Position) {
        self.emitted = self.emitted.max(position);
    }

    /// Events that were finished and that no durable save counts.
    pub(super) fn uncounted(&self) -> usize {
        self.finished + self.under_way.as_ref().map_or(0, |save| save.finished)
    }

    /// Asks for a save soon.
    pub(super) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// What is durable.
    pub(super) fn saved(&self) -> Option<&Progress> {
        self.saved.as_ref()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none() && !self.is_wanted
    }

    /// Whether a save is to begin now; `through` is how far was read.
    pub(super) fn is_due(&self, now: Duration, through: Position) -> bool {
        if self.under_way.is_some() || now < self.not_before {
            return false;
        }
        self.is_wanted || self.finished >= self.count || self.next_due(through).is_some_and(|due| due <= now)
    }

    /// When a save is due by time, if there is anything to save.
    pub(super) fn next_due(&self, through: Position) -> Option<Duration> {
        let has_moved = self.is_wanted || self.is_changed || self.finished > 0 || self.read != through;
        let due = self.began.saturating_add(self.every).max(self.not_before);
        (self.under_way.is_none() && has_moved).then_some(due)
    }

    /// Begins to save what `progress` says; everything up to `low` is finished, and up to `read` was read.
    pub(super) fn begin(
        &mut self,
        store: &dyn EventStore,
        consumer: &str,
        [low, read]: [Position; 2],
        progress: Progress,
        now: Duration,
    ) {
        let progress = self.number(progress);
        (self.is_wanted, self.is_changed, self.began, self.read) = (false, false, now, read);
        let finished = std::mem::take(&mut self.finished);
        let through = Position(progress.through).max(low).max(self.emitted);
        let pending = match progress.encode() {
            Ok(data) => store.save_checkpoint(consumer, Checkpoint::new(low, through, data)),
            Err(error) => Pending::ready(Err(error)),
        };
        self.under_way = Some(UnderWay { pending, progress, finished });
    }

    pub(super) fn under_way(&mut self) -> Option<&mut Pending<()>> {
        self.under_way.as_mut().map(|save| &mut save.pending)
    }

    /// Takes in how a save has ended.
    ///
    /// # Errors
    /// If the next one won't do better.
    pub(super) fn end(&mut self, result: Result<(), Error>, now: Duration) -> Result<(), Error> {
        let Some(save) = self.under_way.take() else { return Ok(()) };
        match result {
            Ok(()) => self.saved = Some(save.progress),
            Err(error) => {
                self.finished += save.finished;
                if !error.is_retryable() {
                    return Err(error);
                }
                (self.is_wanted, self.not_before) = (true, now + AGAIN);
            }
        }
        Ok(())
    }
}
