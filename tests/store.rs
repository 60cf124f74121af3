//! Appends, expectations, transactions, repeats and reads, each on every kind of store: on disk mapped and positioned,
//! with segments of several sizes, and in memory. What a store shows is compared with what was written, by hand.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Durability, Head, WriteMode};
use tools::{Dir, event, fill, texts};

/// Runs a test on a new store of every kind.
fn on_every_kind(test: impl Fn(&Store)) {
    for bytes in [8 << 10, 64 << 10, 1 << 20] {
        for mode in [WriteMode::Mapped, WriteMode::Positioned] {
            let dir = Dir::new();
            let options = Store::options().segment_bytes(bytes).write_mode(mode);
            let store = options.durability(Durability::Process).open(dir.store()).expect("a store");
            test(&store);
            store.close().wait().expect("a close");
        }
    }
    test(&Store::options().segment_bytes(8 << 10).in_memory().expect("a store"));
}

fn names(texts: &[&str]) -> Vec<NewEvent<'static>> {
    texts.iter().map(|text| event(text)).collect()
}

#[test]
fn every_expectation_is_met_or_conflicts_with_the_facts() {
    on_every_kind(|store| {
        let conflict = |expected: Expected, stream: &str| {
            let error = store.append(stream, expected, event("no")).wait().expect_err("a conflict");
            assert!(error.is_conflict() && !error.is_retryable(), "{error}");
            let conflict = error.conflict().expect("facts").clone();
            assert_eq!((conflict.stream.as_str(), conflict.expected), (stream, expected));
            conflict.actual
        };
        assert_eq!(conflict(StreamExists, "a-1"), None);
        assert_eq!(conflict(Exact(Revision(0)), "a-1"), None);
        let first = store.append("a-1", NoStream, event("0")).wait().expect("an append");
        assert_eq!((first.revision(), first.position()), (Revision(0), Position(1)));
        assert!(!first.is_repeat());
        assert_eq!(conflict(NoStream, "a-1"), Some(Revision(0)));
        assert_eq!(conflict(Exact(Revision(1)), "a-1"), Some(Revision(0)));
        assert_eq!(conflict(Exact(Revision(u64::MAX)), "a-1"), Some(Revision(0)));
        let second = store.append("a-1", first.revision(), names(&["1", "2"])).wait().expect("an append");
        assert_eq!((second.revision(), second.position()), (Revision(2), Position(3)));
        assert_eq!(second.revision_of("a-1"), Some(Revision(2)));
        assert_eq!(second.revision_of("a-2"), None);
        store.append("a-1", StreamExists, event("3")).wait().expect("an append");
        store.append("a-1", Any, event("4")).wait().expect("an append");
        store.append("a-2", Any, event("5")).wait().expect("an append");
        assert_eq!(texts(store.view().all()), ["0", "1", "2", "3", "4", "5"], "conflicts added nothing");
        let head = store.head("a-1").wait().expect("a head");
        assert_eq!(head, Some(Head::new(Revision(4), Position(5))));
        assert_eq!(store.head("a-3").wait().expect("a head"), None);
    });
}

#[test]
fn a_transaction_is_one_commit_over_its_streams() {
    on_every_kind(|store| {
        fill(store, "b-1", 2);
        let receipt = store
            .transaction()
            .append("a-1", NoStream, names(&["x", "y"]))
            .append("b-1", Exact(Revision(1)), event("z"))
            .append("a-1", Exact(Revision(1)), event("w"))
            .commit()
            .wait()
            .expect("a commit");
        assert_eq!((receipt.position(), receipt.revision()), (Position(6), Revision(2)));
        assert_eq!(receipt.revision_of("b-1"), Some(Revision(2)));
        assert_eq!(receipt.revision_of("a-1"), Some(Revision(2)));
        let view = store.view();
        assert_eq!(texts(view.stream("a-1")), ["x", "y", "w"]);
        assert_eq!(texts(view.all()), ["0", "1", "x", "y", "z", "w"]);
        let times: Vec<_> = view.all().skip(2).map(|e| e.expect("an event").commit_time()).collect();
        assert!(times.windows(2).all(|pair| pair[0] == pair[1]), "one commit has one time");

        let refused = store
            .transaction()
            .append("c-1", NoStream, event("p"))
            .append("b-1", Exact(Revision(0)), event("q"))
            .commit()
            .wait()
            .expect_err("a conflict");
        assert_eq!(refused.conflict().expect("facts").stream, "b-1");
        assert_eq!(store.head("c-1").wait().expect("a head"), None, "all or nothing");
    });
}

/// A repeat is recognised where the place is known, with the first receipt, and waits for what it asks.
// D24
#[test]
fn rule_24_a_repeat_is_recognised_only_where_its_place_is_known() {
    on_every_kind(|store| {
        let pair = names(&["x", "y"]);
        let first = store.append("a-1", NoStream, &pair).wait().expect("an append");
        fill(store, "b-1", 1);
        let later = store.append("a-1", first.revision(), names(&["z"])).wait().expect("an append");
        for (expected, events, of) in [
            (NoStream, pair.clone(), &first),
            (Exact(first.revision()), names(&["z"]), &later),
            (Exact(Revision(0)), names(&["y"]), &first),
        ] {
            let again = store.append("a-1", expected, events).wait().expect("a repeat");
            assert!(again.is_repeat());
            assert_eq!((again.position(), again.revision()), (of.position(), of.revision()));
        }
        for events in [names(&["x", "other"]), names(&["other"]), names(&["x", "y", "z"]), names(&["y"])] {
            let error = store.append("a-1", NoStream, events).wait().expect_err("other ids, or two commits");
            assert!(error.is_conflict());
        }
        for expected in [Any, StreamExists] {
            assert!(!store.append("a-1", expected, &pair).wait().expect("an append").is_repeat());
        }
        assert_eq!(texts(store.view().stream("a-1")), ["x", "y", "z", "x", "y", "x", "y"]);
    });
}

/// The repeat of a transaction has the receipt of the first one, a stream that stands twice in it included.
// D24
#[test]
fn rule_24_a_repeated_transaction_has_the_first_receipt() {
    on_every_kind(|store| {
        let commit = |order: [&str; 2]| {
            store
                .transaction()
                .append("a-1", NoStream, event("x"))
                .append(order[0], Any, event("y"))
                .append("a-1", Exact(Revision(0)), event(order[1]))
                .commit()
                .wait()
        };
        let first = commit(["b-1", "z"]).expect("a commit");
        let again = commit(["b-1", "z"]).expect("a repeat");
        assert!(again.is_repeat() && !first.is_repeat());
        assert_eq!(again.position(), first.position());
        assert_eq!(again.revision(), Revision(1));
        for stream in ["a-1", "b-1", "c-1"] {
            assert_eq!(again.revision_of(stream), first.revision_of(stream), "{stream}");
        }
        assert!(commit(["c-1", "z"]).expect_err("another stream").is_conflict());
        assert!(commit(["b-1", "w"]).expect_err("another event").is_conflict());
        assert_eq!(store.view().watermark(), Position(3));
    });
}

/// Both writes were found at the first event with the id, and the receipt named that one. Found by `tests/model.rs`.
// D24
#[test]
fn rule_24_an_id_that_stands_twice_in_a_transaction_is_found_twice() {
    on_every_kind(|store| {
        let commit = || {
            let transaction = store.transaction().append("a-1", NoStream, event("x"));
            transaction.append("a-1", Any, event("x")).append("a-1", Any, names(&["x", "y"])).commit().wait()
        };
        let (first, again) = (commit().expect("a commit"), commit().expect("a repeat"));
        assert!(again.is_repeat() && !first.is_repeat());
        assert_eq!((again.position(), again.revision()), (Position(4), Revision(3)));
        assert_eq!((first.position(), first.revision()), (Position(4), Revision(3)));
    });
}

#[test]
fn a_view_is_pinned() {
    on_every_kind(|store| {
        fill(store, "a-1", 40);
        let view = store.view();
        let (before, all) = (view.head("a-1").unwrap(), texts(view.all()));
        fill(store, "a-1", 40);
        fill(store, "b-1", 1);
        assert_eq!((view.watermark(), view.head("a-1").unwrap()), (Position(40), before));
        assert_eq!(before, Some(Head::new(Revision(39), Position(40))));
        assert_eq!(texts(view.all()), all);
        assert_eq!(view.all().after(Position(40)).next().map(drop), None);
        assert_eq!(view.stream("a-1").len(), 40);
        assert_eq!(view.category("a").len(), 40);
        assert_eq!(view.event_type("happened").len(), 40);
        assert_eq!(view.stream("b-1").next().map(drop), None);
        assert_eq!(view.head("b-1").unwrap(), None);
        assert_eq!(view.stream_count().unwrap(), 1);
        let streams: Vec<_> = view.streams().map(Result::unwrap).collect();
        assert_eq!(streams, [("a-1".to_owned(), before.expect("a head"))]);
        assert_eq!(view.clone().watermark(), view.watermark());
        assert_eq!(store.view().stream_count().unwrap(), 2);
    });
}

#[test]
fn streams_categories_and_types_are_found_by_name() {
    on_every_kind(|store| {
        for (stream, of_type) in
            [("a-1", "t"), ("a-2", "u"), ("b", "t"), ("-", "t"), ("a", "u"), ("a-1", "u")]
        {
            let text = format!("{stream} {of_type}");
            let new = NewEvent::raw(of_type, text.into_bytes());
            store.append(stream, Any, new).wait().expect("an append");
        }
        let view = store.view();
        let found: Vec<_> =
            view.streams().map(Result::unwrap).map(|(name, head)| (name, head.position.0)).collect();
        let expected = [("a-1", 6), ("a-2", 2), ("b", 3), ("-", 4), ("a", 5)];
        assert_eq!(found, expected.map(|(name, position)| (name.to_owned(), position)));
        assert_eq!(texts(view.category("a")), ["a-1 t", "a-2 u", "a u", "a-1 u"]);
        assert_eq!(texts(view.category("b")), ["b t"]);
        assert_eq!(texts(view.category("")), ["- t"]);
        assert_eq!(texts(view.event_type("u").rev()), ["a-1 u", "a u", "a-2 u"]);
        for nothing in [view.category("a-1"), view.event_type("a"), view.category("c")] {
            assert_eq!(nothing.len(), 0);
        }
        let categories: Vec<_> = view.all().map(|e| e.expect("an event").category().to_owned()).collect();
        assert_eq!(categories, ["a", "a", "b", "", "a", "a"]);
    });
}

/// Takes from both ends by turns, as `pattern` says (`f` and `b`), until both say that there is nothing.
fn mixed<'v, I>(mut events: I, pattern: &str) -> Vec<u64>
where
    I: DoubleEndedIterator<Item = Result<EventRef<'v>, orchestrix::Error>> + ExactSizeIterator,
{
    let (mut front, mut back) = (Vec::new(), Vec::new());
    for end in pattern.chars().cycle() {
        let len = events.len();
        let next = if end == 'f' { events.next() } else { events.next_back() };
        let Some(next) = next else {
            assert!(len == 0 && events.next().is_none() && events.next_back().is_none());
            break;
        };
        assert_eq!(events.len(), len - 1);
        let position = next.expect("an event").position().0;
        if end == 'f' { front.push(position) } else { back.push(position) }
    }
    front.extend(back.into_iter().rev());
    front
}

#[test]
fn iterators_go_both_ways_and_know_their_length() {
    on_every_kind(|store| {
        for n in 0..90 {
            let events: Vec<_> = (0..n % 4 + 1).map(|i| event(&format!("{n} {i}"))).collect();
            store.append(format!("a-{}", n % 3), Any, events).wait().expect("an append");
        }
        let view = store.view();
        let last = view.watermark().0;
        let positions = |name: &str| -> Vec<u64> {
            let of_stream = |e: &EventRef<'_>| e.stream() == name;
            view.all().map(|e| e.expect("an event")).filter(of_stream).map(|e| e.position().0).collect()
        };
        let stream = positions("a-1");
        for pattern in ["f", "b", "fb", "ffb", "bbbf"] {
            assert_eq!(mixed(view.all(), pattern), (1..=last).collect::<Vec<_>>(), "{pattern}");
            assert_eq!(mixed(view.category("a"), pattern), (1..=last).collect::<Vec<_>>());
            assert_eq!(mixed(view.stream("a-1"), pattern), stream);
            for (after, before) in
                [(0, last + 1), (0, 1), (1, 3), (7, 150), (7, 8), (9, 9), (20, 10), (last, u64::MAX)]
            {
                let within: Vec<u64> = (after + 1..before.min(last + 1)).collect();
                let range = (Position(after), Position(before));
                assert_eq!(mixed(view.all().after(range.0).before(range.1), pattern), within);
                assert_eq!(
                    mixed(view.event_type("happened").after(range.0).before(range.1), pattern),
                    within
                );
            }
            for (from, up_to) in [(0, u64::MAX), (0, 0), (3, 5), (5, 3), (40, 60), (1_000, 2_000)] {
                let within = stream.iter().zip(0..).filter(|(_, n)| (from..=up_to).contains(n));
                let within: Vec<u64> = within.map(|(position, _)| *position).collect();
                let events = view.stream("a-1").from(Revision(from)).up_to(Revision(up_to));
                assert_eq!(mixed(events, pattern), within);
            }
        }
        let revisions = view.stream("a-1").map(|e| e.expect("an event").revision().0);
        assert!(revisions.eq(0..stream.len() as u64));
        assert_eq!(view.all().before(Position::START).len(), 0);
    });
}

#[test]
fn everything_is_there_again_after_reopening() {
    for mode in [WriteMode::Mapped, WriteMode::Positioned] {
        let dir = Dir::new();
        let mut expected = Vec::new();
        for round in 0..3 {
            let options = Store::options().segment_bytes(8 << 10).write_mode(mode);
            let store = options.durability(Durability::Process).open(dir.store()).expect("a store");
            assert!(store.recovery().is_clean());
            assert_eq!(texts(store.view().all()), expected);
            for n in 0..60 {
                let text = format!("{round} {n} {}", "x".repeat(n));
                store.append(format!("a-{}", n % 7), Any, event(&text)).wait().expect("an append");
                expected.push(text);
            }
            store.close().wait().expect("a close");
        }
        let store = Store::open(dir.store()).expect("a store");
        assert_eq!(texts(store.view().all()), expected);
        assert_eq!(store.view().stream_count().unwrap(), 7);
        let stats = store.stats().expect("stats");
        assert_eq!((stats.events, stats.streams, stats.first_position.0), (180, 7, 1));
        assert!(stats.segments > 3 && stats.last_position == stats.synced_position);
        assert_eq!(stats.segment_bytes, 8 << 10);
    }
}
