//! Codecs, owned events and typed envelopes, there and back.

use super::{Bincode, Codec, CodecError, EventId, ExtensionValue, NewEvent, Recorded, RecordedEvent};
use crate::{ErrorKind, Position, Revision};
use serde::{Deserialize, Serialize};
use std::time::{Duration, UNIX_EPOCH};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Deposited {
    cents: u64,
    note: Option<String>,
}

fn value() -> Deposited {
    Deposited { cents: 500, note: Some("caf\u{e9}".into()) }
}

fn record(event: &NewEvent<'_>) -> RecordedEvent {
    RecordedEvent::new("account-7", Revision(4), Position(11), UNIX_EPOCH + Duration::from_secs(9), event)
}

fn assert_codec(codec: &impl Codec) {
    let event = NewEvent::encoded("deposited", &value(), codec).unwrap();
    let event = event.id("d-1").subject("x").tag("t").correlation("c").typed_extension("flag", true);
    let untyped = record(&event);
    assert_eq!(untyped.as_ref().content_type(), Some(codec.content_type()));
    assert_eq!(untyped.as_ref().decode_with::<Deposited>(codec).unwrap(), value());
    let typed = Recorded::<Deposited>::decode(untyped.as_ref(), codec).unwrap();
    assert_eq!(typed.data, value());
    assert_eq!(
        (typed.stream.as_str(), typed.revision, typed.position),
        ("account-7", Revision(4), Position(11))
    );
    assert_eq!(typed.id, EventId::from("d-1"));
    assert_eq!(typed.metadata.extensions, [("flag".to_owned(), ExtensionValue::Boolean(true))]);
    assert_eq!(typed.encode(codec).unwrap(), untyped);

    let mut longer = event.data().to_vec();
    longer.push(b'x');
    let error = codec.decode::<Deposited>(&longer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    let cause = std::error::Error::source(&error).unwrap();
    assert!(cause.is::<CodecError>(), "{cause}");
    let other = record(&event.content_type("text/html"));
    let error = other.as_ref().decode_with::<Deposited>(codec).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("found text/html"), "{error}");
}

#[test]
fn bincode() {
    assert_codec(&Bincode);
}

#[test]
fn bincode_asks_for_no_memory_that_the_bytes_cannot_fill() {
    let endless = [0xFD, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
    assert!(Bincode.decode::<Vec<u64>>(&endless).is_err());
    assert!(Bincode.decode::<String>(&endless).is_err());
}

#[cfg(feature = "json")]
#[test]
fn json() {
    assert_codec(&super::Json);
    let event = NewEvent::json("deposited", &value()).unwrap();
    assert_eq!(event.data(), "{\"cents\":500,\"note\":\"caf\u{e9}\"}".as_bytes());
    assert_eq!(record(&event).as_ref().json::<Deposited>().unwrap(), value());
    let suffix = record(&event.clone().content_type("application/deposit+JSON; v=1"));
    assert_eq!(suffix.as_ref().json::<Deposited>().unwrap(), value());
    assert!(record(&event).as_ref().decode_with::<Deposited>(&Bincode).is_err());
}

#[test]
fn untyped_envelopes_are_total() {
    let event = NewEvent::raw("t", b"\xff\0").source("/s").time(UNIX_EPOCH).causation("x").schema_version(3);
    let untyped = record(&event);
    let envelope = Recorded::<Vec<u8>>::from(&untyped);
    assert_eq!(RecordedEvent::try_from(&envelope).unwrap(), untyped);
    assert_ne!(record(&event.clone().tag("t")), untyped);
    assert_ne!(record(&event.id("other")), untyped);
    let mut changed = envelope;
    changed.stream.clear();
    assert_eq!(RecordedEvent::try_from(&changed).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn debug_tells_the_facts() {
    let event =
        NewEvent::raw("t", vec![b'a'; 300]).id("i").tag("red").subject("about").typed_extension("n", 5);
    let shown = format!("{:?}", record(&event));
    for fact in [
        "11",
        "account-7",
        "revision: 4",
        "\"t\"",
        "id: i",
        "\"red\"",
        "\"about\"",
        "n: Integer(5)",
        "(44 bytes more)",
    ] {
        assert!(shown.contains(fact), "{fact} in {shown}");
    }
}

#[test]
#[should_panic(expected = "event type must be text")]
fn a_recorded_event_of_what_may_not_be_written() {
    record(&NewEvent::raw("", b""));
}

#[test]
fn data_of_a_later_version_is_never_handed_out_as_plain() {
    let mut frame = record(&NewEvent::raw("t", b"secret").subject("s")).into_frame();
    let at = super::layout::header::BYTES + 8 + "account-7".len() + "t".len();
    frame[at + super::layout::record::CIPHER] = 1;
    let event = super::EventRef::new(&frame, at as u32);
    assert_eq!((event.event_type(), event.data(), event.metadata().subject()), ("t", &b""[..], None));
    assert_eq!(event.check_plain().unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(event.decode_with::<u8>(&Bincode).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn public_types_may_be_sent_and_shared() {
    fn is_both<T: Send + Sync>() {}
    is_both::<NewEvent<'_>>();
    is_both::<super::EventRef<'_>>();
    is_both::<super::Metadata<'_>>();
    is_both::<RecordedEvent>();
    is_both::<Recorded<u8>>();
    is_both::<CodecError>();
    is_both::<super::EventType>();
    is_both::<crate::Undecoded>();
    is_both::<crate::UndecodedReason>();
}
