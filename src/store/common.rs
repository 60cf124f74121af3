//! The events that several keys have in common, from both ends. Places of postings are compared, and an event is read only
//! where all keys have it: whoever stands behind the others leaps to where the first of them stands.

use super::events::Placed;
use super::key_events::KeyEvents;
use crate::error::Error;
use crate::log::Place;
use std::collections::VecDeque;

/// Postings that are copied out of the index at a time: as many as a group of a run has.
const GROUP: usize = 128;
/// Places that are looked at one by one.
const NEXT: usize = 4;
/// Most events that are fetched before they are read.
const AHEAD_MAX: usize = 16;
/// Groups that are passed one by one before the index is searched for the place to leap to.
const PASSED_MAX: u32 = 2;

/// The events of a key that some other keys have, too.
pub(super) struct CommonEvents<'v> {
    /// The one with the fewest events, by whose numbers they are counted.
    lead: Places<'v>,
    others: Vec<Places<'v>>,
    /// Those that were found from the front and not given: what they point at is being fetched.
    ahead: VecDeque<(u64, Place)>,
    /// How many are looked for ahead.
    ahead_max: usize,
    /// What looking ahead failed with, behind them.
    failed: Option<Error>,
}

/// The places of the events of one key that are left.
struct Places<'v> {
    key: KeyEvents<'v>,
    front: Group,
    back: Group,
}

/// Places of some events of a key, from number `start` on.
struct Group {
    start: u64,
    len: usize,
    places: Box<[Place; GROUP]>,
}

impl Group {
    fn empty() -> Self {
        Self { start: 0, len: 0, places: Box::new([Place(0); GROUP]) }
    }

    /// The places of numbers `low .. high` as far as they are here, and the number of the first; if number `wanted`, which is
    /// one of these, is here.
    #[inline]
    fn within(&self, low: u64, high: u64, wanted: u64) -> Option<(u64, &[Place])> {
        let end = self.start + self.len as u64;
        if !(self.start..end).contains(&wanted) {
            return None;
        }
        let (from, to) = (low.max(self.start), high.min(end));
        Some((from, &self.places[(from - self.start) as usize..(to - self.start) as usize]))
    }

    fn load(&mut self, key: &mut KeyEvents<'_>, start: u64, end: u64) -> Result<(), Error> {
        let count = usize::try_from(end - start).unwrap_or(GROUP).min(GROUP);
        (self.start, self.len) = (start, 0);
        self.len = key.places(start, &mut self.places[..count])?;
        if self.len < count { Err(key.missing(start + self.len as u64)) } else { Ok(()) }
    }
}

/// The number of the first of these places that isn't before `target`, which one of them isn't. It is most often near.
fn first_from(places: &[Place], target: Place) -> usize {
    let mut end = 1;
    while end < places.len() && places[end - 1] < target {
        end *= 2;
    }
    let from = end / 2;
    from + places[from..end.min(places.len())].partition_point(|place| *place < target)
}

impl<'v> Places<'v> {
    fn new(key: KeyEvents<'v>) -> Self {
        Self { key, front: Group::empty(), back: Group::empty() }
    }

    /// The first place that is left and isn't before `target`. What is before it isn't left any more.
    #[inline]
    fn leap(&mut self, target: Place) -> Result<Option<Place>, Error> {
        // Most often it is one of the next few.
        let (low, high) = self.key.bounds();
        if low < high
            && let Some((_, places)) = self.front.within(low, high, low)
            && let Some(at) = places.iter().take(NEXT).position(|place| *place >= target)
        {
            let place = places[at];
            self.key.from(low + at as u64);
            return Ok(Some(place));
        }
        self.leap_far(target)
    }

    fn leap_far(&mut self, target: Place) -> Result<Option<Place>, Error> {
        let mut passed = 0;
        loop {
            let (low, high) = self.key.bounds();
            if low >= high {
                return Ok(None);
            }
            let Some((from, places)) = self.front.within(low, high, low) else {
                self.front.load(&mut self.key, low, high)?;
                continue;
            };
            if places.last().is_some_and(|last| *last >= target) {
                let at = first_from(places, target);
                let place = places[at];
                self.key.from(from + at as u64);
                return Ok(Some(place));
            }
            self.key.from(from + places.len() as u64);
            passed += 1;
            if passed == PASSED_MAX {
                let number = self.key.count_before_place(target)?;
                self.key.from(number);
            }
        }
    }

    /// The last place that is left and isn't behind `target`. What is behind it isn't left any more.
    fn leap_back(&mut self, target: Place) -> Result<Option<Place>, Error> {
        let mut passed = 0;
        loop {
            let (low, high) = self.key.bounds();
            if low >= high {
                return Ok(None);
            }
            let Some((from, places)) = self.back.within(low, high, high - 1) else {
                self.back.load(&mut self.key, high.saturating_sub(GROUP as u64).max(low), high)?;
                continue;
            };
            if places.first().is_some_and(|first| *first <= target) {
                let count = places.partition_point(|place| *place <= target);
                let place = places[count - 1];
                self.key.to(from + count as u64);
                return Ok(Some(place));
            }
            self.key.to(from);
            passed += 1;
            if passed == PASSED_MAX {
                let number = self.key.count_before_place(Place(target.0 + 1))?;
                self.key.to(number);
            }
        }
    }
}

impl<'v> CommonEvents<'v> {
    /// The events of `lead` that all others have.
    pub(super) fn new(lead: KeyEvents<'v>, others: Vec<KeyEvents<'v>>) -> Self {
        let (lead, others) = (Places::new(lead), others.into_iter().map(Places::new).collect());
        Self { lead, others, ahead: VecDeque::new(), ahead_max: 1, failed: None }
    }

    /// Narrows what is asked for, before anything was read. It is enough for one key; what fails is told by it.
    pub(super) fn narrow(&mut self, narrow: impl FnOnce(&mut KeyEvents<'v>)) {
        narrow(&mut self.lead.key);
    }

    /// Most events that may be left.
    pub(super) fn len_max(&self) -> u64 {
        self.lead.key.len() + self.ahead.len() as u64
    }

    /// Nothing is left.
    fn end(&mut self) {
        self.lead.key.to(0);
    }

    /// The next place that all keys have, and its number in the lead.
    fn next_place(&mut self) -> Result<Option<(u64, Place)>, Error> {
        let mut target = Place(0);
        loop {
            let Some(first) = self.lead.leap(target)? else { return Ok(None) };
            target = first;
            for other in &mut self.others {
                match other.leap(target)? {
                    None => return Ok(None),
                    Some(place) => target = place,
                }
                if target != first {
                    break;
                }
            }
            if target == first {
                let (number, _) = self.lead.key.bounds();
                self.lead.key.from(number + 1);
                return Ok(Some((number, first)));
            }
        }
    }

    /// The same from the end.
    fn next_place_back(&mut self) -> Result<Option<(u64, Place)>, Error> {
        let mut target = Place(u64::MAX - 1);
        loop {
            let Some(last) = self.lead.leap_back(target)? else { return Ok(None) };
            target = last;
            for other in &mut self.others {
                match other.leap_back(target)? {
                    None => return Ok(None),
                    Some(place) => target = place,
                }
                if target != last {
                    break;
                }
            }
            if target == last {
                let (_, high) = self.lead.key.bounds();
                self.lead.key.to(high - 1);
                return Ok(Some((high - 1, last)));
            }
        }
    }

    fn take(
        &mut self,
        next: impl FnOnce(&mut Self) -> Result<Option<(u64, Place)>, Error>,
    ) -> Option<Placed<'v>> {
        let found = match self.lead.key.take_failure() {
            Some(error) => Err(error),
            None => next(self),
        };
        match found {
            Ok(Some((number, place))) => Some(self.lead.key.lend(number, Some(place))),
            Ok(None) => {
                self.end();
                None
            }
            Err(error) => {
                self.end();
                Some(Err(error))
            }
        }
    }

    /// The next event with its place.
    pub(super) fn next_placed(&mut self) -> Option<Placed<'v>> {
        self.take(Self::next_fetched)
    }

    /// The next place, after a look at some behind it, whose events are being fetched meanwhile.
    fn next_fetched(&mut self) -> Result<Option<(u64, Place)>, Error> {
        if self.ahead.is_empty() {
            self.look_ahead();
        }
        match (self.ahead.pop_front(), self.failed.take()) {
            (Some(found), failed) => {
                self.failed = failed;
                Ok(Some(found))
            }
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    /// Finds some places, and begins to fetch their events.
    fn look_ahead(&mut self) {
        let mut places = [Place(0); AHEAD_MAX];
        while self.ahead.len() < self.ahead_max && self.failed.is_none() {
            match self.next_place() {
                Ok(Some(found)) => {
                    places[self.ahead.len()] = found.1;
                    self.ahead.push_back(found);
                }
                Ok(None) => break,
                Err(error) => self.failed = Some(error),
            }
        }
        self.lead.key.prefetch(&places[..self.ahead.len()]);
        self.ahead_max = (2 * self.ahead_max).min(AHEAD_MAX);
    }

    /// The next event from the end with its place.
    pub(super) fn next_back_placed(&mut self) -> Option<Placed<'v>> {
        self.take(|events| match events.next_place_back()? {
            Some(found) => Ok(Some(found)),
            // Between the two ends stand those that were looked for ahead, and behind them what that has failed with.
            None => match events.failed.take() {
                Some(error) => Err(error),
                None => Ok(events.ahead.pop_back()),
            },
        })
    }
}
