//! The places of the events under one key, ascending. Grows in chunks that double up to a bound, so that a long list is
//! never copied and a short one takes little.

use crate::log::Place;

const FIRST_CHUNK: usize = 4;
/// Chunks double until they hold so many places.
const DOUBLINGS: usize = 12;
const LAST_CHUNK: usize = FIRST_CHUNK << DOUBLINGS;
/// Places in the chunks before the first one of full size.
const DOUBLED: usize = LAST_CHUNK - FIRST_CHUNK;

/// An ascending list of places.
#[derive(Default)]
pub(crate) struct Postings {
    len: usize,
    /// The chunk that grows; beside the full ones, so that adding looks at nothing else.
    last: Vec<Place>,
    full: Vec<Vec<Place>>,
}

/// Chunk and place in it of posting `n`.
#[inline]
fn locate(n: usize) -> (usize, usize) {
    if n < DOUBLED {
        let chunk = (n / FIRST_CHUNK + 1).ilog2() as usize;
        (chunk, n - FIRST_CHUNK * ((1 << chunk) - 1))
    } else {
        (DOUBLINGS + (n - DOUBLED) / LAST_CHUNK, (n - DOUBLED) % LAST_CHUNK)
    }
}

impl Postings {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn push(&mut self, place: Place) {
        debug_assert!(self.last().is_none_or(|last| last < place), "postings ascend");
        if self.last.len() == self.last.capacity() {
            self.grow();
        }
        self.last.push(place);
        self.len += 1;
    }

    /// Adds places, which ascend.
    #[inline]
    pub(crate) fn extend(&mut self, places: impl Iterator<Item = Place>) {
        places.for_each(|place| self.push(place));
    }

    #[cold]
    fn grow(&mut self) {
        if !self.last.is_empty() {
            self.full.push(std::mem::take(&mut self.last));
        }
        self.last.reserve_exact(FIRST_CHUNK << self.full.len().min(DOUBLINGS));
    }

    #[inline]
    fn chunk(&self, number: usize) -> Option<&[Place]> {
        match self.full.get(number) {
            Some(chunk) => Some(chunk),
            None => (number == self.full.len()).then_some(&self.last),
        }
    }

    #[inline]
    pub(crate) fn get(&self, n: usize) -> Option<Place> {
        let (chunk, at) = locate(n);
        self.chunk(chunk)?.get(at).copied()
    }

    #[inline]
    pub(crate) fn last(&self) -> Option<Place> {
        self.last.last().copied()
    }

    /// How many postings stand before `place`.
    pub(crate) fn before(&self, place: Place) -> usize {
        if self.last().is_none_or(|last| last < place) {
            return self.len;
        }
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = (low + high) / 2;
            if self.get(middle).is_some_and(|found| found < place) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Copies postings from number `n` on into `out`, as many as there are and as fit. Returns how many.
    pub(crate) fn copy(&self, n: usize, out: &mut [Place]) -> usize {
        let mut copied = 0;
        let (mut chunk, mut at) = locate(n);
        while copied < out.len() {
            let Some(places) = self.chunk(chunk).and_then(|places| places.get(at..)) else { break };
            let count = places.len().min(out.len() - copied);
            out[copied..copied + count].copy_from_slice(&places[..count]);
            copied += count;
            (chunk, at) = (chunk + 1, 0);
        }
        copied
    }
}

const _: () = assert!(FIRST_CHUNK * ((1 << DOUBLINGS) - 1) == DOUBLED);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_posting_is_where_locate_says() {
        let mut postings = Postings::default();
        for n in 0..60_000 {
            postings.push(Place(3 * n + 1));
        }
        assert_eq!(postings.len(), 60_000);
        for n in [0, 3, 4, 11, 12, DOUBLED - 1, DOUBLED, DOUBLED + LAST_CHUNK, 59_999] {
            assert_eq!(postings.get(n), Some(Place(3 * n as u64 + 1)), "posting {n}");
        }
        assert_eq!(postings.get(60_000), None);
        for n in [0u64, 1, 5_000, 59_999, 60_000] {
            assert_eq!(postings.before(Place(3 * n + 1)), n as usize);
            assert_eq!(postings.before(Place(3 * n)), n as usize);
        }
        let mut out = [Place(0); 9_000];
        assert_eq!(postings.copy(DOUBLED - 2, &mut out), 9_000);
        assert!((0..9_000).all(|i| out[i] == postings.get(DOUBLED - 2 + i).unwrap()));
        assert_eq!(postings.copy(59_990, &mut out), 10);
    }
}
