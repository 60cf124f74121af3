//! One segment file: creation, the window that is ready for writing, and the table of all that are mapped.

use super::blocks::{self, StoreId};
use super::checked::Checked;
use super::geometry::{FRAMES_AT, Geometry, LOG_DIR, Place, Seed, segment_path};
use crate::error::Error;
use crate::medium::{Access, Medium, Region, RegionWriter, bug};
use parking_lot::Mutex;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is made ready at once, so that neither a job nor an append holds the other up for long.
pub(crate) const STEP_BYTES: u64 = 256 << 10;
/// What a new segment has ready from the start. Bounds the disk that an empty store takes.
pub(crate) const FIRST_WINDOW_BYTES: u64 = 1 << 20;

/// One mapped segment file.
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) seed: Seed,
    pub(crate) region: Arc<Region>,
    /// Blocks below are reserved and their pages faulted in.
    ready: AtomicU64,
    growing: Mutex<()>,
    /// Length, header, reserved blocks and name have been synced.
    durable: AtomicBool,
    /// What was checked; `None` if everything was.
    pub(super) checked: Option<Checked>,
    /// This process has written everything in it.
    pub(super) own: bool,
}

impl Segment {
    fn new(number: u64, store: &StoreId, region: Arc<Region>, ready: u64, durable: bool) -> Self {
        Self {
            number,
            seed: Seed::new(store, number),
            region,
            ready: AtomicU64::new(ready),
            growing: Mutex::new(()),
            durable: AtomicBool::new(durable),
            checked: None,
            own: false,
        }
    }

    /// Creates the file at `path` with its header and a first window. Nothing is synced. Removes it if that fails.
    pub(crate) fn create(
        medium: &Medium,
        store: &StoreId,
        geometry: Geometry,
        number: u64,
        path: &str,
    ) -> Result<(Arc<Self>, RegionWriter), Error> {
        let failed = |error| Error::io("creating segment", Path::new(path), error);
        let writer = medium.files.create_region(path, geometry.segment_bytes()).map_err(failed)?;
        let region = writer.region().clone();
        let fill = || -> io::Result<u64> {
            let window = FIRST_WINDOW_BYTES.min(geometry.segment_bytes());
            region.reserve(0, window)?;
            region.populate(0, window)?;
            region.store_head(0, &blocks::segment_header(store, number, geometry))?;
            Ok(window)
        };
        match fill() {
            Ok(window) => {
                let created = Self { own: true, ..Self::new(number, store, region, window, false) };
                Ok((Arc::new(created), writer))
            }
            Err(error) => {
                // The first failure is what the caller needs to know; a leftover is removed by the next open.
                let _ = medium.files.remove(path);
                Err(failed(error))
            }
        }
    }

    /// Maps a file that recovery has found.
    pub(crate) fn open(
        medium: &Medium,
        store: &StoreId,
        number: u64,
        access: Access,
    ) -> Result<(Arc<Self>, RegionWriter), Error> {
        let path = segment_path(number);
        let writer = medium
            .files
            .open_region(&path, access)
            .map_err(|error| Error::io("opening segment", Path::new(&path), error))?;
        let region = writer.region().clone();
        Ok((Arc::new(Self::new(number, store, region, FRAMES_AT, false)), writer))
    }

    /// What wasn't checked of a segment isn't after it was opened once more.
    pub(crate) fn keep_unchecked(before: &Self, after: &mut Arc<Self>) {
        if before.checked.is_some() {
            let only = Arc::get_mut(after).expect("nobody else has it yet");
            only.checked = Some(Checked::default());
        }
    }

    /// As [`open`](Self::open), of a segment whose frames nobody has checked: each is, when it is first read.
    pub(crate) fn open_unchecked(
        medium: &Medium,
        store: &StoreId,
        number: u64,
    ) -> Result<(Arc<Self>, RegionWriter), Error> {
        let (mut segment, writer) = Self::open(medium, store, number, Access::Read)?;
        let only = Arc::get_mut(&mut segment).expect("nobody else has it yet");
        only.checked = Some(Checked::default());
        Ok((segment, writer))
    }

    /// Makes bytes up to `to` ready for writing. Does nothing when they are.
    #[inline]
    pub(crate) fn ensure(&self, to: u64) -> io::Result<()> {
        // Pairs with the Release in `grow`.
        if to <= self.ready.load(Ordering::Acquire) { Ok(()) } else { self.grow(to) }
    }

    #[cold]
    fn grow(&self, to: u64) -> io::Result<()> {
        let _one = self.growing.lock();
        let from = self.ready();
        if to > from {
            let to = to.max(from + STEP_BYTES).next_multiple_of(FRAMES_AT).min(self.region.len());
            self.region.reserve(from, to)?;
            self.region.populate(from, to)?;
            self.ready.store(to, Ordering::Release);
        }
        Ok(())
    }

    pub(crate) fn ready(&self) -> u64 {
        self.ready.load(Ordering::Acquire)
    }

    /// After recovery: bytes below `to` must be made ready again, from `from` on.
    pub(crate) fn restart(&self, from: u64) {
        self.ready.store(from, Ordering::Release);
    }

    /// Makes the file itself and its name durable, if they aren't.
    pub(crate) fn make_durable(&self, medium: &Medium) -> io::Result<()> {
        // Pairs with the Release below: whoever sees it set may let synced enter the segment.
        if !self.durable.load(Ordering::Acquire) {
            self.region.sync_file()?;
            if !bug!(medium, forget_directory_sync) {
                medium.files.sync_dir(LOG_DIR)?;
            }
            self.durable.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// Segments that follow one another, by number: most often all of a log. Immutable: a roll-over makes a new one.
#[derive(Clone, Default)]
pub(crate) struct Table {
    first: u64,
    segments: Vec<Arc<Segment>>,
}

impl Table {
    pub(crate) fn get(&self, number: u64) -> Option<&Arc<Segment>> {
        self.segments.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    pub(crate) fn with(&self, segment: Arc<Segment>) -> Self {
        let mut next = self.clone();
        if next.segments.is_empty() {
            next.first = segment.number;
        }
        debug_assert_eq!(segment.number, next.first + next.segments.len() as u64);
        next.segments.push(segment);
        next
    }

    /// Number of the first segment.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Those from number `first` on.
    pub(crate) fn from(&self, first: u64) -> Self {
        let gone =
            usize::try_from(first.saturating_sub(self.first)).map_or(self.len(), |n| n.min(self.len()));
        Self { first: self.first + gone as u64, segments: self.segments[gone..].to_vec() }
    }

    pub(crate) fn len(&self) -> usize {
        self.segments.len()
    }

    /// The last segment.
    pub(crate) fn last(&self) -> Option<&Arc<Segment>> {
        self.segments.last()
    }

    /// The segments that ascending places are in, and those between: what has to stay mapped.
    pub(crate) fn of_places(&self, geometry: Geometry, places: &[Place]) -> Self {
        let [Some(low), Some(high)] = [places.iter().min(), places.iter().max()] else {
            return Self::default();
        };
        let number = |place: &Place| geometry.segment(*place).max(self.first);
        let index = |place: &Place| usize::try_from(number(place) - self.first).unwrap_or(usize::MAX);
        let (from, to) = (index(low).min(self.len()), index(high).saturating_add(1).min(self.len()));
        Self { first: number(low), segments: self.segments[from..to].to_vec() }
    }
}
