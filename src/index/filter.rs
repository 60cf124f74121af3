//! A filter over the keys of a run: says "not here" for nearly every key that isn't, and never for one that is. A split block
//! Bloom filter, as the format of Apache Parquet defines it: eight bits of one 32-byte block for each key, chosen by eight odd
//! multipliers.

/// Bytes of a block, which is what a look costs.
pub(crate) const BLOCK: usize = 32;
/// Bits for each key: one look in two hundred is in vain.
const BITS_A_KEY: u64 = 12;

const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// Number of blocks for so many keys.
pub(crate) fn blocks(keys: u64) -> u64 {
    (keys * BITS_A_KEY).div_ceil(8 * BLOCK as u64).max(1)
}

/// The block of a key among so many.
#[inline]
pub(crate) fn block_of(hash: u64, blocks: u64) -> u64 {
    ((hash >> 32) * blocks) >> 32
}

#[inline]
fn bit(hash: u64, salt: u32) -> u32 {
    1 << ((hash as u32).wrapping_mul(salt) >> 27)
}

/// Puts a key into its block.
pub(crate) fn insert(block: &mut [u8], hash: u64) {
    for (word, salt) in block.as_chunks_mut::<4>().0.iter_mut().zip(SALTS) {
        *word = (u32::from_le_bytes(*word) | bit(hash, salt)).to_le_bytes();
    }
}

/// Whether the key may be in its block.
#[inline]
pub(crate) fn may_hold(block: &[u8], hash: u64) -> bool {
    let words = block.as_chunks::<4>().0.iter();
    words.zip(SALTS).all(|(word, salt)| u32::from_le_bytes(*word) & bit(hash, salt) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        twox_hash::XxHash3_64::oneshot(&n.to_le_bytes())
    }

    #[test]
    fn every_key_is_held_and_few_others() {
        let keys = 10_000;
        let count = blocks(keys);
        let mut bytes = vec![0; count as usize * BLOCK];
        let place = |n: u64| {
            let at = block_of(hash(n), count) as usize * BLOCK;
            at..at + BLOCK
        };
        for n in 0..keys {
            insert(&mut bytes[place(n)], hash(n));
        }
        assert!((0..keys).all(|n| may_hold(&bytes[place(n)], hash(n))));
        let wrong = (keys..2 * keys).filter(|n| may_hold(&bytes[place(*n)], hash(*n))).count();
        assert!(wrong < keys as usize / 50, "{wrong} of {keys} keys that aren't there");
    }
}
