//! What an event is: one that is about to be written ([`NewEvent`]), a recorded one, borrowed ([`EventRef`]) or owned
//! ([`RecordedEvent`], [`Recorded`]), its metadata, codecs and CloudEvents, and its bytes (`docs/format.md`).

pub(crate) mod body;
pub(crate) mod check;
#[cfg(feature = "json")]
pub mod cloudevents;
mod codec;
pub(crate) mod commit;
mod content;
#[cfg(feature = "derive")]
pub mod derived;
mod details;
mod event_ref;
mod extension;
mod fresh;
mod id;
pub(crate) mod layout;
pub(crate) mod mark;
mod matching;
pub(crate) mod metadata;
pub(crate) mod names;
pub(crate) mod new;
mod record;
mod recorded;
mod refuse;
mod schema;
pub(crate) mod single;
mod typed;

#[cfg(feature = "json")]
pub use codec::Json;
pub use codec::{BINCODE_BYTES_MAX, Bincode, Codec, CodecError};
pub use event_ref::EventRef;
pub use extension::ExtensionValue;
pub use id::{EventId, EventIdRef};
pub use metadata::Metadata;
pub use new::NewEvent;
pub use recorded::RecordedEvent;
pub use schema::{Event, EventType};
pub use typed::{OwnedMetadata, Recorded};
#[cfg(test)]
mod body_tests;
#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod typed_tests;
