//! The stores that are damaged: three segments, commits of one and of several streams, tags, metadata, ids as text.

use crate::read::{Content, content};
use orchestrix::prelude::*;
use orchestrix::testing::Machine;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

pub(crate) const SEGMENT_BYTES: usize = 8 << 10;
pub(crate) const FRAMES_AT: usize = 4_096;

/// Files by name.
pub(crate) type Tree = BTreeMap<String, Vec<u8>>;

/// A store that holds, as files, and what is in it.
pub(crate) struct Made {
    pub(crate) files: Tree,
    pub(crate) content: Content,
    /// Has the files.
    whole: Machine,
}

impl Made {
    fn new(machine: &Machine, store: &Store) -> Self {
        let (files, whole) = (files(machine), Machine::new(9));
        files.iter().for_each(|(name, bytes)| whole.put_file(name, bytes));
        Self { files, content: content(store).expect("a store that nothing has damaged"), whole }
    }

    /// A machine with these files, of which few are others than this store's.
    pub(crate) fn machine(&self, files: &Tree) -> Machine {
        let machine = self.whole.kill(9);
        for name in self.files.keys().filter(|name| !files.contains_key(*name)) {
            machine.remove_file(name);
        }
        for (name, bytes) in files.iter().filter(|(name, bytes)| self.files.get(*name) != Some(*bytes)) {
            machine.put_file(name, bytes);
        }
        machine
    }

    pub(crate) fn closed() -> Self {
        let (machine, store) = filled(1);
        store.close().wait().expect("a close");
        Self::new(&machine, &store)
    }

    pub(crate) fn killed() -> Self {
        let (machine, store) = filled(2);
        Self::new(&machine.kill(2), &store)
    }

    pub(crate) fn of_another_store() -> Self {
        let (machine, store) = filled(3);
        store.close().wait().expect("a close");
        Self::new(&machine, &store)
    }

    pub(crate) fn segments(&self) -> u64 {
        self.files.keys().filter(|name| name.ends_with(".seg")).count() as u64
    }

    /// The files, with another one in place of one of them.
    pub(crate) fn with(&self, name: &str, bytes: Vec<u8>) -> Tree {
        let mut files = self.files.clone();
        files.insert(name.to_owned(), bytes);
        files
    }
}

/// Every commit is waited for: what comes back must be there whatever happens.
fn filled(seed: u64) -> (Machine, Store) {
    let machine = Machine::new(seed);
    let store = machine.open(Store::options().segment_bytes(SEGMENT_BYTES as u64)).expect("a store");
    for round in 0.. {
        if machine.files().iter().any(|name| *name == segment_name(2)) && round % 3 == 1 {
            break;
        }
        let id = |n: u32| format!("event {n} of round {round}");
        let rich = NewEvent::raw("credited", format!(r#"{{"cents":{round}}}"#).into_bytes()).id(id(0));
        let rich =
            rich.tag("vip").tag("north").correlation("story-1").causation("cause-1").source("urn:test");
        let rich = rich.content_type("application/json").schema_version(2).extension("tier", "1a");
        let rich = rich.time(SystemTime::UNIX_EPOCH + Duration::from_secs(round));
        store.append("account-1", Any, rich).wait().expect("an append");
        let plain = |n: u32| NewEvent::raw("opened", vec![n as u8; 90]).id(id(n));
        let work = store.transaction().append("account-2", Any, [plain(1), plain(2)]);
        work.append("solo", Any, plain(3)).commit().wait().expect("a commit");
        store.append("order-7", Any, NewEvent::raw("closed", b"").id(id(4))).wait().expect("an append");
    }
    (machine, store)
}

fn files(machine: &Machine) -> Tree {
    let paths = machine.files().into_iter().filter(|path| path != "lock" && path != "log/next");
    paths.map(|path| (path.clone(), machine.read_file(&path).expect("a file"))).collect()
}

pub(crate) fn segment_name(number: u64) -> String {
    format!("log/{number:020}.seg")
}

fn length_at(segment: &[u8], at: usize) -> usize {
    let word = segment.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map_or(0, u32::from_le_bytes) as usize
}

/// Where the frames of a segment begin, and where the last one ends.
pub(crate) fn frames(segment: &[u8]) -> Vec<usize> {
    let mut places = vec![FRAMES_AT];
    let mut at = FRAMES_AT;
    while length_at(segment, at) != 0 {
        at += length_at(segment, at);
        places.push(at);
    }
    places
}

/// Sums bytes 0 to 508 of a header again.
pub(crate) fn seal_block(bytes: &mut [u8]) {
    let sum = crc32fast::hash(&bytes[..508]);
    bytes[508..512].copy_from_slice(&sum.to_le_bytes());
}
