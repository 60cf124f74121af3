//! Encodes commits and reads them back; each limit with its error. The ignored test prints what encoding costs.

use super::body::{BodyEncoder, WriteRef};
use super::commit::CommitRef;
use super::layout::{self, header, kind, record};
use super::{EventRef, NewEvent};
use crate::{Error, ErrorKind, limits};
use foldhash::fast::FixedState;
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
    let commit = CommitRef::new(&frame);
    assert!(frame.len().is_multiple_of(layout::FRAME_ALIGN));
    let names: Vec<_> = commit.names().collect();
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
        encoder.streams().map(|s| (s.name[..s.category_bytes].to_vec(), s.events)).collect();
    assert_eq!(categories, [(b"one".to_vec(), 3), (b"two".to_vec(), 1)]);
    assert_eq!((encoder.stream_number("two"), encoder.stream_number("three")), (Some(1), None));
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
