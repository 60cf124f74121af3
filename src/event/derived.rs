//! What the code that `#[derive(Event)]` writes calls: fields to JSON and back, and every check in between. Not for people;
//! it changes with any version.

use super::codec::failed;
use super::schema::{Event, EventType};
use super::{Codec, EventRef, Json};
use crate::{Error, UndecodedReason};
pub use serde;
use serde_json::de::SliceRead;
use serde_json::{Deserializer, Serializer};

/// The version of an event that was stored without one.
const VERSION_IF_NONE: u32 = 1;
/// What stands for data where there is none and no field is asked for.
const NO_FIELDS: &[u8] = b"{}";

/// The bytes that `write` writes of an event.
///
/// # Errors
/// If serde says that they can't be written, or the event stands for an unknown type.
pub fn encode<E: Event>(
    event: &E,
    write: impl FnOnce(&E, &mut Serializer<&mut Vec<u8>>) -> serde_json::Result<()>,
) -> Result<Vec<u8>, Error> {
    if event.event_type().is_none() {
        return Err(Error::unknown_event::<E>());
    }
    let mut data = Vec::new();
    match write(event, &mut Serializer::new(&mut data)) {
        Ok(()) => Ok(data),
        Err(cause) => Err(failed::<E>("encode", "JSON", cause)),
    }
}

/// What `read` makes of the data of an event of this type.
///
/// # Errors
/// As [`Event::decode`], but for unknown types.
pub fn decode<'e, T>(
    event: EventRef<'e>,
    known: &EventType,
    read: impl FnOnce(&mut Deserializer<SliceRead<'e>>) -> serde_json::Result<T>,
) -> Result<T, Error> {
    let data = data_of(event, known)?;
    parsed(data, read).map_err(|cause| undecoded(event, cause))
}

/// As [`decode`], for a type without fields: no data at all holds as much.
///
/// # Errors
/// As [`decode`].
pub fn decode_bare<'e, T>(
    event: EventRef<'e>,
    known: &EventType,
    read: impl FnOnce(&mut Deserializer<SliceRead<'e>>) -> serde_json::Result<T>,
) -> Result<T, Error> {
    let data = match data_of(event, known)? {
        [] => NO_FIELDS,
        data => data,
    };
    parsed(data, read).map_err(|cause| undecoded(event, cause))
}

/// The data in the schema that is known. Older data is handed out as it is: this is where it will be brought up to date.
fn data_of<'e>(event: EventRef<'e>, known: &EventType) -> Result<&'e [u8], Error> {
    let (known, found) = (known.version(), event.schema_version().unwrap_or(VERSION_IF_NONE));
    if found > known {
        return Err(Error::undecodable(event, UndecodedReason::NewerVersion { known, found }));
    }
    match check_json(event) {
        Ok(()) => Ok(event.data()),
        Err(cause) => Err(Error::undecodable(event, UndecodedReason::Data(cause))),
    }
}

/// Whether the data may be read as JSON.
fn check_json(event: EventRef<'_>) -> Result<(), Error> {
    event.check_plain()?;
    let found = event.content_type();
    if Json.reads(found) {
        return Ok(());
    }
    let (expected, found) = (Json.content_type(), found.unwrap_or("none"));
    Err(Error::invalid(format!("content type must be {expected}, found {found}")))
}

/// The whole of the bytes, read.
fn parsed<'e, T>(
    data: &'e [u8],
    read: impl FnOnce(&mut Deserializer<SliceRead<'e>>) -> serde_json::Result<T>,
) -> serde_json::Result<T> {
    let mut from = Deserializer::from_slice(data);
    let value = read(&mut from)?;
    from.end()?;
    Ok(value)
}

#[cold]
fn undecoded(event: EventRef<'_>, cause: serde_json::Error) -> Error {
    Error::undecodable(event, UndecodedReason::Data(Error::other(cause)))
}
