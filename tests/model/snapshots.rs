//! Snapshots: the newest of each stream that was saved is what is loaded, whatever came between.

use crate::ops::STREAMS;
use orchestrix::prelude::*;
use orchestrix::{ErrorKind, Snapshot};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Snapshots {
    newest: BTreeMap<&'static str, Snapshot>,
    saved: u32,
}

impl Snapshots {
    /// Saves one of a stream that has had `count` events, of which the first `gone` are gone, as of `back` before its last.
    /// `false`: it is refused.
    pub(crate) fn save(
        &mut self,
        store: &Store,
        stream: &'static str,
        count: u64,
        gone: u64,
        back: u64,
    ) -> bool {
        let revision = Revision(count.saturating_sub(1 + back));
        self.saved += 1;
        let data = format!("{stream} {}", self.saved).into_bytes();
        let snapshot = Snapshot::new(revision, self.saved, data);
        let result = store.save_snapshot(stream, snapshot.clone()).wait();
        if count == 0 {
            assert!(result.is_err_and(|error| error.kind() == ErrorKind::Invalid));
            return false;
        }
        if revision.0 < gone {
            assert!(result.is_err_and(|error| error.is_truncated()));
            return false;
        }
        result.expect("saved");
        let newest = self.newest.entry(stream).or_insert_with(|| snapshot.clone());
        if newest.revision <= revision {
            *newest = snapshot;
        }
        true
    }

    pub(crate) fn check(&self, store: &Store) {
        for stream in STREAMS {
            let found = store.snapshot(stream).wait().expect("a snapshot is never an error");
            assert_eq!(found.as_ref(), self.newest.get(stream), "{stream}");
        }
    }
}
