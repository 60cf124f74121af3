//! A recorded event whose data has a type of the user's.

use super::details::Text;
use super::{Codec, Event, EventId, EventRef, EventType, ExtensionValue, NewEvent, RecordedEvent};
use crate::{Error, Position, Revision};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::SystemTime;

/// A recorded event with typed data: everything that is known of it, as plain values.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Recorded<T> {
    /// Its id.
    pub id: EventId,
    /// The stream that it belongs to.
    pub stream: String,
    /// Its type.
    pub event_type: String,
    /// Its place in its stream.
    pub revision: Revision,
    /// Its place in the whole log.
    pub position: Position,
    /// When it happened: the time that it was given, else that of its commit.
    pub time: SystemTime,
    /// When it was committed.
    pub commit_time: SystemTime,
    /// The data.
    pub data: T,
    /// Everything else that is known of it.
    pub metadata: OwnedMetadata,
}

/// [`Metadata`](super::Metadata) as plain values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedMetadata {
    /// Where the event comes from: a URI reference.
    pub source: Option<String>,
    /// What of the source it is about.
    pub subject: Option<String>,
    /// The id that all events of one story share.
    pub correlation: Option<EventId>,
    /// The id of the event or command that it follows from.
    pub causation: Option<EventId>,
    /// The trace that it belongs to.
    pub trace_parent: Option<String>,
    /// What the data is: a media type.
    pub content_type: Option<String>,
    /// Version of the type's schema.
    pub schema_version: Option<u32>,
    /// Where the schema of the data is: an absolute URI.
    pub data_schema: Option<String>,
    /// The tags.
    pub tags: Vec<String>,
    /// All other attributes.
    pub extensions: Vec<(String, ExtensionValue<'static>)>,
    /// Text of the event's time, where it isn't the canonical one.
    time_text: Option<String>,
}

impl<T> Recorded<T> {
    fn with_data(event: EventRef<'_>, data: T) -> Self {
        Self {
            id: event.id().to_event_id(),
            stream: event.stream().to_owned(),
            event_type: event.event_type().to_owned(),
            revision: event.revision(),
            position: event.position(),
            time: event.time(),
            commit_time: event.commit_time(),
            data,
            metadata: OwnedMetadata::of(event),
        }
    }

    pub(super) fn of(event: EventRef<'_>) -> Result<Self, Error>
    where
        T: Event,
    {
        Ok(Self::with_data(event, T::decode(event)?))
    }

    /// The event with its data decoded.
    ///
    /// # Errors
    /// If the data isn't what the codec makes of a `T`.
    pub fn decode<'e, C: Codec>(event: EventRef<'e>, codec: &C) -> Result<Self, Error>
    where
        T: Deserialize<'e>,
    {
        Ok(Self::with_data(event, event.decode_with(codec)?))
    }

    /// The untyped event again, its data encoded anew.
    ///
    /// # Errors
    /// If the data can't be encoded, or a field was changed to something that may not be written.
    pub fn encode<C: Codec>(&self, codec: &C) -> Result<RecordedEvent, Error>
    where
        T: Serialize,
    {
        let mut data = Vec::new();
        codec.encode(&self.data, &mut data)?;
        self.untyped(&self.event_type, data.into(), |event| event)
    }

    fn untyped<'a>(
        &'a self,
        event_type: &'a str,
        data: Cow<'a, [u8]>,
        last: impl FnOnce(NewEvent<'a>) -> NewEvent<'a>,
    ) -> Result<RecordedEvent, Error> {
        let mut event = NewEvent::with_id(&self.id, event_type, data);
        if self.time != self.commit_time {
            event = event.time(self.time);
        }
        let event = last(self.metadata.apply(event));
        RecordedEvent::try_new(&self.stream, self.revision, self.position, self.commit_time, &event)
    }
}

impl From<EventRef<'_>> for Recorded<Vec<u8>> {
    fn from(event: EventRef<'_>) -> Self {
        Self::with_data(event, event.data().to_vec())
    }
}

impl From<&RecordedEvent> for Recorded<Vec<u8>> {
    fn from(event: &RecordedEvent) -> Self {
        event.as_ref().into()
    }
}

impl<E: Event> TryFrom<&Recorded<E>> for RecordedEvent {
    type Error = Error;

    /// The untyped event again, its data encoded anew, with the type and schema version that the data has now. Fails if it
    /// can't be encoded or stands for an unknown type, or a field was changed to something that may not be written.
    fn try_from(event: &Recorded<E>) -> Result<Self, Error> {
        let new = NewEvent::of(&event.data)?;
        let version = event.data.event_type().map(EventType::version);
        // What was stored without a version, or with version 1 written out, stays so.
        let is_kept = event.metadata.schema_version.unwrap_or(1) == version.unwrap_or(1);
        event.untyped(new.event_type(), new.data().into(), |untyped| {
            let untyped = untyped.content_type(E::CONTENT_TYPE);
            match version {
                Some(version) if !is_kept => untyped.schema_version(version),
                _ => untyped,
            }
        })
    }
}

impl TryFrom<&Recorded<Vec<u8>>> for RecordedEvent {
    type Error = Error;

    /// Fails only if a field was changed to something that may not be written.
    fn try_from(event: &Recorded<Vec<u8>>) -> Result<Self, Error> {
        event.untyped(&event.event_type, event.data.as_slice().into(), |event| event)
    }
}

impl OwnedMetadata {
    fn of(event: EventRef<'_>) -> Self {
        let metadata = event.metadata();
        Self {
            source: metadata.source().map(str::to_owned),
            subject: metadata.subject().map(str::to_owned),
            correlation: metadata.correlation().map(EventId::from),
            causation: metadata.causation().map(EventId::from),
            trace_parent: metadata.trace_parent().map(str::to_owned),
            content_type: event.content_type().map(str::to_owned),
            schema_version: metadata.schema_version(),
            data_schema: metadata.data_schema().map(str::to_owned),
            tags: metadata.tags().map(str::to_owned).collect(),
            extensions: metadata
                .extensions()
                .map(|(name, value)| (name.to_owned(), value.into_owned()))
                .collect(),
            time_text: metadata.time_text().map(str::to_owned),
        }
    }

    /// Gives `event` everything that this has.
    fn apply<'a>(&'a self, mut event: NewEvent<'a>) -> NewEvent<'a> {
        let set = |event: NewEvent<'a>,
                   value: &'a Option<String>,
                   f: fn(NewEvent<'a>, Text<'a>) -> NewEvent<'a>| {
            match value {
                Some(value) => f(event, Cow::Borrowed(value)),
                None => event,
            }
        };
        event = set(event, &self.source, NewEvent::source);
        event = set(event, &self.subject, NewEvent::subject);
        event = set(event, &self.trace_parent, NewEvent::trace_parent);
        event = set(event, &self.content_type, NewEvent::content_type);
        event = set(event, &self.data_schema, NewEvent::data_schema);
        event = set(event, &self.time_text, NewEvent::time_text);
        if let Some(version) = self.schema_version {
            event = event.schema_version(version);
        }
        if let Some(id) = &self.correlation {
            event = event.correlation(id);
        }
        if let Some(id) = &self.causation {
            event = event.causation(id);
        }
        event = self.tags.iter().fold(event, |event, tag| event.tag(tag.as_str()));
        self.extensions.iter().fold(event, |event, (name, value)| event.typed_extension(name, value.clone()))
    }
}

impl EventRef<'_> {
    /// An event that may be written again: the same in everything but stream, revision and position. The time that
    /// this one has becomes the other's own.
    pub fn to_new_event(self) -> NewEvent<'static> {
        let metadata = OwnedMetadata::of(self);
        let event =
            NewEvent::with_id(self.id().to_event_id(), self.event_type().to_owned(), self.data().to_vec());
        metadata.apply(event.time_nanos(self.time_nanos())).into_owned()
    }
}
