//! How an event stands in a store of keys and values. The key is the name of the stream, a zero and the revision, so that
//! the events of a stream lie together and in order; the value is id, type and payload.

use crate::peer::Event;
use crate::workload::EVENT_TYPE;

const ID_BYTES: usize = size_of::<u128>();
/// Bytes of a value before the payload.
const HEAD_BYTES: usize = ID_BYTES + 1 + EVENT_TYPE.len();

/// Buffers for one event, used again for the next.
#[derive(Default)]
pub struct Record {
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Record {
    /// Key and value of an event.
    #[inline]
    pub fn of(&mut self, event: &Event<'_>) -> (&[u8], &[u8]) {
        self.value.clear();
        self.value.extend_from_slice(&event.id.to_be_bytes());
        self.value.push(EVENT_TYPE.len() as u8);
        self.value.extend_from_slice(EVENT_TYPE.as_bytes());
        self.value.extend_from_slice(event.payload);
        self.key.clear();
        push_key(&mut self.key, event.stream, event.revision);
        (&self.key, &self.value)
    }
}

/// The payload of a value.
#[inline]
pub fn payload(value: &[u8]) -> &[u8] {
    &value[HEAD_BYTES..]
}

/// The keys that a stream's events lie between, both included.
#[inline]
pub fn keys(stream: &str) -> [Vec<u8>; 2] {
    [0, u64::MAX].map(|revision| {
        let mut key = Vec::with_capacity(stream.len() + 1 + size_of::<u64>());
        push_key(&mut key, stream, revision);
        key
    })
}

#[inline]
fn push_key(key: &mut Vec<u8>, stream: &str, revision: u64) {
    key.extend_from_slice(stream.as_bytes());
    key.push(0);
    key.extend_from_slice(&revision.to_be_bytes());
}
