//! Recorded events that own their bytes.

use super::body::{BodyEncoder, WriteRef};
use super::commit::CommitRef;
use super::layout::{NAME_END_MASK, header, kind, record, u16_at};
use super::new::nanos_of;
use super::{EventRef, NewEvent};
use crate::{Error, Position, Revision, limits};
use foldhash::fast::FixedState;
use std::fmt;
use std::time::SystemTime;

/// A recorded event that owns its bytes. [`as_ref`](Self::as_ref) lends all that is known of it.
///
/// Two are equal if they tell the same: stream, revision, position, id, type, times, data and metadata.
#[derive(Clone)]
pub struct RecordedEvent {
    /// A frame of one event in the layout of the log, whose checksums are zero.
    frame: Box<[u8]>,
    /// Where the record begins.
    at: u32,
}

impl RecordedEvent {
    /// For authors of stores: the event as it was recorded at this place, at this time (which is the event's, unless
    /// it has one of its own).
    ///
    /// # Panics
    /// If the event or the stream's name may not be written; [`try_new`](Self::try_new) says so instead.
    #[track_caller]
    pub fn new(
        stream: &str,
        revision: Revision,
        position: Position,
        time: SystemTime,
        event: &NewEvent<'_>,
    ) -> Self {
        match Self::try_new(stream, revision, position, time, event) {
            Ok(recorded) => recorded,
            Err(error) => panic!("an event that may be written: {error}"),
        }
    }

    /// For authors of stores: as [`new`](Self::new), for events that may be anything.
    ///
    /// # Errors
    /// `Invalid` or `Limit` if the event or the stream's name may not be written.
    pub fn try_new(
        stream: &str,
        revision: Revision,
        position: Position,
        time: SystemTime,
        event: &NewEvent<'_>,
    ) -> Result<Self, Error> {
        let time = nanos_of(time)
            .ok_or_else(|| Error::invalid("commit time: must be between the years 1678 and 2261"))?;
        let mut encoder = BodyEncoder::new(FixedState::default());
        let write = WriteRef { stream, events: std::slice::from_ref(event) };
        encoder.encode(&[write], limits::SEGMENT_BYTES_MAX)?;
        let mut frame: Box<[u8]> = encoder.bytes().into();
        let at = encoder.records()[0].offset;
        frame[at as usize + record::CRC..at as usize + record::BACK].fill(0);
        fill_header(&mut frame, revision, position, time, 0, encoder.name_count());
        Ok(Self { frame, at })
    }

    /// A frame of the one event, which it is copied into as it is stored.
    pub(super) fn copy_of(event: EventRef<'_>) -> Self {
        let (names, key_places) = names_of(event);
        let text_bytes: usize = names.iter().map(|(_, name)| name.len()).sum();
        let at = header::BYTES + 4 * names.len() + text_bytes;
        let stored = event.record();
        let frame_bytes = (at + stored.len()).next_multiple_of(super::layout::FRAME_ALIGN);
        let mut frame = Vec::with_capacity(frame_bytes);
        frame.resize(header::BYTES, 0);
        let mut end = 0;
        for (kind, name) in &names {
            end += name.len() as u32;
            frame.extend_from_slice(&(u32::from(*kind) << 24 | (end & NAME_END_MASK)).to_le_bytes());
        }
        names.iter().for_each(|(_, name)| frame.extend_from_slice(name));
        frame.extend_from_slice(stored);
        frame.resize(frame_bytes, 0);

        let copied = &mut frame[at..];
        if let Some(place) = copied.get_mut(record::CRC..record::METADATA_BYTES) {
            place.fill(0);
            place[record::BACK - record::CRC..record::NUMBER - record::CRC]
                .copy_from_slice(&(at as u32).to_le_bytes());
        }
        let keys_start = event.keys_start();
        for (number, place) in key_places.iter().enumerate() {
            let key = keys_start + 4 * number;
            if let Some(key) = copied.get_mut(key..key + 4) {
                key.copy_from_slice(&place.to_le_bytes());
            }
        }
        let (revision, position, commit) = (event.revision(), event.position(), event.commit());
        fill_header(&mut frame, revision, position, commit.time(), commit.epoch(), names.len() as u32);
        Self { frame: frame.into(), at: at as u32 }
    }

    /// The event, borrowed.
    #[inline]
    pub fn as_ref(&self) -> EventRef<'_> {
        CommitRef::new(&self.frame).event_at(self.at)
    }

    #[cfg(test)]
    pub(super) fn into_frame(self) -> Box<[u8]> {
        self.frame
    }

    /// An event that may be written again: the same in everything but stream, revision and position. The time that
    /// this one has becomes the other's own.
    pub fn to_new_event(&self) -> NewEvent<'static> {
        self.as_ref().to_new_event()
    }
}

/// Kinds and bytes of the names of one event, each once, and the numbers of its keys among them.
fn names_of(event: EventRef<'_>) -> (Vec<(u8, &[u8])>, Vec<u32>) {
    let commit = event.commit();
    let mut names = vec![
        (kind::STREAM, commit.stream_name(event.stream_number())),
        (kind::TYPE, commit.type_name(event.type_number())),
    ];
    let mut seen: Vec<u32> = Vec::new();
    let mut places = Vec::new();
    for key in event.key_numbers() {
        let place = seen.iter().position(|known| *known == key).unwrap_or_else(|| {
            seen.push(key);
            names.push(commit.name(key));
            seen.len() - 1
        });
        places.push(place as u32 + 2);
    }
    (names, places)
}

fn fill_header(frame: &mut [u8], revision: Revision, position: Position, time: i64, epoch: u64, names: u32) {
    let length = frame.len() as u32;
    let mut put = |at: usize, bytes: &[u8]| frame[at..at + bytes.len()].copy_from_slice(bytes);
    put(header::LENGTH, &length.to_le_bytes());
    put(header::FIRST_POSITION, &position.0.to_le_bytes());
    put(header::TIME, &time.to_le_bytes());
    put(header::EPOCH, &epoch.to_le_bytes());
    put(header::REVISIONS, &revision.0.to_le_bytes());
    put(header::EVENTS, &1u16.to_le_bytes());
    put(header::STREAMS, &1u16.to_le_bytes());
    put(header::KIND, &[header::KIND_EVENTS]);
    put(header::NAMES, &names.to_le_bytes());
    debug_assert_eq!(u16_at(frame, header::EVENTS), 1);
}

impl PartialEq for RecordedEvent {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.as_ref(), other.as_ref());
        let place = |e: EventRef<'_>| (e.position(), e.revision(), e.time_nanos(), e.commit().time());
        let stored_as = |e: EventRef<'_>| (e.coding(), e.cipher(), e.content_code());
        place(a) == place(b)
            && a.stream() == b.stream()
            && a.id() == b.id()
            && a.event_type() == b.event_type()
            && stored_as(a) == stored_as(b)
            && a.stored_data() == b.stored_data()
            && a.stored_metadata() == b.stored_metadata()
            && a.tags().eq(b.tags())
            && a.correlation() == b.correlation()
    }
}

impl Eq for RecordedEvent {}

impl fmt::Debug for RecordedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl From<EventRef<'_>> for RecordedEvent {
    fn from(event: EventRef<'_>) -> Self {
        event.to_recorded()
    }
}
