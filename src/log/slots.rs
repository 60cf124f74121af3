//! The two slots of a consumer's checkpoint, each a small file. They are written in turns, one only when the other is known to be
//! synced, so that at any moment one is whole. `docs/format.md` is the home of the layout.

use super::blocks::{self, BLOCK_BYTES, BlockFault, StoreId, u32_at, u64_at};
use crate::error::Error;
use crate::limits;
use crate::medium::{Medium, bug};
use std::io::{self, ErrorKind};
use std::path::Path;
use twox_hash::XxHash3_64;

/// Folder of the slots.
const CONSUMERS_DIR: &str = "consumers";
const SLOT_MAGIC: &[u8; 8] = b"ORCHSLOT";
const FIELDS_END: usize = 88;
/// Longest file of a slot.
const SLOT_BYTES_MAX: usize = BLOCK_BYTES + limits::CONSUMER_NAME_BYTES_MAX + limits::CHECKPOINT_BYTES_MAX;

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) consumer: String,
    /// One more with each save.
    pub(crate) sequence: u64,
    /// Everything up to here is done.
    pub(crate) low: u64,
    /// The highest position that it knows of, and the epoch of its frame; zeros before the first event.
    pub(crate) through: u64,
    pub(crate) epoch: u64,
    pub(crate) data: Vec<u8>,
}

impl Slot {
    fn encode(&self, store: &StoreId) -> Vec<u8> {
        let mut head = blocks::start(SLOT_MAGIC, store);
        let lengths = self.consumer.len() as u64 | (self.data.len() as u64) << 32;
        let body = [self.consumer.as_bytes(), &self.data].concat();
        let crc = u64::from(crc32fast::hash(&body));
        let words = [self.sequence, self.low, self.through, self.epoch, lengths, crc];
        for (field, word) in head[40..FIELDS_END].as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *field = word.to_le_bytes();
        }
        [&blocks::finish(head)[..], &body].concat()
    }

    fn decode(bytes: &[u8], store: &StoreId) -> Result<Self, BlockFault> {
        blocks::check(bytes, SLOT_MAGIC, FIELDS_END)?;
        let wrong =
            |at: usize, expected: String, found: String| Err(BlockFault::Damaged(at as u64, expected, found));
        if blocks::store_id(bytes) != *store {
            return wrong(24, "the id of this store".to_owned(), "that of another one".to_owned());
        }
        let (name, data) = (u32_at(bytes, 72) as usize, u32_at(bytes, 76) as usize);
        let body = &bytes[BLOCK_BYTES..];
        if body.len() as u64 != name as u64 + data as u64 {
            let expected = format!("{name} and {data} bytes behind the block");
            return wrong(BLOCK_BYTES, expected, format!("{} bytes", body.len()));
        }
        let (expected, found) = (crc32fast::hash(body), u64_at(bytes, 80));
        if u64::from(expected) != found {
            return wrong(80, format!("checksum {expected:#010x}"), format!("{found:#010x}"));
        }
        let [sequence, low, through, epoch] = [40, 48, 56, 64].map(|at| u64_at(bytes, at));
        let (name, data) = body.split_at(name);
        match String::from_utf8(name.to_vec()) {
            Ok(consumer) if low <= through => {
                Ok(Self { consumer, sequence, low, through, epoch, data: data.to_vec() })
            }
            Ok(_) => wrong(48, format!("at most {through}"), low.to_string()),
            Err(_) => wrong(BLOCK_BYTES, "a name in UTF-8".to_owned(), "other bytes".to_owned()),
        }
    }
}

/// Where the checkpoint of a consumer stands, and what it is.
pub(crate) struct Slots {
    /// Path of both files but for their last letter.
    path: String,
    newest: Option<Slot>,
    /// The file that holds the newest.
    side: usize,
    /// The newest is known to be synced: not if an earlier process has written it.
    settled: bool,
    /// Both files are durable names.
    named: bool,
}

const SIDES: [char; 2] = ['a', 'b'];

fn path_of(consumer: &str) -> String {
    format!("{CONSUMERS_DIR}/{:016x}.", XxHash3_64::oneshot(consumer.as_bytes()))
}

fn read(medium: &Medium, path: &str, store: &StoreId) -> Result<Option<Result<Slot, BlockFault>>, Error> {
    match medium.files.read(path, SLOT_BYTES_MAX + 1) {
        Ok(bytes) => match Slot::decode(&bytes, store) {
            Err(later @ BlockFault::Later(_)) => Err(later.into_error("checkpoint", path, None)),
            decoded => Ok(Some(decoded)),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("reading checkpoint", Path::new(path), error)),
    }
}

impl Slots {
    /// Those of a consumer.
    ///
    /// # Errors
    /// `Corrupt`: neither of its slots is whole. `Invalid`: another consumer has its place. `Unsupported`, `Io`.
    pub(crate) fn open(medium: &Medium, store: &StoreId, consumer: &str) -> Result<Self, Error> {
        let slots =
            Self::at(medium, store, &path_of(consumer), &format!("checkpoint of consumer {consumer:?}"))?;
        match &slots.newest {
            Some(slot) if slot.consumer != consumer => {
                let other = &slot.consumer;
                Err(Error::invalid(format!(
                    "name of a consumer: {consumer:?} and {other:?} have the same hash; rename one of them"
                )))
            }
            _ => Ok(slots),
        }
    }

    /// Those of a consumer that has none that is whole, to be removed.
    pub(crate) fn damaged(consumer: &str) -> Self {
        Self { path: path_of(consumer), newest: None, side: 0, settled: false, named: false }
    }

    fn at(medium: &Medium, store: &StoreId, path: &str, what: &str) -> Result<Self, Error> {
        let (mut newest, mut side, mut fault, mut files) = (None::<Slot>, 0, None, 0);
        for (number, letter) in SIDES.iter().enumerate() {
            let file = format!("{path}{letter}");
            match read(medium, &file, store)? {
                None => {}
                Some(Ok(slot)) => {
                    files += 1;
                    if newest.as_ref().is_none_or(|newest| newest.sequence < slot.sequence) {
                        (newest, side) = (Some(slot), number);
                    }
                }
                Some(Err(found)) => {
                    files += 1;
                    fault = Some(found.into_error(what, &file, None));
                }
            }
        }
        // A first slot comes whole: it is renamed into its place.
        match (newest, fault) {
            (None, Some(fault)) => Err(fault),
            (newest, _) => {
                Ok(Self { path: path.to_owned(), newest, side, settled: false, named: files == 2 })
            }
        }
    }

    /// The newest checkpoint of each consumer, or why it has none that is whole.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn all(medium: &Medium, store: &StoreId) -> Result<Vec<Result<Slot, Error>>, Error> {
        let entries = match medium.files.list(CONSUMERS_DIR) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("listing", Path::new(CONSUMERS_DIR), error)),
        };
        let is_slot = |name: &str| {
            let hash = name.strip_suffix(SIDES).and_then(|name| name.strip_suffix('.'));
            hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        let names = entries.iter().filter(|entry| entry.is_file && is_slot(&entry.name));
        let mut paths: Vec<&str> = names.map(|entry| &entry.name[..entry.name.len() - 1]).collect();
        paths.dedup();
        let newest = |path| {
            Self::at(medium, store, &format!("{CONSUMERS_DIR}/{path}"), "checkpoint")
                .map(|slots| slots.newest)
        };
        Ok(paths.into_iter().filter_map(|path| newest(path).transpose()).collect())
    }

    pub(crate) fn newest(&self) -> Option<&Slot> {
        self.newest.as_ref()
    }

    /// The file that holds the newest.
    pub(crate) fn newest_file(&self) -> String {
        self.file(self.side)
    }

    fn file(&self, side: usize) -> String {
        format!("{}{}", self.path, SIDES[side])
    }

    /// Writes a checkpoint, whose sequence is given here. Durable when it returns.
    ///
    /// # Errors
    /// `DiskFull`, `Io`. The one before is there, and counts.
    pub(crate) fn save(&mut self, medium: &Medium, store: &StoreId, slot: Slot) -> Result<(), Error> {
        let files = &medium.files;
        let failed = |error| Error::io("writing checkpoint", Path::new(&self.path), error);
        let Some(newest) = &self.newest else {
            let slot = Slot { sequence: 1, ..slot };
            files.create_dir(CONSUMERS_DIR).and_then(|()| files.sync_dir("")).map_err(failed)?;
            self.put(medium, &slot.encode(store)).map_err(failed)?;
            (self.newest, self.settled) = (Some(slot), true);
            return Ok(());
        };
        if !self.settled && !bug!(medium, believe_slots) {
            // What the page cache shows of it may not be on disk, and the other one is about to go.
            self.put(medium, &newest.encode(store)).map_err(failed)?;
        }
        let slot = Slot { sequence: newest.sequence + 1, ..slot };
        let side = if bug!(medium, one_slot) { self.side } else { 1 - self.side };
        self.settled = true;
        files.write(&self.file(side), &slot.encode(store)).map_err(failed)?;
        if !self.named {
            files.sync_dir(CONSUMERS_DIR).map_err(failed)?;
        }
        (self.newest, self.side, self.named) = (Some(slot), side, true);
        Ok(())
    }

    /// Puts a whole file in the place of the newest. Durable when it returns.
    fn put(&self, medium: &Medium, bytes: &[u8]) -> io::Result<()> {
        let draft = format!("{}new", self.path);
        medium.files.write(&draft, bytes)?;
        medium.files.rename(&draft, &self.file(self.side))?;
        medium.files.sync_dir(CONSUMERS_DIR)
    }

    /// Removes both. Durable when it returns.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn remove(&mut self, medium: &Medium) -> Result<(), Error> {
        let failed = |error| Error::io("removing checkpoint", Path::new(&self.path), error);
        // The older one first: whatever is left is the newest, or nothing.
        for side in [1 - self.side, self.side] {
            match medium.files.remove(&self.file(side)) {
                Ok(()) => medium.files.sync_dir(CONSUMERS_DIR).map_err(failed)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        (self.newest, self.side, self.settled, self.named) = (None, 0, false, false);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        let (consumer, data) = ("mailer".to_owned(), b"\x01\x02\x03".to_vec());
        Slot { consumer, sequence: 7, low: 40, through: 44, epoch: 0x1122_3344_5566_7788, data }
    }

    /// As `docs/format.md` has it: no build may write other bytes under this version.
    #[test]
    fn the_bytes_of_a_slot_are_pinned() {
        let bytes = slot().encode(&[0xAB; 16]);
        assert_eq!(bytes.len(), 512 + 9);
        assert_eq!(&bytes[..24], b"ORCHSLOT\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(bytes[24..40], [0xAB; 16]);
        let words: Vec<u64> = (40..72).step_by(8).map(|at| u64_at(&bytes, at)).collect();
        assert_eq!(words, [7, 40, 44, 0x1122_3344_5566_7788]);
        assert_eq!((u32_at(&bytes, 72), u32_at(&bytes, 76)), (6, 3));
        assert_eq!(u64_at(&bytes, 80), u64::from(crc32fast::hash(b"mailer\x01\x02\x03")));
        assert!(bytes[88..508].iter().all(|byte| *byte == 0));
        assert_eq!(u32_at(&bytes, 508), crc32fast::hash(&bytes[..508]));
        assert_eq!(&bytes[512..], b"mailer\x01\x02\x03");
        assert_eq!(Slot::decode(&bytes, &[0xAB; 16]).unwrap(), slot());
        assert_eq!(path_of("mailer"), "consumers/9d0f093f95b77a85.");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let store = [0xAB; 16];
        let refused = |slot: Slot, store: &StoreId| match Slot::decode(&slot.encode(&[0xAB; 16]), store) {
            Err(BlockFault::Damaged(at, ..)) => at,
            other => panic!("expected damage, found {other:?}"),
        };
        assert_eq!(refused(Slot { low: 45, ..slot() }, &store), 48);
        assert_eq!(refused(slot(), &[0xAC; 16]), 24);
        let mut bytes = slot().encode(&store);
        bytes.push(0);
        assert!(matches!(Slot::decode(&bytes, &store), Err(BlockFault::Damaged(512, ..))));
    }
}
