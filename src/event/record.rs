//! Writes one event record (`docs/format.md`). Its length and numbers were worked out before; its checksum comes after.

use super::NewEvent;
use super::body::RecordMark;
use super::layout::record;

/// Appends one record whose checksum is zero.
#[inline]
pub(crate) fn write_record(
    bytes: &mut Vec<u8>,
    event: &NewEvent<'_>,
    number: u16,
    mark: &RecordMark,
    keys: &[u32],
    key_base: u32,
) {
    let (is_uuid, id) = event.event_id().stored();
    let time = event.own_time();
    let metadata_bytes = event.metadata_bytes();
    let mut head = [0; record::BYTES];
    head[record::LENGTH..record::CRC].copy_from_slice(&mark.length.to_le_bytes());
    head[record::BACK..record::NUMBER].copy_from_slice(&mark.offset.to_le_bytes());
    head[record::NUMBER..record::STREAM].copy_from_slice(&number.to_le_bytes());
    head[record::STREAM..record::TYPE].copy_from_slice(&mark.stream.to_le_bytes());
    head[record::TYPE..record::ORDINAL].copy_from_slice(&mark.event_type.to_le_bytes());
    head[record::ORDINAL..record::METADATA_BYTES].copy_from_slice(&mark.ordinal.to_le_bytes());
    head[record::METADATA_BYTES..record::CONTENT].copy_from_slice(&(metadata_bytes as u16).to_le_bytes());
    head[record::CONTENT] = event.content_code();
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    head[record::FLAGS] = flag(is_uuid, record::FLAG_UUID)
        | flag(time.is_some(), record::FLAG_TIME)
        | flag(!keys.is_empty(), record::FLAG_KEYS);
    let id_rest: &[u8] = if is_uuid {
        head[record::ID..].copy_from_slice(id);
        &[]
    } else {
        let (inline, rest) = id.split_at(id.len().min(record::ID_INLINE_BYTES));
        head[record::ID] = id.len() as u8;
        head[record::ID + 1..record::ID + 1 + inline.len()].copy_from_slice(inline);
        rest
    };
    bytes.extend_from_slice(&head);
    if !id_rest.is_empty() {
        bytes.extend_from_slice(id_rest);
    }
    if let Some(nanos) = time {
        bytes.extend_from_slice(&nanos.to_le_bytes());
    }
    if !keys.is_empty() {
        bytes.extend_from_slice(&(keys.len() as u16).to_le_bytes());
        keys.iter().for_each(|key| bytes.extend_from_slice(&(key_base + key).to_le_bytes()));
    }
    if metadata_bytes > 0 {
        event.write_metadata(bytes);
    }
    bytes.extend_from_slice(event.data());
}
