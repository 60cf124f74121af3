//! Retention on real files and in memory: what is dropped is gone, every stream keeps its head, what was asked for and is gone
//! is told, pinned views and holds keep what they have. The base damaged at every byte; a retention killed at every call.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::testing::Machine;
use orchestrix::{Durability, ErrorKind, Head, Query, Retention, verify};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;
use tools::{Dir, small};

fn event(n: u64) -> (String, NewEvent<'static>) {
    // Streams 0 to 9 are written to early, the others always.
    let stream = if n < 300 { format!("old-{}", n % 10) } else { format!("new-{}", n % 30) };
    let stream = if n.is_multiple_of(13) { "always".to_owned() } else { stream };
    (
        stream,
        NewEvent::raw(format!("type {}", n % 3), format!("data {n}").into_bytes())
            .tag(format!("tag {}", n % 5)),
    )
}

fn fill(store: &Store, events: std::ops::Range<u64>) {
    for n in events {
        let (stream, event) = event(n);
        store.append(stream, Any, event).wait().expect("an append");
    }
    store.sync().wait().expect("a sync");
}

fn heads(store: &Store) -> BTreeMap<String, Head> {
    store.view().streams().map(|stream| stream.expect("a stream")).collect()
}

/// Drops what stands before a position, in whole segments. Returns the first position that is left.
fn drop_before(store: &Store, position: u64) -> Position {
    let plan = store.plan_retention(Retention::default().before(Position(position))).expect("a plan");
    plan.apply().expect("a retention");
    assert_eq!(store.view().first_position(), plan.first_position);
    plan.first_position
}

/// Everything that is there reads as it was written, by walk and by key.
fn check(store: &Store, first: u64, events: u64) {
    let view = store.view();
    let all: Vec<_> = view.all().map(|event| event.expect("an event").to_recorded()).collect();
    assert_eq!(all.len() as u64, events - (first - 1));
    for (n, found) in (first - 1..).zip(&all) {
        let (stream, event) = event(n);
        assert_eq!((found.as_ref().stream(), found.as_ref().data()), (stream.as_str(), event.data()));
        assert_eq!(found.as_ref().position(), Position(n + 1));
    }
    let queries = [
        Query::types(["type 1"]),
        Query::tags(["tag 2"]),
        Query::category("old"),
        Query::category("new"),
        Query::stream("always"),
        Query::stream("old-3"),
        Query::all(),
    ];
    for query in queries {
        let wanted: Vec<_> = all.iter().filter(|event| query.matches(event.as_ref())).cloned().collect();
        let found: Vec<_> = view.query(&query).map(|event| event.expect("an event").to_recorded()).collect();
        assert_eq!(found, wanted, "{query}");
        let mut back: Vec<_> = view.query(&query).rev().map(|e| e.expect("an event").to_recorded()).collect();
        back.reverse();
        assert_eq!(back, wanted, "{query}, backward");
        assert_eq!(store.read(query.clone()).fetch().wait().expect("a read").len(), wanted.len(), "{query}");
    }
    let stats = store.stats().expect("stats");
    assert_eq!((stats.events, stats.first_position), (events - (first - 1), Position(first)));
    assert_eq!(store.check_index().expect("a check"), Vec::<String>::new());
}

// D18
#[test]
fn every_head_stays_through_retention_rebuild_and_reopening() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    fill(&store, 0..1_000);
    let before = heads(&store);
    let mut first = drop_before(&store, 120);
    assert!((60..=120).contains(&first.0), "{first}");
    for position in [400, 401, 700] {
        check(&store, first.0, 1_000);
        assert_eq!(heads(&store), before);
        first = drop_before(&store, position);
    }
    store.rebuild_index().expect("a rebuild");
    check(&store, first.0, 1_000);
    store.close().wait().expect("a close");
    assert!(!dir.segment(0).exists());
    assert!(verify(dir.store()).expect("a report").is_clean());
    let store = small().open(dir.store()).expect("a store");
    check(&store, first.0, 1_000);
    assert_eq!(heads(&store), before);
    // `old-3` has lost all its events: it is truncated, not absent.
    let conflict = store.append("old-3", NoStream, NewEvent::raw("again", b"")).wait().unwrap_err();
    assert_eq!(conflict.conflict().expect("a conflict").actual, Some(before["old-3"].revision));
    let receipt = store.append("old-3", before["old-3"].revision, NewEvent::raw("again", b"")).wait();
    assert_eq!(receipt.expect("an append").revision(), Revision(before["old-3"].revision.0 + 1));
    let view = store.view();
    assert_eq!(view.stream("old-3").count(), 1);
    assert_eq!(view.stream_count().expect("a count"), before.len() as u64);
    store.close().wait().expect("a close");
    fs::remove_dir_all(dir.file("index")).expect("removed");
    let store = small().open(dir.store()).expect("a store without its index");
    assert_eq!(heads(&store)["old-3"].revision.0, before["old-3"].revision.0 + 1);
    assert_eq!(store.check_index().expect("a check"), Vec::<String>::new());
}

#[test]
fn what_is_gone_is_told() {
    let store = small_in_memory();
    fill(&store, 0..600);
    let lagging = store.view();
    let first = drop_before(&store, 500);
    let truncated = |error: orchestrix::Error| {
        assert!(error.is_truncated(), "{error}");
        assert_eq!(error.kind(), ErrorKind::Truncated);
        assert_eq!(error.first_position(), Some(first));
    };
    let view = store.view();
    truncated(view.all().after(Position(7)).next().expect("an item").unwrap_err());
    truncated(view.category("new").after(Position(7)).next().expect("an item").unwrap_err());
    truncated(view.query(&Query::tags(["tag 1"])).after(Position(7)).next().expect("an item").unwrap_err());
    truncated(view.query(&Query::tags(["no such"])).after(Position(7)).next().expect("an item").unwrap_err());
    truncated(view.stream("always").from(Revision(0)).next().expect("an item").unwrap_err());
    truncated(view.stream("old-3").from(Revision(2)).next().expect("an item").unwrap_err());
    truncated(store.read(Query::all()).after(Position(7)).fetch().wait().unwrap_err());
    truncated(store.read(Query::stream("always")).from(Revision(0)).fetch().wait().unwrap_err());
    let commit = |after| {
        store
            .transaction()
            .append("x", Any, NewEvent::raw("x", b""))
            .fail_if_any(Query::tags(["tag 1"]), after)
            .commit()
            .wait()
    };
    truncated(commit(Position(7)).unwrap_err());
    // The start means the retained start.
    assert!(commit(Position::START).unwrap_err().is_conflict());
    assert_eq!(view.all().after(Position(first.0 - 1)).count(), 600 - (first.0 as usize - 1));
    assert_eq!(view.stream("old-3").count(), 0);
    let there = view.stream("always").next().expect("an event").expect("an event").revision();
    assert_eq!(view.stream("always").from(there).count(), view.stream("always").count());
    assert!(there > Revision(0));
    // What was pinned is there.
    assert_eq!(lagging.all().count(), 600);
    assert_eq!(lagging.stream("old-3").from(Revision(0)).count(), 24 + 3);
}

fn small_in_memory() -> Store {
    Store::options().segment_bytes(8 << 10).durability(Durability::Process).in_memory().expect("a store")
}

#[test]
fn a_repeat_of_what_is_gone_is_a_conflict() {
    let store = small_in_memory();
    let opened = NewEvent::raw("opened", b"").id("the first");
    store.append("room-1", NoStream, opened.clone()).wait().expect("an append");
    assert!(store.append("room-1", NoStream, opened.clone()).wait().expect("a repeat").is_repeat());
    fill(&store, 0..600);
    drop_before(&store, 500);
    assert!(store.append("room-1", NoStream, opened).wait().unwrap_err().is_conflict());
}

#[test]
fn a_hold_keeps_what_is_behind_it() {
    let store = small_in_memory();
    fill(&store, 0..600);
    let hold = store.hold("the mailer", Position(200));
    let all = Retention::default().before(Position(601));
    let plan = store.plan_retention(all.clone()).expect("a plan");
    assert!(plan.first_position.0 <= 201 && plan.first_position.0 > 100, "{plan:?}");
    let held = plan.held.clone().expect("who holds");
    assert_eq!((held.name.as_str(), held.after), ("the mailer", Position(200)));
    let earlier = store.hold("a latecomer", Position(5));
    let refused = plan.apply().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("a latecomer needs what stands after position 5"), "{refused}");
    drop(earlier);
    plan.apply().expect("a retention");
    assert_eq!(store.view().all().after(Position(200)).count(), 400);
    hold.advance(Position(450));
    let plan = store.plan_retention(all.clone()).expect("a plan");
    assert!(plan.first_position.0 <= 451 && plan.first_position.0 > 300, "{plan:?}");
    drop(hold);
    let plan = store.plan_retention(all).expect("a plan");
    assert!(plan.held.is_none() && plan.first_position.0 > 500, "{plan:?}");
    for (n, dropped) in plan.drops.iter().enumerate() {
        assert!(dropped.first <= dropped.last && (n == 0 || plan.drops[n - 1].last.0 + 1 == dropped.first.0));
    }
}

// D20, F59
#[test]
fn size_and_age_name_segments() {
    let machine = Machine::new(7);
    let store = machine.open(small()).expect("a store");
    let day = Duration::from_secs(86_400);
    for _ in 0..5 {
        let at = store.view().watermark().0;
        fill(&store, at..at + 100);
        machine.pass(day);
    }
    let segments = store.stats().expect("stats").segments;
    let plan = |limits| store.plan_retention(limits).expect("a plan");
    let last = |limits| plan(limits).drops.last().map_or(0, |dropped| dropped.last.0);
    let fifth = segments / 5;
    let size = plan(Retention::default().max_bytes(2 * fifth * 8_192));
    assert_eq!(size.drops.len() as u64, segments - 2 * fifth);
    assert!(size.drops.iter().all(|dropped| dropped.why == orchestrix::DropReason::Size));
    assert_eq!(last(Retention::default().max_bytes(u64::MAX)), 0);
    let aged = last(Retention::default().older_than(2 * day + day / 2));
    assert!((170..=200).contains(&aged), "{aged}");
    assert_eq!(last(Retention::default().older_than(10 * day)), 0);
    assert_eq!(last(Retention::default()), 0, "no limit names nothing");
    // F59: a clock that jumps ahead ages nothing.
    machine.jump_clock(400 * 86_400 * 1_000_000_000);
    assert_eq!(last(Retention::default().older_than(2 * day + day / 2)), aged);
    store.append("late", Any, NewEvent::raw("late", b"")).wait().expect("an append");
    machine.jump_clock(-400 * 86_400 * 1_000_000_000);
    let later = last(Retention::default().older_than(2 * day + day / 2));
    assert!((270..=300).contains(&later), "{later}: a day more has passed, not four hundred");
}

/// A small store whose log begins behind a base.
fn retained() -> (Dir, u64, BTreeMap<String, Head>) {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    fill(&store, 0..400);
    let heads = heads(&store);
    let first = drop_before(&store, 340).0;
    store.close().wait().expect("a close");
    (dir, first, heads)
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let _ = fs::remove_dir_all(to);
    for (name, (bytes, _)) in tools::tree(from) {
        let path = to.join(&name);
        if from.join(&name).is_dir() {
            fs::create_dir_all(path).expect("a directory");
        } else {
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, bytes).expect("a file");
        }
    }
}

/// Damage to the base is refused by opening and verify, and changes nothing.
// D18
#[test]
fn a_damaged_base_is_refused() {
    let (dir, first, _) = retained();
    let (base, work) = (dir.file("log/base"), dir.path("work"));
    copy(&dir.store(), &work);
    let whole = fs::read(&base).expect("a base");
    assert!(whole.len() < 16 << 10, "{}", whole.len());
    let refused = |bytes: Option<&[u8]>, what: &str| {
        match bytes {
            Some(bytes) => fs::write(work.join("log/base"), bytes).expect("a base"),
            None => fs::remove_file(work.join("log/base")).expect("removed"),
        }
        for options in [Store::options().read_only(), Store::options()] {
            let error = options.open(&work).expect_err(what);
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported), "{what}: {error}");
        }
        match verify(&work) {
            Ok(report) => assert!(!report.is_clean(), "{what}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}: {error}"),
        }
    };
    for at in (0..whole.len()).filter(|at| *at < 600 || *at >= 4_080) {
        // Unknown compatible features are ignored, and writing with unknown ones of the other kind is refused.
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        refused(Some(&bytes), &format!("byte {at}"));
    }
    for length in [0, 8, 512, 4_096, whole.len() - 8] {
        refused(Some(&whole[..length]), &format!("{length} bytes"));
    }
    refused(Some(&[&whole[..], &[0; 8]].concat()), "eight bytes more");
    let (other, ..) = retained();
    refused(Some(&fs::read(other.file("log/base")).expect("a base")), "another store's");
    refused(None, "no base");
    fs::write(work.join("log/base"), &whole).expect("a base");
    let store = small().open(&work).expect("the right one");
    assert_eq!(store.view().first_position(), Position(first));
}

// D18
/// F29, F50: what an interrupted retention leaves is removed and never read; a first segment that is gone is missed.
#[test]
fn leftovers_are_removed_and_what_is_missing_is_told() {
    let (dir, first, before) = retained();
    let names = |dir: &std::path::Path| -> Vec<String> {
        let entries = fs::read_dir(dir).expect("a folder");
        let mut names: Vec<_> =
            entries.map(|e| e.expect("an entry").file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let log = names(&dir.file("log"));
    let segment = log.iter().find(|name| name.ends_with(".seg")).expect("a segment").clone();
    let number: u64 = segment.trim_end_matches(".seg").parse().expect("a number");
    assert!(number > 2);
    for leftover in [number - 1, number - 3] {
        fs::copy(dir.file(&format!("log/{segment}")), dir.segment(leftover)).expect("a leftover");
    }
    fs::write(dir.file("log/base.new"), b"half").expect("a leftover");
    let reader = Store::options().read_only().open(dir.store()).expect("a reader");
    assert_eq!((reader.view().first_position().0, heads(&reader)), (first, before.clone()));
    assert!(verify(dir.store()).expect("a report").is_clean());
    let store = small().open(dir.store()).expect("a store");
    assert_eq!((store.view().first_position().0, heads(&store)), (first, before));
    store.close().wait().expect("a close");
    assert_eq!(names(&dir.file("log")), log);
    fs::remove_file(dir.segment(number)).expect("removed");
    let error = small().open(dir.store()).expect_err("a segment is missing");
    assert!(error.is_corrupt() && error.to_string().contains(&segment), "{error}");
    assert!(!verify(dir.store()).expect("a report").is_clean());
}
