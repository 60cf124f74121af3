//! Ascending numbers in groups of equal width, read in place: number `n` of a list is found without reading the ones before
//! it. `docs/format.md` is the home of the layout. Never reads a file.

use super::run::Damaged;

/// Numbers of a group; the last one of a list may have fewer.
pub(crate) const GROUP: usize = 128;
/// Bytes of the entry of a list of one group, which stands before its bits.
const SHORT_ENTRY: usize = 8;
/// Bytes of an entry of the table of a longer list, which stands behind the bits of its groups.
const LONG_ENTRY: usize = 16;
/// Numbers are less than two to this.
pub(crate) const NUMBER_BITS: u32 = 48;
/// Bytes behind the last list, so that a word may be read at its last bit.
pub(crate) const PADDING: u64 = 8;

/// What is read from: bytes that were checked before they are lent.
pub(crate) trait Source {
    /// The bytes `[at, at + count)`.
    ///
    /// # Errors
    /// They are damaged, or aren't there.
    fn bytes(&self, at: u64, count: u64) -> Result<&[u8], Damaged>;
}

/// Gives the numbers of a list from one of them on.
pub(crate) type Fill<'f, E> = dyn FnMut(u32, &mut [u64]) -> Result<(), E> + 'f;

/// A list: where its entry or table stands, and how many numbers it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) at: u64,
    pub(crate) count: u32,
}

/// The group of a list that a number is in.
struct Group {
    base: u64,
    width: u32,
    bits_at: u64,
    count: usize,
}

fn u48_at(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..6].copy_from_slice(&bytes[..6]);
    u64::from_le_bytes(word)
}

/// Bytes that the bits of a group take: its first number is its base.
fn bits_bytes(width: u32, count: usize) -> u64 {
    (u64::from(width) * (count as u64 - 1)).div_ceil(8)
}

impl List {
    fn groups(self) -> usize {
        (self.count as usize).div_ceil(GROUP)
    }

    fn group(self, source: &impl Source, number: usize) -> Result<Group, Damaged> {
        let count = (self.count as usize - number * GROUP).min(GROUP);
        let (entry, bits_at) = if self.groups() == 1 {
            (source.bytes(self.at, SHORT_ENTRY as u64)?, self.at + SHORT_ENTRY as u64)
        } else {
            let entry = source.bytes(self.at + (number * LONG_ENTRY) as u64, LONG_ENTRY as u64)?;
            (entry, u64::from_le_bytes(entry[8..16].try_into().expect("eight bytes")))
        };
        let width = u32::from(entry[6]).min(NUMBER_BITS);
        Ok(Group { base: u48_at(entry), width, bits_at, count })
    }

    /// Copies numbers from number `n` on into `out`, as many as there are and as fit. Returns how many.
    pub(crate) fn copy(self, source: &impl Source, n: u32, out: &mut [u64]) -> Result<usize, Damaged> {
        let (mut n, mut copied) = (n as usize, 0);
        while copied < out.len() && n < self.count as usize {
            let group = self.group(source, n / GROUP)?;
            let first = n % GROUP;
            let many = (group.count - first).min(out.len() - copied);
            group.copy(source, first, &mut out[copied..copied + many])?;
            copied += many;
            n += many;
        }
        Ok(copied)
    }

    /// Number `n`, which the list has.
    #[cfg(test)]
    fn get(self, source: &impl Source, n: u32) -> Result<u64, Damaged> {
        let mut out = [0];
        self.copy(source, n, &mut out)?;
        Ok(out[0])
    }

    /// How many numbers are less than `number`.
    pub(crate) fn before(self, source: &impl Source, number: u64) -> Result<u32, Damaged> {
        let (mut low, mut high) = (0, self.groups());
        while low < high {
            let middle = (low + high) / 2;
            let group = self.group(source, middle)?;
            if group.base < number { low = middle + 1 } else { high = middle }
        }
        let Some(number_of_group) = low.checked_sub(1) else { return Ok(0) };
        let group = self.group(source, number_of_group)?;
        let mut out = [0; GROUP];
        group.copy(source, 0, &mut out[..group.count])?;
        let within = out[..group.count].partition_point(|found| *found < number);
        Ok((number_of_group * GROUP + within) as u32)
    }
}

impl Group {
    fn copy(&self, source: &impl Source, first: usize, out: &mut [u64]) -> Result<(), Damaged> {
        if self.width == 0 {
            out.fill(self.base);
            return Ok(());
        }
        let bits = source.bytes(self.bits_at, bits_bytes(self.width, self.count) + PADDING)?;
        let mask = (1 << self.width) - 1;
        for (number, out) in (first..).zip(out) {
            *out = match number {
                0 => self.base,
                _ => {
                    let bit = (number - 1) * self.width as usize;
                    let word = bits[bit / 8..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
                    self.base + ((word >> (bit % 8)) & mask)
                }
            };
        }
        Ok(())
    }
}

/// Packs lists, one after another, into bytes that it hands on.
#[derive(Default)]
pub(crate) struct Packer {
    /// Bytes of all lists so far.
    len: u64,
    group: Vec<u8>,
    table: Vec<u8>,
}

impl Packer {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Packs `count` numbers, of which `fill` gives those from number `n` on, and hands the bytes to `put`. Returns the list.
    pub(crate) fn list<E>(
        &mut self,
        count: u32,
        fill: &mut Fill<'_, E>,
        put: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<List, E> {
        let start = self.len;
        let short = count as usize <= GROUP;
        self.table.clear();
        let mut numbers = [0; GROUP];
        for first in (0..count).step_by(GROUP) {
            let numbers = &mut numbers[..(count - first).min(GROUP as u32) as usize];
            fill(first, numbers)?;
            let width = self.pack(numbers);
            let mut entry = [0; LONG_ENTRY];
            entry[..8].copy_from_slice(&numbers[0].to_le_bytes());
            entry[6] = width as u8;
            entry[8..].copy_from_slice(&self.len.to_le_bytes());
            if short {
                put(&entry[..SHORT_ENTRY])?;
                self.len += SHORT_ENTRY as u64;
            } else {
                self.table.extend_from_slice(&entry);
            }
            put(&self.group)?;
            self.len += self.group.len() as u64;
        }
        let at = if short { start } else { self.len };
        put(&self.table)?;
        self.len += self.table.len() as u64;
        Ok(List { at, count })
    }

    /// Packs one group; returns its width.
    fn pack(&mut self, numbers: &[u64]) -> u32 {
        let (base, last) = (numbers[0], numbers[numbers.len() - 1]);
        assert!(last < 1 << NUMBER_BITS && base <= last, "numbers ascend and have {NUMBER_BITS} bits");
        let width = u64::BITS - (last - base).leading_zeros();
        self.group.clear();
        let (mut word, mut bits) = (0u128, 0);
        for number in &numbers[1..] {
            word |= u128::from(number - base) << bits;
            bits += width;
            while bits >= 8 {
                self.group.push(word as u8);
                word >>= 8;
                bits -= 8;
            }
        }
        if bits > 0 {
            self.group.push(word as u8);
        }
        debug_assert_eq!(self.group.len() as u64, bits_bytes(width, numbers.len()));
        width
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    struct Plain(Vec<u8>);

    impl Source for Plain {
        fn bytes(&self, at: u64, count: u64) -> Result<&[u8], Damaged> {
            Ok(&self.0[at as usize..(at + count) as usize])
        }
    }

    fn packed(lists: &[Vec<u64>]) -> (Plain, Vec<List>) {
        let (mut bytes, mut packer, mut places) = (Vec::new(), Packer::default(), Vec::new());
        for numbers in lists {
            let mut fill = |n: u32, out: &mut [u64]| -> Result<(), Infallible> {
                out.copy_from_slice(&numbers[n as usize..n as usize + out.len()]);
                Ok(())
            };
            let list = packer.list(numbers.len() as u32, &mut fill, &mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            });
            places.push(list.unwrap());
        }
        assert_eq!(bytes.len() as u64, packer.len());
        bytes.extend_from_slice(&[0; PADDING as usize]);
        (Plain(bytes), places)
    }

    #[test]
    fn every_number_is_found_again() {
        let top = (1 << NUMBER_BITS) - 1;
        let lists = [
            vec![7],
            vec![0, top],
            (0..GROUP as u64).map(|n| 1_000 + 300 * n).collect(),
            (0..GROUP as u64 + 1).map(|n| n * n).collect(),
            (0..5_000).map(|n| 40_000_000_000 + 17 * n + n % 13).collect(),
            vec![top],
        ];
        let (source, places) = packed(&lists);
        for (numbers, list) in lists.iter().zip(places) {
            let mut out = vec![0; numbers.len() + 5];
            for n in [0, 1, numbers.len() / 2, numbers.len() - 1, numbers.len()] {
                let copied = list.copy(&source, n as u32, &mut out).unwrap();
                assert_eq!(out[..copied], numbers[n.min(numbers.len())..]);
            }
            for (n, number) in numbers.iter().enumerate() {
                assert_eq!(list.get(&source, n as u32).unwrap(), *number);
                assert_eq!(list.before(&source, *number).unwrap(), n as u32);
                assert_eq!(list.before(&source, number + 1).unwrap(), n as u32 + 1);
            }
        }
    }
}
