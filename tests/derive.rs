//! Types of events by `#[derive(Event)]`: golden bytes, there and back through a store, what renaming changes (nothing), and
//! every way in which a recorded event isn't what the type asks for, with the facts that the error tells.

#[path = "derive/golden.rs"]
mod golden;
#[path = "derive/refused.rs"]
mod refused;
#[path = "derive/serde.rs"]
mod serde;

use orchestrix::{NewEvent, Position, RecordedEvent, Revision};
use std::time::{Duration, UNIX_EPOCH};

/// An event as position 11, revision 4 of the stream `account-7`.
fn recorded(event: &NewEvent<'_>) -> RecordedEvent {
    let time = UNIX_EPOCH + Duration::from_secs(9);
    RecordedEvent::new("account-7", Revision(4), Position(11), time, event)
}

/// An event with this JSON as data.
fn json(event_type: &str, data: &str) -> RecordedEvent {
    recorded(&NewEvent::raw(event_type.to_owned(), data.as_bytes().to_vec()).content_type("application/json"))
}
