//! An event that is about to be written.

use super::check::{self, Fault};
use super::details::{self, Details, Text};
use super::fresh::fresh_id;
use super::record::Sink;
use super::{EventId, EventIdRef, EventRef, ExtensionValue, body, content};
use crate::{Error, limits};
use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

/// An event that is about to be written. Borrows what it can.
///
/// Has its id from its making on, so that appending the same value again is a repeat: a UUIDv7, unless
/// [`id`](Self::id) gives one. Making a bare event allocates nothing; tags share one allocation, the rarer fields another.
///
/// Building never fails: what may not be written (see [`limits`](crate::limits)) is refused by the append, or by
/// [`check`](Self::check).
///
/// ```
/// use orchestrix::NewEvent;
/// let event = NewEvent::raw("reading", br#"{"celsius":21.5}"#).id("r-1").tag("room:kitchen");
/// assert_eq!(event.event_type(), "reading");
/// assert!(event.event_id() == "r-1");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent<'a> {
    event_type: Cow<'a, str>,
    data: Cow<'a, [u8]>,
    id: EventId,
    time: OwnTime,
    schema_version: Option<u32>,
    /// Code of the content type; its text is in the details if it has none.
    content: u8,
    /// Each once.
    tags: Vec<Text<'a>>,
    details: Option<Box<Details<'a>>>,
}

/// When the event happened, if it says so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OwnTime {
    /// It has the time of its commit.
    OfCommit,
    /// Nanoseconds since 1970-01-01 UTC.
    At(i64),
    /// One that an `i64` of nanoseconds can't hold.
    OutOfRange,
}

impl<'a> NewEvent<'a> {
    /// An event of this type with these bytes as data, of which no content type says what they are.
    #[inline]
    pub fn raw(event_type: impl Into<Cow<'a, str>>, data: impl Into<Cow<'a, [u8]>>) -> Self {
        Self::with_id(EventId::from_uuid_bytes(fresh_id()), event_type.into(), data.into())
    }

    /// As [`raw`](Self::raw) with an [`id`](Self::id), for who has one: none is made first.
    #[inline]
    pub fn with_id(
        id: impl Into<EventId>,
        event_type: impl Into<Cow<'a, str>>,
        data: impl Into<Cow<'a, [u8]>>,
    ) -> Self {
        Self {
            event_type: event_type.into(),
            data: data.into(),
            id: id.into(),
            time: OwnTime::OfCommit,
            schema_version: None,
            content: content::NONE,
            tags: Vec::new(),
            details: None,
        }
    }

    /// Gives the event this id instead of the UUIDv7 that it has: text of 1 to 255 bytes, or a UUID.
    #[inline]
    #[must_use]
    pub fn id(mut self, id: impl Into<EventId>) -> Self {
        self.id = id.into();
        self
    }

    /// When it happened, if not at the time of its commit. Kept in nanoseconds, from the year 1678 to 2261.
    #[must_use]
    pub fn time(mut self, time: SystemTime) -> Self {
        self.time = nanos_of(time).map_or(OwnTime::OutOfRange, OwnTime::At);
        self.forget_time_text();
        self
    }

    /// As [`time`](Self::time), in nanoseconds since 1970-01-01 UTC.
    #[must_use]
    pub(crate) fn time_nanos(mut self, nanos: i64) -> Self {
        self.time = OwnTime::At(nanos);
        self.forget_time_text();
        self
    }

    /// The text that the time had where it came from, if it isn't the canonical one.
    #[must_use]
    pub(crate) fn time_text(mut self, text: impl Into<Text<'a>>) -> Self {
        self.details_mut().time_text = Some(text.into());
        self
    }

    /// Where it comes from: a URI reference, as CloudEvents has it.
    #[must_use]
    pub fn source(mut self, source: impl Into<Cow<'a, str>>) -> Self {
        self.details_mut().source = Some(source.into());
        self
    }

    /// What of the source it is about, as CloudEvents has it.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<Cow<'a, str>>) -> Self {
        self.details_mut().subject = Some(subject.into());
        self
    }

    /// Adds a tag: text of 1 to 255 bytes; at most 64 an event. Adding it again adds nothing.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Cow<'a, str>>) -> Self {
        let tag = tag.into();
        // Beyond the limit the event is refused anyway; comparing on would only cost time.
        if self.tags.len() > limits::TAGS_MAX || !self.tags.contains(&tag) {
            self.tags.push(tag);
        }
        self
    }

    /// The id that all events of one story share, often that of its first command.
    #[must_use]
    pub fn correlation(mut self, id: impl Into<EventId>) -> Self {
        self.details_mut().correlation = Some(id.into());
        self
    }

    /// The id of the event or command that this one follows from.
    #[must_use]
    pub fn causation(mut self, id: impl Into<EventId>) -> Self {
        self.details_mut().causation = Some(id.into());
        self
    }

    /// The causation and correlation ids of one that follows from `event`, where it has none.
    pub(crate) fn following(mut self, event: EventRef<'_>) -> Self {
        let details = self.details_mut();
        details.causation.get_or_insert_with(|| event.id().into());
        details.correlation.get_or_insert_with(|| event.correlation().unwrap_or(event.id()).into());
        self
    }

    /// The trace that it belongs to: `traceparent` of W3C Trace Context.
    #[must_use]
    pub fn trace_parent(mut self, trace_parent: impl Into<Cow<'a, str>>) -> Self {
        self.details_mut().trace_parent = Some(trace_parent.into());
        self
    }

    /// What the data is: a media type.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<Cow<'a, str>>) -> Self {
        let text = content_type.into();
        self.content = content::code_of(&text);
        if self.content == content::IN_METADATA {
            self.details_mut().content_type = Some(text);
        } else if let Some(details) = &mut self.details {
            details.content_type = None;
        }
        self
    }

    /// Version of the type's schema, which upcasting goes by.
    #[must_use]
    pub fn schema_version(mut self, version: u32) -> Self {
        self.schema_version = Some(version);
        self
    }

    /// Where the schema of the data is: an absolute URI.
    #[must_use]
    pub fn data_schema(mut self, uri: impl Into<Cow<'a, str>>) -> Self {
        self.details_mut().data_schema = Some(uri.into());
        self
    }

    /// Any other attribute: a CloudEvents extension with a text. The name is made of lowercase letters and digits.
    /// A name that is given again gets the later value.
    #[must_use]
    pub fn extension(self, name: &str, value: impl Into<Cow<'a, str>>) -> Self {
        self.typed_extension(name, ExtensionValue::String(value.into()))
    }

    /// As [`extension`](Self::extension), with a text, an integer (`i32`) or a boolean.
    #[must_use]
    pub fn typed_extension(mut self, name: &str, value: impl Into<ExtensionValue<'a>>) -> Self {
        self.details_mut().set_extension(name.to_owned().into(), value.into());
        self
    }

    /// The same event, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> NewEvent<'static> {
        NewEvent {
            event_type: Cow::Owned(self.event_type.into_owned()),
            data: Cow::Owned(self.data.into_owned()),
            id: self.id,
            time: self.time,
            schema_version: self.schema_version,
            content: self.content,
            tags: self.tags.into_iter().map(|tag| Cow::Owned(tag.into_owned())).collect(),
            details: self.details.map(|details| Box::new(details.into_owned())),
        }
    }

    /// All extensions at once; no name stands twice among them.
    #[cfg(feature = "json")]
    #[must_use]
    pub(crate) fn extensions(mut self, extensions: Vec<(Text<'a>, ExtensionValue<'a>)>) -> Self {
        if !extensions.is_empty() {
            self.details_mut().extensions = extensions;
        }
        self
    }

    /// The data.
    #[inline]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The type.
    #[inline]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The id.
    #[inline]
    pub fn event_id(&self) -> EventIdRef<'_> {
        self.id.as_ref()
    }

    /// Whether a store may take it: the same check that an append makes, but for the size of the whole.
    ///
    /// # Errors
    /// `Invalid` or `Limit`, for the first thing that may not be written.
    pub fn check(&self) -> Result<(), Error> {
        self.check_all().map_err(|fault| fault.at("event"))
    }

    pub(crate) fn check_all(&self) -> Result<(), Fault> {
        check::text("event type", &self.event_type, limits::EVENT_TYPE_BYTES_MAX)?;
        self.check_fields()?;
        body::each_key(self, |_, _| {})?;
        match self.metadata_bytes() {
            bytes if bytes > limits::METADATA_BYTES_MAX => Err(metadata_fault(bytes)),
            _ => Ok(()),
        }
    }

    /// Everything but the names (type, tags, correlation id), which the encoder checks once a commit.
    #[inline]
    pub(crate) fn check_fields(&self) -> Result<(), Fault> {
        details::check_id("event id", &self.id)?;
        if self.time == OwnTime::OutOfRange {
            return Err(Fault::new("time", "a time out of range", "between the years 1678 and 2261"));
        }
        if self.tags.len() > limits::TAGS_MAX {
            return Err(self.too_many_tags());
        }
        match &self.details {
            Some(details) => details.check(self.schema_version),
            None => Ok(()),
        }
    }

    #[cold]
    fn too_many_tags(&self) -> Fault {
        let (count, last) = (self.tags.len(), self.tags.last().map_or("", |tag| tag));
        Fault::most("list of tags, its last", last, "tags", limits::TAGS_MAX, count)
    }

    /// Keys of the event: its tags and its correlation id.
    #[inline]
    pub(crate) fn key_count(&self) -> usize {
        self.tags.len() + usize::from(self.correlation_id().is_some())
    }

    #[inline]
    pub(crate) fn tags(&self) -> &[Text<'a>] {
        &self.tags
    }

    #[inline]
    pub(crate) fn correlation_id(&self) -> Option<&EventId> {
        self.details.as_ref()?.correlation.as_ref()
    }

    /// The rarer fields, if there are any.
    #[cfg(test)]
    pub(crate) fn details(&self) -> Option<&Details<'a>> {
        self.details.as_deref()
    }

    /// Its own time in nanoseconds since 1970-01-01 UTC.
    #[inline]
    pub(crate) fn own_time(&self) -> Option<i64> {
        match self.time {
            OwnTime::At(nanos) => Some(nanos),
            OwnTime::OfCommit | OwnTime::OutOfRange => None,
        }
    }

    /// Code of the content type.
    #[inline]
    pub(crate) fn content_code(&self) -> u8 {
        self.content
    }

    /// Length of the metadata list.
    #[inline]
    pub(crate) fn metadata_bytes(&self) -> usize {
        let details = self.details.as_ref().map_or(0, |details| details.metadata_bytes());
        details + details::schema_version_bytes(self.schema_version)
    }

    /// Writes the metadata list.
    pub(crate) fn write_metadata(&self, out: &mut Sink<'_>) {
        match &self.details {
            Some(details) => details.write_metadata(self.schema_version, out),
            None => details::write_schema_version(self.schema_version, out),
        }
    }

    fn details_mut(&mut self) -> &mut Details<'a> {
        self.details.get_or_insert_default()
    }

    fn forget_time_text(&mut self) {
        if let Some(details) = &mut self.details {
            details.time_text = None;
        }
    }
}

/// So that one event may stand where a slice is asked for.
impl<'a> AsRef<[NewEvent<'a>]> for NewEvent<'a> {
    fn as_ref(&self) -> &[NewEvent<'a>] {
        std::slice::from_ref(self)
    }
}

#[cold]
pub(crate) fn metadata_fault(bytes: usize) -> Fault {
    Fault::most("metadata", "", "bytes", limits::METADATA_BYTES_MAX, bytes)
}

/// Nanoseconds since 1970-01-01 UTC, if an `i64` holds them.
pub(crate) fn nanos_of(time: SystemTime) -> Option<i64> {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).ok(),
        Err(before) => i64::try_from(-i128::try_from(before.duration().as_nanos()).ok()?).ok(),
    }
}

/// The moment so many nanoseconds after 1970-01-01 UTC.
pub(crate) fn time_of(nanos: i64) -> SystemTime {
    let distance = std::time::Duration::from_nanos(nanos.unsigned_abs());
    if nanos >= 0 { UNIX_EPOCH + distance } else { UNIX_EPOCH - distance }
}
