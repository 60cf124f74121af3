//! The events under one key, by its postings: both ways, from anywhere.

use super::core::check_base;
use super::events::Placed;
use super::receipt::Head;
use super::view::Pinned;
use crate::Revision;
use crate::error::{Corruption, Error};
use crate::event::EventRef;
use crate::index::{Damaged, Key, KeyKind, Layers, Numbered};
use crate::log::{Named, Place, Segment};

/// Postings that are copied out of the index at a time.
const PIECE: usize = 24;
/// Postings that aren't further apart stand in one commit, most often.
const TOGETHER_BYTES: u64 = 4_096;

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
    key: OwnedKey,
    parts: Vec<Numbered>,
    /// Number of the first event of a stream that is there, or would be; 0 of other keys.
    retained: u64,
    low: u64,
    high: u64,
    front: Piece,
    back: Piece,
    /// The lookup failed: told once.
    failed: Option<Error>,
}

/// The key that is read, so that what is found can be compared with it.
#[derive(Clone)]
struct OwnedKey {
    kind: KeyKind,
    name: Box<[u8]>,
}

impl OwnedKey {
    fn as_key(&self) -> Key<'_> {
        Key { kind: self.kind, name: &self.name }
    }

    /// Whether an event is the `n`-th of this key, as far as it says so itself.
    #[inline]
    fn is_of(&self, event: EventRef<'_>, n: u64) -> bool {
        match self.kind {
            KeyKind::Stream => event.revision().0 == n && event.stream().as_bytes() == &*self.name,
            KeyKind::Category => event.category().as_bytes() == &*self.name,
            KeyKind::Type => event.event_type().as_bytes() == &*self.name,
            KeyKind::Tag => event.tags().any(|tag| tag.as_bytes() == &*self.name),
            KeyKind::CorrelationText | KeyKind::CorrelationUuid => {
                event.keys().any(|(kind, name)| kind == self.kind as u8 && name == &*self.name)
            }
        }
    }
}

impl<'v> KeyEvents<'v> {
    pub(super) fn new(pinned: &'v Pinned, key: Key<'_>) -> Self {
        let mut events = Self {
            pinned,
            key: OwnedKey { kind: key.kind, name: key.name.into() },
            parts: Vec::new(),
            retained: 0,
            low: 0,
            high: 0,
            front: Piece::EMPTY,
            back: Piece::EMPTY,
            failed: None,
        };
        match events.find_parts(pinned.layers()) {
            Ok(()) => {}
            Err(error) => events.fail(error),
        }
        events
    }

    /// Finds the parts of the key's postings, and how many of these the view sees.
    ///
    /// # Errors
    /// `Truncated`: of what the view sees, retention has removed some that these layers don't have. Those of a lookup.
    fn find_parts(&mut self, layers: &Layers) -> Result<(), Error> {
        let (key, end) = (self.key.as_key(), self.pinned.end);
        let hash = self.pinned.core.index.hash(key.name);
        let (parts, high) = self.pinned.core.look(layers, |layers| {
            let parts = layers.parts(key, hash)?;
            let high = before(&parts, end)?;
            Ok((parts, high))
        })?;
        check_base(self.pinned.layers(), layers)?;
        self.retained = match (parts.first(), key.kind) {
            (Some(part), _) => part.first,
            (None, KeyKind::Stream) => layers.base().next_revision(key.name),
            (None, _) => 0,
        };
        self.low = self.retained.min(high);
        (self.parts, self.high) = (parts, high);
        Ok(())
    }

    fn fail(&mut self, error: Error) {
        (self.low, self.high) = (0, 1);
        self.failed = Some(error);
    }

    pub(super) fn len(&self) -> u64 {
        self.high.saturating_sub(self.low)
    }

    /// Numbers of the events that are left: from the first one on, up to the second one.
    #[inline]
    pub(super) fn bounds(&self) -> (u64, u64) {
        (self.low, self.high)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Why the lookup failed, to be told once.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failed.take()
    }

    /// Leaves out what stands before number `n`.
    pub(super) fn from(&mut self, n: u64) {
        if self.failed.is_none() {
            self.low = self.low.max(n);
        }
    }

    /// Leaves out what has a lower revision, if these are the events of a stream; fails if retention has removed the event of
    /// that revision.
    pub(super) fn start_at(&mut self, revision: Revision) {
        if self.key.kind != KeyKind::Stream || self.failed.is_some() {
            return;
        }
        if revision.0 < self.retained {
            let (name, first) = (String::from_utf8_lossy(&self.key.name), self.pinned.first_position());
            let error = Error::truncated_stream(&name, revision, first);
            return self.fail(error);
        }
        self.from(revision.0);
    }

    /// Leaves out what stands at or after number `n`.
    pub(super) fn to(&mut self, n: u64) {
        if self.failed.is_none() {
            self.high = self.high.min(n);
        }
    }

    /// Does something with the parts until none of them turns out to be damaged: each is made again.
    fn with_parts<T>(&mut self, mut work: impl FnMut(&[Numbered]) -> Result<T, Damaged>) -> Result<T, Error> {
        loop {
            match work(&self.parts) {
                Ok(done) => return Ok(done),
                Err(damaged) => {
                    self.pinned.core.mend(&damaged)?;
                    let bounds = (self.low, self.high);
                    // The view's own layers have the run that was damaged.
                    self.find_parts(&self.pinned.core.index.layers())?;
                    (self.low, self.high) = bounds;
                }
            }
        }
    }

    /// How many events of the key stand before a position.
    fn count_before(&mut self, position: u64) -> Result<u64, Error> {
        if position <= self.pinned.first_position().0 {
            return Ok(0);
        }
        match self.pinned.place_of(position)? {
            Some(place) => self.count_before_place(place),
            None => Ok(u64::MAX),
        }
    }

    /// How many events of the key stand before a place.
    pub(super) fn count_before_place(&mut self, place: Place) -> Result<u64, Error> {
        self.with_parts(|parts| before(parts, place))
    }

    /// Copies the places of events from number `start` on. Returns how many.
    pub(super) fn places(&mut self, start: u64, out: &mut [Place]) -> Result<usize, Error> {
        self.with_parts(|parts| copy(parts, start, out))
    }

    /// What is told if the index has no place for an event that it counts.
    pub(super) fn missing(&self, n: u64) -> Error {
        self.wrong(n, None)
    }

    /// Leaves out what stands at or before a position.
    pub(super) fn after(&mut self, position: u64) {
        match self.count_before(position.saturating_add(1)) {
            Ok(n) => self.from(n),
            Err(error) => self.fail(error),
        }
    }

    /// Leaves out what stands at or behind a position.
    pub(super) fn before_position(&mut self, position: u64) {
        match self.count_before(position) {
            Ok(n) => self.to(n),
            Err(error) => self.fail(error),
        }
    }

    /// Copies postings from number `start` on, and begins to fetch what they point at.
    fn piece(&mut self, start: u64) -> Result<Piece, Error> {
        let mut piece = Piece { start, ..Piece::EMPTY };
        piece.len = self.places(start, &mut piece.places)?;
        self.prefetch(&piece.places[..piece.len]);
        Ok(piece)
    }

    /// Begins to fetch the events at these places: their records, and what stands far away from these in large commits.
    pub(super) fn prefetch(&self, places: &[Place]) {
        self.segments(places).for_each(|(segment, at)| segment.prefetch_record(at));
        if let [first, second, ..] = places
            && second.0.saturating_sub(first.0) <= TOGETHER_BYTES
        {
            return;
        }
        // All are like the first one, most often.
        if !self.segments(places).next().is_some_and(|(segment, at)| segment.is_far_from_frame(at)) {
            self.segments(places).for_each(|(segment, at)| segment.prefetch_before(at));
            return self.segments(places).for_each(|(segment, at)| segment.prefetch_rest(at));
        }
        let named = match self.key.kind {
            KeyKind::Stream | KeyKind::Category => Named::Stream,
            KeyKind::Type => Named::Type,
            KeyKind::Tag | KeyKind::CorrelationText | KeyKind::CorrelationUuid => Named::Keys,
        };
        // Each step waits for what all of the last one have asked for.
        for step in [Segment::prefetch_frame, Segment::prefetch_entries, Segment::prefetch_names] {
            self.segments(places).for_each(|(segment, at)| step(segment, at, named));
        }
    }

    fn segments<'p>(&'p self, places: &'p [Place]) -> impl Iterator<Item = (&'p Segment, u64)> {
        let geometry = self.pinned.core.log.geometry;
        places.iter().filter_map(move |place| {
            let segment = self.pinned.table.get(geometry.segment(*place))?;
            Some((&**segment, geometry.offset(*place)))
        })
    }

    /// The event at a place of the index, if it may be handed out.
    #[inline]
    pub(super) fn lend(&mut self, n: u64, place: Option<Place>) -> Placed<'v> {
        let (place, event) = self.find(n, place)?;
        Ok((place, self.pinned.admit(event)?))
    }

    /// The event at a place of the index, which must be what the index says.
    #[inline]
    fn find(&mut self, n: u64, place: Option<Place>) -> Placed<'v> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let place = match place {
            Some(place) => place,
            None => {
                self.front = self.piece(n)?;
                match self.front.get(n) {
                    Some(place) => place,
                    None => return Err(self.missing(n)),
                }
            }
        };
        let event = self.pinned.core.event_at(&self.pinned.table, place)?;
        if self.key.is_of(event, n) { Ok((place, event)) } else { Err(self.wrong(n, Some(event))) }
    }

    #[cold]
    fn wrong(&self, n: u64, found: Option<EventRef<'_>>) -> Error {
        let name = String::from_utf8_lossy(&self.key.name);
        let expected = format!("event {n} of {:?} {name}", self.key.kind);
        let found = match found {
            Some(event) => format!("event {} of stream {}", event.revision(), event.stream()),
            None => "nothing".to_owned(),
        };
        Error::corrupt(Corruption::new("index", crate::index::INDEX_DIR, None, 0, expected, found))
    }

    /// The next event with its place.
    #[inline]
    pub(super) fn next_placed(&mut self) -> Option<Placed<'v>> {
        if self.low >= self.high {
            return None;
        }
        let n = self.low;
        self.low += 1;
        let place = self.front.get(n);
        Some(self.lend(n, place))
    }

    /// The next event from the end with its place.
    #[inline]
    pub(super) fn next_back_placed(&mut self) -> Option<Placed<'v>> {
        if self.low >= self.high {
            return None;
        }
        self.high -= 1;
        let n = self.high;
        let mut place = self.back.get(n);
        if place.is_none() && self.failed.is_none() {
            match self.piece((n + 1).saturating_sub(PIECE as u64).max(self.low)) {
                Ok(piece) => {
                    // The processor fetches forward by itself.
                    self.segments(&piece.places[..piece.len])
                        .for_each(|(segment, at)| segment.prefetch_before(at));
                    self.back = piece;
                }
                Err(error) => return Some(Err(error)),
            }
            place = self.back.get(n);
        }
        Some(self.lend(n, place))
    }

    /// Where the last event of a stream is, whether or not this version can read it.
    pub(super) fn head(&mut self) -> Result<Option<Head>, Error> {
        if self.low >= self.high {
            return Ok(None);
        }
        let (_, event) = self.find(self.high - 1, None)?;
        Ok(Some(Head::new(event.revision(), event.position())))
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<Result<EventRef<'v>, Error>> {
        self.next_placed().map(|placed| placed.map(|(_, event)| event))
    }

    #[inline]
    pub(super) fn next_back(&mut self) -> Option<Result<EventRef<'v>, Error>> {
        self.next_back_placed().map(|placed| placed.map(|(_, event)| event))
    }
}

/// How many postings of these parts stand before `place`, those before the first part among them.
fn before(parts: &[Numbered], place: Place) -> Result<u64, Damaged> {
    for Numbered { first, part } in parts.iter().rev() {
        match part.before(place)? {
            0 => {}
            within => return Ok(first + within),
        }
    }
    Ok(0)
}

/// Copies places from posting `start` on. Returns how many.
fn copy(parts: &[Numbered], start: u64, out: &mut [Place]) -> Result<usize, Damaged> {
    let mut number = parts.partition_point(|part| part.first <= start).saturating_sub(1);
    let mut copied = 0;
    while let Some(Numbered { first, part }) = parts.get(number).filter(|_| copied < out.len()) {
        let n = (start + copied as u64).saturating_sub(*first);
        copied += part.copy(n, &mut out[copied..])?;
        number += 1;
    }
    Ok(copied)
}
