//! How typed data becomes bytes: JSON for events, unless the user says otherwise, and bincode.

#[cfg(feature = "json")]
use super::check;
use super::{EventRef, NewEvent, content};
use crate::{BoxError, Error};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Turns values into the data of events and back.
pub trait Codec {
    /// The media type of what it writes, which events carry.
    fn content_type(&self) -> &'static str;

    /// Appends the encoding of `value` to `out`.
    ///
    /// # Errors
    /// If the value can't be encoded. What `out` then holds beyond what it held before means nothing.
    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut Vec<u8>) -> Result<(), Error>;

    /// The value that `bytes`, all of them, are the encoding of.
    ///
    /// # Errors
    /// If they aren't.
    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, Error>;

    /// Whether data of this content type may be decoded. By default: the same type, or none.
    fn reads(&self, content_type: Option<&str>) -> bool {
        content_type.is_none_or(|text| text == self.content_type())
    }
}

/// JSON (`application/json`). Reads what calls itself `*/json` or `*/*+json`, or nothing.
#[cfg(feature = "json")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json;

#[cfg(feature = "json")]
impl Codec for Json {
    fn content_type(&self) -> &'static str {
        content::text_of(content::JSON)
    }

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        serde_json::to_writer(out, value).map_err(|cause| failed::<T>("encode", "JSON", cause))
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, Error> {
        serde_json::from_slice(bytes).map_err(|cause| failed::<T>("decode", "JSON", cause))
    }

    fn reads(&self, content_type: Option<&str>) -> bool {
        content_type.is_none_or(check::is_json_type)
    }
}

/// bincode 2 in its standard configuration (`application/vnd.orchestrix.bincode`): small and fast, and readable only
/// by who has the same type. Reads at most [`BINCODE_BYTES_MAX`], so that damaged lengths can't ask for more memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bincode;

/// Most bytes that [`Bincode`] reads, 128 MiB: an event of the largest segment. Beyond it, decoding fails.
pub const BINCODE_BYTES_MAX: usize =
    crate::limits::event_bytes_max(crate::limits::SEGMENT_BYTES_MAX) as usize;

const BINCODE: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<BINCODE_BYTES_MAX>,
> = bincode::config::standard().with_limit::<BINCODE_BYTES_MAX>();

impl Codec for Bincode {
    fn content_type(&self) -> &'static str {
        content::text_of(content::BINCODE)
    }

    fn encode<T: Serialize + ?Sized>(&self, value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        match bincode::serde::encode_into_std_write(value, out, BINCODE) {
            Ok(_) => Ok(()),
            Err(cause) => Err(failed::<T>("encode", "bincode", cause)),
        }
    }

    fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, Error> {
        let decoded = bincode::serde::borrow_decode_from_slice(bytes, BINCODE);
        match decoded.map_err(|cause| failed::<T>("decode", "bincode", cause))? {
            (value, used) if used == bytes.len() => Ok(value),
            (_, used) => {
                let cause = format!("expected {used} bytes, found {}", bytes.len());
                Err(failed::<T>("decode", "bincode", cause))
            }
        }
    }
}

/// Why a value could not be encoded or decoded: the source of an error of kind `Other`.
#[derive(Debug)]
pub struct CodecError {
    act: &'static str,
    format: &'static str,
    type_name: &'static str,
    cause: BoxError,
}

#[cold]
pub(super) fn failed<T: ?Sized>(
    act: &'static str,
    format: &'static str,
    cause: impl Into<BoxError>,
) -> Error {
    Error::other(CodecError { act, format, type_name: std::any::type_name::<T>(), cause: cause.into() })
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} as {} failed: {}", self.act, self.type_name, self.format, self.cause)
    }
}

impl std::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.cause)
    }
}

impl<'a> NewEvent<'a> {
    /// An event whose data is `value` as `codec` writes it.
    ///
    /// # Errors
    /// If the value can't be encoded.
    pub fn encoded<T: Serialize + ?Sized>(
        event_type: impl Into<Cow<'a, str>>,
        value: &T,
        codec: &impl Codec,
    ) -> Result<Self, Error> {
        let mut data = Vec::new();
        codec.encode(value, &mut data)?;
        Ok(Self::raw(event_type, data).content_type(codec.content_type()))
    }

    /// An event whose data is `value` as JSON.
    ///
    /// # Errors
    /// If the value can't be encoded.
    #[cfg(feature = "json")]
    pub fn json<T: Serialize + ?Sized>(
        event_type: impl Into<Cow<'a, str>>,
        value: &T,
    ) -> Result<Self, Error> {
        Self::encoded(event_type, value, &Json)
    }
}

impl<'a> EventRef<'a> {
    /// The data as `codec` reads it.
    ///
    /// # Errors
    /// `Unsupported` if the data is stored in a way that this version doesn't know; `Invalid` if its content type says
    /// that it is something else; `Other`, with a [`CodecError`], if it isn't what the codec makes of a `T`.
    pub fn decode_with<T: Deserialize<'a>>(self, codec: &impl Codec) -> Result<T, Error> {
        self.check_plain()?;
        let content_type = self.content_type();
        if !codec.reads(content_type) {
            let (position, expected) = (self.position(), codec.content_type());
            let found = content_type.unwrap_or("none");
            let what = format!("event {position}: content type must be {expected}, found {found}");
            return Err(Error::invalid(what));
        }
        codec.decode(self.data())
    }

    /// The data, which is JSON.
    ///
    /// # Errors
    /// As [`decode_with`](Self::decode_with).
    #[cfg(feature = "json")]
    pub fn json<T: Deserialize<'a>>(self) -> Result<T, Error> {
        self.decode_with(&Json)
    }
}
