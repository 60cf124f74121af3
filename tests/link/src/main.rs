//! Links the library by path, writes, reads back, and prints how many events it saw.

use orchestrix::prelude::*;
use orchestrix::{EventStore, Query};
use std::fs;
use std::process;

/// Written once for every back end.
fn count<B: EventStore>(store: &Store<B>, query: Query) -> Result<usize, orchestrix::Error> {
    let mut cursor = store.read(query).cursor();
    cursor.blocking().map(|batch| batch.map(|batch| batch.len())).sum()
}

const EVENTS: u64 = 1_000;

/// What the derive writes needs no dependency but the library.
#[cfg(feature = "derive")]
mod derived {
    use orchestrix::prelude::*;

    #[derive(Event, Debug, PartialEq)]
    enum LampEvent {
        #[event("lamp.lit")]
        Lit,
        #[event("lamp.moved", version = 2)]
        Moved { room: String },
    }

    pub(super) fn there_and_back(store: &Store) -> Result<(), orchestrix::Error> {
        let events = [LampEvent::Lit, LampEvent::Moved { room: "kitchen".into() }];
        store.append("lamp-1", NoStream, NewEvent::all(&events)?).wait()?;
        let read: Result<Vec<LampEvent>, _> =
            store.view().stream("lamp-1").map(|event| event?.decode()).collect();
        assert_eq!(read?, events);
        Ok(())
    }
}

fn main() -> Result<(), orchestrix::Error> {
    let dir = std::env::temp_dir().join(format!("orchestrix-link-{}", process::id()));
    let store = Store::open(&dir)?;
    let events: Vec<_> = (0..EVENTS).map(|n| NewEvent::raw("counted", n.to_le_bytes().to_vec())).collect();
    let receipt = store.append("counter-1", NoStream, &events).wait()?;
    assert_eq!(receipt.position(), Position(EVENTS));
    store.close().wait()?;
    drop(store);

    let store = Store::open(&dir)?;
    let mut read = 0;
    for event in store.view().stream("counter-1") {
        let event = event?;
        assert_eq!(event.revision(), Revision(read));
        assert_eq!(event.data(), read.to_le_bytes());
        read += 1;
    }
    assert_eq!(read, EVENTS);
    #[cfg(feature = "derive")]
    derived::there_and_back(&store)?;
    assert_eq!(count(&store, Query::stream("counter-1"))? as u64, EVENTS);
    assert_eq!(count(&store.erase(), Query::tags(["none"]))?, 0);
    store.close().wait()?;
    drop(store);
    fs::remove_dir_all(&dir).expect("the directory that was just made");

    let features = if cfg!(feature = "derive") { "with the default features" } else { "without features" };
    println!("linked {features}: {read} events written and read back");
    Ok(())
}
