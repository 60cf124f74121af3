//! Lines in and out: the rules of the specification one by one, and round trips of everything that an event can hold.

use super::{ImportedEvent, parse_json_line, to_json_line};
use crate::event::{EventRef, ExtensionValue, NewEvent, RecordedEvent};
use crate::{Position, Revision};
use proptest::prelude::*;
use std::time::{Duration, UNIX_EPOCH};

fn recorded(stream: &str, event: &NewEvent<'_>) -> RecordedEvent {
    RecordedEvent::new(stream, Revision(3), Position(9), UNIX_EPOCH + Duration::from_millis(1_500), event)
}

fn line(event: EventRef<'_>) -> String {
    let mut line = Vec::new();
    to_json_line(event, &mut line);
    String::from_utf8(line).expect("JSON is UTF-8")
}

fn parsed(line: &str) -> ImportedEvent {
    parse_json_line(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Writes the event, reads the line, writes that: both lines must be the same. Returns the line.
fn round_trip(event: &NewEvent<'_>) -> String {
    let first = recorded("s-1", event);
    let text = line(first.as_ref());
    assert!(!text.contains(['\n', '\r']));
    let read = parsed(&text);
    assert_eq!(read.stream, "s-1");
    let second = recorded(&read.stream, &read.event);
    assert_eq!(line(second.as_ref()), text);
    assert_eq!(second, first);
    text
}

#[test]
fn a_bare_event_has_this_line() {
    let event = NewEvent::raw("reading", b"21.5").id("r-1");
    let expected = concat!(
        r#"{"specversion":"1.0","id":"r-1","source":"orchestrix:","type":"reading","time":"1970-01-01T00:00:01.5Z","#,
        r#""streamid":"s-1","streamrevision":"3","globalposition":"9","data":21.5}"#
    );
    assert_eq!(line(recorded("s-1", &event).as_ref()), expected);
    let read = parsed(expected);
    assert_eq!(read.event, event.time(UNIX_EPOCH + Duration::from_millis(1_500)));
}

#[test]
fn everything_that_an_event_can_hold_comes_back() {
    let event = NewEvent::raw("type \"quoted\" \u{e9}\u{1F600}", br#"{"a": [1, 2.50, "\u00e9"]}"#)
        .id("01890a5d-ac96-774b-bcce-b302099a8057")
        .time(UNIX_EPOCH - Duration::from_nanos(1))
        .source("/sensors?kind=a%20b")
        .subject("a subject")
        .correlation("c\u{fc}")
        .causation("01890a5d-ac96-774b-bcce-b302099a8058")
        .trace_parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .content_type("application/vnd.thing+json; charset=utf-8")
        .schema_version(7)
        .data_schema("https://example.com/schema#1")
        .tag("room:kitchen")
        .tag("with, comma")
        .tag("with \\ and \\, both")
        .extension("text", "caf\u{e9} \"x\" \\")
        .extension("empty", "")
        .typed_extension("number", i32::MIN)
        .typed_extension("flag", true);
    let text = round_trip(&event);
    for part in [
        r#""data":{"a": [1, 2.50, "\u00e9"]}}"#,
        r#""time":"1969-12-31T23:59:59.999999999Z""#,
        r#""tags":"room:kitchen,with\\, comma,with \\\\ and \\\\\\, both""#,
        r#""number":-2147483648,"flag":true"#,
        r#""schemaversion":7,"#,
        r#""correlationid":"cü","causationid":"01890a5d-ac96-774b-bcce-b302099a8058""#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn data_stands_byte_for_byte_or_as_base64() {
    let raw = |data: &'static [u8]| NewEvent::raw("t", data).id("i");
    for data in [
        "null",
        "0",
        "-1.50e3",
        r#""text""#,
        "{}",
        r#"{"a":1,"a":2}"#,
        "[ 1 ]",
        "\"\u{2028}\"",
        r#""\ud800""#,
    ] {
        let part = format!(r#","data":{data}}}"#);
        assert!(round_trip(&raw(data.as_bytes())).ends_with(&part), "{data}");
        let typed = raw(data.as_bytes()).content_type("application/json");
        assert!(round_trip(&typed).ends_with(&part), "{data}");
        let other = round_trip(&raw(data.as_bytes()).content_type("image/png"));
        assert!(other.contains(r#","data_base64":"#), "{data}");
        let text = round_trip(&raw(data.as_bytes()).content_type("text/plain; charset=utf-8"));
        let needs_escapes = data.contains(['"', '\\']);
        let quoted = format!(r#","data":"{data}"}}"#);
        assert_eq!(text.ends_with(&quoted), !needs_escapes, "{data}");
        assert_eq!(text.contains(r#","data_base64":"#), needs_escapes, "{data}");
    }
    for data in
        [&b" 1"[..], b"1 ", b"[1,\n2]", b"[1,\r2]", b"\xff", b"nul", b"\0", b"{", b"1 2", b"\"\x01\"", b"01"]
    {
        assert!(round_trip(&raw(data)).contains(r#","data_base64":"#), "{}", data.escape_ascii());
        round_trip(&raw(data).content_type("application/json"));
        round_trip(&raw(data).content_type("text/json"));
        round_trip(&raw(data).content_type("TEXT/plain"));
    }
    assert!(!round_trip(&raw(b"")).contains("data"));
    assert!(!round_trip(&raw(b"").content_type("application/json")).contains("\"data\":"));
}

#[test]
fn large_data_comes_back() {
    let bytes: Vec<u8> = (0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    round_trip(&NewEvent::raw("t", bytes.clone()).id("i"));
    round_trip(&NewEvent::raw("t", format!("{bytes:?}").into_bytes()).id("i"));
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert!(round_trip(&NewEvent::raw("t", deep.into_bytes()).id("i")).contains("data\":[[["));
}

/// A line with what is required and these members.
fn minimal(members: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"i","source":"/s","type":"t"{members}}}"#)
}

/// The line that is written from what another one, with these members, says.
fn rewritten(members: &str) -> String {
    let read = parsed(&minimal(members));
    line(recorded("s-1", &read.event).as_ref())
}

#[test]
fn times_keep_their_text() {
    for time in [
        "2024-06-19T17:22:45+02:00",
        "2024-06-19T15:22:45.500Z",
        "2024-06-19t15:22:45z",
        "2016-12-31T23:59:60Z",
    ] {
        let member = format!(r#","time":"{time}""#);
        assert!(rewritten(&member).contains(&member), "{time}");
        round_trip(&parsed(&minimal(&member)).event);
    }
    let canonical = parsed(&minimal(r#","time":"2024-06-19T15:22:45.5Z""#)).event;
    assert_eq!(
        canonical,
        NewEvent::raw("t", b"")
            .id("i")
            .source("/s")
            .time(UNIX_EPOCH + Duration::from_millis(1_718_810_565_500))
    );
}

#[test]
fn the_stream_is_named_by_streamid_or_subject_or_source() {
    let stream = |members: &str| parsed(&minimal(members)).stream;
    assert_eq!(stream(r#","streamid":"a","subject":"b""#), "a");
    assert_eq!(stream(r#","subject":"b""#), "b");
    assert_eq!(stream(""), "/s");
    assert_eq!(stream(r#","streamid":null,"subject":null"#), "/s");
}

#[test]
fn foreign_lines_are_understood() {
    let spaced = " { \"specversion\" : \"1.0\" , \"id\":\"i\",\"source\":\"/s\",\n\"ty\\u0070e\":\"t\",\"data\": { \"a\" : 1 } } \r\n";
    assert_eq!(parsed(spaced).event.data(), br#"{ "a" : 1 }"#);
    let data = |members: &str| parsed(&minimal(members)).event.data().to_vec();
    assert_eq!(data(r#","data":null"#), b"null");
    assert_eq!(data(r#","data_base64":null"#), b"");
    assert_eq!(data(r#","data_base64":"AAE=""#), b"\0\x01");
    assert_eq!(data(r#","datacontenttype":"text/plain","data":"a\"b""#), b"a\"b");
    assert_eq!(data(r#","datacontenttype":"text/JSON","data":"a""#), b"\"a\"");
    assert_eq!(data(r#","datacontenttype":"application/x+json;v=1","data":[1]"#), b"[1]");
    for members in [
        r#","unknown":"kept","number":5,"flag":false,"averyveryverylongname1":"x""#,
        r#","schemaversion":"1.2""#,
        r#","schemaversion":"7""#,
        r#","schemaversion":-7"#,
        r#","schemaversion":"4294967295""#,
        r#","schemaversion":7"#,
        r#","tags":"red,blue""#,
    ] {
        assert!(rewritten(members).contains(members), "{members} in {}", rewritten(members));
    }
    let version = parsed(&minimal(r#","schemaversion":"4294967295""#)).event;
    assert_eq!(recorded("s", &version).as_ref().schema_version(), Some(u32::MAX));
}

#[test]
fn a_uuid_in_upper_case_is_text() {
    let upper = "01890A5D-AC96-774B-BCCE-B302099A8057";
    let read = parsed(&minimal("").replace("\"i\"", &format!("{upper:?}"))).event;
    assert!(read.event_id() == upper && read.event_id() != upper.to_lowercase().as_str());
    assert!(round_trip(&read).contains(upper));
}

#[test]
fn each_rule_is_named_with_field_and_value() {
    let long = "x".repeat(256);
    let cases: Vec<(String, &str, &str)> = vec![
        ("".into(), "line", "one JSON object"),
        ("[]".into(), "line", "one JSON object"),
        (minimal("") + "{}", "line", "one JSON object"),
        (minimal(",\"a\":"), "line", "one JSON object"),
        (r#"{"id":"i","source":"/s","type":"t"}"#.into(), "specversion", "required"),
        (r#"{"specversion":"1.0","source":"/s","type":"t"}"#.into(), "id", "required"),
        (r#"{"specversion":"1.0","id":"i","type":"t"}"#.into(), "source", "required"),
        (r#"{"specversion":"1.0","id":"i","source":"/s","type":null}"#.into(), "type", "required"),
        (minimal("").replace("1.0", "0.3"), "specversion", "`1.0`"),
        (minimal("").replace("\"1.0\"", "1.0"), "specversion", "a whole number"),
        (minimal("").replace("\"i\"", "\"\""), "id", "at least one character"),
        (minimal("").replace("\"i\"", "5"), "id", "a string"),
        (minimal("").replace("\"i\"", &format!("{long:?}")), "id", "at most 255 bytes, found 256"),
        (minimal("").replace("\"/s\"", "\"a b\""), "source", "URI reference"),
        (minimal("").replace("\"/s\"", "\"\""), "source", "URI reference"),
        (minimal("").replace("\"t\"", "\"\""), "type", "at least one character"),
        (minimal("").replace("\"t\"", "\"a\\u0000b\""), "type", "control characters"),
        (minimal(r#","subject":"""#), "subject", "at least one character"),
        (minimal(r#","time":"yesterday""#), "time", "RFC 3339"),
        (minimal(r#","time":"1500-01-01T00:00:00Z""#), "time", "between the years 1678 and 2261"),
        (minimal(r#","datacontenttype":"json""#), "datacontenttype", "media type"),
        (minimal(r#","dataschema":"/relative""#), "dataschema", "absolute URI"),
        (minimal(r#","my_ext":"x""#), "attribute name", "lowercase letters"),
        (minimal(r#","MyExt":"x""#), "attribute name", "lowercase letters"),
        (minimal(r#","":"x""#), "attribute name", "lowercase letters"),
        (minimal(r#","ext":{}"#), "ext", "a string, an integer or a boolean"),
        (minimal(r#","ext":[1]"#), "ext", "a string, an integer or a boolean"),
        (minimal(r#","ext":2147483648"#), "ext", "32 bits"),
        (minimal(r#","ext":1.5"#), "ext", "whole number"),
        (minimal(r#","ext":"a\u007fb""#), "ext", "control characters"),
        (minimal(r#","ext":"a\uffffb""#), "ext", "noncharacters"),
        (minimal(r#","ext":"\ud800""#), "ext", "surrogates"),
        (minimal(r#","ext":"1","ext":"2""#), "attribute name", "stands once"),
        (minimal(r#","data":1,"data":2"#), "attribute name", "stands once"),
        (minimal(r#","data":1,"data_base64":"AA==""#), "data_base64", "left out"),
        (minimal(r#","data_base64":"AA""#), "data_base64", "base64"),
        (minimal(r#","data_base64":5"#), "data_base64", "a string"),
        (minimal(r#","datacontenttype":"text/plain","data":{}"#), "data", "a string"),
        (minimal(r#","tags":"a,,b""#), "tags", "at least one character"),
        (minimal(r#","correlationid":"""#), "correlationid", "at least one character"),
        (minimal(r#","causationid":7"#), "causationid", "a string"),
        (minimal(r#","streamid":"$system""#), "stream name", "reserved"),
        (minimal(r#","streamid":"""#), "stream name", "at least one character"),
        (minimal(&format!(r#","ext":"{}""#, "x".repeat(65_536))), "metadata", "at most 65535 bytes"),
        (
            minimal(&format!(
                r#","tags":"{}""#,
                (0..65).map(|n| n.to_string()).collect::<Vec<_>>().join(",")
            )),
            "list of tags, its last",
            "64 tags",
        ),
    ];
    for (line, field, rule) in cases {
        let error = parse_json_line(line.as_bytes()).expect_err(&line);
        assert_eq!(error.field(), field, "{error}: {line}");
        assert!(error.to_string().contains(rule), "{error}: {line}");
    }
    let error = parse_json_line(b"{\"id\":\"\xff\"}").unwrap_err();
    assert!(error.to_string().contains("UTF-8"), "{error}");
    let error = crate::Error::from(parse_json_line(b"x").unwrap_err());
    assert_eq!(error.kind(), crate::ErrorKind::Invalid);
}

#[test]
fn many_attributes_are_read_in_little_time() {
    let members: String = (0..200_000).map(|n| format!(r#","x{n}":1"#)).collect();
    assert_eq!(parse_json_line(minimal(&members).as_bytes()).unwrap_err().field(), "metadata");
    let twice = minimal(&(members + r#","x7":2"#));
    assert!(parse_json_line(twice.as_bytes()).unwrap_err().to_string().contains("stands once"));
}

fn plain_text(max: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(
        any::<char>().prop_filter("plain", |c| crate::event::check::is_plain_char(*c)),
        1..max,
    )
    .prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #[test]
    fn any_event_comes_back(
        (id, event_type, subject) in (plain_text(40), plain_text(40), plain_text(60)),
        data in prop_oneof![any::<Vec<u8>>(), plain_text(30).prop_map(|text| serde_json::to_vec(&text).unwrap())],
        tags in proptest::collection::vec(plain_text(20), 0..5),
        extensions in proptest::collection::btree_map("x[a-z0-9]{1,9}", any::<(u8, i32)>(), 0..5),
        text in plain_text(30),
        nanos in any::<i64>(),
        content in proptest::option::of(prop_oneof!["application/json", "text/plain", "x/y\\+json"]),
    ) {
        let mut event = NewEvent::raw(event_type, data).id(id).subject(subject).time_nanos(nanos);
        event = tags.into_iter().fold(event, NewEvent::tag);
        for (name, (kind, number)) in extensions {
            let value = match kind % 3 {
                0 => ExtensionValue::String(text.clone().into()),
                1 => number.into(),
                _ => (number > 0).into(),
            };
            event = event.typed_extension(&name, value);
        }
        if let Some(content) = content {
            event = event.content_type(content);
        }
        round_trip(&event);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>(), at in 0..90usize, value in any::<u8>()) {
        let _ = parse_json_line(&bytes);
        let mut line = minimal(r#","time":"2024-06-19T15:22:45Z","x":1"#).into_bytes();
        line[at] = value;
        if let Ok(read) = parse_json_line(&line) {
            round_trip(&read.event);
        }
    }
}
