//! What a store and everything that reads from it share: the log and the index over it.

use super::commit::feed_read;
use crate::error::Error;
use crate::event::EventRef;
use crate::event::layout::{record, u32_at};
use crate::index::Index;
use crate::log::{self, HEADER_BYTES, Log, OpenLog, Place, RecoveryReport, Table};
use crate::medium::Medium;
use std::sync::OnceLock;

/// The log and its index.
pub(crate) struct Core {
    pub(crate) log: Log,
    pub(crate) index: Index,
    /// What a store that is only read knows to be synced, as of its opening.
    pub(crate) read_only_synced: u64,
}

impl Core {
    pub(crate) fn open(medium: &Medium, how: &OpenLog) -> Result<(Self, RecoveryReport), Error> {
        let index = Index::new(name_seed(medium));
        let opened = log::open(medium, how, &mut |commit, place| feed_read(&index, commit, place))?;
        Ok((Self { log: opened.log, index, read_only_synced: opened.report.synced }, opened.report))
    }

    /// The event whose record begins at a place that the index gave.
    #[inline]
    pub(crate) fn event_at<'t>(&self, table: &'t Table, place: Place) -> EventRef<'t> {
        let geometry = self.log.geometry;
        let segment = table.get(geometry.segment(place)).expect("postings lie in segments that are there");
        let at = geometry.offset(place);
        let head = segment.region.bytes(at, at + record::BYTES as u64);
        let start = at - u64::from(u32_at(head, record::BACK));
        let length = u32_at(segment.region.bytes(start, start + HEADER_BYTES), 0);
        let frame = segment.region.bytes(start, start + u64::from(length));
        EventRef::new(frame, (at - start) as u32)
    }
}

/// One seed for all stores of the process, so that a thread's encoder serves every one of them.
fn name_seed(medium: &Medium) -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| medium.entropy.u64())
}
