//! A recorded event, borrowed from the log.

use super::commit::CommitRef;
use super::layout::{i64_at, kind, record, slice_at, u8_at, u16_at, u32_at};
use super::new::time_of;
use super::{EventIdRef, Metadata, RecordedEvent, content, names};
use crate::{Error, Position, Revision};
use std::fmt;
use std::time::SystemTime;

/// A recorded event: borrowed, `Copy`, `Send`. Points into the log, copies nothing.
///
/// It was validated before it was handed out. Whoever needs it for longer than what it borrows from calls
/// [`to_recorded`](Self::to_recorded).
#[derive(Clone, Copy)]
pub struct EventRef<'a> {
    frame: &'a [u8],
    /// Where its record begins in the frame.
    at: u32,
}

const _: () = assert!(size_of::<EventRef<'_>>() == 24);

impl<'a> EventRef<'a> {
    /// The event whose record begins at `at` in a validated frame.
    #[inline]
    pub(crate) fn new(frame: &'a [u8], at: u32) -> Self {
        Self { frame, at }
    }

    /// Its id.
    #[inline]
    pub fn id(self) -> EventIdRef<'a> {
        let record = self.record();
        match (self.flags() & record::FLAG_UUID, record.get(record::ID..).and_then(|id| id.first_chunk())) {
            (0, _) | (_, None) => {
                let start = record::ID + 1;
                let end = start + usize::from(u8_at(record, record::ID));
                EventIdRef::text(text(slice_at(record, start, end)))
            }
            (_, Some(uuid)) => EventIdRef::uuid(uuid),
        }
    }

    /// The stream that it belongs to.
    #[inline]
    pub fn stream(self) -> &'a str {
        text(self.commit().stream_name(self.stream_number()))
    }

    /// The category of its stream: what stands before the first `-` of the name, or the whole name without one.
    #[inline]
    pub fn category(self) -> &'a str {
        names::category(self.stream())
    }

    /// Its type.
    #[inline]
    pub fn event_type(self) -> &'a str {
        text(self.commit().type_name(self.type_number()))
    }

    /// Its place in its stream.
    #[inline]
    pub fn revision(self) -> Revision {
        let first = self.commit().first_revision(self.stream_number());
        Revision(first.0.wrapping_add(u64::from(self.ordinal())))
    }

    /// Its place in the whole log.
    #[inline]
    pub fn position(self) -> Position {
        Position(self.commit().first_position().0.wrapping_add(u64::from(self.number())))
    }

    /// When it happened: the time that it was given, else that of its commit.
    pub fn time(self) -> SystemTime {
        time_of(self.time_nanos())
    }

    /// As [`time`](Self::time), in nanoseconds since 1970-01-01 UTC.
    #[inline]
    pub fn time_nanos(self) -> i64 {
        self.own_time().unwrap_or_else(|| self.commit().time())
    }

    /// When it was committed.
    pub fn commit_time(self) -> SystemTime {
        time_of(self.commit().time())
    }

    /// The data. Empty if it is stored in a way that this version doesn't know; reading such an event from a store is
    /// refused as `Unsupported`, so that coded bytes are never taken for plain ones.
    #[inline]
    pub fn data(self) -> &'a [u8] {
        match self.is_plain() {
            true => self.stored_data(),
            false => &[],
        }
    }

    /// What the data is, if the event says so: a media type.
    pub fn content_type(self) -> Option<&'a str> {
        match self.content_code() {
            content::NONE => None,
            content::IN_METADATA => self.metadata().content_type(),
            code => Some(content::text_of(code)),
        }
    }

    /// Version of the type's schema, if the event has one.
    pub fn schema_version(self) -> Option<u32> {
        self.metadata().schema_version()
    }

    /// Everything else that is known of it.
    #[inline]
    pub fn metadata(self) -> Metadata<'a> {
        Metadata::new(self)
    }

    /// Its tags.
    pub fn tags(self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.keys().filter(|(kind, _)| *kind == kind::TAG).map(|(_, name)| text(name))
    }

    /// The id that all events of one story share.
    pub fn correlation(self) -> Option<EventIdRef<'a>> {
        self.keys().find_map(|(kind, name)| match kind {
            kind::CORRELATION_TEXT => Some(EventIdRef::text(text(name))),
            kind::CORRELATION_UUID => name.first_chunk().map(EventIdRef::uuid),
            _ => None,
        })
    }

    /// An owned copy.
    pub fn to_recorded(self) -> RecordedEvent {
        RecordedEvent::copy_of(self)
    }

    /// Whether this version can read its data.
    ///
    /// # Errors
    /// `Unsupported` if a later version compressed or encrypted it.
    pub(crate) fn check_plain(self) -> Result<(), Error> {
        if self.is_plain() {
            return Ok(());
        }
        let (coding, cipher) = (self.coding(), self.cipher());
        let position = self.position();
        Err(Error::unsupported(format!(
            "data of event {position}: coding {coding}, cipher {cipher}; known is 0"
        )))
    }

    /// The frame that it is in.
    #[inline]
    pub(crate) fn commit(self) -> CommitRef<'a> {
        CommitRef::new(self.frame)
    }

    /// Offset of its record in the frame.
    #[inline]
    pub(crate) fn offset(self) -> u32 {
        self.at
    }

    /// Length of its record in bytes.
    #[inline]
    pub(crate) fn length(self) -> u32 {
        u32_at(self.frame, self.at as usize + record::LENGTH)
    }

    /// The bytes of its record.
    #[inline]
    pub(crate) fn record(self) -> &'a [u8] {
        let start = self.at as usize;
        slice_at(self.frame, start, start + self.length() as usize)
    }

    /// Its number in the commit.
    #[inline]
    pub(crate) fn number(self) -> u16 {
        self.u16_of(record::NUMBER)
    }

    #[inline]
    pub(crate) fn stream_number(self) -> u16 {
        self.u16_of(record::STREAM)
    }

    #[inline]
    pub(crate) fn type_number(self) -> u16 {
        self.u16_of(record::TYPE)
    }

    /// Its place among the events of its stream in this commit.
    #[inline]
    pub(crate) fn ordinal(self) -> u16 {
        self.u16_of(record::ORDINAL)
    }

    #[inline]
    pub(crate) fn content_code(self) -> u8 {
        self.u8_of(record::CONTENT)
    }

    #[inline]
    pub(crate) fn coding(self) -> u8 {
        self.u8_of(record::CODING)
    }

    #[inline]
    pub(crate) fn cipher(self) -> u8 {
        self.u8_of(record::CIPHER)
    }

    #[inline]
    pub(crate) fn flags(self) -> u8 {
        self.u8_of(record::FLAGS)
    }

    /// Its own time, if it has one.
    #[inline]
    pub(crate) fn own_time(self) -> Option<i64> {
        match self.flags() & record::FLAG_TIME {
            0 => None,
            _ => Some(i64_at(self.record(), self.id_end())),
        }
    }

    /// Numbers of its keys: tags in order, then the correlation id.
    pub(crate) fn key_numbers(self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        let (start, count) = self.key_place();
        let keys = slice_at(self.record(), start, start + 4 * count);
        keys.chunks_exact(4).map(|key| u32_at(key, 0))
    }

    /// Where the numbers of its keys begin in the record.
    pub(crate) fn keys_start(self) -> usize {
        self.key_place().0
    }

    /// The bytes of the metadata list; empty if they are encrypted.
    #[inline]
    pub(crate) fn metadata_bytes(self) -> &'a [u8] {
        match self.cipher() {
            0 => self.stored_metadata(),
            _ => &[],
        }
    }

    /// The bytes of the metadata as they are stored.
    #[inline]
    pub(crate) fn stored_metadata(self) -> &'a [u8] {
        let start = self.metadata_start();
        slice_at(self.record(), start, start + usize::from(self.u16_of(record::METADATA_BYTES)))
    }

    /// The bytes of the data as they are stored.
    #[inline]
    pub(crate) fn stored_data(self) -> &'a [u8] {
        let start = self.metadata_start() + usize::from(self.u16_of(record::METADATA_BYTES));
        self.record().get(start..).unwrap_or(&[])
    }

    /// Kinds and bytes of its keys.
    pub(crate) fn keys(self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let commit = self.commit();
        self.key_numbers().map(move |number| commit.name(number))
    }

    /// Where the id ends: offset in the record.
    #[inline]
    fn id_end(self) -> usize {
        match self.flags() & record::FLAG_UUID {
            0 => record::BYTES.max(record::ID + 1 + usize::from(self.u8_of(record::ID))),
            _ => record::BYTES,
        }
    }

    #[inline]
    fn keys_count_at(self) -> usize {
        self.id_end() + if self.flags() & record::FLAG_TIME == 0 { 0 } else { 8 }
    }

    /// Where the numbers of the keys begin in the record, and how many there are.
    #[inline]
    fn key_place(self) -> (usize, usize) {
        let at = self.keys_count_at();
        match self.flags() & record::FLAG_KEYS {
            0 => (at, 0),
            _ => (at + 2, usize::from(u16_at(self.record(), at))),
        }
    }

    #[inline]
    fn metadata_start(self) -> usize {
        // As most are.
        if self.flags() == record::FLAG_UUID {
            return record::BYTES;
        }
        let (start, count) = self.key_place();
        start + 4 * count
    }

    #[inline]
    fn is_plain(self) -> bool {
        self.u16_of(record::CODING) == 0
    }

    #[inline]
    fn u8_of(self, field: usize) -> u8 {
        u8_at(self.frame, self.at as usize + field)
    }

    #[inline]
    fn u16_of(self, field: usize) -> u16 {
        u16_at(self.frame, self.at as usize + field)
    }
}

// Coding and cipher are tested as one number.
const _: () = assert!(record::CIPHER == record::CODING + 1);

/// A validated name is UTF-8.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

impl fmt::Debug for EventRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRef")
            .field("position", &self.position().0)
            .field("stream", &self.stream())
            .field("revision", &self.revision().0)
            .field("event_type", &self.event_type())
            .field("id", &format_args!("{}", self.id()))
            .field("time_nanos", &self.time_nanos())
            .field("metadata", &self.metadata())
            .field("data", &Shown(self.data()))
            .finish()
    }
}

/// Data as a message shows it: text where it is text, cut where it is long.
struct Shown<'a>(&'a [u8]);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = &self.0[..self.0.len().min(256)];
        write!(f, "b\"{}\"", cut.escape_ascii())?;
        match self.0.len() - cut.len() {
            0 => Ok(()),
            more => write!(f, "... ({more} bytes more)"),
        }
    }
}
