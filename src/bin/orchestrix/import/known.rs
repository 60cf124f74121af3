//! Answers whether a stream already has an event with some id. For that it keeps 28 bits of a hash for each event of
//! the streams that were asked about, in at most 16 bytes an event; a match is confirmed by reading the event, so an
//! answer is never a guess.

use super::compact::{Compact, VALUE_MAX};
use crate::failure::Failure;
use orchestrix::{Error, EventIdRef, EventRef, Revision, View};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// A stream of so few events is read each time and takes no memory. With one entry a stream beside one an event, at
/// most 12 bytes each, more events than this keep within 16 bytes an event.
const READ_EACH_TIME_MAX: u64 = 4;

/// What the streams that were asked about hold.
pub(crate) struct Known {
    /// Hash of stream and id, to the revision of the event.
    revisions: Compact,
    /// Position of the first event of each stream whose events are in `revisions`: nothing names a stream better.
    loaded: Compact,
    hasher: RandomState,
}

impl Known {
    pub(crate) fn new() -> Self {
        Self { revisions: Compact::new(), loaded: Compact::new(), hasher: RandomState::new() }
    }

    /// The event of `stream` that has this id.
    pub(crate) fn find<'v>(
        &mut self,
        view: &'v View,
        stream: &str,
        id: EventIdRef<'_>,
    ) -> Result<Option<EventRef<'v>>, Failure> {
        let Some(head) = view.head(stream)? else { return Ok(None) };
        if head.revision.0 < READ_EACH_TIME_MAX {
            let mut events = view.stream(stream);
            return Ok(events.find(|event| !matches!(event, Ok(event) if event.id() != id)).transpose()?);
        }
        self.load(view, stream)?;
        for revision in self.revisions.candidates(self.hash(stream, id)) {
            // There may be no such event: the entry may be that of another stream, which is longer.
            let event = view.stream(stream).from(Revision(revision)).next().transpose()?;
            if event.is_some_and(|event| event.id() == id) {
                return Ok(event);
            }
        }
        Ok(None)
    }

    /// `view` is the first that has these events, each with its stream, in the order in which they were appended.
    pub(crate) fn appended<'e>(
        &mut self,
        view: &View,
        events: impl Iterator<Item = (&'e str, EventIdRef<'e>)> + Clone,
    ) -> Result<(), Failure> {
        let mut next: HashMap<&str, u64> = HashMap::new();
        for (stream, _) in events.clone() {
            *next.entry(stream).or_default() += 1;
        }
        for (stream, count) in &mut next {
            // From the number of new events of a stream to the revision of the first of them.
            *count = match view.head(stream)? {
                Some(head) if self.is_loaded(view, stream)? => fitting((head.revision.0 + 1) - *count)?,
                _ => u64::MAX,
            };
        }
        next.retain(|_, revision| *revision != u64::MAX);
        for (stream, id) in events {
            let hash = self.hash(stream, id);
            if let Some(revision) = next.get_mut(stream) {
                self.revisions.insert(hash, fitting(*revision)?);
                *revision += 1;
            }
        }
        Ok(())
    }

    fn load(&mut self, view: &View, stream: &str) -> Result<(), Failure> {
        if self.is_loaded(view, stream)? {
            return Ok(());
        }
        for event in view.stream(stream) {
            let event = event?;
            if event.revision() == Revision(0) {
                let first = fitting(event.position().0)?;
                self.loaded.insert(self.hasher.hash_one(first), first);
            }
            self.revisions.insert(self.hash(stream, event.id()), fitting(event.revision().0)?);
        }
        Ok(())
    }

    fn is_loaded(&self, view: &View, stream: &str) -> Result<bool, Error> {
        let Some(first) = view.stream(stream).next().transpose()? else { return Ok(false) };
        let position = first.position().0;
        Ok(self.loaded.candidates(self.hasher.hash_one(position)).any(|value| value == position))
    }

    fn hash(&self, stream: &str, id: EventIdRef<'_>) -> u64 {
        self.hasher.hash_one((stream, id))
    }
}

fn fitting(number: u64) -> Result<u64, Failure> {
    if number <= VALUE_MAX {
        return Ok(number);
    }
    Err(Failure::refused(format!(
        "an import can look up ids in a log of at most {VALUE_MAX} events, found {number}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrix::{Durability, Expected, NewEvent, Store};

    /// Appends an event to each stream, telling `known` if there is one.
    fn append(store: &Store, streams: u32, id: u32, known: Option<&mut Known>) {
        let events: Vec<_> = (0..streams)
            .map(|n| (format!("s-{n}"), NewEvent::raw("t", b"").id(format!("{n}.{id}"))))
            .collect();
        for part in events.chunks(1_000) {
            let mut transaction = store.transaction().durability(Durability::Process);
            for (stream, event) in part {
                transaction = transaction.append(stream, Expected::Any, event);
            }
            transaction.commit().wait().unwrap();
        }
        if let Some(known) = known {
            let ids = events.iter().map(|(stream, event)| (stream.as_str(), event.event_id()));
            known.appended(&store.view(), ids).unwrap();
        }
    }

    #[test]
    fn it_finds_what_is_there_and_nothing_else_in_little_memory() {
        const STREAMS: u32 = 20_000;
        let store = Store::in_memory();
        let mut known = Known::new();
        let shortest = READ_EACH_TIME_MAX as u32 + 1;
        // Some events from before; the others come while streams of 4 events and fewer, and of more, are asked about.
        for id in 0..shortest + 2 {
            append(&store, STREAMS, id, (id > 1).then_some(&mut known));
            let view = store.view();
            for n in (0..STREAMS).step_by(if id + 1 == shortest { 1 } else { 97 }) {
                let stream = format!("s-{n}");
                for wanted in 0..=id + 1 {
                    let wanted_id = NewEvent::raw("t", b"").id(format!("{n}.{wanted}"));
                    let found = known.find(&view, &stream, wanted_id.event_id()).unwrap();
                    assert_eq!(
                        found.map(|event| event.revision()),
                        (wanted <= id).then_some(Revision(wanted.into()))
                    );
                }
            }
            if id + 1 == shortest {
                let bytes = (known.revisions.bytes() + known.loaded.bytes()) as f64;
                let each = bytes / f64::from(STREAMS * shortest);
                assert!(each <= 16.0, "{each} bytes an event");
            }
        }
        let other = NewEvent::raw("t", b"").id("1.1");
        assert!(
            known.find(&store.view(), "s-2", other.event_id()).unwrap().is_none(),
            "the id of another stream"
        );
        assert!(known.find(&store.view(), "none", other.event_id()).unwrap().is_none());
    }
}
