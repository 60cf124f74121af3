//! What a writing open does before its first append, and what a listing that changes under it may show.

use super::bytes::{append, edit, frames_of, numbers, path, quiet};
use crate::medium::Bugs;
use crate::testing::{Call, Crash, Machine, When};
use parking_lot::Mutex;
use std::sync::Arc;

/// What nothing durable calls synced is written again, and synced, before an open ends: a power cut right after it takes
/// nothing that it showed.
// D11, F32
#[test]
fn rule_11_what_a_page_cache_shows_is_written_again() {
    let lost = |bugs: Bugs| {
        (0..40).any(|seed| {
            let machine = Machine::new(seed);
            let store = machine.open(quiet()).expect("a store");
            append(&store, 0..20);
            store.sync().wait().expect("a sync");
            append(&store, 20..80);
            // The process dies; what it wrote is in the page cache alone.
            let killed = machine.kill(seed).with_bugs(bugs);
            let reopened = killed.open(quiet()).expect("a store");
            assert!(reopened.recovery().is_clean() && reopened.recovery().unsynced_bytes > 0);
            assert_eq!((numbers(&reopened).len(), reopened.view_synced().watermark().0), (80, 80));
            let cut = killed.power_cut(seed, Crash::Torn);
            cut.open(quiet()).map_or(true, |store| numbers(&store).len() < 80)
        })
    };
    assert!(!lost(Bugs::default()));
    assert!(lost(Bugs { trust_page_cache: true, ..Bugs::default() }), "the mistake shows");
}

/// The cut is on disk before the open ends: what was cut off is not seen again by anybody, and appends follow the cut.
// D12, F14, F15
#[test]
fn rule_12_the_cut_is_durable_before_the_first_append() {
    for seed in 0..30 {
        let machine = Machine::new(seed);
        let store = machine.open(quiet()).expect("a store");
        append(&store, 0..10);
        store.sync().wait().expect("a sync");
        append(&store, 10..20);
        let killed = machine.kill(seed);
        let torn = frames_of(&killed, 0)[14];
        edit(&killed, &path(0), |bytes| bytes[torn + 70] ^= 1);
        let reopened = killed.open(quiet()).expect("a torn tail");
        let tail = reopened.recovery().tail.clone().expect("a cut");
        assert_eq!((tail.segment, tail.offset, tail.commits_after), (0, torn as u64, 6));
        assert_eq!(numbers(&reopened), (0..14).collect::<Vec<_>>());
        // Cut off again, before and after an append.
        let cut = killed.power_cut(seed, Crash::Torn).open(quiet()).expect("a store");
        assert_eq!(numbers(&cut), (0..14).collect::<Vec<_>>(), "no more, no less");
        append(&reopened, 100..101);
        let again = killed.power_cut(seed + 1, Crash::Torn).open(quiet()).expect("a store");
        let found = numbers(&again);
        assert_eq!(found[..14], (0..14).collect::<Vec<_>>());
        assert!(found[14..].is_empty() || found[14..] == [100], "{found:?}");
        // A later kill finds the log as it was appended to, none of the six.
        append(&reopened, 101..103);
        let last = killed.kill(seed).open(quiet()).expect("a store");
        assert_eq!(numbers(&last)[14..], [100, 101, 102]);
    }
}

/// Frames that a cut left behind are of another epoch: when the log grows over their place they are not taken up again.
// D9, F14, F30
#[test]
fn rule_9_a_tail_that_was_cut_never_comes_back() {
    let resurrected = |bugs: Bugs| {
        let machine = Machine::new(1);
        let store = machine.open(quiet()).expect("a store");
        append(&store, 10..20);
        let killed = machine.kill(1).with_bugs(bugs);
        let torn = frames_of(&killed, 0)[3];
        edit(&killed, &path(0), |bytes| bytes[torn + 70] ^= 1);
        let reopened = killed.open(quiet()).expect("a torn tail");
        assert_eq!(numbers(&reopened), [10, 11, 12]);
        // The new frame is as long as the old one in its place, so the old one after it continues the positions.
        append(&reopened, 99..100);
        let next = killed.kill(2).open(quiet()).expect("a store");

        numbers(&next) != [10, 11, 12, 99]
    };
    assert!(!resurrected(Bugs::default()));
    // Where the tail stays, as a cut that power loss undid would leave it, the epoch alone keeps it out.
    assert!(!resurrected(Bugs { forget_cut: true, ..Bugs::default() }));
    assert!(
        resurrected(Bugs { forget_cut: true, ignore_epoch: true, ..Bugs::default() }),
        "the mistake shows"
    );
}

/// A gap in a listing counts only if a second listing shows it too.
// D17
#[test]
fn rule_17_a_gap_in_a_listing_is_looked_at_twice() {
    for listings in [1, 2, 9] {
        let machine = Machine::new(1);
        let store = machine.open(quiet()).expect("a store");
        append(&store, 0..120);
        store.close().wait().expect("a close");
        drop(store);
        let hidden = machine.read_file(&path(1)).expect("a segment");
        machine.remove_file(&path(1));
        let seen = Arc::new(Mutex::new(0));
        machine.watch(move |machine, hook| {
            if (hook.call, hook.when, hook.path) == (Call::List, When::After, "log") {
                *seen.lock() += 1;
                if *seen.lock() == listings {
                    machine.put_file(&path(1), &hidden);
                }
            }
        });
        let opened = machine.open(quiet().read_only());
        machine.unwatch();
        match listings {
            9 => assert!(opened.expect_err("it stays away").to_string().contains("no file")),
            _ => assert_eq!(numbers(&opened.expect("it was there")).len(), 120, "{listings}"),
        }
    }
}

/// Opens and reads everything.
fn read(machine: &Machine, options: crate::Options) -> Result<(), crate::Error> {
    let store = machine.open(options)?;
    store.view().all().try_for_each(|event| event.map(drop))
}

/// What runs don't cover is checked at the opening, the rest at its first reading; damage to what was acknowledged is refused
/// wherever it lies.
// D14, D15, F22, F47
#[test]
fn rule_14_damage_is_refused_at_the_opening_or_the_first_reading() {
    let machine = Machine::new(1);
    let store = machine.open(quiet()).expect("a store");
    append(&store, 0..120);
    store.close().wait().expect("a close");
    let segments = store.stats().expect("stats").segments;
    drop(store);
    for number in 0..segments {
        for (n, at) in frames_of(&machine, number).into_iter().enumerate().step_by(7) {
            for place in [0, 5, 9, 40, 60, 70, 90, 110] {
                let spoilt = machine.kill(1);
                edit(&spoilt, &path(number), |bytes| bytes[at + place] ^= 4);
                let error = read(&spoilt, quiet()).expect_err("acknowledged data");
                let found = error.corruption().expect("a place").clone();
                assert_eq!(found.segment, Some(number), "{error}");
                assert!(
                    (at as u64..at as u64 + 128).contains(&found.offset),
                    "frame {n}, byte {place}: {error}"
                );
                assert!(read(&spoilt, quiet().read_only()).expect_err("for a reader too").is_corrupt());
                let report = spoilt.verify().expect("a report");
                assert_eq!(report.problems[0].offset, found.offset, "verify says the same");
            }
        }
    }
}
