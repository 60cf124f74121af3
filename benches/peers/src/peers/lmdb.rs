//! LMDB, through heed: a B+ tree in a mapped file, which copies pages that it changes. A reader borrows from the mapping,
//! within a read transaction.
#![allow(unsafe_code)]

use crate::peer::{Event, Mode, Outcome, Peer, Tally};
use crate::record::{self, Record};
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, PutFlags, RoTxn, WithTls};
use std::ops::Bound;
use std::path::Path;

/// Pages that a random order of keys leaves half empty, and copies of those that are being changed.
const ROOM: u64 = 6;
const ROOM_MIN: u64 = 1 << 30;

pub struct Lmdb {
    env: Env,
    events: Database<Bytes, Bytes>,
    record: Record,
}

impl Peer for Lmdb {
    const NAME: &'static str = "LMDB (heed)";

    fn survives(mode: Mode) -> &'static str {
        match mode {
            Mode::Unsynced => "the process; power may leave it unreadable (NO_SYNC)",
            Mode::Synced => "power",
        }
    }

    fn open(dir: &Path, mode: Mode, bytes_max: u64) -> Outcome<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size((bytes_max * ROOM + ROOM_MIN).next_multiple_of(1 << 20) as usize);
        if mode == Mode::Unsynced {
            // SAFETY: without syncs only a power cut harms the file, and the bench throws it away.
            unsafe { options.flags(EnvFlags::NO_SYNC) };
        }
        // SAFETY: the file lies in a folder of this process alone, and is opened once at a time.
        let env = unsafe { options.open(dir)? };
        let mut transaction = env.write_txn()?;
        let events = env.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(Self { env, events, record: Record::default() })
    }

    fn append(&mut self, commit: &[Event<'_>]) -> Outcome<()> {
        let mut transaction = self.env.write_txn()?;
        for event in commit {
            let (key, value) = self.record.of(event);
            self.events.put_with_flags(&mut transaction, PutFlags::NO_OVERWRITE, key, value)?;
        }
        Ok(transaction.commit()?)
    }

    fn sync(&mut self) -> Outcome<()> {
        Ok(self.env.force_sync()?)
    }

    type Snapshot<'a> = (RoTxn<'a, WithTls>, Database<Bytes, Bytes>);

    fn snapshot(&self) -> Outcome<Self::Snapshot<'_>> {
        Ok((self.env.read_txn()?, self.events))
    }

    fn read((transaction, events): &Self::Snapshot<'_>, stream: &str, tally: &mut Tally) -> Outcome<()> {
        let [first, last] = record::keys(stream);
        let range = (Bound::Included(&first[..]), Bound::Included(&last[..]));
        for entry in events.range(transaction, &range)? {
            tally.touch(record::payload(entry?.1));
        }
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        self.env.force_sync()?;
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}
