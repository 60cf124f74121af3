//! A store as an author of one would begin: a list behind a lock, positions ten apart, nothing optional but that processes may
//! share its consumers. All that it needs is public.

use orchestrix::{
    Batch, Capabilities, Commit, Error, EventStore, Expected, Head, Lease, Partition, Pending, Position,
    ReadRequest, Receipt, RecordedEvent, Revision,
};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::SystemTime;

const APART: u64 = 10;
/// Most events of a batch, so that reads take several.
const BATCH: usize = 3;

#[derive(Default)]
pub(crate) struct Own(Arc<Shared>);

#[derive(Default)]
struct Shared {
    events: Mutex<Vec<RecordedEvent>>,
    waiting: Mutex<Vec<Waker>>,
    leases: Mutex<Vec<(String, Partition)>>,
}

/// Gives a lease back.
struct Held(Arc<Shared>, (String, Partition));

impl Drop for Held {
    fn drop(&mut self) {
        self.0.leases.lock().expect("no panic").retain(|held| *held != self.1);
    }
}

impl Shared {
    fn events(&self) -> MutexGuard<'_, Vec<RecordedEvent>> {
        self.events.lock().expect("no writer has panicked")
    }
}

fn last(events: &[RecordedEvent]) -> Position {
    events.last().map_or(Position::START, |event| event.as_ref().position())
}

fn head(events: &[RecordedEvent], stream: &str) -> Option<Head> {
    let newest = events.iter().map(RecordedEvent::as_ref).rfind(|event| event.stream() == stream)?;
    Some(Head::new(newest.revision(), newest.position()))
}

impl Own {
    fn append(&self, commit: &Commit<'_>) -> Result<Receipt, Error> {
        if commit.fail_if_any.is_some() || commit.progress.is_some() {
            return Err(Error::unsupported("conditions and progress"));
        }
        let [write] = commit.writes else { return Err(Error::unsupported("several streams")) };
        if write.events.is_empty() {
            return Err(Error::invalid("expected at least one event"));
        }
        let mut events = self.0.events();
        let head = head(&events, write.stream).map(|head| head.revision);
        let mut new = Vec::new();
        for (n, event) in (0..).zip(write.events) {
            let revision = Revision(head.map_or(n, |head| head.0 + 1 + n));
            let position = Position(last(&events).0 + (n + 1) * APART);
            let now = SystemTime::UNIX_EPOCH;
            new.push(RecordedEvent::try_new(write.stream, revision, position, now, event)?);
        }
        if !write.expected.is_met_by(head) {
            return match repeat(&events, commit) {
                Some(receipt) => Ok(receipt),
                None => Err(Error::new_conflict(write.stream, write.expected, head)),
            };
        }
        let newest = new.last().expect("at least one event").as_ref();
        let receipt = commit.receipt(newest.position(), |_| newest.revision());
        events.append(&mut new);
        let waiting = std::mem::take(&mut *self.0.waiting.lock().expect("no panic"));
        waiting.into_iter().for_each(Waker::wake);
        Ok(receipt)
    }
}

/// The receipt of a commit whose events stand where it expects them to.
fn repeat(events: &[RecordedEvent], commit: &Commit<'_>) -> Option<Receipt> {
    let write = commit.writes[0];
    let first = match write.expected {
        Expected::NoStream => 0,
        Expected::Exact(Revision(revision)) => revision.checked_add(1)?,
        _ => return None,
    };
    let of_stream = events.iter().map(RecordedEvent::as_ref).filter(|event| event.stream() == write.stream);
    let mut there = of_stream.skip(usize::try_from(first).ok()?);
    let mut newest = None;
    for event in write.events {
        newest = Some(there.next().filter(|there| there.id() == event.event_id())?);
    }
    let newest = newest?;
    Some(commit.receipt(newest.position(), |_| newest.revision()).as_repeat())
}

impl EventStore for Own {
    fn commit(&self, commit: Commit<'_>) -> Pending<Receipt> {
        Pending::ready(self.append(&commit))
    }

    fn read(&self, request: &ReadRequest) -> Pending<Batch> {
        let (shared, request) = (self.0.clone(), request.clone());
        // Only when it is waited for, as where there is a network.
        Pending::new(async move {
            let events = shared.events();
            let through = request.through(last(&events));
            let mut found: Vec<_> =
                events.iter().filter(|event| request.matches(event.as_ref())).cloned().collect();
            if request.backward {
                found.reverse();
            }
            if found.len() <= request.limit.min(BATCH) {
                return Ok(Batch::new(found, through, true));
            }
            found.truncate(request.limit.min(BATCH));
            let through = if request.backward { through } else { last(&found) };
            Ok(Batch::new(found, through, false))
        })
    }

    fn head(&self, stream: &str) -> Pending<Option<Head>> {
        Pending::ready(Ok(head(&self.0.events(), stream)))
    }

    fn beyond(&self, position: Position) -> Pending<Position> {
        let shared = self.0.clone();
        Pending::new(poll_fn(move |cx| {
            let events = shared.events();
            if last(&events) > position {
                return Poll::Ready(Ok(last(&events)));
            }
            shared.waiting.lock().expect("no panic").push(cx.waker().clone());
            Poll::Pending
        }))
    }

    fn lease(&self, consumer: &str, partition: Partition) -> Pending<Lease> {
        let mut leases = self.0.leases.lock().expect("no panic");
        if leases.iter().any(|(name, part)| name == consumer && part.overlaps(partition)) {
            return Pending::ready(Err(Error::taken(format!("consumer {consumer:?}"))));
        }
        let held = (consumer.to_owned(), partition);
        leases.push(held.clone());
        Pending::ready(Ok(Lease::new(Held(self.0.clone(), held))))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().with_leases().with_partitions()
    }
}
