//! redb: a B-tree in a file with a page cache of its own, which copies pages that it changes. A reader borrows from a cached
//! page, through a guard an entry. The cache has its default size.

use crate::peer::{Event, Mode, Outcome, Peer, Tally};
use crate::record::{self, Record};
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition};
use std::path::Path;

const EVENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("events");

pub struct Redb {
    database: Database,
    durability: Durability,
    record: Record,
}

impl Redb {
    fn commit(&mut self, durability: Durability, commit: &[Event<'_>]) -> Outcome<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability)?;
        {
            let mut events = transaction.open_table(EVENTS)?;
            for event in commit {
                let (key, value) = self.record.of(event);
                events.insert(key, value)?;
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Peer for Redb {
    const NAME: &'static str = "redb";

    fn survives(mode: Mode) -> &'static str {
        match mode {
            Mode::Unsynced => "nothing until the next synced commit (Durability::None)",
            Mode::Synced => "power",
        }
    }

    fn open(dir: &Path, mode: Mode, _: u64) -> Outcome<Self> {
        let durability = match mode {
            Mode::Unsynced => Durability::None,
            Mode::Synced => Durability::Immediate,
        };
        let database = Database::create(dir.join("events.redb"))?;
        let mut peer = Self { database, durability, record: Record::default() };
        peer.sync()?;
        Ok(peer)
    }

    fn append(&mut self, commit: &[Event<'_>]) -> Outcome<()> {
        self.commit(self.durability, commit)
    }

    fn sync(&mut self) -> Outcome<()> {
        self.commit(Durability::Immediate, &[])
    }

    type Snapshot<'a> = ReadOnlyTable<&'static [u8], &'static [u8]>;

    fn snapshot(&self) -> Outcome<Self::Snapshot<'_>> {
        Ok(self.database.begin_read()?.open_table(EVENTS)?)
    }

    fn read(events: &Self::Snapshot<'_>, stream: &str, tally: &mut Tally) -> Outcome<()> {
        let [first, last] = record::keys(stream);
        for entry in events.range::<&[u8]>(&first[..]..=&last[..])? {
            tally.touch(record::payload(entry?.1.value()));
        }
        Ok(())
    }

    fn close(mut self) -> Outcome<()> {
        self.sync()
    }
}
