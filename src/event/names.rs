//! The distinct names of one commit, numbered in the order in which they were first seen.

use super::layout::Crc;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

/// Hash of a name for the index; the same name has the same hash for as long as `state` lives.
#[inline]
pub(crate) fn name_hash(state: &FixedState, name: &[u8]) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write(name);
    hasher.finish()
}

/// The category of a stream: what stands before the first `-` of its name; all of it if there is none.
#[inline]
pub(crate) fn category(stream: &str) -> &str {
    &stream[..category_bytes(stream.as_bytes())]
}

/// Length of the category of a stream: the first so many bytes of its name.
#[inline]
pub(crate) fn category_bytes(stream: &[u8]) -> usize {
    stream.iter().position(|byte| *byte == b'-').unwrap_or(stream.len())
}

/// One distinct name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    pub(crate) kind: u8,
    /// Where its bytes are in the text of the table.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Its checksum.
    pub(crate) crc: u32,
    /// Its hash for the index.
    pub(crate) hash: u64,
}

/// Up to so many names are compared one after another.
const LINEAR_NAMES: usize = 8;

/// Names of one sort, each once. Allocates nothing once it has held as many before.
#[derive(Default)]
pub(crate) struct NameTable {
    text: Vec<u8>,
    names: Vec<Name>,
    /// Numbers of the names by hash; empty while there are few.
    table: HashTable<u32>,
}

impl NameTable {
    /// Forgets the names.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.names.clear();
        if !self.table.is_empty() {
            self.table.clear();
        }
    }

    /// The number of a name, if it has one.
    #[inline]
    pub(crate) fn find(&self, state: &FixedState, kind: u8, name: &[u8]) -> Option<u32> {
        if self.names.len() <= LINEAR_NAMES {
            let place = self.names.iter().position(|known| self.is(known, kind, name));
            return place.map(|place| place as u32);
        }
        let hash = name_hash(state, name);
        let is_it = |number: &u32| self.is(&self.names[*number as usize], kind, name);
        self.table.find(hash, is_it).copied()
    }

    #[inline]
    fn is(&self, known: &Name, kind: u8, name: &[u8]) -> bool {
        known.kind == kind && self.bytes(known) == name
    }

    /// Adds a name that [`find`](Self::find) doesn't know.
    #[inline]
    pub(crate) fn add(&mut self, crc: &Crc, state: &FixedState, kind: u8, name: &[u8]) -> u32 {
        let number = self.names.len() as u32;
        let start = self.text.len() as u32;
        self.text.extend_from_slice(name);
        let end = self.text.len() as u32;
        let (crc, hash) = (crc.of(name), name_hash(state, name));
        self.names.push(Name { kind, start, end, crc, hash });
        if self.names.len() > LINEAR_NAMES {
            self.tabulate();
        }
        number
    }

    fn tabulate(&mut self) {
        let names = &self.names;
        let first = if names.len() == LINEAR_NAMES + 1 { 0 } else { LINEAR_NAMES.max(names.len() - 1) };
        for (number, name) in names.iter().enumerate().skip(first) {
            self.table.insert_unique(name.hash, number as u32, |other| names[*other as usize].hash);
        }
    }

    #[inline]
    pub(crate) fn names(&self) -> &[Name] {
        &self.names
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The bytes of all names, one after another.
    #[inline]
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    #[inline]
    pub(crate) fn bytes(&self, name: &Name) -> &[u8] {
        &self.text[name.start as usize..name.end as usize]
    }
}
