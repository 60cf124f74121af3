//! Writes one event record (`docs/format.md`). Its length and numbers were worked out before; its checksum comes after.

use super::NewEvent;
use super::body::RecordMark;
use super::layout::record;

/// Room that is filled from its beginning on.
pub(crate) struct Sink<'a> {
    room: &'a mut [u8],
    at: usize,
}

impl<'a> Sink<'a> {
    #[inline]
    pub(crate) fn new(room: &'a mut [u8]) -> Self {
        Self { room, at: 0 }
    }

    /// # Panics
    /// If there is no room left, which was worked out before.
    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        self.room[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    #[inline]
    pub(crate) fn zeros(&mut self, bytes: usize) {
        let end = self.at + bytes;
        self.room[self.at..end].fill(0);
        self.at = end;
    }
}

/// Fills `room`, which has the length of the record, but for the checksum, which stays zero.
#[inline]
pub(crate) fn write_record(
    room: &mut [u8],
    event: &NewEvent<'_>,
    number: u16,
    mark: &RecordMark,
    keys: &[u32],
    key_base: u32,
) {
    let Some((head, rest)) = room.split_first_chunk_mut::<{ record::BYTES }>() else {
        unreachable!("a record has its fixed part");
    };
    let (is_uuid, id) = event.event_id().stored();
    let time = event.own_time();
    let metadata_bytes = event.metadata_bytes();
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let flags = flag(is_uuid, record::FLAG_UUID)
        | flag(time.is_some(), record::FLAG_TIME)
        | flag(!keys.is_empty(), record::FLAG_KEYS);

    // Words that are read again at once, for the checksum, are written whole: that is twice as fast as field by field.
    let place = u64::from(mark.offset) | u64::from(number) << 32 | u64::from(mark.stream) << 48;
    let facts = u64::from(mark.event_type)
        | u64::from(mark.ordinal) << 16
        | (metadata_bytes as u64) << 32
        | u64::from(event.content_code()) << 48;
    let cipher_and_flags = u16::from(flags) << 8;
    head[..record::BACK].copy_from_slice(&u64::from(mark.length).to_le_bytes());
    head[record::BACK..record::TYPE].copy_from_slice(&place.to_le_bytes());
    head[record::TYPE..record::CIPHER].copy_from_slice(&facts.to_le_bytes());
    head[record::CIPHER..record::ID].copy_from_slice(&cipher_and_flags.to_le_bytes());

    let mut sink = Sink::new(rest);
    match id.first_chunk::<16>() {
        Some(uuid) if is_uuid => head[record::ID..].copy_from_slice(uuid),
        _ => {
            let (inline, more) = id.split_at(id.len().min(record::ID_INLINE_BYTES));
            head[record::ID] = id.len() as u8;
            head[record::ID + 1..][..inline.len()].copy_from_slice(inline);
            head[record::ID + 1 + inline.len()..].fill(0);
            sink.put(more);
        }
    }
    if let Some(nanos) = time {
        sink.put(&nanos.to_le_bytes());
    }
    if !keys.is_empty() {
        sink.put(&(keys.len() as u16).to_le_bytes());
        keys.iter().for_each(|key| sink.put(&(key_base + key).to_le_bytes()));
    }
    if metadata_bytes > 0 {
        event.write_metadata(&mut sink);
    }
    sink.put(event.data());
}

// The words of the fixed part hold the fields that stand there.
const _: () = {
    assert!(record::STREAM == record::BACK + 6 && record::NUMBER == record::BACK + 4);
    assert!(record::ORDINAL == record::TYPE + 2 && record::METADATA_BYTES == record::TYPE + 4);
    assert!(record::CONTENT == record::TYPE + 6 && record::CODING == record::TYPE + 7);
    assert!(record::FLAGS == record::CIPHER + 1);
};
