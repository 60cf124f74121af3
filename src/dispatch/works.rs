//! A map by position for what comes in ascending order and mostly goes in it: a ring, and a tree for the few that come late or stay
//! long. Finding one costs a comparison where positions follow one another, and a search where they don't.

use std::collections::{BTreeMap, VecDeque};

/// Holes of the ring, beside as many as there are values, beyond which its first value moves to the tree.
const HOLES_MAX: usize = 1_024;

pub(super) struct Works<W> {
    /// In ascending order; the first one isn't a hole.
    ring: VecDeque<(u64, Option<W>)>,
    /// Values of the ring that are there.
    live: usize,
    late: BTreeMap<u64, W>,
}

impl<W> Works<W> {
    pub(super) fn new() -> Self {
        Self { ring: VecDeque::new(), live: 0, late: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.live + self.late.len()
    }

    pub(super) fn insert(&mut self, position: u64, work: W) {
        if self.ring.back().is_none_or(|(last, _)| *last < position) {
            self.ring.push_back((position, Some(work)));
            self.live += 1;
            self.shorten();
        } else {
            self.late.insert(position, work);
        }
    }

    /// Its place in the ring.
    #[inline]
    fn place(&self, position: u64) -> Option<usize> {
        let first = self.ring.front()?.0;
        // Without gaps it is there; with some, before.
        let guess = usize::try_from(position.checked_sub(first)?).ok()?.min(self.ring.len() - 1);
        if self.ring[guess].0 == position {
            return Some(guess);
        }
        let (mut low, mut high) = (0, guess);
        while low < high {
            let middle = (low + high) / 2;
            match self.ring[middle].0 < position {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        (self.ring[low].0 == position).then_some(low)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, position: u64) -> Option<&mut W> {
        if let Some(place) = self.place(position)
            && self.ring[place].1.is_some()
        {
            return self.ring[place].1.as_mut();
        }
        self.late.get_mut(&position)
    }

    pub(super) fn remove(&mut self, position: u64) -> Option<W> {
        let Some(work) = self.place(position).and_then(|place| self.ring[place].1.take()) else {
            return self.late.remove(&position);
        };
        self.live -= 1;
        self.pop_holes();
        Some(work)
    }

    fn pop_holes(&mut self) {
        while self.ring.front().is_some_and(|(_, work)| work.is_none()) {
            self.ring.pop_front();
        }
    }

    /// Moves what has been there for longest out of the way.
    fn shorten(&mut self) {
        while self.ring.len() > 2 * self.live + HOLES_MAX
            && let Some((position, Some(work))) = self.ring.pop_front()
        {
            self.live -= 1;
            self.late.insert(position, work);
            self.pop_holes();
        }
    }

    pub(super) fn first(&self) -> Option<u64> {
        let ring = self.ring.front().map(|(position, _)| *position);
        let late = self.late.first_key_value().map(|(position, _)| *position);
        ring.into_iter().chain(late).min()
    }

    /// The first behind a position for which something holds.
    pub(super) fn first_behind(&self, position: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
        let start = self.ring.partition_point(|(other, _)| *other <= position);
        let mut ring = self.ring.range(start..).filter(|(_, work)| work.is_some()).map(|(other, _)| *other);
        let ring = ring.find(|other| holds(*other));
        let late = self.late.range(position + 1..).map(|(other, _)| *other).find(|other| holds(*other));
        ring.into_iter().chain(late).min()
    }

    /// Those up to a position, in ascending order.
    pub(super) fn up_to(&self, position: u64) -> Vec<(u64, &W)> {
        let end = self.ring.partition_point(|(other, _)| *other <= position);
        let ring = self.ring.range(..end).filter_map(|(other, work)| Some((*other, work.as_ref()?)));
        let mut found: Vec<_> =
            self.late.range(..=position).map(|(other, work)| (*other, work)).chain(ring).collect();
        found.sort_unstable_by_key(|(other, _)| *other);
        found
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &W> {
        self.ring.iter().filter_map(|(_, work)| work.as_ref()).chain(self.late.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// Against a tree.
        #[test]
        fn it_is_a_map(ops in prop::collection::vec((0u8..4, 0u64..3_000), 0..3_000)) {
            let (mut works, mut model) = (Works::new(), BTreeMap::new());
            let mut next = 0;
            for (op, at) in ops {
                match op {
                    0 | 1 => {
                        next += 1 + at % 3;
                        works.insert(next, at);
                        model.insert(next, at);
                    }
                    2 if !model.contains_key(&at) && at > 0 => {
                        works.insert(at, at);
                        model.insert(at, at);
                        next = next.max(at);
                    }
                    _ => {
                        let key = model.keys().nth(at as usize % 5).copied().unwrap_or(at);
                        prop_assert_eq!(works.remove(key), model.remove(&key));
                    }
                }
                prop_assert_eq!((works.len(), works.first()), (model.len(), model.keys().next().copied()));
                prop_assert_eq!(works.get_mut(at).copied(), model.get(&at).copied());
                prop_assert!(works.ring.len() <= 2 * works.len() + HOLES_MAX + 1);
            }
            let up_to: Vec<_> = works.up_to(900).into_iter().map(|(key, value)| (key, *value)).collect();
            prop_assert_eq!(up_to, model.range(..=900).map(|(key, value)| (*key, *value)).collect::<Vec<_>>());
            let behind = works.first_behind(900, |key| key % 2 == 0);
            prop_assert_eq!(behind, model.range(901..).map(|(key, _)| *key).find(|key| key % 2 == 0));
            let (mut values, mut expected): (Vec<_>, Vec<_>) =
                (works.values().copied().collect(), model.values().copied().collect());
            values.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(values, expected);
        }
    }

    /// One that stays while many come and go takes no room for them.
    #[test]
    fn one_that_stays_leaves_the_ring() {
        let mut works = Works::new();
        works.insert(1, ());
        for position in 2..100_000 {
            works.insert(position, ());
            works.remove(position);
        }
        assert!(works.ring.len() < 2 * HOLES_MAX, "{}", works.ring.len());
        assert_eq!((works.len(), works.first(), works.remove(1)), (1, Some(1), Some(())));
    }
}
