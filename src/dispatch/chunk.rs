//! Deliveries that are handed out together, to a worker whose handler answers at once: it takes one after another without asking,
//! and whoever is idle takes those that wait behind one that doesn't.

use super::delivery::Ticket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Most deliveries of a chunk.
const LEN_MAX: usize = 32;
/// Calls that take less are handed out together.
const QUICK: Duration = Duration::from_micros(2);
/// Those that wait behind a call for longer are taken by who is idle.
const PATIENCE: Duration = Duration::from_millis(1);

pub(super) struct Chunk {
    tickets: Vec<Arc<Ticket>>,
    /// Those before it were taken.
    next: AtomicUsize,
    handed_out: Duration,
}

impl Chunk {
    pub(super) fn new(tickets: Vec<Arc<Ticket>>, now: Duration) -> Arc<Self> {
        Arc::new(Self { tickets, next: AtomicUsize::new(0), handed_out: now })
    }

    /// The next delivery. Each is given once.
    pub(super) fn take(&self) -> Option<&Arc<Ticket>> {
        // Nothing else is ordered by it: the tickets were there before the chunk was.
        self.tickets.get(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Those that were not taken, and are not given any more.
    pub(super) fn recall(&self) -> &[Arc<Ticket>] {
        let next = self.next.swap(self.tickets.len(), Ordering::Relaxed);
        &self.tickets[next.min(self.tickets.len())..]
    }

    pub(super) fn left(&self) -> usize {
        self.tickets.len().saturating_sub(self.next.load(Ordering::Relaxed))
    }

    /// When those that are left are taken by who is idle.
    pub(super) fn due(&self) -> Duration {
        self.handed_out + PATIENCE
    }

    /// How many to hand out next, now that this is over.
    pub(super) fn next_len(&self, now: Duration) -> usize {
        let len = self.tickets.len();
        match now.saturating_sub(self.handed_out) < QUICK * len as u32 {
            true => (2 * len).min(LEN_MAX),
            false => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{NewEvent, RecordedEvent};
    use crate::{Position, Revision};
    use std::time::SystemTime;

    fn chunk(count: u64) -> Arc<Chunk> {
        let event = NewEvent::raw("t", b"");
        let ticket = |n| {
            let event =
                RecordedEvent::new("a-1", Revision(n), Position(n + 1), SystemTime::UNIX_EPOCH, &event);
            Arc::new(Ticket::new(event.into(), &"c".into(), 1, 0, super::super::delivery::Origin::Log, true))
        };
        Chunk::new((0..count).map(ticket).collect(), Duration::ZERO)
    }

    #[test]
    fn each_is_given_once_or_recalled() {
        let chunk = chunk(4);
        assert_eq!(chunk.take().map(|ticket| ticket.position), Some(1));
        assert_eq!((chunk.take().map(|ticket| ticket.position), chunk.left()), (Some(2), 2));
        assert_eq!(chunk.recall().iter().map(|ticket| ticket.position).collect::<Vec<_>>(), [3, 4]);
        assert!(chunk.take().is_none() && chunk.take().is_none() && chunk.recall().is_empty());
        assert_eq!(chunk.left(), 0);
    }

    #[test]
    fn quick_calls_are_handed_out_together() {
        let lens = [1, 4, 32].map(|len| chunk(len).next_len(QUICK * len as u32 - Duration::from_nanos(1)));
        assert_eq!(lens, [2, 8, 32]);
        assert_eq!(chunk(32).next_len(QUICK * 32), 1);
    }
}
