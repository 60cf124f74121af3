//! Types of events: what of a user's type is stored, under which name, and the way there and back.
//!
//! Never knows how fields become bytes: that is the type's own, which `#[derive(Event)]` writes.

use super::{EventRef, NewEvent, Recorded, RecordedEvent};
use crate::{Error, Query, Undecoded, UndecodedReason};

/// The name that an event is stored under, and the version of its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventType {
    name: &'static str,
    version: u32,
}

impl EventType {
    /// A type of this name, with this version of its schema. The derive refuses what may not be stored (1 to 255 bytes, no
    /// control characters) and version 0; who calls this meets the refusal when an event is appended.
    pub const fn new(name: &'static str, version: u32) -> Self {
        Self { name, version }
    }

    /// The name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Version of the schema, from 1 on. Version 1 isn't stored: an event without a version reads as version 1.
    pub const fn version(&self) -> u32 {
        self.version
    }
}

/// A type whose values are stored as events.
///
/// Derive it: `#[derive(Event)]` (feature `derive`) takes the stored name of each variant, so that renaming a variant or
/// the type never renames history, and stores the variant's fields as JSON. By hand it is implemented for other encodings.
///
/// ```
/// use orchestrix::{Query, prelude::*};
///
/// #[derive(Event, Debug, PartialEq)]
/// enum AccountEvent {
///     #[event("account.opened")]
///     Opened { owner: String },
///     #[event("account.deposited")]
///     Deposited { cents: u64 },
/// }
///
/// let event = NewEvent::of(&AccountEvent::Deposited { cents: 500 })?.tag("branch:7");
/// assert_eq!((event.event_type(), event.data()), ("account.deposited", &br#"{"cents":500}"#[..]));
/// assert_eq!(Query::of::<AccountEvent>(), Query::types(["account.opened", "account.deposited"]));
/// # Ok::<(), orchestrix::Error>(())
/// ```
pub trait Event: Sized + Send + Sync + 'static {
    /// The types that the values have, each once.
    const TYPES: &'static [EventType];

    /// What the data is: a media type.
    const CONTENT_TYPE: &'static str = "application/json";

    /// The type of this value, one of [`TYPES`](Self::TYPES); `None` if it stands for an unknown one, which isn't written.
    fn event_type(&self) -> Option<&'static EventType>;

    /// The data.
    ///
    /// # Errors
    /// If the value can't be encoded, or has no type.
    fn encode(&self) -> Result<Vec<u8>, Error>;

    /// The value that an event is the record of. An event of an older schema version is decoded as it is.
    ///
    /// # Errors
    /// With the facts in [`Error::undecoded`]: `Unsupported` if its type is none of [`TYPES`](Self::TYPES) (unless the value
    /// can stand for an unknown one) or its schema version is above that of the type; `Other`, with the cause as source, if
    /// the data doesn't hold what the type asks for; `Invalid` if its content type says that it is something else.
    fn decode(event: EventRef<'_>) -> Result<Self, Error>;
}

impl NewEvent<'static> {
    /// An event of a user's type: its stored name, its data, and its schema version unless that is 1.
    ///
    /// # Errors
    /// If the value can't be encoded, or stands for an unknown type.
    pub fn of<E: Event>(event: &E) -> Result<Self, Error> {
        let event_type = event.event_type().ok_or_else(Error::unknown_event::<E>)?;
        let new = Self::raw(event_type.name(), event.encode()?).content_type(E::CONTENT_TYPE);
        Ok(match event_type.version() {
            1 => new,
            version => new.schema_version(version),
        })
    }

    /// As [`of`](Self::of), for several, in their order.
    ///
    /// # Errors
    /// As [`of`](Self::of), for the first that can't be.
    pub fn all<'e, E: Event>(events: impl IntoIterator<Item = &'e E>) -> Result<Vec<Self>, Error> {
        events.into_iter().map(Self::of).collect()
    }
}

impl EventRef<'_> {
    /// The value that this event is the record of.
    ///
    /// # Errors
    /// As [`Event::decode`].
    pub fn decode<E: Event>(self) -> Result<E, Error> {
        E::decode(self)
    }
}

impl RecordedEvent {
    /// The event with typed data. For the data alone: `event.as_ref().decode()`.
    ///
    /// # Errors
    /// As [`Event::decode`].
    pub fn decode<E: Event>(&self) -> Result<Recorded<E>, Error> {
        Recorded::of(self.as_ref())
    }
}

impl Query {
    /// The events of all types that `E` has. What it reads as unknown is not among them.
    pub fn of<E: Event>() -> Self {
        Self::types(E::TYPES.iter().map(EventType::name))
    }
}

impl Error {
    #[cold]
    pub(super) fn undecodable(event: EventRef<'_>, reason: UndecodedReason) -> Self {
        Self::not_decoded(Undecoded {
            position: event.position(),
            stream: event.stream().to_owned(),
            revision: event.revision(),
            event_type: event.event_type().to_owned(),
            reason,
        })
    }

    /// The event's type is none of `E`'s.
    #[doc(hidden)]
    #[cold]
    pub fn unknown_type<E: Event>(event: EventRef<'_>) -> Self {
        let expected = E::TYPES.iter().map(|known| known.name().to_owned()).collect();
        Self::undecodable(event, UndecodedReason::UnknownType { expected })
    }

    /// A value that stands for an unknown type can't be written.
    #[doc(hidden)]
    #[cold]
    pub fn unknown_event<E: Event>() -> Self {
        Self::invalid(format!(
            "a value of {} that stands for an unknown type isn't written: what was recorded can be written again \
             (`EventRef::to_new_event`)",
            std::any::type_name::<E>()
        ))
    }
}
