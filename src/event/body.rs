//! Turns the events of one commit into the bytes of a frame, but for its header, revisions and places in the segment.
//!
//! Done before the writer's lock is taken: everything that is refused because of what it *is* (names, limits) is
//! refused here, all checksums are computed here, and names are hashed here. An encoder is reused; it allocates
//! nothing once it has held a commit of the size. Never looks at the store.

use super::check::{self, Fault};
use super::layout::{self, Crc, header, kind, record};
use super::mark;
use super::names::{Name, NameTable};
use super::record::{Sink, write_record};
use super::refuse::{self, Place};
use super::{NewEvent, new};
use crate::{Error, limits};
use foldhash::fast::FixedState;

/// Events for one stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteRef<'a> {
    pub(crate) stream: &'a str,
    pub(crate) events: &'a [NewEvent<'a>],
}

/// Facts of one event record in the encoded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordMark {
    /// Offset of the record in the frame.
    pub(crate) offset: u32,
    /// Its length in bytes.
    pub(crate) length: u32,
    /// Number of its stream.
    pub(crate) stream: u16,
    /// Number of its type.
    pub(crate) event_type: u16,
    /// Its place among the events of its stream in this commit.
    pub(crate) ordinal: u16,
}

/// One stream of the encoded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamMark<'a> {
    pub(crate) name: &'a [u8],
    /// [`name_hash`] of the name.
    pub(crate) hash: u64,
    /// Number of its events in this commit, at least 1.
    pub(crate) events: u16,
}

/// Beyond this length the buffer of a large commit isn't kept for a smaller one, in bytes.
pub(super) const KEPT_BYTES_MAX: usize = 8 << 20;

/// Encodes commits, one after another.
pub(crate) struct BodyEncoder {
    /// Begins with the frame. Never shortened, so that growing doesn't write zeros over and over.
    buffer: Vec<u8>,
    /// Length of the frame.
    frame_bytes: usize,
    records: Vec<RecordMark>,
    streams: NameTable,
    /// Number of events of each stream.
    stream_events: Vec<u16>,
    types: NameTable,
    /// Tags and correlation ids.
    keys: NameTable,
    /// Numbers of the keys of all events, one after another.
    event_keys: Vec<u32>,
    /// The items with their length before them, if there are any.
    items: Vec<u8>,
    body_crc: u32,
    crc: Crc,
    state: FixedState,
}

impl BodyEncoder {
    /// `state` is what the index hashes names with.
    pub(crate) fn new(state: FixedState) -> Self {
        Self {
            buffer: Vec::new(),
            frame_bytes: 0,
            records: Vec::new(),
            streams: NameTable::default(),
            stream_events: Vec::new(),
            types: NameTable::default(),
            keys: NameTable::default(),
            event_keys: Vec::new(),
            items: Vec::new(),
            body_crc: 0,
            crc: Crc::default(),
            state,
        }
    }

    /// Encodes the events of one commit, for a store with segments of this size. Several writes may be to one stream.
    ///
    /// # Errors
    /// `Invalid` or `Limit` for the first thing that the format doesn't allow. The encoder may be used again.
    pub(crate) fn encode(&mut self, writes: &[WriteRef<'_>], segment_bytes: u64) -> Result<(), Error> {
        self.encode_with(writes, None, segment_bytes)
    }

    /// As [`encode`](Self::encode), with the progress of a consumer.
    pub(crate) fn encode_with(
        &mut self,
        writes: &[WriteRef<'_>],
        progress: Option<(&str, &[u8])>,
        segment_bytes: u64,
    ) -> Result<(), Error> {
        self.clear();
        if let Some((consumer, progress)) = progress {
            mark::encode_mark(consumer, progress, &mut self.items);
        }
        let records_bytes = self.collect(writes, limits::event_bytes_max(segment_bytes))?;
        let frame_bytes = self.frame_bytes(records_bytes, limits::commit_bytes_max(segment_bytes))?;
        self.make_room(frame_bytes);
        self.write_names();
        self.write_records(writes);
        self.sum();
        Ok(())
    }

    /// The frame, whose header and revisions are zero and whose events have their checksums without a place.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.frame_bytes]
    }

    /// As [`bytes`](Self::bytes), to be completed in place, with the records in it.
    pub(crate) fn parts_mut(&mut self) -> (&mut [u8], &[RecordMark]) {
        (&mut self.buffer[..self.frame_bytes], &self.records)
    }

    /// The body checksum for the header.
    pub(crate) fn body_crc(&self) -> u32 {
        self.body_crc
    }

    pub(crate) fn has_items(&self) -> bool {
        !self.items.is_empty()
    }

    pub(crate) fn event_count(&self) -> u16 {
        self.records.len() as u16
    }

    pub(crate) fn stream_count(&self) -> u16 {
        self.streams.len() as u16
    }

    pub(crate) fn name_count(&self) -> u32 {
        (self.streams.len() + self.types.len() + self.keys.len()) as u32
    }

    /// The event records in order.
    pub(crate) fn records(&self) -> &[RecordMark] {
        &self.records
    }

    /// Stream `number` of the frame.
    #[inline]
    pub(crate) fn stream(&self, number: u16) -> StreamMark<'_> {
        let name = &self.streams.names()[usize::from(number)];
        let events = self.stream_events[usize::from(number)];
        StreamMark { name: self.streams.bytes(name), hash: name.hash, events }
    }

    /// The streams in the order of their numbers.
    pub(crate) fn streams(&self) -> impl ExactSizeIterator<Item = StreamMark<'_>> {
        (0..self.streams.len()).map(|number| self.stream(number as u16))
    }

    /// The number of a stream of this commit.
    pub(crate) fn stream_number(&self, name: &str) -> Option<u16> {
        self.streams.find(&self.state, kind::STREAM, name.as_bytes()).map(|number| number as u16)
    }

    /// Kind, bytes and hash of every name that isn't a stream's, in the order of their numbers.
    pub(crate) fn other_names(&self) -> impl Iterator<Item = (u8, &[u8], u64)> {
        let each =
            |table| NameTable::names(table).iter().map(move |name| (name.kind, table.bytes(name), name.hash));
        each(&self.types).chain(each(&self.keys))
    }

    fn clear(&mut self) {
        self.frame_bytes = 0;
        self.records.clear();
        self.streams.clear();
        self.stream_events.clear();
        self.types.clear();
        self.keys.clear();
        self.event_keys.clear();
        self.items.clear();
    }

    /// First pass: numbers names, checks everything, and lays out the records from offset 0. Returns their bytes.
    fn collect(&mut self, writes: &[WriteRef<'_>], event_bytes_max: u64) -> Result<u64, Error> {
        let events = writes.iter().map(|write| write.events.len()).sum();
        if events == 0 || events > limits::COMMIT_EVENTS_MAX {
            return Err(refuse::bad_event_count(events));
        }
        self.records.reserve(events);
        let mut offset = 0;
        let mut last_type: Option<(&str, u16)> = None;
        for write in writes {
            let stream = self.stream_of(write)?;
            for (index, event) in write.events.iter().enumerate() {
                let place = Place { stream: write.stream, index };
                let name = event.event_type();
                let event_type = match last_type {
                    Some((last, number)) if std::ptr::eq(last, name) || last == name => number,
                    _ => self.type_of(name).map_err(|fault| fault.at(place))?,
                };
                last_type = Some((name, event_type));
                let length = self.measure(event).map_err(|fault| fault.at(place))?;
                if length > event_bytes_max {
                    return Err(refuse::too_large(place, event_bytes_max, length));
                }
                let events = &mut self.stream_events[usize::from(stream)];
                let ordinal = *events;
                *events += 1;
                // Offsets that 32 bits can't hold are of commits that are refused below.
                let mark =
                    RecordMark { offset: offset as u32, length: length as u32, stream, event_type, ordinal };
                self.records.push(mark);
                offset += length;
            }
        }
        Ok(offset)
    }

    fn stream_of(&mut self, write: &WriteRef<'_>) -> Result<u16, Error> {
        let WriteRef { stream: name, events } = write;
        if events.is_empty() {
            let what =
                format!("append to stream {}: expected at least one event, found none", check::shown(name));
            return Err(Error::invalid(what));
        }
        if let Some(number) = self.streams.find(&self.state, kind::STREAM, name.as_bytes()) {
            return Ok(number as u16);
        }
        check::stream_name(name).map_err(|fault| fault.at("append"))?;
        let number = self.streams.add(&self.crc, &self.state, kind::STREAM, name.as_bytes());
        self.stream_events.push(0);
        Ok(number as u16)
    }

    fn type_of(&mut self, name: &str) -> Result<u16, Fault> {
        let number = match self.types.find(&self.state, kind::TYPE, name.as_bytes()) {
            Some(number) => number,
            None => {
                check::text("event type", name, limits::EVENT_TYPE_BYTES_MAX)?;
                self.types.add(&self.crc, &self.state, kind::TYPE, name.as_bytes())
            }
        };
        Ok(number as u16)
    }

    /// Checks an event, numbers its keys, and returns the length of its record.
    #[inline]
    fn measure(&mut self, event: &NewEvent<'_>) -> Result<u64, Fault> {
        let length = record_length(event)?;
        let Self { keys, event_keys, crc, state, .. } = self;
        each_key(event, |kind, name| {
            let known = keys.find(state, kind, name);
            event_keys.push(known.unwrap_or_else(|| keys.add(crc, state, kind, name)));
        })?;
        Ok(length)
    }

    /// Length of the frame, for records of so many bytes. Moves the records to their offsets in it.
    fn frame_bytes(&mut self, records_bytes: u64, commit_bytes_max: u64) -> Result<usize, Error> {
        let names_bytes = self.streams.text().len() + self.types.text().len() + self.keys.text().len();
        if names_bytes > limits::NAMES_BYTES_MAX {
            let what = "names of a commit (streams, types, tags, correlation ids), bytes";
            return Err(Error::limit(what, limits::NAMES_BYTES_MAX as u64, names_bytes as u64));
        }
        let revisions = layout::revisions_bytes(self.streams.len());
        let names_end = header::BYTES + revisions + 4 * self.name_count() as usize + names_bytes;
        let start = names_end + self.items.len();
        let frame = (start as u64 + records_bytes).next_multiple_of(layout::FRAME_ALIGN as u64);
        if frame > commit_bytes_max {
            return Err(refuse::too_large_commit(commit_bytes_max, frame));
        }
        self.records.iter_mut().for_each(|mark| mark.offset += start as u32);
        Ok(frame as usize)
    }

    #[inline]
    pub(super) fn make_room(&mut self, frame_bytes: usize) {
        if self.buffer.len() > KEPT_BYTES_MAX && frame_bytes <= KEPT_BYTES_MAX {
            self.buffer = Vec::new();
        }
        if self.buffer.len() < frame_bytes {
            self.buffer.resize(frame_bytes.next_power_of_two(), 0);
        }
        self.frame_bytes = frame_bytes;
    }

    /// Header and revisions as zeros, then directory, names and items.
    fn write_names(&mut self) {
        let mut sink = Sink::new(&mut self.buffer[..self.frame_bytes]);
        sink.put(&[0; header::BYTES]);
        sink.zeros(layout::revisions_bytes(self.streams.len()));
        let tables = [&self.streams, &self.types, &self.keys];
        let mut base = 0;
        for table in tables {
            for Name { kind, end, .. } in table.names() {
                sink.put(&(u32::from(*kind) << 24 | (base + end)).to_le_bytes());
            }
            base += table.text().len() as u32;
        }
        tables.iter().for_each(|table| sink.put(table.text()));
        sink.put(&self.items);
    }

    /// Second pass: the records, in the places that the first gave them, and the padding.
    fn write_records(&mut self, writes: &[WriteRef<'_>]) {
        let key_base = (self.streams.len() + self.types.len()) as u32;
        let mut event_keys = self.event_keys.as_slice();
        let mut marks = self.records.iter().enumerate();
        let (mut end, mut before) = (0, None);
        for event in writes.iter().flat_map(|write| write.events) {
            let Some((number, mark)) = marks.next() else { break };
            let (keys, rest) = event_keys.split_at(event.key_count());
            event_keys = rest;
            end = mark.offset as usize + mark.length as usize;
            let record = &mut self.buffer[mark.offset as usize..end];
            write_record(record, event, number as u16, mark, keys, key_base);
            let stream = &self.streams.names()[usize::from(mark.stream)];
            let event_type = &self.types.names()[usize::from(mark.event_type)];
            let key_crcs = keys.iter().map(|key| self.keys.names()[*key as usize].crc);
            let init = layout::event_crc_init(mark.length, stream.crc, event_type.crc, key_crcs);
            self.crc.prepare(init, &mut record[record::BACK..]);
            // One record behind: reading what was written just now is slow.
            if let Some(before) = before.replace(mark) {
                finish_record(&mut self.buffer, &self.crc, before);
            }
        }
        if let Some(last) = before {
            finish_record(&mut self.buffer, &self.crc, last);
        }
        self.buffer[end..self.frame_bytes].fill(0);
    }

    fn sum(&mut self) {
        let directory = header::BYTES + layout::revisions_bytes(self.streams.len());
        let directory_end = directory + 4 * self.name_count() as usize;
        let mut sum = self.crc.body_sum(&self.buffer[directory..directory_end]);
        for table in [&self.streams, &self.types, &self.keys] {
            table.names().iter().for_each(|name| sum.checksum(name.crc));
        }
        sum.items(&self.items);
        for mark in &self.records {
            sum.checksum(layout::u32_at(&self.buffer, mark.offset as usize + record::CRC));
        }
        self.body_crc = sum.finish();
    }
}

/// Checks the keys of an event, and gives each, with its kind. No two are the same.
#[inline]
pub(super) fn each_key(event: &NewEvent<'_>, mut each: impl FnMut(u8, &[u8])) -> Result<(), Fault> {
    for tag in event.tags() {
        check::text("tag", tag, limits::TAG_BYTES_MAX)?;
        each(kind::TAG, tag.as_bytes());
    }
    if let Some(id) = event.correlation_id() {
        super::details::check_id("correlation id", id)?;
        let (is_uuid, bytes) = id.as_ref().stored();
        each(if is_uuid { kind::CORRELATION_UUID } else { kind::CORRELATION_TEXT }, bytes);
    }
    Ok(())
}

/// Puts in, and returns, the checksum of a record that was prepared for it.
#[inline]
pub(super) fn finish_record(frame: &mut [u8], crc: &Crc, mark: &RecordMark) -> u32 {
    let record = &mut frame[mark.offset as usize..][..mark.length as usize];
    let crc = crc.of(&record[record::BACK..]);
    // The checksum, and what preparing changed.
    let words = u64::from(crc) | u64::from(mark.offset) << 32;
    record[record::CRC..record::NUMBER].copy_from_slice(&words.to_le_bytes());
    crc
}

/// Checks an event but for its names, and returns the length of its record.
#[inline]
pub(super) fn record_length(event: &NewEvent<'_>) -> Result<u64, Fault> {
    event.check_fields()?;
    let (is_uuid, id) = event.event_id().stored();
    let id_rest = if is_uuid { 0 } else { id.len().saturating_sub(record::ID_INLINE_BYTES) };
    let time = if event.own_time().is_some() { 8 } else { 0 };
    let metadata = event.metadata_bytes();
    if metadata > limits::METADATA_BYTES_MAX {
        return Err(new::metadata_fault(metadata));
    }
    let keys = match event.key_count() {
        0 => 0,
        count => 2 + 4 * count,
    };
    Ok((record::BYTES + id_rest + time + metadata + keys + event.data().len()) as u64)
}
