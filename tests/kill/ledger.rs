//! What the parent knows: every event that was acknowledged or seen after a recovery, by position.

use crate::words::{Id, STREAMS, name};
use orchestrix::View;
use orchestrix::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// Where an event stands, and which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    stream: u16,
    revision: u64,
    id: Id,
}

#[derive(Default)]
pub(crate) struct Ledger {
    /// By position, less one.
    places: Vec<Option<Place>>,
    /// What was refused, and must not be there.
    refused: HashSet<Id>,
    pub(crate) acknowledged: u64,
    pub(crate) conflicts: u64,
}

impl Ledger {
    /// Takes a line of a child down. Returns whether it acknowledges something.
    pub(crate) fn note(&mut self, line: &str) -> bool {
        let mut words = line.split(' ');
        match words.next() {
            Some("ack") => {
                let position = words.next().and_then(|word| word.parse().ok()).expect("a position");
                self.note_commit(position, &words.collect::<Vec<_>>());
                true
            }
            Some("no") => {
                self.refused.extend(words.map(|id| Id::parse(id).expect("an id")));
                self.conflicts += 1;
                false
            }
            _ => false,
        }
    }

    /// From the last event to the first: their positions follow on each other.
    fn note_commit(&mut self, last: u64, words: &[&str]) {
        let (mut position, mut ids) = (last, Vec::new());
        for word in words.iter().rev() {
            let Some((stream, revision)) = word.split_once(':') else {
                ids.push(Id::parse(word).expect("an id"));
                continue;
            };
            let stream = stream.parse().expect("a stream");
            let mut revision: u64 = revision.parse().expect("a revision");
            for id in ids.drain(..) {
                self.put(position, Place { stream, revision, id });
                self.acknowledged += 1;
                (position, revision) = (position - 1, revision.wrapping_sub(1));
            }
        }
    }

    fn put(&mut self, position: u64, place: Place) {
        let at = position as usize - 1;
        if self.places.len() <= at {
            self.places.resize(at + 1, None);
        }
        let known = self.places[at].get_or_insert(place);
        assert_eq!(*known, place, "two events at position {position}");
    }

    /// That a view has everything that was acknowledged or seen before, no gap and nothing twice. Returns its events.
    pub(crate) fn check(&mut self, view: &View) -> Vec<(u64, Id)> {
        let names: BTreeMap<_, _> = (0..STREAMS).map(|stream| (name(stream), stream)).collect();
        let mut counts = vec![0; usize::from(STREAMS)];
        let (mut ids, mut found) = (HashSet::new(), Vec::new());
        for event in view.all() {
            let event = event.expect("an event");
            let (position, stream) = (event.position().0, names[event.stream()]);
            assert_eq!(position, found.len() as u64 + 1, "positions have no gap");
            let count: &mut u64 = &mut counts[usize::from(stream)];
            assert_eq!(event.revision().0, *count, "{} has no gap", event.stream());
            let id = Id::parse(&event.id().to_string()).expect("an id of the test");
            assert!(event.event_type() == id.event_type() && event.data() == id.data(), "{event:?}");
            assert!(ids.insert(id), "{id} stands twice");
            assert!(!self.refused.contains(&id), "{id} was refused");
            let known = self.places.get(found.len()).copied().flatten();
            let place = Place { stream, revision: *count, id };
            assert!(known.is_none_or(|known| known == place), "{known:?} was acknowledged, found {place:?}");
            *count += 1;
            found.push((position, id));
        }
        let (there, told) = (found.len(), self.places.len());
        assert!(there >= told, "{told} events were acknowledged, {there} are there");
        for (stream, count) in (0..).zip(&counts) {
            let mut events = view.stream(name(stream));
            assert_eq!(events.len() as u64, *count);
            let newest = events.next_back().map(|event| event.expect("an event").revision());
            assert_eq!(newest, count.checked_sub(1).map(Revision));
            assert_eq!(view.head(name(stream)).expect("a head").map(|head| head.revision), newest);
        }
        found
    }

    /// What recovery has kept must not be lost later.
    pub(crate) fn keep(&mut self, view: &View) {
        let names: BTreeMap<_, _> = (0..STREAMS).map(|stream| (name(stream), stream)).collect();
        for (position, id) in self.check(view) {
            if self.places.get(position as usize - 1).is_none_or(Option::is_none) {
                let event = view.all().after(Position(position - 1)).next().expect("an event");
                let event = event.expect("an event");
                let (stream, revision) = (names[event.stream()], event.revision().0);
                self.put(position, Place { stream, revision, id });
            }
        }
    }
}
