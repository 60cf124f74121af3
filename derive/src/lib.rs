//! `#[derive(Event)]` of the event store `orchestrix`, which re-exports it. Depend on `orchestrix`, not on this crate.

mod attribute;
mod expand;
mod model;
mod names;
mod passed;
#[cfg(doctest)]
mod refused;
#[cfg(test)]
mod tests;

/// Makes an enum (or a struct) a type of event: the trait `orchestrix::Event`.
///
/// ```
/// use orchestrix::prelude::*;
///
/// #[derive(Event, Debug, PartialEq)]
/// enum AccountEvent {
///     #[event("account.opened")]
///     Opened { owner: String },
///     #[event("account.deposited", version = 2)]
///     Deposited {
///         cents: u64,
///         #[serde(default)]
///         note: Option<String>,
///     },
///     #[event("account.closed")]
///     Closed,
/// }
///
/// let store = Store::in_memory();
/// let opened = AccountEvent::Opened { owner: "Ada".into() };
/// store.append("account-7", NoStream, NewEvent::of(&opened)?).wait()?;
///
/// for event in store.view().stream("account-7") {
///     let event = event?;
///     assert_eq!((event.event_type(), event.data()), ("account.opened", &br#"{"owner":"Ada"}"#[..]));
///     assert_eq!(event.decode::<AccountEvent>()?, opened);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is stored
///
/// - **The name** in `#[event("...")]`, as the type of the event. Neither the enum's name nor a variant's is stored, so both
///   may be renamed at any time; a name that was stored once must stay. It has 1 to 255 bytes and no control characters.
///   The names of an enum differ; by case alone is enough.
/// - **The schema version**, 1 unless `version = ...` says otherwise. Version 1 isn't written: an event without a version
///   reads as version 1.
/// - **The fields of the variant alone, as JSON** (`application/json`): an object of the named fields; `{}` without any; of
///   a variant with one unnamed field, what that field is as JSON. Several unnamed fields don't compile, since in
///   history they would have no names.
///
/// JSON has no number that is infinite or none (NaN): such a float is stored as `null`, and only an `Option` reads that.
///
/// The fields' types implement `serde::Serialize` and `serde::Deserialize`; the enum needs neither.
///
/// # Attributes of serde
///
/// Those on fields work: `rename`, `default`, `alias`, `with`, `skip`, `flatten` and the others. Of those on a variant
/// `rename_all` does, of those on an enum `rename_all_fields` and `deny_unknown_fields`; a struct's all do. Whatever names or
/// tags a variant (`rename`, `tag`, `untagged`, ...) belongs to serde's own derives and changes nothing that is stored here;
/// what would store something else than the fields is refused by the compiler.
///
/// # Reading
///
/// - A **type that the enum doesn't have** is an error that says where the event stands, its type, and the types that were
///   expected; unless a variant is marked `#[event(unknown)]`, which then stands for all of them. It holds nothing, or the
///   event: a `RecordedEvent`, or what can be made from one, such as a box of it. An event of that variant isn't written.
/// - A **schema version above the variant's** is an error, with `#[event(unknown)]` too: what the fields mean there is not
///   known. An event of an older version is decoded as it is, so whatever was added since needs `#[serde(default)]`.
/// - **Fields that the variant doesn't have** are ignored, a field that is missing is an error.
///
/// ```
/// use orchestrix::{Position, RecordedEvent, Revision, prelude::*};
/// # use std::time::SystemTime;
///
/// #[derive(Event, Debug)]
/// enum LampEvent {
///     #[event("lamp.lit")]
///     Lit,
///     #[event(unknown)]
///     Other(RecordedEvent),
/// }
///
/// /// A struct is an event of one type.
/// #[derive(Event, Debug)]
/// #[event("lamp.moved")]
/// struct LampMoved {
///     room: String,
/// }
///
/// let moved = NewEvent::of(&LampMoved { room: "kitchen".into() })?;
/// let moved = RecordedEvent::new("lamp-1", Revision(0), Position(1), SystemTime::now(), &moved);
/// assert!(matches!(moved.as_ref().decode()?, LampEvent::Other(event) if event == moved));
/// # Ok::<(), orchestrix::Error>(())
/// ```
#[proc_macro_derive(Event, attributes(event, serde))]
pub fn derive_event(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::event(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
