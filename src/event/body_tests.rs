//! Encodes commits and reads them back; each limit with its error. The ignored test prints what encoding costs.

use super::body::{BodyEncoder, WriteRef};
use super::commit::CommitRef;
use super::layout::{self, header, kind, record};
use super::names::category_bytes;
use super::{EventRef, ExtensionValue, NewEvent};
use crate::limits;
use foldhash::fast::FixedState;
use proptest::prelude::*;
use std::hint::black_box;
use std::time::Duration;

fn encoder() -> BodyEncoder {
    BodyEncoder::new(FixedState::with_seed(7))
}

/// Fills in what the writer knows: position 100, time 5, and revisions 10, 20, 30 ... of the streams.
fn complete(encoder: &BodyEncoder) -> Vec<u8> {
    let mut frame = encoder.bytes().to_vec();
    assert!(frame[..header::BYTES].iter().all(|byte| *byte == 0), "the header is left to the writer");
    let length = frame.len() as u32;
    let mut put = |at: usize, bytes: &[u8]| frame[at..at + bytes.len()].copy_from_slice(bytes);
    put(header::LENGTH, &length.to_le_bytes());
    put(header::FIRST_POSITION, &100u64.to_le_bytes());
    put(header::TIME, &5i64.to_le_bytes());
    put(header::EVENTS, &encoder.event_count().to_le_bytes());
    put(header::STREAMS, &encoder.stream_count().to_le_bytes());
    put(header::KIND, &[header::KIND_EVENTS]);
    put(header::NAMES, &encoder.name_count().to_le_bytes());
    put(header::BODY_CRC, &encoder.body_crc().to_le_bytes());
    for number in 0..encoder.stream_count() {
        let at =
            if encoder.stream_count() == 1 { header::REVISIONS } else { header::BYTES + 8 * number as usize };
        put(at, &(10 * (u64::from(number) + 1)).to_le_bytes());
    }
    frame
}

/// The checksums of a frame, worked out from the format page with nothing but its bytes.
fn assert_checksums(frame: &[u8]) {
    let commit = CommitRef::new(frame);
    let crc = |init, bytes: &[u8]| {
        let mut hasher = crc32fast::Hasher::new_with_initial(init);
        hasher.update(bytes);
        hasher.finalize()
    };
    let name_crc = |number: u32| crc(0, commit.name(number).1);
    let mut summed = commit.directory().to_vec();
    (0..commit.name_count()).for_each(|number| summed.extend_from_slice(&name_crc(number).to_le_bytes()));
    for event in commit.events() {
        let mut init = event.length();
        let stream = u32::from(event.stream_number());
        let event_type = u32::from(commit.stream_count()) + u32::from(event.type_number());
        for name in [stream, event_type].into_iter().chain(event.key_numbers()) {
            init = init.rotate_left(5) ^ name_crc(name);
        }
        let found = layout::u32_at(event.record(), record::CRC);
        assert_eq!(found, crc(init, &event.record()[record::BACK..]));
        assert_eq!(layout::u32_at(event.record(), record::BACK), event.offset());
        summed.extend_from_slice(&found.to_le_bytes());
    }
    assert_eq!(layout::u32_at(frame, header::BODY_CRC), crc(0, &summed));
}

#[test]
fn the_bytes_of_a_small_frame() {
    let event = NewEvent::raw("opened", b"{}").id("a-1").content_type("application/json").schema_version(2);
    let mut encoder = encoder();
    // What the encoder held before must not show.
    encoder
        .encode(&[WriteRef { stream: "x", events: &[NewEvent::raw("y", vec![0xFF; 500])] }], 1 << 26)
        .unwrap();
    encoder.encode(&[WriteRef { stream: "acc-7", events: &[event] }], limits::SEGMENT_BYTES_DEFAULT).unwrap();
    let frame = complete(&encoder);
    assert_checksums(&frame);
    let expected = [
        // Header.
        "88000000 00000000 6400000000000000 0000000000000000 0500000000000000 0000000000000000 0a00000000000000",
        "0100 0100 01 00 0000 02000000 cef90c05",
        // Directory and names.
        "05000001 0b000002 6163632d37 6f70656e6564",
        // Record: length, checksum, place; id, metadata, data; padding.
        "33000000 5c9b42ca 53000000 0000 0000 0000 0000 0700 01 00 00 00",
        "03 612d31000000000000000000000000 07 0400 02000000 7b7d 0000",
    ];
    let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected.concat().replace(' ', ""));
}

#[test]
fn a_commit_of_several_streams_reads_back() {
    let first =
        [NewEvent::raw("a", b"1").id("x"), NewEvent::raw("b", b"").tag("t").tag("u").correlation("c")];
    let second = [NewEvent::raw("a", vec![3; 300]).tag("u").tag("t").tag("u")];
    let mut encoder = encoder();
    let writes = [
        WriteRef { stream: "one-1", events: &first },
        WriteRef { stream: "two", events: &second },
        WriteRef { stream: "one-1", events: &second },
    ];
    encoder.encode(&writes, limits::SEGMENT_BYTES_DEFAULT).unwrap();
    let frame = complete(&encoder);
    assert_checksums(&frame);
    let commit = CommitRef::new(&frame);
    assert!(frame.len().is_multiple_of(layout::FRAME_ALIGN));
    let names: Vec<_> = (0..commit.name_count()).map(|number| commit.name(number)).collect();
    let expected: [(u8, &[u8]); 7] = [
        (kind::STREAM, b"one-1"),
        (kind::STREAM, b"two"),
        (kind::TYPE, b"a"),
        (kind::TYPE, b"b"),
        (kind::TAG, b"t"),
        (kind::TAG, b"u"),
        (kind::CORRELATION_TEXT, b"c"),
    ];
    assert_eq!(names, expected);
    let facts = |e: EventRef<'_>| (e.position().0, e.stream().to_owned(), e.revision().0, e.data().len());
    let events: Vec<_> = commit.events().map(facts).collect();
    let one = |position, revision, bytes| (position, "one-1".to_owned(), revision, bytes);
    assert_eq!(
        events,
        [one(100, 10, 1), one(101, 11, 0), (102, "two".to_owned(), 20, 300), one(103, 12, 300)]
    );
    let event = commit.events().nth(1).unwrap();
    assert_eq!((event.category(), event.event_type(), event.time_nanos()), ("one", "b", 5));
    assert_eq!(event.tags().collect::<Vec<_>>(), ["t", "u"]);
    assert!(event.correlation().unwrap() == "c");
    assert_eq!(commit.events().nth(2).unwrap().tags().collect::<Vec<_>>(), ["u", "t"]);
    let categories: Vec<_> =
        encoder.streams().map(|s| (s.name[..category_bytes(s.name)].to_vec(), s.events)).collect();
    assert_eq!(categories, [(b"one".to_vec(), 3), (b"two".to_vec(), 1)]);
    assert_eq!((encoder.stream_number("two"), encoder.stream_number("three")), (Some(1), None));
}

fn any_event() -> impl Strategy<Value = NewEvent<'static>> {
    let text = || {
        prop_oneof!["[a-d]{1,3}", "[ -~]{1,40}", "\\PC{1,20}"]
            .prop_filter("plain", |text| text.chars().all(super::check::is_plain_char))
    };
    let id = || {
        prop_oneof![
            text(),
            any::<u128>().prop_map(|id| uuid::Uuid::from_u128(id).to_string()),
            "[a-z]{14,17}"
        ]
    };
    let rare = (
        proptest::option::of(id()),
        proptest::option::of(id()),
        proptest::collection::vec(text(), 0..12),
        proptest::option::of(any::<u32>()),
        proptest::collection::btree_map("[a-z]{1,9}x", any::<i32>(), 0..3),
    );
    (text(), any::<Vec<u8>>(), id(), proptest::option::of(any::<i64>()), proptest::option::of(rare)).prop_map(
        |(event_type, data, id, time, rare)| {
            let mut event = NewEvent::raw(event_type, data).id(id);
            if let Some(nanos) = time {
                event = event.time_nanos(nanos);
            }
            let Some((correlation, causation, tags, version, extensions)) = rare else { return event };
            event = tags.into_iter().fold(event.subject("about"), NewEvent::tag);
            event = extensions.into_iter().fold(event, |event, (name, n)| event.typed_extension(&name, n));
            event = correlation.into_iter().fold(event, NewEvent::correlation);
            event = causation.into_iter().fold(event, NewEvent::causation);
            version.into_iter().fold(event, NewEvent::schema_version)
        },
    )
}

fn assert_same(read: EventRef<'_>, written: &NewEvent<'_>) {
    assert_eq!((read.event_type(), read.data()), (written.event_type(), written.data()));
    assert_eq!(read.id(), written.event_id());
    assert_eq!(read.own_time(), written.own_time());
    assert_eq!(super::metadata::validate(read.stored_metadata()), Ok(()));
    assert!(read.tags().eq(written.tags()));
    assert_eq!(read.correlation(), written.correlation_id().map(|id| id.as_ref()));
    let Some(details) = written.details() else { return assert_eq!(read.metadata().subject(), None) };
    assert_eq!(read.metadata().causation(), details.causation.as_ref().map(|id| id.as_ref()));
    assert_eq!(read.metadata().subject(), details.subject.as_deref());
    let extensions: Vec<(&str, ExtensionValue<'_>)> = read.metadata().extensions().collect();
    assert!(
        extensions.iter().eq(details
            .extensions
            .iter()
            .map(|(n, v)| (&**n, v.clone()))
            .collect::<Vec<_>>()
            .iter())
    );
}

proptest! {
    #[test]
    fn any_commit_reads_back(
        writes in proptest::collection::vec((0..14usize, proptest::collection::vec(any_event(), 1..12)), 1..16),
    ) {
        let names: Vec<String> = (0..14).map(|n| format!("{}{n}", ["s-", "stream", "\u{e9}-"][n % 3])).collect();
        let refs: Vec<_> = writes.iter().map(|(n, events)| WriteRef { stream: &names[*n], events }).collect();
        let mut encoder = encoder();
        for refs in [&refs[..], &refs[..1], &refs[..]] {
            encoder.encode(refs, limits::SEGMENT_BYTES_DEFAULT).unwrap();
            let frame = complete(&encoder);
            assert_checksums(&frame);
            let commit = CommitRef::new(&frame);
            let mut next = std::collections::HashMap::new();
            let mut events = commit.events().zip(encoder.records());
            for (write, written) in refs.iter().flat_map(|write| write.events.iter().map(move |event| (write, event))) {
                let (read, mark) = events.next().unwrap();
                assert_same(read, written);
                let stream = encoder.stream(mark.stream);
                let ordinal = next.entry(write.stream).or_insert(0);
                assert_eq!(read.stream(), write.stream);
                assert_eq!(stream.name, write.stream.as_bytes());
                assert_eq!(&stream.name[..category_bytes(stream.name)], read.category().as_bytes());
                assert_eq!(read.revision().0, 10 * (u64::from(mark.stream) + 1) + *ordinal);
                assert_eq!((read.offset(), read.length()), (mark.offset, mark.length));
                *ordinal += 1;
                let owned = read.to_recorded();
                assert_same(owned.as_ref(), written);
                assert_eq!(owned.as_ref().position(), read.position());
                assert_eq!(owned.as_ref().revision(), read.revision());
                assert_eq!(owned.as_ref().to_recorded(), owned);
                let again = owned.to_new_event();
                assert_eq!(&again, &written.clone().time_nanos(read.time_nanos()));
            }
            assert!(events.next().is_none());
            assert!(encoder.streams().all(|stream| u64::from(stream.events) == next[std::str::from_utf8(stream.name).unwrap()]));
        }
    }

    #[test]
    fn any_bytes_are_metadata_or_refused(bytes in any::<Vec<u8>>()) {
        let _ = super::metadata::validate(&bytes);
    }
}

/// Time that this thread has had a processor for: others that want it too don't count.
struct Cpu(Duration);

impl Cpu {
    fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Self(Duration::new(now.tv_sec as u64, now.tv_nsec as u32))
    }

    fn elapsed(&self) -> Duration {
        Self::now().0 - self.0
    }
}

#[test]
#[ignore = "prints timings; run in release mode"]
fn what_encoding_costs() {
    let mut encoder = encoder();
    let payload = [7u8; 256];
    let streams: Vec<String> = (0..10_000).map(|n| format!("stream-{n}")).collect();
    let rounds = 2_000_000u32;
    let per = |start: Cpu, n: u32| start.elapsed().as_nanos() as f64 / f64::from(n);
    for _ in 0..2 {
        let start = Cpu::now();
        for n in 0..rounds {
            black_box(NewEvent::raw("reading", black_box(&payload)));
            black_box(n);
        }
        println!("make and drop an event:          {:6.1} ns", per(start, rounds));
        let start = Cpu::now();
        for n in 0..rounds {
            let id = uuid::Uuid::from_u128(u128::from(n));
            black_box(NewEvent::raw("reading", black_box(&payload)).id(id));
        }
        println!("the same with an id given:       {:6.1} ns", per(start, rounds));
        let event = NewEvent::raw("reading", &payload);
        let start = Cpu::now();
        for n in 0..rounds {
            let stream = &streams[n as usize % streams.len()];
            let write = [WriteRef { stream, events: std::slice::from_ref(black_box(&event)) }];
            encoder.encode(&write, limits::SEGMENT_BYTES_DEFAULT).unwrap();
            black_box(encoder.bytes());
        }
        println!("encode one event of 256 bytes:   {:6.1} ns", per(start, rounds));
        let record = vec![7u8; 256 + record::BYTES - 8];
        let start = Cpu::now();
        for n in 0..rounds {
            black_box(layout::crc(n, black_box(&record)));
        }
        println!("of it, one checksum:             {:6.1} ns", per(start, rounds));
        let events: Vec<_> = (0..100).map(|_| NewEvent::raw("reading", &payload)).collect();
        let start = Cpu::now();
        for n in 0..rounds / 100 {
            let stream = &streams[n as usize % streams.len()];
            let write = [WriteRef { stream, events: black_box(&events) }];
            encoder.encode(&write, limits::SEGMENT_BYTES_DEFAULT).unwrap();
            black_box(encoder.bytes());
        }
        println!("encode one event of 100:         {:6.1} ns", per(start, rounds));
    }
}
