//! A multimap from hashes to numbers in at most 12 bytes an entry, while it grows too: many small open-addressed tables
//! that grow one at a time, by a quarter. It keeps 28 bits of a hash, so what it finds is a candidate, never an answer.

const VALUE_BITS: u32 = 36;
/// Values are below it: revisions and positions up to 68 billion.
pub(crate) const VALUE_MAX: u64 = (1 << VALUE_BITS) - 2;

const SHARD_BITS: u32 = 8;
const SLOT_BITS: u32 = u64::BITS - VALUE_BITS - SHARD_BITS;

/// The multimap.
pub(crate) struct Compact {
    shards: Vec<Shard>,
}

/// A slot is empty (0) or holds 28 bits of a hash and, in its low bits, a value plus one.
#[derive(Clone, Default)]
struct Shard {
    slots: Vec<u64>,
    used: usize,
}

impl Compact {
    pub(crate) fn new() -> Self {
        Self { shards: vec![Shard::default(); 1 << SHARD_BITS] }
    }

    /// # Panics
    /// If `value` is above [`VALUE_MAX`].
    pub(crate) fn insert(&mut self, hash: u64, value: u64) {
        assert!(value <= VALUE_MAX, "{value} doesn't fit");
        self.shards[shard_of(hash)].insert(hash_bits(hash) | (value + 1));
    }

    /// The values that were inserted under this hash, and few others.
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = u64> + '_ {
        let wanted = hash_bits(hash);
        self.shards[shard_of(hash)]
            .run(wanted)
            .filter(move |slot| (slot ^ wanted) >> VALUE_BITS == 0)
            .map(|slot| (slot & ((1 << VALUE_BITS) - 1)) - 1)
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.slots.capacity() * size_of::<u64>()).sum()
    }
}

impl Shard {
    fn insert(&mut self, entry: u64) {
        if (self.used + 1) * 8 > self.slots.len() * 7 {
            self.grow();
        }
        self.place(entry);
        self.used += 1;
    }

    fn place(&mut self, entry: u64) {
        let mut at = self.start(entry);
        while self.slots[at] != 0 {
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
        self.slots[at] = entry;
    }

    fn grow(&mut self) {
        let slots = vec![0; self.slots.len() + self.slots.len() / 4 + 8];
        for entry in std::mem::replace(&mut self.slots, slots) {
            if entry != 0 {
                self.place(entry);
            }
        }
    }

    /// The occupied slots from where an entry begins to look for its place. At least one slot is empty.
    fn run(&self, entry: u64) -> impl Iterator<Item = u64> + '_ {
        let start = if self.slots.is_empty() { 0 } else { self.start(entry) };
        let (before, after) = self.slots.split_at(start);
        after.iter().chain(before).copied().take_while(|slot| *slot != 0)
    }

    fn start(&self, entry: u64) -> usize {
        let bits = (entry >> VALUE_BITS) & ((1 << SLOT_BITS) - 1);
        ((u128::from(bits) * self.slots.len() as u128) >> SLOT_BITS) as usize
    }
}

fn shard_of(hash: u64) -> usize {
    (hash >> (u64::BITS - SHARD_BITS)) as usize
}

fn hash_bits(hash: u64) -> u64 {
    hash & !((1 << VALUE_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, RandomState};

    #[test]
    fn finds_all_that_was_inserted_and_stays_small() {
        let state = RandomState::new();
        let mut map = Compact::new();
        assert_eq!(map.candidates(7).count(), 0);
        let count = 200_000;
        for n in 0..count {
            map.insert(state.hash_one(n), n);
        }
        for n in 0..count {
            assert!(map.candidates(state.hash_one(n)).any(|value| value == n));
        }
        let others: usize = (count..2 * count).map(|n| map.candidates(state.hash_one(n)).count()).sum();
        assert!(others < 1_000, "{others} candidates that are none");
        let each = map.bytes() as f64 / count as f64;
        assert!(each < 12.0, "{each} bytes an entry");
    }

    #[test]
    fn one_hash_may_have_many_values_and_the_largest_fits() {
        let mut map = Compact::new();
        for value in [0, 5, VALUE_MAX] {
            map.insert(u64::MAX, value);
            map.insert(0, value);
        }
        for hash in [0, u64::MAX] {
            let mut found: Vec<_> = map.candidates(hash).collect();
            found.sort_unstable();
            assert_eq!(found, [0, 5, VALUE_MAX]);
        }
    }
}
