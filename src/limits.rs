//! Every bound of the store, and what happens at it. `docs/format.md` explains those of the format.

/// Smallest segment, in bytes: 8 KiB. Below it, opening is refused as `Invalid`.
pub const SEGMENT_BYTES_MIN: u64 = 1 << 13;
/// Largest segment, in bytes: 1 GiB. Above it, opening is refused as `Invalid`.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Segment size of a store that is created without one given, in bytes: 64 MiB.
pub const SEGMENT_BYTES_DEFAULT: u64 = 1 << 26;

/// Most events in one commit. Beyond it, `Limit`.
pub const COMMIT_EVENTS_MAX: usize = 65_535;
/// Longest stream name, in bytes of UTF-8. Beyond it, `Limit`.
pub const STREAM_NAME_BYTES_MAX: usize = 1_024;
/// Longest event type, in bytes of UTF-8. Beyond it, `Limit`.
pub const EVENT_TYPE_BYTES_MAX: usize = 255;
/// Longest event id, in bytes of UTF-8. Beyond it, `Limit`.
pub const EVENT_ID_BYTES_MAX: usize = 255;
/// Longest tag, in bytes of UTF-8. Beyond it, `Limit`.
pub const TAG_BYTES_MAX: usize = 255;
/// Most tags of one event. Beyond it, `Limit`.
pub const TAGS_MAX: usize = 64;
/// Most bytes of metadata of one event. Beyond it, `Limit`.
pub const METADATA_BYTES_MAX: usize = 65_535;
/// Most bytes that the names (streams, types, tags, correlation ids) of one commit take together. Beyond it, `Limit`.
pub const NAMES_BYTES_MAX: usize = (1 << 24) - 1;

/// Most items of a query. Beyond it, `Limit`.
pub const QUERY_ITEMS_MAX: usize = 256;
/// Most names (types, tags) of one item of a query. Beyond it, `Limit`.
pub const QUERY_NAMES_MAX: usize = 256;

/// Most events that a cursor asks for at a time. A read of more takes several batches.
pub const BATCH_EVENTS_MAX: usize = 1_024;
/// Bytes of event records after which the embedded store ends a batch, be it long enough or not.
pub const BATCH_BYTES_MAX: u64 = 16 << 20;
/// Most events that one `fetch` gives. Beyond it, `Limit`; a cursor reads more.
pub const FETCH_EVENTS_MAX: usize = 1_000_000;
/// Most bytes of event records that one `fetch` gives, in bytes: 256 MiB. Beyond it, `Limit`; a cursor reads more.
pub const FETCH_BYTES_MAX: u64 = 1 << 28;

/// Largest event record of a store with segments of this size, in bytes: an eighth of a segment.
pub const fn event_bytes_max(segment_bytes: u64) -> u64 {
    segment_bytes / 8
}

/// Largest commit of a store with segments of this size, in bytes: a quarter of a segment.
pub const fn commit_bytes_max(segment_bytes: u64) -> u64 {
    segment_bytes / 4
}

/// Longest name of a consumer, in bytes of UTF-8. Beyond it, `Limit`.
pub const CONSUMER_NAME_BYTES_MAX: usize = 255;
/// Most bytes that a checkpoint of a consumer holds, and its progress in a commit: 1 MiB. Beyond it, `Limit`.
pub const CHECKPOINT_BYTES_MAX: usize = 1 << 20;

/// Most bytes that a request to a consumer holds, and its answer: 1 MiB. Beyond it, `Limit`.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Most workers of a consumer. Beyond it, starting is refused as `Invalid`.
pub const WORKERS_MAX: usize = 1_024;
/// Most events of a consumer that may be under way. Beyond it, starting is refused as `Invalid`.
pub const IN_FLIGHT_MAX: usize = 16_384;
/// Open dead letters of a consumer that isn't told otherwise. At it, the consumer stops.
pub const DEAD_LETTERS_MAX: u64 = 100_000;
/// Most bytes of open dead letters of a consumer that isn't told otherwise, events and what is said of them: 1 GiB. At it, the consumer
/// stops.
pub const DEAD_LETTER_BYTES_MAX: u64 = 1 << 30;

/// Snapshots of a stream that are looked at, from the newest on, before it counts as having none that holds: 8.
pub const SNAPSHOTS_TRIED_MAX: usize = 8;
