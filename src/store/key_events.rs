//! The events under one key, by its postings: both ways, from anywhere.

use super::view::Pinned;
use crate::Revision;
use crate::error::Error;
use crate::event::EventRef;
use crate::index::KeyId;
use crate::log::Place;
use std::fmt;

/// Postings that are copied out of the index at a time.
const PIECE: usize = 32;

/// A piece of postings: numbers `start .. start + places.len()`.
#[derive(Clone)]
struct Piece {
    start: u64,
    len: usize,
    places: [Place; PIECE],
}

impl Piece {
    const EMPTY: Self = Self { start: 0, len: 0, places: [Place(0); PIECE] };

    #[inline]
    fn get(&self, n: u64) -> Option<Place> {
        let at = n.wrapping_sub(self.start);
        if at < self.len as u64 { Some(self.places[at as usize]) } else { None }
    }
}

/// Events `low .. high` of a key.
#[derive(Clone)]
pub(super) struct KeyEvents<'v> {
    pub(super) pinned: &'v Pinned,
    key: Option<KeyId>,
    low: u64,
    high: u64,
    front: Piece,
    back: Piece,
}

impl<'v> KeyEvents<'v> {
    pub(super) fn new(pinned: &'v Pinned, key: Option<KeyId>) -> Self {
        let high = key.map_or(0, |key| pinned.count(key));
        Self { pinned, key, low: 0, high, front: Piece::EMPTY, back: Piece::EMPTY }
    }

    pub(super) fn len(&self) -> u64 {
        self.high.saturating_sub(self.low)
    }

    /// Leaves out what stands before number `n`.
    pub(super) fn from(&mut self, n: u64) {
        self.low = self.low.max(n);
    }

    /// Leaves out what stands at or after number `n`.
    pub(super) fn to(&mut self, n: u64) {
        self.high = self.high.min(n);
    }

    /// How many events of the key stand before `place`.
    pub(super) fn before(&self, place: Place) -> u64 {
        self.key.map_or(0, |key| self.pinned.core.index.read().len_before(key, place))
    }

    /// Copies postings from number `start` on, and begins to fetch what they point at.
    fn piece(&self, start: u64) -> Piece {
        let mut piece = Piece { start, ..Piece::EMPTY };
        if let Some(key) = self.key {
            piece.len = self.pinned.core.index.read().copy(key, start, &mut piece.places);
        }
        let geometry = self.pinned.core.log.geometry;
        for place in &piece.places[..piece.len] {
            if let Some(segment) = self.pinned.table.get(geometry.segment(*place)) {
                let at = geometry.offset(*place);
                // The header stands shortly before the record, in small commits.
                segment.region.prefetch(at.saturating_sub(64));
                segment.region.prefetch(at);
            }
        }
        piece
    }

    /// The place of the next event.
    #[inline]
    pub(super) fn next_place(&mut self) -> Option<Place> {
        if self.low >= self.high {
            return None;
        }
        let n = self.low;
        self.low += 1;
        match self.front.get(n) {
            Some(place) => Some(place),
            None => {
                self.front = self.piece(n);
                self.front.get(n)
            }
        }
    }

    /// The place of the next event from the end.
    #[inline]
    pub(super) fn next_place_back(&mut self) -> Option<Place> {
        if self.low >= self.high {
            return None;
        }
        self.high -= 1;
        let n = self.high;
        match self.back.get(n) {
            Some(place) => Some(place),
            None => {
                self.back = self.piece((n + 1).saturating_sub(PIECE as u64));
                self.back.get(n)
            }
        }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<Result<EventRef<'v>, Error>> {
        self.next_place().map(|place| self.pinned.lend(place))
    }

    #[inline]
    pub(super) fn next_back(&mut self) -> Option<Result<EventRef<'v>, Error>> {
        self.next_place_back().map(|place| self.pinned.lend(place))
    }
}

/// The events of a stream: an iterator from both ends. See [`View::stream`](crate::View::stream).
#[derive(Clone)]
#[must_use = "an iterator does nothing until it is used"]
pub struct StreamEvents<'v>(KeyEvents<'v>);

impl<'v> StreamEvents<'v> {
    pub(super) fn new(events: KeyEvents<'v>) -> Self {
        Self(events)
    }

    /// Leaves out what stands before this revision (inclusive).
    pub fn from(mut self, revision: Revision) -> Self {
        self.0.from(revision.0);
        self
    }

    /// Leaves out what stands after this revision (inclusive): where a backward read begins.
    pub fn up_to(mut self, revision: Revision) -> Self {
        self.0.to(revision.0.saturating_add(1));
        self
    }
}

impl<'v> Iterator for StreamEvents<'v> {
    type Item = Result<EventRef<'v>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = usize::try_from(self.0.len()).unwrap_or(usize::MAX);
        (len, Some(len))
    }
}

impl DoubleEndedIterator for StreamEvents<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

impl ExactSizeIterator for StreamEvents<'_> {}
impl std::iter::FusedIterator for StreamEvents<'_> {}

impl fmt::Debug for StreamEvents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamEvents").field("len", &self.0.len()).finish_non_exhaustive()
    }
}
