//! The model: a plain `Vec` of what was written, and what the documentation says of an append.

use crate::asks::{Ask, CORRELATIONS};
use crate::ops::{Event, Id, STREAMS, TAGS, TYPES, What, time};
use orchestrix::prelude::*;
use orchestrix::{EventIdRef, ExtensionValue};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Everything that an event says, in plain words.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields {
    pub(crate) event_type: String,
    /// `None` until the event is built, if it is to have an id of its own making.
    pub(crate) id: Option<String>,
    pub(crate) data: Vec<u8>,
    pub(crate) tags: Vec<String>,
    time: Option<SystemTime>,
    source: Option<String>,
    subject: Option<String>,
    pub(crate) correlation: Option<String>,
    causation: Option<String>,
    trace_parent: Option<String>,
    content_type: Option<String>,
    schema_version: Option<u32>,
    data_schema: Option<String>,
    extensions: Vec<(String, ExtensionValue<'static>)>,
}

impl Fields {
    pub(crate) fn of(event: &Event) -> Self {
        let bit = |n: u16| event.metadata & (1 << n) != 0;
        let text = |n: u16, text: &str| bit(n).then(|| text.to_owned());
        let mut fields = Self {
            event_type: TYPES[usize::from(event.event_type)].to_owned(),
            id: match event.id {
                Id::Own => None,
                Id::Uuid(bits) => Some(uuid::Uuid::from_u128(bits).to_string()),
                Id::Text(n) => Some(format!("event-{n}")),
                Id::Shared(n) => Some(format!("shared-{n}")),
            },
            data: event.data.bytes(),
            time: event.time.map(time),
            source: text(0, "https://example.org/source?a=b"),
            subject: text(1, "what it is about"),
            correlation: text(2, CORRELATIONS[usize::from(!bit(12))]),
            causation: text(3, if bit(13) { "67E55044-10B1-426F-9247-BB680E5FE0C8" } else { "command-1" }),
            trace_parent: text(4, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            content_type: text(5, if bit(14) { "application/json" } else { "image/png" }),
            schema_version: bit(6).then_some(u32::from(event.metadata)),
            data_schema: text(7, "https://example.org/schema"),
            ..Self::default()
        };
        for tag in event.tags.iter().map(|tag| TAGS[usize::from(*tag)].to_owned()) {
            // Adding it again adds nothing.
            if !fields.tags.contains(&tag) {
                fields.tags.push(tag);
            }
        }
        let text = ExtensionValue::from("ä value".to_owned());
        let values =
            [("zone", text), ("retries", (-i32::from(event.metadata)).into()), ("final", true.into())];
        for (n, (name, value)) in values.into_iter().enumerate() {
            if bit(8 + n as u16) {
                fields.extensions.push((name.to_owned(), value));
            }
        }
        fields
    }

    /// The event, and from now on its id, if it had none.
    pub(crate) fn build(&mut self) -> NewEvent<'static> {
        let mut event = NewEvent::raw(self.event_type.clone(), self.data.clone());
        match &self.id {
            Some(id) => event = event.id(id),
            None => self.id = Some(event.event_id().to_string()),
        }
        event = self.tags.iter().fold(event, |event, tag| event.tag(tag.clone()));
        type With = fn(NewEvent<'static>, String) -> NewEvent<'static>;
        let texts: [(_, With); 7] = [
            (&self.source, |event, text| event.source(text)),
            (&self.subject, |event, text| event.subject(text)),
            (&self.correlation, |event, text| event.correlation(text)),
            (&self.causation, |event, text| event.causation(text)),
            (&self.trace_parent, |event, text| event.trace_parent(text)),
            (&self.content_type, |event, text| event.content_type(text)),
            (&self.data_schema, |event, text| event.data_schema(text)),
        ];
        for (text, set) in texts {
            event = text.iter().fold(event, |event, text| set(event, text.clone()));
        }
        event = self.time.iter().fold(event, |event, time| event.time(*time));
        event = self.schema_version.iter().fold(event, |event, version| event.schema_version(*version));
        let extensions = self.extensions.iter();
        extensions.fold(event, |event, (name, value)| event.typed_extension(name, value.clone()))
    }

    /// What a recorded event says.
    pub(crate) fn read(event: EventRef<'_>) -> Self {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let id = |id: Option<EventIdRef<'_>>| id.map(|id| id.to_string());
        let metadata = event.metadata();
        assert_eq!(metadata.tags().collect::<Vec<_>>(), event.tags().collect::<Vec<_>>());
        let extensions = metadata.extensions();
        Self {
            event_type: event.event_type().to_owned(),
            id: Some(event.id().to_string()),
            data: event.data().to_vec(),
            tags: event.tags().map(str::to_owned).collect(),
            time: Some(event.time()),
            source: text(metadata.source()),
            subject: text(metadata.subject()),
            correlation: id(event.correlation()),
            causation: id(metadata.causation()),
            trace_parent: text(metadata.trace_parent()),
            content_type: text(event.content_type()),
            schema_version: event.schema_version(),
            data_schema: text(metadata.data_schema()),
            extensions: extensions.map(|(name, value)| (name.to_owned(), value.into_owned())).collect(),
        }
    }
}

/// One write of a request: what it says, and the same as events.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) stream: &'static str,
    pub(crate) expected: Expected,
    pub(crate) events: Vec<(Fields, NewEvent<'static>)>,
}

impl Asked {
    pub(crate) fn new_events(&self) -> Vec<NewEvent<'static>> {
        self.events.iter().map(|(_, event)| event.clone()).collect()
    }
}

/// One commit that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) writes: Vec<Asked>,
    /// No event after this position may match.
    pub(crate) condition: Option<(Ask, Position)>,
}

/// An event of the log. Its position is its place in the `Vec`, and one.
pub(crate) struct Stored {
    pub(crate) stream: &'static str,
    pub(crate) revision: u64,
    pub(crate) fields: Fields,
    commit: usize,
}

/// What must come of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Done {
        repeat: bool,
        position: u64,
        revisions: BTreeMap<&'static str, u64>,
    },
    Conflict {
        stream: &'static str,
        expected: Expected,
        actual: Option<Revision>,
    },
    /// The condition fails: the newest event that matches.
    Matched(Position),
}

#[derive(Default)]
pub(crate) struct Plain {
    pub(crate) events: Vec<Stored>,
    /// So many events retention has removed from the store.
    pub(crate) gone: u64,
    /// Times of the commits: what was read first, and must never change.
    times: Vec<Option<SystemTime>>,
}

impl Plain {
    /// How many events a stream has.
    pub(crate) fn count(&self, stream: &str) -> u64 {
        self.events.iter().filter(|event| event.stream == stream).count() as u64
    }

    pub(crate) fn commit(&mut self, request: &Request) -> Outcome {
        let asked = &request.writes[..];
        let mut counts: BTreeMap<_, _> = STREAMS.iter().map(|stream| (*stream, self.count(stream))).collect();
        let before = counts.clone();
        for write in asked {
            let count = counts.get_mut(write.stream).expect("a stream of the case");
            if !write.expected.is_met_by(count.checked_sub(1).map(Revision)) {
                return self.find(asked, write).unwrap_or_else(|| Outcome::Conflict {
                    stream: write.stream,
                    expected: write.expected,
                    actual: before[write.stream].checked_sub(1).map(Revision),
                });
            }
            *count += write.events.len() as u64;
        }
        if let Some((ask, after)) = &request.condition
            && let Some(newest) =
                self.asked_for(ask, self.gone, self.events.len()).pop().filter(|at| *at > after.0)
        {
            return Outcome::Matched(Position(newest));
        }
        let commit = self.times.len();
        self.times.push(None);
        let mut revisions = BTreeMap::new();
        for write in asked {
            for (fields, _) in &write.events {
                let revision = self.count(write.stream);
                revisions.insert(write.stream, revision);
                self.events.push(Stored { stream: write.stream, revision, fields: fields.clone(), commit });
            }
        }
        Outcome::Done { repeat: false, position: self.events.len() as u64, revisions }
    }

    /// A repeat: the expectation that isn't met names a place, and in the commit that stands there stand all the events
    /// of each write one after another: at the place that its expectation names, else from its first id on that stands
    /// behind those of earlier writes.
    fn find(&self, asked: &[Asked], unmet: &Asked) -> Option<Outcome> {
        let place = named(unmet.expected)?;
        let there = self.events[self.gone as usize..].iter();
        let there = there.clone().find(|event| (event.stream, event.revision) == (unmet.stream, place))?;
        let mut position = 0;
        let mut revisions: BTreeMap<&'static str, u64> = BTreeMap::new();
        for write in asked {
            let ids: Vec<_> = write.events.iter().map(|(fields, _)| &fields.id).collect();
            let own = self.events.iter().enumerate();
            let own = own.filter(|(_, e)| e.commit == there.commit && e.stream == write.stream);
            let own: Vec<_> = own.collect();
            let from = revisions.get(write.stream).map_or(0, |last| last + 1);
            let start = own.iter().position(|(_, event)| match named(write.expected) {
                Some(place) => event.revision == place,
                None => event.revision >= from && event.fields.id == *ids[0],
            })?;
            let run = own.get(start..start + ids.len())?;
            if !run.iter().map(|(_, event)| &event.fields.id).eq(ids.iter().copied()) {
                return None;
            }
            let (last, event) = run[run.len() - 1];
            position = position.max(last as u64 + 1);
            let revision = revisions.entry(write.stream).or_insert(event.revision);
            *revision = event.revision.max(*revision);
        }
        Some(Outcome::Done { repeat: true, position, revisions })
    }

    /// Positions of what a read shows, of the first `seen` events without the first `gone`.
    pub(crate) fn select(&self, what: What, gone: u64, seen: usize) -> Vec<u64> {
        let category = |stream: &str| stream.split('-').next().map(str::to_owned);
        let shows = |event: &Stored| match what {
            What::All => true,
            What::Stream(n) => STREAMS.get(usize::from(n)) == Some(&event.stream),
            What::Category(n) => {
                category(event.stream).as_deref() == Some(crate::ops::CATEGORIES[usize::from(n)])
            }
            What::Type(n) => event.fields.event_type == TYPES[usize::from(n)],
        };
        (gone + 1..=seen as u64).filter(|position| shows(&self.events[*position as usize - 1])).collect()
    }

    /// Positions of what a query asks for, of the first `seen` events without the first `gone`.
    pub(crate) fn asked_for(&self, ask: &Ask, gone: u64, seen: usize) -> Vec<u64> {
        (gone + 1..=seen as u64)
            .filter(|position| ask.matches(&self.events[*position as usize - 1]))
            .collect()
    }

    /// How many events of a stream are among the first `gone`.
    pub(crate) fn gone_of(&self, stream: &str, gone: u64) -> u64 {
        self.events[..gone as usize].iter().filter(|event| event.stream == stream).count() as u64
    }

    /// Whether a commit ends with this position.
    pub(crate) fn ends_commit(&self, position: u64) -> bool {
        let [last, next] = [position.wrapping_sub(1), position].map(|n| self.events.get(n as usize));
        last.zip(next).is_none_or(|(last, next)| last.commit < next.commit)
    }

    /// Forgets what a power cut has taken: everything behind the first `kept` events, which end with a commit.
    pub(crate) fn cut(&mut self, kept: usize) {
        let lost = self.events.drain(kept..).next();
        if let Some(lost) = lost {
            assert!(
                self.events.last().is_none_or(|last| last.commit < lost.commit),
                "a commit is kept as a whole"
            );
            self.times.truncate(lost.commit);
        }
    }

    /// That a recorded event is the one that was written at a position.
    #[track_caller]
    pub(crate) fn assert_is(&mut self, position: u64, event: EventRef<'_>) {
        let stored = &self.events[position as usize - 1];
        let place = (event.position().0, event.stream(), event.revision().0);
        assert_eq!(place, (position, stored.stream, stored.revision));
        let category = stored.stream.split('-').next();
        assert_eq!(Some(event.category()), category);
        let time = *self.times[stored.commit].get_or_insert(event.commit_time());
        assert_eq!(event.commit_time(), time, "the time of a commit never changes");
        let mut expected = stored.fields.clone();
        expected.time.get_or_insert(time);
        assert_eq!(Fields::read(event), expected, "event {position}");
        let owned = event.to_recorded();
        assert_eq!(Fields::read(owned.as_ref()), expected, "the copy of event {position}");
    }
}

/// The revision that the first event of a write gets, if its expectation says so.
fn named(expected: Expected) -> Option<u64> {
    match expected {
        NoStream => Some(0),
        Exact(revision) => revision.0.checked_add(1),
        _ => None,
    }
}
