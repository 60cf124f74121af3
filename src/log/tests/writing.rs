//! What the writing side asks of the disk, and when: watched call by call, and cut in between.

use super::bytes::{append, edit, frames_of, numbers, path, quiet};
use crate::medium::{Bugs, Site, WriteMode};
use crate::testing::{Call, Crash, Fault, Machine, When};
use crate::{Durability, ErrorKind, Expected, NewEvent, Position};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

fn count(machine: &Machine, call: Call) -> u64 {
    machine.visited().get(&(call, When::After)).copied().unwrap_or(0)
}

/// Killed while a commit is written, at each place where it can be stopped: absent until the first word, there from then on.
// D3, F1, F2, F3, F56
#[test]
fn rule_3_body_then_header_then_first_word() {
    for mode in [WriteMode::Mapped, WriteMode::Positioned] {
        let machine = Machine::with_mode(1, mode);
        let store = machine.open(quiet()).expect("a store");
        append(&store, 0..3);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        machine.watch(move |machine, hook| {
            if let (Call::Stored(site), true) = (hook.call, hook.path.ends_with(".seg")) {
                log.lock().push((site, machine.kill(7)));
            }
        });
        append(&store, 3..4);
        machine.unwatch();
        let seen = std::mem::take(&mut *seen.lock());
        let sites: Vec<_> = seen.iter().map(|(site, _)| *site).collect();
        assert_eq!(sites, [Site::Body, Site::Header, Site::FirstWord], "{mode}");
        for (site, killed) in seen {
            let store = killed.open(quiet()).expect("a store");
            let there = site == Site::FirstWord;
            assert_eq!(numbers(&store).len(), if there { 4 } else { 3 }, "after {site:?}");
            assert_eq!(store.recovery().is_clean(), there, "a torn tail is reported");
        }
    }
}

/// A mapped segment is synced by range; its file only when it is new.
// D4
#[test]
fn rule_4_a_sync_of_a_mapped_segment_is_of_the_pages_that_were_written() {
    let machine = Machine::new(1);
    let store = machine.open(quiet()).expect("a store");
    append(&store, 0..1);
    store.sync().wait().expect("a sync");
    let (files, ranges) = (count(&machine, Call::SyncFile), count(&machine, Call::SyncRange));
    for n in 1..10 {
        append(&store, n..n + 1);
        store.sync().wait().expect("a sync");
        assert_eq!(count(&machine, Call::SyncRange), ranges + n, "one range");
    }
    assert_eq!(count(&machine, Call::SyncFile), files, "and no file");
}

/// What was waited for is there after any power cut, in whichever segment it stands: its file and its name were synced.
// D5, D6, F6, F19
#[test]
fn rule_5_before_synced_enters_a_segment_its_file_and_name_are_synced() {
    for seed in 0..40 {
        let machine = Machine::new(seed);
        let store = machine.open(quiet()).expect("a store");
        // Two segments are left behind between the syncs, the third is begun.
        append(&store, 0..70 + seed);
        store.sync().wait().expect("a sync");
        append(&store, 70 + seed..90 + seed);
        let cut = machine.power_cut(seed, Crash::Torn);
        let reopened = cut.open(quiet()).expect("a store");
        let found = numbers(&reopened);
        assert!(found.len() as u64 >= 70 + seed && found.iter().copied().eq(0..found.len() as u64));
        let segments = (0..).take_while(|n| cut.read_file(&path(*n)).is_some()).count() as u64;
        assert_eq!(reopened.stats().expect("stats").segments, segments, "named by number, without a gap");
    }
}

/// The segments that a sync covers are synced oldest first, one call at a time, each before any seal and the mark.
// D5
#[test]
fn rule_5_the_oldest_segment_is_synced_first() {
    let machine = Machine::new(1);
    let store = machine.open(quiet()).expect("a store");
    append(&store, 0..100);
    let order = Arc::new(Mutex::new(Vec::new()));
    let log = order.clone();
    machine.watch(move |_, hook| match (hook.call, hook.when) {
        (Call::SyncRange, When::Before | When::After) => log.lock().push((hook.path.to_owned(), hook.when)),
        (Call::Stored(Site::Mark), _) => log.lock().push((format!("mark {}", hook.path), When::After)),
        _ => {}
    });
    store.sync().wait().expect("a sync");
    machine.unwatch();
    let order = order.lock();
    let synced: Vec<_> =
        order.iter().filter(|(path, when)| path.starts_with("log") && *when == When::Before).collect();
    let mark = order.iter().position(|(path, _)| path.starts_with("mark")).expect("seals and the mark");
    let before: Vec<_> = order[..mark]
        .iter()
        .filter(|(_, when)| *when == When::Before)
        .map(|(path, _)| path.clone())
        .collect();
    let segments = store.stats().expect("stats").segments;
    assert_eq!(before, (0..segments).map(path).collect::<Vec<_>>());
    assert!(order.chunks(2).take(mark / 2).all(|pair| pair[0].0 == pair[1].0), "one at a time");
    assert!(synced.len() as u64 > segments, "then the seals");
}

/// A failed sync poisons: whoever waits is told, nothing is retried, nothing unsynced is handed out, and opening again goes
/// on with what is there.
// D5, F31, F32, F35
#[test]
fn rule_5_a_failed_sync_poisons_and_is_not_retried() {
    for mode in [WriteMode::Mapped, WriteMode::Positioned] {
        for errno in [libc::EIO, libc::ENOSPC] {
            let machine = Machine::with_mode(1, mode);
            let store = machine.open(quiet()).expect("a store");
            append(&store, 0..5);
            store.sync().wait().expect("a sync");
            let before = store.view();
            append(&store, 5..8);
            let seen = store.view();
            machine.fail(Fault::once(Call::SyncRange, errno));
            let waiting = store.append("a-1", Expected::Any, NewEvent::raw("t", b"8").id("8"));
            let power = store.transaction().append("a-1", Expected::Any, NewEvent::raw("t", b"9").id("9"));
            let power = power.durability(Durability::Power).commit();
            drop(waiting);
            let error = power.wait().expect_err("the sync fails");
            assert_eq!(error.kind(), ErrorKind::Poisoned);
            assert!(error.to_string().contains("syncing segment") && !error.is_retryable(), "{error}");
            assert!(machine.heal(), "it was met");
            let calls = count(&machine, Call::SyncRange);
            for _ in 0..3 {
                let append = store.append("a-1", Expected::Any, NewEvent::raw("t", b""));
                assert!(append.wait().expect_err("poisoned").is_poisoned());
                assert!(store.sync().wait().expect_err("poisoned").is_poisoned());
            }
            machine.pass(Duration::from_secs(7_200));
            assert_eq!(numbers(&store), (0..5).collect::<Vec<_>>(), "only what is synced");
            assert_eq!(store.view_synced().watermark(), Position(5));
            assert_eq!(before.all().filter(Result::is_ok).count(), 5);
            assert_eq!(seen.all().filter(Result::is_ok).count(), 5, "an older view hands out no more either");
            assert!(store.close().wait().expect_err("poisoned").is_poisoned());
            assert_eq!(count(&machine, Call::SyncRange), calls, "never retried");
            drop(store);
            let reopened = machine.open(quiet()).expect("the lock was let go");
            assert_eq!(reopened.view_synced().watermark(), Position(reopened.view().watermark().0));
            let cut = machine.power_cut(3, Crash::Torn);
            assert_eq!(numbers(&cut.open(quiet()).expect("a store")), numbers(&reopened), "written again");
        }
    }
}

/// Two slots by turns, each in a sector of its own, and the newest one counts.
// D7
#[test]
fn rule_7_marks_alternate_and_the_newest_counts() {
    let machine = Machine::new(1);
    let store = machine.open(quiet()).expect("a store");
    let slot = |machine: &Machine, at: usize| {
        let bytes = machine.read_file("watermark").expect("the file");
        [0, 8]
            .map(|word| u64::from_le_bytes(bytes[at + word..at + word + 8].try_into().expect("eight bytes")))
    };
    let mut last = slot(&machine, 1_024)[0].max(slot(&machine, 2_048)[0]);
    for n in 0..6 {
        append(&store, n..n + 1);
        store.sync().wait().expect("a sync");
        let slots = [slot(&machine, 1_024), slot(&machine, 2_048)];
        let newest = slots.iter().max().expect("two");
        assert_eq!(*newest, [last + 1, n + 1]);
        assert_eq!(slots[(last % 2) as usize], *newest, "by turns");
        last += 1;
    }
    // The newest one torn: the other one testifies to less.
    let killed = machine.kill(1);
    edit(&killed, "watermark", |bytes| bytes[1_024 + 1_024 * ((last as usize - 1) % 2) + 44 - 4] ^= 1);
    let reopened = killed.open(quiet()).expect("a store");
    assert_eq!((reopened.recovery().synced, numbers(&reopened).len()), (5, 6));
}

/// The mark of an idle log survives a power cut, so that damage to its last commits is told from a torn tail.
// D7, F52
#[test]
fn rule_7_the_mark_of_an_idle_log_is_synced() {
    for idle in [false, true] {
        let mut refused = 0;
        for seed in 0..30 {
            let machine = Machine::new(seed);
            let store = machine.open(quiet()).expect("a store");
            append(&store, 0..5);
            store.sync().wait().expect("a sync");
            if idle {
                machine.pass(Duration::from_secs(3));
            }
            let cut = machine.power_cut(seed, Crash::Torn);
            let last = *frames_of(&cut, 0).last().expect("a frame");
            edit(&cut, &path(0), |bytes| bytes[last + 70] ^= 1);
            match cut.open(quiet()) {
                Ok(store) => assert_eq!((numbers(&store).len(), store.recovery().is_clean()), (4, false)),
                Err(error) => {
                    assert!(error.is_corrupt(), "{error}");
                    refused += 1;
                }
            }
        }
        assert!(if idle { refused == 30 } else { refused < 30 }, "{refused} with idle {idle}");
    }
}

/// With padding each sync starts at a sector of its own, whoever opened the store, and everything is read as without.
// D8, F11
#[test]
fn rule_8_padding_begins_each_sync_at_a_sector() {
    let machine = Machine::new(1);
    let mut next = 0;
    for round in 0..3 {
        let store = machine.open(quiet().segment_bytes(64 << 10).pad_syncs(true)).expect("a store");
        for _ in 0..4 {
            append(&store, next..next + 2);
            next += 2;
            store.sync().wait().expect("a sync");
        }
        assert_eq!(numbers(&store), (0..next).collect::<Vec<_>>());
        assert_eq!(numbers(&store).len(), store.view().stream("a-1").rev().count());
        assert_eq!(store.view().all().rev().count() as u64, next);
        assert_eq!(store.view().all().after(Position(3)).count() as u64, next - 3);
        let bytes = machine.read_file(&path(0)).expect("a segment");
        let starts = (4_096..bytes.len()).step_by(4_096).filter(|at| bytes[*at..*at + 4] != [0; 4]).count();
        assert_eq!(starts, 4 * (round + 1), "a sector for each sync");
        assert!(machine.verify().expect("a report").is_clean());
        if round == 1 {
            store.close().wait().expect("a close");
        }
        drop(store);
    }
    // What would spoil synced bytes of a shared sector spoils none here.
    let stored = || quiet().segment_bytes(64 << 10);
    let store = machine.open(stored()).expect("a store");
    for seed in 0..50 {
        let killed = machine.kill(seed);
        let other = killed.open(stored()).expect("a store");
        append(&other, next..next + 5);
        let cut = killed.power_cut(seed, Crash::Wild);
        let found = numbers(&cut.open(stored()).expect("never refused"));
        assert!(found.len() as u64 >= next && found.iter().copied().eq(0..found.len() as u64));
    }
    drop(store);
}

/// Seeded mistakes in what is told here are noticed here.
#[test]
fn mistakes_of_the_writing_side_are_noticed() {
    let lost = |bugs: Bugs, wait: bool| {
        (0..60).any(|seed| {
            let machine = Machine::new(seed).with_bugs(bugs);
            let store = machine.open(quiet()).expect("a store");
            append(&store, 0..70);
            let receipt = store.append("a-1", Expected::Any, NewEvent::raw("t", b"70").id("70"));
            drop(receipt);
            let commit = store.transaction().append("a-1", Expected::Any, NewEvent::raw("t", b"71").id("71"));
            let commit = commit.durability(Durability::Power).commit();
            if wait {
                commit.wait().expect("an Ok");
            }
            let cut = machine.power_cut(seed, Crash::Torn);
            cut.open(quiet()).map_or(true, |store| numbers(&store).len() < 72)
        })
    };
    assert!(!lost(Bugs::default(), true));
    assert!(lost(Bugs::default(), false), "what isn't waited for may be lost");
    assert!(lost(Bugs { acknowledge_before_sync: true, ..Bugs::default() }, true));
}
