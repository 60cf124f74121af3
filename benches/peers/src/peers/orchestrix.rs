//! Orchestrix: a mapped log with an index of its streams. It keeps more of an event than is asked of the peers: its place
//! among all events, its time, and a checksum.

use crate::peer::{Event, Mode, Outcome, Peer, Tally};
use crate::workload::EVENT_TYPE;
use orchestrix::{Durability, Expected, NewEvent, Store, View};
use std::path::Path;
use uuid::Uuid;

pub struct Orchestrix {
    store: Store,
}

impl Peer for Orchestrix {
    const NAME: &'static str = "Orchestrix";

    fn survives(mode: Mode) -> &'static str {
        match mode {
            Mode::Unsynced => "the process; power after 50 ms",
            Mode::Synced => "power",
        }
    }

    fn open(dir: &Path, mode: Mode, _: u64) -> Outcome<Self> {
        let durability = match mode {
            Mode::Unsynced => Durability::Process,
            Mode::Synced => Durability::Power,
        };
        Ok(Self { store: Store::options().durability(durability).open(dir)? })
    }

    fn append(&mut self, commit: &[Event<'_>]) -> Outcome<()> {
        if let [event] = commit {
            self.store.append(event.stream, Expected::Any, new(event)).wait()?;
            return Ok(());
        }
        let same_stream = commit.chunk_by(|a, b| a.stream == b.stream);
        if let Some(events) = same_stream.clone().next().filter(|events| events.len() == commit.len()) {
            let stream = events[0].stream;
            let events: Vec<_> = events.iter().map(new).collect();
            self.store.append(stream, Expected::Any, &events).wait()?;
            return Ok(());
        }
        let mut transaction = self.store.transaction();
        for events in same_stream {
            let stream = events[0].stream;
            let events: Vec<_> = events.iter().map(new).collect();
            transaction = transaction.append(stream, Expected::Any, events);
        }
        transaction.commit().wait()?;
        Ok(())
    }

    fn sync(&mut self) -> Outcome<()> {
        Ok(self.store.sync().wait().map(drop)?)
    }

    type Snapshot<'a> = View;

    fn snapshot(&self) -> Outcome<View> {
        Ok(self.store.view())
    }

    fn read(view: &View, stream: &str, tally: &mut Tally) -> Outcome<()> {
        for event in view.stream(stream) {
            tally.touch(event?.data());
        }
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        Ok(self.store.close().wait()?)
    }
}

#[inline]
fn new<'a>(event: &Event<'a>) -> NewEvent<'a> {
    NewEvent::with_id(Uuid::from_u128(event.id), EVENT_TYPE, event.payload)
}
