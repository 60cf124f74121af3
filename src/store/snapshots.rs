//! Snapshots: states of streams as of a revision, in a log of their own below the store's, with its own index. A snapshot that
//! is damaged, can't be decoded, or is of another history is passed over, never an error: the one before it takes its place.

use super::blocking::Blocking;
use super::commit;
use super::compaction::{self, Compaction};
use super::contract::Snapshot;
use super::core::Core;
use super::nested::Nested;
use super::receipt::Receipt;
use super::request::{Commit, Write};
use super::view::View;
use crate::error::{Error, ErrorKind};
use crate::event::{EventRef, NewEvent};
use crate::expected::{Durability, Expected};
use crate::limits;
use crate::log::{Anchor, OpenLog};
use crate::medium::{Medium, bug};
use crate::pending::{Pending, Work};
use crate::{Position, Revision};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Folder of the snapshot log.
pub(super) const SNAPSHOT_DIR: &str = "snapshots";
/// Type of the events that hold snapshots.
const SNAPSHOT_TYPE: &str = "snapshot";
/// Version of the record.
const VERSION: u8 = 1;
/// Smallest segments of the snapshot log: a snapshot may take an eighth of one.
const SEGMENT_BYTES_MIN: u64 = 128 << 10;

const BINCODE: bincode::config::Configuration = bincode::config::standard();

/// The snapshot log of a store; made by the first save.
#[derive(Default)]
pub(crate) struct Snapshots {
    nested: Nested,
    skipped: AtomicU64,
    pub(super) compaction: Compaction,
}

/// What snapshots came to since the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotStats {
    /// Streams that have a snapshot.
    pub streams: u64,
    /// Segments of their log; those of superseded snapshots go in the background.
    pub segments: u64,
    /// Snapshots that were passed over: damaged, not decoded, or of another history.
    pub skipped: u64,
    /// Why the snapshots that are there can't be read at all, if so.
    pub problem: Option<String>,
}

/// A snapshot that was found in its log.
pub(super) struct Saved {
    pub(super) record: Record,
    pub(super) data: Vec<u8>,
    /// Of its own event, in the snapshot log.
    pub(super) position: Position,
}

/// What a snapshot says of itself.
pub(super) struct Record {
    revision: u64,
    schema_version: u32,
    /// Position of the event that it is as of.
    position: u64,
    /// Epoch of the frame of that event, and its id.
    epoch: u64,
    id: String,
}

/// Version, revision, schema version, position, epoch, id.
type Stored<I> = (u8, u64, u32, u64, u64, I);

impl Record {
    fn encode(&self, data: &[u8]) -> Result<Vec<u8>, Error> {
        let stored: Stored<&str> =
            (VERSION, self.revision, self.schema_version, self.position, self.epoch, &self.id);
        let mut bytes = bincode::serde::encode_to_vec(stored, BINCODE).map_err(Error::other)?;
        bytes.extend_from_slice(data);
        Ok(bytes)
    }

    /// The record, and the bytes of the state.
    fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let decoded =
            bincode::serde::decode_from_slice::<Stored<String>, _>(bytes, BINCODE.with_limit::<4096>());
        let ((version, revision, schema_version, position, epoch, id), used) = decoded.ok()?;
        let record = Self { revision, schema_version, position, epoch, id };
        (version == VERSION).then(|| (record, &bytes[used..]))
    }

    /// Whether the log has the event that it is as of, in the same history.
    fn holds(&self, view: &View, stream: &str) -> Result<bool, Error> {
        let base = view.base();
        if self.revision < base.next_revision(stream.as_bytes()) {
            let anchor = base.anchor(stream.as_bytes());
            return Ok(anchor.is_some_and(|anchor| anchor == self.anchor()));
        }
        let event = view.stream(stream).from(Revision(self.revision)).next().transpose()?;
        Ok(event.is_some_and(|event| {
            event.position().0 == self.position
                && event.commit().epoch() == self.epoch
                && event.id() == self.id.as_str()
        }))
    }

    fn anchor(&self) -> Anchor {
        Anchor { revision: self.revision, epoch: self.epoch, id: self.id.clone() }
    }
}

/// The newest snapshot of a stream that holds.
pub(super) fn newest(core: &Arc<Core>, log: &Arc<Core>, stream: &str) -> Result<Option<Saved>, Error> {
    let (view, snapshots) = (View::committed(core), View::committed(log));
    for event in snapshots.stream(stream).rev().take(limits::SNAPSHOTS_TRIED_MAX) {
        let found = match &event {
            Ok(event) => Record::decode(event.data()).map(|decoded| (decoded, event.position())),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => None,
            Err(error) => return Err(error.clone()),
        };
        match found {
            Some(((record, data), position)) if record.holds(&view, stream)? => {
                return Ok(Some(Saved { record, data: data.to_vec(), position }));
            }
            _ => core.snapshots.skipped.fetch_add(1, Ordering::Relaxed),
        };
    }
    Ok(None)
}

impl Snapshots {
    /// Those of a store that is opened; damage to their log is told when they are used.
    ///
    /// # Errors
    /// `Io`, `Locked`, `DiskFull`.
    pub(super) fn open(medium: &Medium, how: &OpenLog) -> Result<Self, Error> {
        Ok(Self { nested: Nested::open(medium, SNAPSHOT_DIR, how)?, ..Self::default() })
    }

    pub(super) fn log(&self) -> Option<Arc<Core>> {
        self.nested.log()
    }

    fn log_to_write(&self, core: &Core) -> Result<Arc<Core>, Error> {
        self.nested.log_to_write(core, core.log.geometry.segment_bytes().max(SEGMENT_BYTES_MIN))
    }

    pub(super) fn close(&self) {
        self.nested.close();
    }

    pub(super) fn stats(&self) -> SnapshotStats {
        SnapshotStats {
            streams: self.log().map_or(0, |log| log.index.layers().streams()),
            segments: self.log().map_or(0, |log| log.log.table().len() as u64),
            skipped: self.skipped.load(Ordering::Relaxed),
            problem: self.nested.broken().map(ToString::to_string),
        }
    }
}

/// The newest snapshot of a stream that holds.
pub(super) fn load(core: &Arc<Core>, stream: &str) -> Result<Option<Snapshot>, Error> {
    let Some(log) = core.snapshots.log() else { return Ok(None) };
    let found = newest(core, &log, stream)?;
    Ok(found
        .map(|found| Snapshot::new(Revision(found.record.revision), found.record.schema_version, found.data)))
}

/// Saves a snapshot once the event that it is as of is synced.
pub(super) fn save(core: &Arc<Core>, stream: &str, snapshot: Snapshot) -> Pending<()> {
    let side = match core.log.write_side() {
        Ok(side) => side.clone(),
        Err(error) => return Pending::ready(Err(error)),
    };
    let event = match as_of(core, stream, snapshot.revision) {
        Ok(record) => record.position,
        Err(error) => return Pending::ready(Err(error)),
    };
    let (jobs, core, stream) = (side.medium.jobs.clone(), core.clone(), stream.to_owned());
    let saving = Blocking::new(&jobs, move || {
        if !bug!(core.log.medium, snapshot_unsynced) {
            Pending::working(side, event, ()).wait()?;
        }
        match written(&core, &stream, &snapshot)? {
            Some(pending) => {
                pending.wait()?;
                compaction::after_save(&core);
                Ok(())
            }
            None => Ok(()),
        }
    });
    // It is begun, whether somebody waits for it or not.
    saving.request(0);
    Pending::working(saving, 0, ())
}

/// The record of a snapshot of a stream as of a revision.
fn as_of(core: &Arc<Core>, stream: &str, revision: Revision) -> Result<Record, Error> {
    let view = View::committed(core);
    let record = |event: EventRef<'_>| Record {
        revision: revision.0,
        schema_version: 0,
        position: event.position().0,
        epoch: event.commit().epoch(),
        id: event.id().to_string(),
    };
    match view.stream(stream).from(revision).next().transpose()? {
        Some(event) => Ok(record(event)),
        None => {
            let head = view
                .head(stream)?
                .map_or("no such stream".to_owned(), |head| format!("revision {}", head.revision));
            Err(Error::invalid(format!(
                "snapshot of stream {stream:?}: expected revision {revision}, found {head}"
            )))
        }
    }
}

/// Appends a snapshot to its log; `None` if a newer one is there. No retention moves the beginning of the log on meanwhile.
fn written(core: &Arc<Core>, stream: &str, snapshot: &Snapshot) -> Result<Option<Pending<Receipt>>, Error> {
    let _one = core.retaining.lock();
    let record =
        Record { schema_version: snapshot.schema_version, ..as_of(core, stream, snapshot.revision)? };
    let log = core.snapshots.log_to_write(core)?;
    if newest(core, &log, stream)?.is_some_and(|newest| newest.record.revision > record.revision) {
        return Ok(None);
    }
    append(&log, stream, &record, &snapshot.data, Durability::Power).map(Some)
}

/// Appends a snapshot to its log.
pub(super) fn append(
    log: &Arc<Core>,
    stream: &str,
    record: &Record,
    data: &[u8],
    durability: Durability,
) -> Result<Pending<Receipt>, Error> {
    let events = [NewEvent::raw(SNAPSHOT_TYPE, record.encode(data)?)];
    let writes = [Write::new(stream, Expected::Any, &events)];
    Ok(commit::commit(log, &Commit::new(&writes, durability)))
}

/// For each stream with a snapshot: what the newest is as of, and the position of the event after it, if there is one.
pub(super) fn each(
    core: &Arc<Core>,
    mut visit: impl FnMut(&str, Position, Anchor, Option<Position>),
) -> Result<(), Error> {
    let Some(log) = core.snapshots.log() else { return Ok(()) };
    let view = View::committed(core);
    let streams = View::committed(&log);
    for stream in streams.streams() {
        let (stream, _) = stream?;
        if let Some(Saved { record, .. }) = newest(core, &log, &stream)? {
            let next = view.stream(&stream).from(Revision(record.revision + 1)).next().transpose()?;
            let next = next.map(|event| event.position());
            visit(&stream, Position(record.position), record.anchor(), next);
        }
    }
    Ok(())
}
