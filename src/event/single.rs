//! The commit that is written most: one event without keys. Encodes the same bytes as the general way, with its names
//! and checksums at hand instead of in tables, in about half the time.

use super::body::{BodyEncoder, RecordMark, StreamFacts};
use super::check;
use super::layout::{self, header, kind, record};
use super::names::{category, name_hash};
use super::record::write_record;
use super::refuse::{self, Place};
use super::{NewEvent, body};
use crate::{Error, limits};

impl BodyEncoder {
    /// As [`encode`](Self::encode) for one event that has no keys.
    pub(super) fn encode_single(
        &mut self,
        stream: &str,
        event: &NewEvent<'_>,
        segment_bytes: u64,
    ) -> Result<(), Error> {
        self.set_stream(stream)?;
        let place = Place { stream, index: 0 };
        let event_type = event.event_type();
        if !self.types.is_only(kind::TYPE, event_type.as_bytes()) {
            check::text("event type", event_type, limits::EVENT_TYPE_BYTES_MAX)
                .map_err(|fault| fault.at(place))?;
            self.types.set_only(&self.state, kind::TYPE, event_type.as_bytes());
        }
        if self.keys.len() > 0 {
            self.keys.clear();
        }
        self.event_keys.clear();
        self.records.clear();

        let length = body::unkeyed_length(event).map_err(|fault| fault.at(place))?;
        if length > limits::event_bytes_max(segment_bytes) {
            return Err(refuse::too_large(place, limits::event_bytes_max(segment_bytes), length));
        }
        let offset = NAMES_AT + stream.len() + event_type.len();
        let frame = (offset as u64 + length).next_multiple_of(layout::FRAME_ALIGN as u64);
        if frame > limits::commit_bytes_max(segment_bytes) {
            return Err(refuse::too_large_commit(limits::commit_bytes_max(segment_bytes), frame));
        }
        self.make_room(frame as usize);
        let (offset, length) = (offset as u32, length as u32);
        let mark = RecordMark { offset, length, stream: 0, event_type: 0, ordinal: 0 };
        self.records.push(mark);
        self.write_single(stream, event, &mark);
        Ok(())
    }

    fn set_stream(&mut self, stream: &str) -> Result<(), Error> {
        if !self.streams.is_only(kind::STREAM, stream.as_bytes()) {
            check::stream_name(stream).map_err(|fault| fault.at("append"))?;
            self.streams.set_only(&self.state, kind::STREAM, stream.as_bytes());
            let category = category(stream);
            let category_hash = name_hash(&self.state, category.as_bytes());
            self.stream_facts.clear();
            let category_bytes = category.len() as u32;
            self.stream_facts.push(StreamFacts { category_bytes, category_hash, events: 1 });
        }
        self.stream_facts[0].events = 1;
        Ok(())
    }

    fn write_single(&mut self, stream: &str, event: &NewEvent<'_>, mark: &RecordMark) {
        let (stream_crc, type_crc) = (self.streams.names()[0].crc, self.types.names()[0].crc);
        let frame = &mut self.buffer[..self.frame_bytes];
        // The padding; the record is written over what isn't.
        if let Some(end) = frame.last_chunk_mut::<{ layout::FRAME_ALIGN }>() {
            *end = [0; layout::FRAME_ALIGN];
        }
        let (names, rest) = frame.split_at_mut(mark.offset as usize);
        names[..header::BYTES].fill(0);
        let types_at = NAMES_AT + stream.len();
        let stream_end = stream.len() as u32;
        let type_end = stream_end + event.event_type().len() as u32;
        let first = u32::from(kind::STREAM) << 24 | stream_end;
        let second = u32::from(kind::TYPE) << 24 | type_end;
        let directory = u64::from(first) | u64::from(second) << 32;
        names[header::BYTES..NAMES_AT].copy_from_slice(&directory.to_le_bytes());
        names[NAMES_AT..types_at].copy_from_slice(stream.as_bytes());
        names[types_at..].copy_from_slice(event.event_type().as_bytes());

        let room = &mut rest[..mark.length as usize];
        write_record(room, event, 0, mark, &[], 0);
        let init = layout::event_crc_init(mark.length, stream_crc, type_crc, std::iter::empty());
        let crc = layout::crc(init, &room[record::BACK..]);
        room[record::CRC..record::BACK].copy_from_slice(&crc.to_le_bytes());

        // What `BodySum` hashes, in one piece.
        let names_sum = u128::from(directory) | u128::from(stream_crc) << 64 | u128::from(type_crc) << 96;
        let mut summed = [0; 20];
        summed[..16].copy_from_slice(&names_sum.to_le_bytes());
        summed[16..].copy_from_slice(&crc.to_le_bytes());
        self.body_crc = layout::crc(0, &summed);
    }
}

/// Offset of the names in a frame with one stream and one type.
const NAMES_AT: usize = header::BYTES + 2 * size_of::<u32>();
