//! Calls that fail, on the simulated disk: each kind of call, each time that it is made, with each error; and what the
//! store promises of some of them by name.

use orchestrix::prelude::*;
use orchestrix::testing::{Call, Crash, Fault, Machine};
use orchestrix::{Error, ErrorKind, Options, WriteMode};
use std::time::Duration;

fn options() -> Options {
    Store::options().segment_bytes(8 << 10)
}

fn modes() -> [WriteMode; 2] {
    [WriteMode::Mapped, WriteMode::Positioned]
}

fn event(n: u64) -> NewEvent<'static> {
    NewEvent::raw("counted", n.to_le_bytes().repeat(12)).id(format!("e{n}"))
}

fn add(store: &Store, n: u64) -> Result<orchestrix::Receipt, Error> {
    store.append("account-1", Any, event(n)).wait()
}

/// The numbers of the events in a store, in order.
fn numbers(store: &Store) -> Vec<u64> {
    let number = |event: EventRef<'_>| u64::from_le_bytes(event.data()[..8].try_into().unwrap());
    store.view().all().map(|event| number(event.unwrap())).collect()
}

/// Opens, appends until a segment is full, closes. Counts what was acknowledged; ends at the first error.
fn live(machine: &Machine, from: u64, acknowledged: &mut u64) -> Result<(), Error> {
    let store = machine.open(options())?;
    for n in from..from + 30 {
        add(&store, n)?;
        *acknowledged = n + 1;
        if n % 7 == 0 {
            machine.pass(Duration::from_millis(60));
        }
    }
    machine.pass(Duration::from_secs(2));
    store.stats()?;
    store.close().wait()
}

/// Whatever call fails, with whatever error: a typed error, nothing acknowledged is lost, and all is well again once the
/// store is opened without failures (F31 to F38, F42, F43).
#[test]
fn every_call_fails_with_every_error() {
    for mode in modes() {
        let mut met = 0;
        for call in Call::OF_A_WRITER.into_iter() {
            for errno in [libc::EIO, libc::ENOSPC, libc::EMFILE, libc::ENOMEM] {
                for after in 0.. {
                    // The first opening creates the store, the second one recovers it.
                    let machine = Machine::with_mode(1, mode);
                    machine.fail(Fault::once(call, errno).after(after));
                    let mut acknowledged = 0;
                    let failed = live(&machine, 0, &mut acknowledged)
                        .and_then(|()| live(&machine, 30, &mut acknowledged))
                        .err();
                    if !machine.heal() {
                        break;
                    }
                    met += 1;
                    let place = format!("{call:?} {after}, errno {errno}");
                    if let Some(error) = failed {
                        let kinds = [ErrorKind::Io, ErrorKind::DiskFull, ErrorKind::Poisoned];
                        assert!(kinds.contains(&error.kind()), "{place}: {error}");
                    }
                    for machine in [machine.power_cut(after, Crash::Torn), machine] {
                        let store = machine.open(options()).unwrap_or_else(|e| panic!("{place}: {e}"));
                        let found = numbers(&store);
                        assert!(found.len() as u64 >= acknowledged, "{place}: {found:?} of {acknowledged}");
                        assert!((0..found.len() as u64).eq(found.iter().copied()), "{place}: {found:?}");
                        add(&store, found.len() as u64).unwrap();
                        store.close().wait().unwrap();
                        assert!(machine.verify().unwrap().is_clean(), "{place}");
                    }
                    // Later ones of a kind that is made often are much alike.
                    if after > 40 {
                        break;
                    }
                }
            }
        }
        assert!(met > 500, "{met} faults were met");
    }
}

/// F31, F32: a failed sync ends writing; nothing past what is synced is handed out; no later sync heals it.
#[test]
fn a_failed_sync_poisons() {
    for mode in modes() {
        let machine = Machine::with_mode(2, mode);
        let store = machine.open(options()).unwrap();
        (0..3).for_each(|n| drop(add(&store, n).unwrap()));
        let pending = store.append("account-1", Any, event(3));
        let before = store.view();
        assert_eq!(before.all().count(), 4);
        machine.fail(Fault::once(Call::SyncRange, libc::EIO));
        let error = pending.wait().unwrap_err();
        assert!(error.is_poisoned(), "{error}");
        assert!(store.sync().wait().unwrap_err().is_poisoned());
        assert!(add(&store, 4).unwrap_err().is_poisoned());
        assert_eq!(numbers(&store), [0, 1, 2]);
        let past: Vec<_> = before.all().skip(3).map(|event| event.map(drop)).collect();
        assert!(
            matches!(&past[..], [Err(error)] if error.is_poisoned()),
            "an older view hands out nothing either"
        );
        assert!(store.close().wait().unwrap_err().is_poisoned());
        drop(before);
        // What the page cache still shows is written again before anybody is told of it.
        let store = machine.open(options()).unwrap();
        assert_eq!(numbers(&store), [0, 1, 2, 3]);
        let after = machine.power_cut(1, Crash::Torn).open(options()).unwrap();
        assert_eq!(numbers(&after), [0, 1, 2, 3]);
    }
}

/// F34: no room is `is_disk_full`, reading goes on, and appending works again when there is room.
#[test]
fn a_full_disk_is_an_error_that_passes() {
    for mode in modes() {
        let machine = Machine::with_mode(3, mode);
        let store = machine.open(options()).unwrap();
        machine.set_space(Some(machine.bytes_on_disk() + 8_192));
        let mut n = 0;
        let error = loop {
            match add(&store, n) {
                Ok(_) => n += 1,
                Err(error) => break error,
            }
        };
        assert!(error.is_disk_full() && error.is_retryable(), "{error}");
        assert!(add(&store, n).unwrap_err().is_disk_full());
        assert_eq!(numbers(&store).len() as u64, n);
        machine.pass(Duration::from_secs(2));
        machine.set_space(None);
        add(&store, n).unwrap();
        assert!((0..=n).eq(numbers(&store)));
        store.close().wait().unwrap();
        assert!(machine.verify().unwrap().is_clean());
    }
}

/// F46: a store on a full disk can be read; an open for writing says `is_disk_full`, and works once there is room.
#[test]
fn a_store_on_a_full_disk_is_read() {
    for mode in modes() {
        let machine = Machine::with_mode(4, mode);
        let store = machine.open(options().segment_bytes(64 << 10)).unwrap();
        (0..5).for_each(|n| drop(add(&store, n).unwrap()));
        store.close().wait().unwrap();
        machine.set_space(Some(machine.bytes_on_disk()));
        let reader = machine.open(Store::options().read_only()).unwrap();
        assert_eq!(numbers(&reader), [0, 1, 2, 3, 4]);
        let error = machine.open(options().segment_bytes(64 << 10)).unwrap_err();
        assert!(error.is_disk_full(), "{error}");
        machine.set_space(None);
        let store = machine.open(options().segment_bytes(64 << 10)).unwrap();
        add(&store, 5).unwrap();
        assert_eq!(numbers(&store), [0, 1, 2, 3, 4, 5]);
    }
}

/// F43: too many open files, no memory: retryable, and nothing has changed.
#[test]
fn what_is_short_for_a_moment_is_retryable() {
    for (mode, errno) in
        modes().into_iter().flat_map(|mode| [libc::EMFILE, libc::ENOMEM].map(|errno| (mode, errno)))
    {
        let machine = Machine::with_mode(5, mode);
        let store = machine.open(options()).unwrap();
        machine.fail(Fault::always(Call::CreateRegion, errno));
        let mut n = 0;
        while add(&store, n).is_ok() {
            n += 1;
        }
        let error = add(&store, n).unwrap_err();
        assert!(error.is_retryable() && !error.is_disk_full(), "{error}");
        machine.heal();
        add(&store, n).unwrap();
        assert!((0..=n).eq(numbers(&store)));
        machine.fail(Fault::always(Call::OpenRegion, errno));
        let beside = machine.open(Store::options().read_only()).unwrap_err();
        assert!(beside.is_retryable(), "{beside}");
    }
}

/// F44: a file system that refuses changes can be read.
#[test]
fn a_read_only_file_system_is_read() {
    let machine = Machine::new(6);
    let store = machine.open(options()).unwrap();
    (0..3).for_each(|n| drop(add(&store, n).unwrap()));
    store.close().wait().unwrap();
    machine.set_read_only(true);
    assert_eq!(numbers(&machine.open(Store::options().read_only()).unwrap()), [0, 1, 2]);
    assert!(machine.verify().unwrap().is_clean());
    let error = machine.open(options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

/// F37: a device that is gone acknowledges nothing.
#[test]
fn a_device_that_is_gone_acknowledges_nothing() {
    for mode in modes() {
        let machine = Machine::with_mode(7, mode);
        let store = machine.open(options()).unwrap();
        add(&store, 0).unwrap();
        machine.fail(Fault::gone());
        assert!((1..100).all(|n| add(&store, n).is_err()));
        assert!(store.close().wait().is_err());
        drop(store);
        machine.heal();
        let store = machine.open(options()).unwrap();
        let found = numbers(&store);
        assert!((0..found.len() as u64).eq(found.iter().copied()) && !found.is_empty(), "{found:?}");
    }
}

/// F59: the clock goes back and jumps ahead; positions and order don't notice, time stamps say what it said.
#[test]
fn the_clock_jumps() {
    let machine = Machine::new(8);
    let store = machine.open(options()).unwrap();
    let day = 86_400_000_000_000_i64;
    let mut said = Vec::new();
    for (n, jump) in (0..).zip([0, -400 * day, 3 * day, 1_000 * day]) {
        machine.jump_clock(jump);
        let before = machine.now();
        add(&store, n).unwrap();
        said.push(before..machine.now());
    }
    assert_eq!(numbers(&store), [0, 1, 2, 3]);
    for (event, said) in store.view().all().zip(&said) {
        let time = event.unwrap().time().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(said.contains(&i64::try_from(time.as_nanos()).unwrap()));
    }
    machine.pass(Duration::from_millis(60));
    assert_eq!(store.view_synced().watermark(), Position(4));
    store.close().wait().unwrap();
    assert!(machine.verify().unwrap().is_clean());
}
