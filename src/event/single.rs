//! The commit that is written most: one event. Encodes the same bytes as [`body`](super::body) does, with
//! everything at hand instead of in tables, in less than half the time. Never looks at the store.

use super::check;
use super::layout::{self, Crc, header, kind, record};
use super::names::{NameTable, name_hash};
use super::record::write_record;
use super::{NewEvent, body, refuse};
use crate::{Error, limits};
use foldhash::fast::FixedState;

/// Offset of what stands behind a stream and a type in the directory.
const KEYS_AT: usize = header::BYTES + 2 * size_of::<u32>();
/// Number of the first name behind a stream and a type.
const KEY_BASE: u32 = 2;

/// Encodes commits of one event, one after another.
pub(crate) struct SingleEncoder {
    /// Begins with the frame. Never shortened, so that growing doesn't write zeros over and over.
    buffer: Vec<u8>,
    frame_bytes: usize,
    record_at: usize,
    body_crc: u32,
    event_crc: u32,
    stream_hash: u64,
    /// The type of the last commit, which is probably that of the next.
    event_type: String,
    type_crc: u32,
    type_hash: u64,
    /// Tags and correlation id.
    keys: NameTable,
    /// Their numbers, in the order in which the event has them.
    event_keys: Vec<u32>,
    crc: Crc,
    state: FixedState,
}

impl SingleEncoder {
    /// `state` is what the index hashes names with.
    pub(crate) fn new(state: FixedState) -> Self {
        Self {
            buffer: Vec::new(),
            frame_bytes: 0,
            record_at: 0,
            body_crc: 0,
            event_crc: 0,
            stream_hash: 0,
            event_type: String::new(),
            type_crc: 0,
            type_hash: 0,
            keys: NameTable::default(),
            event_keys: Vec::new(),
            crc: Crc::default(),
            state,
        }
    }

    /// Encodes a commit of one event.
    ///
    /// # Errors
    /// As [`BodyEncoder::encode`](super::body::BodyEncoder::encode).
    #[inline]
    pub(crate) fn encode(
        &mut self,
        stream: &str,
        event: &NewEvent<'_>,
        segment_bytes: u64,
    ) -> Result<(), Error> {
        check::stream_name(stream).map_err(|fault| fault.at("append"))?;
        let place = refuse::Place { stream, index: 0 };
        // Before the first commit there is none, and an empty one is refused.
        if event.event_type() != self.event_type || self.event_type.is_empty() {
            self.set_type(event.event_type()).map_err(|fault| fault.at(place))?;
        }
        let length = body::record_length(event).map_err(|fault| fault.at(place))?;
        if !self.event_keys.is_empty() {
            self.keys.clear();
            self.event_keys.clear();
        }
        let Self { keys, event_keys, crc, state, .. } = self;
        let add = |kind: u8, name: &[u8]| event_keys.push(keys.add(crc, state, kind, name));
        body::each_key(event, add).map_err(|fault| fault.at(place))?;
        if length > limits::event_bytes_max(segment_bytes) {
            return Err(refuse::too_large(place, limits::event_bytes_max(segment_bytes), length));
        }
        let names = stream.len() + self.event_type.len() + self.keys.text().len();
        self.record_at = self.names_at() + names;
        let frame = (self.record_at as u64 + length).next_multiple_of(layout::FRAME_ALIGN as u64);
        if frame > limits::commit_bytes_max(segment_bytes) {
            return Err(refuse::too_large_commit(limits::commit_bytes_max(segment_bytes), frame));
        }
        self.make_room(frame as usize);
        self.write(stream, event, length as usize);
        Ok(())
    }

    /// Offset of the names in the frame.
    #[inline]
    fn names_at(&self) -> usize {
        KEYS_AT + size_of::<u32>() * self.keys.len()
    }

    #[cold]
    fn set_type(&mut self, name: &str) -> Result<(), check::Fault> {
        check::text("event type", name, limits::EVENT_TYPE_BYTES_MAX)?;
        self.event_type.clear();
        self.event_type.push_str(name);
        self.type_crc = self.crc.of(name.as_bytes());
        self.type_hash = name_hash(&self.state, name.as_bytes());
        Ok(())
    }

    #[inline]
    fn make_room(&mut self, frame_bytes: usize) {
        if self.buffer.len() > body::KEPT_BYTES_MAX.max(frame_bytes) {
            self.buffer = Vec::new();
        }
        if self.buffer.len() < frame_bytes {
            self.buffer.resize(frame_bytes.next_power_of_two(), 0);
        }
        self.frame_bytes = frame_bytes;
    }

    #[inline]
    fn write(&mut self, stream: &str, event: &NewEvent<'_>, length: usize) {
        let names_at = self.names_at();
        let frame = &mut self.buffer[..self.frame_bytes];
        // The padding; the record is written over what isn't.
        if let Some(end) = frame.last_chunk_mut::<{ layout::FRAME_ALIGN }>() {
            *end = [0; layout::FRAME_ALIGN];
        }
        let (names, rest) = frame.split_at_mut(self.record_at);
        // The record first, its checksum last: reading what was written just now is slow.
        let room = &mut rest[..length];
        let mark = body::RecordMark {
            offset: self.record_at as u32,
            length: length as u32,
            stream: 0,
            event_type: 0,
            ordinal: 0,
        };
        write_record(room, event, 0, &mark, &self.event_keys, KEY_BASE);
        let stream_crc = self.crc.of(stream.as_bytes());
        let key_crcs = self.event_keys.iter().map(|key| self.keys.names()[*key as usize].crc);
        let init = layout::event_crc_init(length as u32, stream_crc, self.type_crc, key_crcs);
        self.crc.prepare(init, &mut room[record::BACK..]);

        let types_at = names_at + stream.len();
        let type_end = stream.len() + self.event_type.len();
        let first = u32::from(kind::STREAM) << 24 | stream.len() as u32;
        let second = u32::from(kind::TYPE) << 24 | type_end as u32;
        let directory = u64::from(first) | u64::from(second) << 32;
        names[header::BYTES..KEYS_AT].copy_from_slice(&directory.to_le_bytes());
        names[names_at..types_at].copy_from_slice(stream.as_bytes());
        let keys_at = names_at + type_end;
        names[types_at..keys_at].copy_from_slice(self.event_type.as_bytes());
        for (entry, key) in names[KEYS_AT..names_at].as_chunks_mut::<4>().0.iter_mut().zip(self.keys.names())
        {
            *entry = (u32::from(key.kind) << 24 | (type_end as u32 + key.end)).to_le_bytes();
        }
        names[keys_at..].copy_from_slice(self.keys.text());
        self.stream_hash = name_hash(&self.state, stream.as_bytes());
        self.event_crc = body::finish_record(frame, &self.crc, &mark);

        if !self.keys.names().is_empty() {
            let mut sum = self.crc.body_sum(&frame[header::BYTES..names_at]);
            [stream_crc, self.type_crc].into_iter().for_each(|crc| sum.checksum(crc));
            self.keys.names().iter().for_each(|key| sum.checksum(key.crc));
            sum.checksum(self.event_crc);
            self.body_crc = sum.finish();
            return;
        }
        // What `BodySum` hashes, in one piece.
        let names_sum =
            u128::from(directory) | u128::from(stream_crc) << 64 | u128::from(self.type_crc) << 96;
        let mut summed = [0; 20];
        summed[..16].copy_from_slice(&names_sum.to_le_bytes());
        summed[16..].copy_from_slice(&self.event_crc.to_le_bytes());
        self.body_crc = self.crc.of(&summed);
    }

    /// The frame: its header isn't written, and the checksum of its event isn't either.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.frame_bytes]
    }

    /// As [`bytes`](Self::bytes), to be completed in place, and what checksums are made with.
    #[inline]
    pub(crate) fn parts_mut(&mut self) -> (&mut [u8], &Crc) {
        (&mut self.buffer[..self.frame_bytes], &self.crc)
    }

    /// Where the record begins in the frame.
    #[inline]
    pub(crate) fn record_at(&self) -> usize {
        self.record_at
    }

    /// The checksum of the event without its place.
    #[inline]
    pub(crate) fn event_crc(&self) -> u32 {
        self.event_crc
    }

    /// The body checksum for the header.
    #[inline]
    pub(crate) fn body_crc(&self) -> u32 {
        self.body_crc
    }

    /// [`name_hash`] of the stream.
    #[inline]
    pub(crate) fn stream_hash(&self) -> u64 {
        self.stream_hash
    }

    /// Number of names in the directory.
    #[inline]
    pub(crate) fn name_count(&self) -> u32 {
        KEY_BASE + self.keys.len() as u32
    }

    /// Kind, bytes and hash of each tag and of the correlation id.
    #[inline]
    pub(crate) fn keys(&self) -> impl Iterator<Item = (u8, &[u8], u64)> {
        self.keys.names().iter().map(|name| (name.kind, self.keys.bytes(name), name.hash))
    }

    /// Name of the type and its [`name_hash`].
    #[inline]
    pub(crate) fn event_type(&self) -> (&[u8], u64) {
        (self.event_type.as_bytes(), self.type_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::{BodyEncoder, WriteRef};
    use super::*;

    #[test]
    fn one_event_has_the_same_bytes_as_the_general_way() {
        let state = || FixedState::with_seed(7);
        let (mut single, mut general) = (SingleEncoder::new(state()), BodyEncoder::new(state()));
        let events = [
            NewEvent::raw("reading", &[7u8; 256][..]),
            NewEvent::raw("reading", b"").id("text"),
            NewEvent::raw("other", b"12345")
                .id("a text of more than fifteen bytes")
                .source("here")
                .time_nanos(5),
            NewEvent::raw("reading", &[9u8; 1_000][..]).schema_version(3),
            NewEvent::raw("reading", b"1").tag("room:1"),
            NewEvent::raw("other", b"").tag("room:1").tag("a").correlation("room:1").id("text").source("s"),
            (0..30).fold(NewEvent::raw("other", b"7"), |event, n| event.tag(format!("tag {n}"))),
            NewEvent::raw("other", b"").correlation(uuid::Uuid::from_u64_pair(7, 8)).time_nanos(3),
            NewEvent::raw("other", b"without"),
        ];
        for (event, stream) in events.iter().zip(["meter-1", "m", "meter-22", "meter"].iter().cycle()) {
            single.encode(stream, event, limits::SEGMENT_BYTES_DEFAULT).unwrap();
            let events = std::slice::from_ref(event);
            general.encode(&[WriteRef { stream, events }], limits::SEGMENT_BYTES_DEFAULT).unwrap();
            let crc = single.event_crc().to_le_bytes();
            let at = single.record_at();
            single.parts_mut().0[at + record::CRC..at + record::BACK].copy_from_slice(&crc);
            assert_eq!(single.bytes()[header::BYTES..], general.bytes()[header::BYTES..]);
            assert_eq!(single.body_crc(), general.body_crc());
            assert_eq!(single.stream_hash(), general.stream(0).hash);
            let mut names = general.other_names();
            let (_, name, hash) = names.next().expect("a type");
            assert_eq!(single.event_type(), (name, hash));
            assert!(single.keys().eq(names));
            assert_eq!(single.name_count(), general.name_count());
        }
    }

    #[test]
    fn what_is_refused_leaves_the_encoder_usable() {
        let mut single = SingleEncoder::new(FixedState::with_seed(7));
        let segment = limits::SEGMENT_BYTES_MIN;
        let event = NewEvent::raw("reading", b"1");
        assert!(single.encode("", &event, segment).is_err());
        assert!(single.encode("meter-1", &NewEvent::raw("", b"1"), segment).is_err());
        let large = vec![0u8; limits::event_bytes_max(segment) as usize];
        assert!(single.encode("meter-1", &NewEvent::raw("reading", large), segment).is_err());
        single.encode("meter-1", &event, segment).unwrap();
    }
}
