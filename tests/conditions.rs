//! Conditions of the embedded store: what they find, what a conflict says, how they stand beside expectations and repeats,
//! and that of two decisions one is made. On disk with small segments, and in memory.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Durability, ErrorKind, Query};
use std::sync::Barrier;
use std::thread;
use tools::{Dir, event, fill, says, small, texts};

fn on_each(test: impl Fn(&Store)) {
    let dir = Dir::new();
    test(&small().open(dir.store()).expect("a store"));
    test(&small().in_memory().expect("a store"));
}

#[test]
fn a_conflict_names_the_query_and_the_newest_event_that_matches() {
    on_each(|store| {
        fill(store, "a-1", 3);
        fill(store, "b-1", 2);
        let query = Query::category("a").and_types(["happened"]);
        let refused = store.transaction().append("c-1", NoStream, event("x"));
        let refused = refused.fail_if_any(query.clone(), Position(1)).commit().wait();
        let words = ["category \"a\"", "[\"happened\"]", "after position 1", "found position 3"];
        let error = says(refused, ErrorKind::Conflict, &words);
        let facts = error.conflict().expect("facts");
        assert_eq!(
            (facts.matched, &facts.condition),
            (Some(Position(3)), &Some((query.clone(), Position(1))))
        );
        assert_eq!((facts.stream.as_str(), facts.actual), ("", None));
        assert!(!error.is_retryable());
        assert_eq!(store.head("c-1").wait().expect("a head"), None);
        for after in [Position(3), Position(5), Position(u64::MAX)] {
            let commit = store.transaction().append("c-1", Any, event("x"));
            commit.fail_if_any(query.clone(), after).commit().wait().expect("nothing of it after that");
        }
        assert_eq!(texts(store.view().stream("c-1")), ["x", "x", "x"]);
    });
}

#[test]
fn it_is_checked_with_the_expectations_of_all_streams() {
    on_each(|store| {
        fill(store, "a-1", 1);
        let commit = |b: Expected, after: Position| {
            let transaction = store.transaction().append("a-1", Exact(Revision(0)), event("x"));
            transaction.append("b-1", b, event("y")).fail_if_any(Query::all(), after).commit().wait()
        };
        let error =
            says(commit(StreamExists, Position(1)), ErrorKind::Conflict, &["b-1", "an existing stream"]);
        assert_eq!(error.conflict().expect("facts").matched, None);
        says(commit(NoStream, Position::START), ErrorKind::Conflict, &["position 0", "position 1"]);
        assert_eq!(store.view().watermark(), Position(1));
        let first = commit(NoStream, Position(1)).expect("both hold");
        let again = commit(NoStream, Position(1)).expect("a repeat, though what it wrote matches");
        assert!(again.is_repeat() && again.position() == first.position());
    });
}

/// The streams of a transaction with `Any` alone don't say where its events would stand: it meets what it has written.
#[test]
fn a_repeat_that_expects_nothing_conflicts_with_itself() {
    on_each(|store| {
        let commit = || {
            let transaction = store.transaction().append("a-1", Any, event("x"));
            transaction.fail_if_any(Query::category("a"), Position::START).commit().wait()
        };
        commit().expect("a commit");
        says(commit(), ErrorKind::Conflict, &["found position 1"]);
        assert_eq!(texts(store.view().all()), ["x"]);
    });
}

#[test]
fn several_conditions_are_one_if_they_count_from_one_position() {
    on_each(|store| {
        fill(store, "a-1", 2);
        let commit = |first: (Query, u64), second: (Query, u64)| {
            let transaction = store.transaction().append("c-1", Any, event("x"));
            let transaction = transaction.fail_if_any(first.0, Position(first.1));
            transaction.fail_if_any(second.0, Position(second.1)).commit().wait()
        };
        let (a, b) = (|| Query::stream("a-1"), || Query::stream("b-1"));
        says(commit((b(), 0), (a(), 0)), ErrorKind::Conflict, &["b-1", "a-1", "position 2"]);
        says(commit((a(), 0), (b(), 0)), ErrorKind::Conflict, &["b-1", "a-1", "position 2"]);
        commit((a(), 2), (b(), 2)).expect("neither matches");
        let two = says(commit((b(), 2), (b(), 3)), ErrorKind::Invalid, &["one position", "found 2 and 3"]);
        assert!(!two.is_conflict());
        assert_eq!(texts(store.view().stream("c-1")), ["x"]);
    });
}

#[test]
fn a_query_beyond_the_limits_is_refused_before_anything_is_done() {
    on_each(|store| {
        let names: Vec<String> = (0..257).map(|n| format!("n-{n}")).collect();
        let items = names.iter().map(Query::stream).reduce(Query::or).expect("items");
        let limits = [
            (items, ["items of a query", "256", "257"]),
            (Query::types(&names), ["types and tags", "256", "257"]),
            (Query::types(&names[..200]).and_tags(&names[..57]), ["types and tags", "256", "257"]),
        ];
        for (query, words) in limits {
            let commit = store.transaction().append("a-1", Any, event("x"));
            let commit = commit.fail_if_any(query.clone(), Position::START).commit().wait();
            says(commit, ErrorKind::Limit, &words);
            says(store.read(query.clone()).fetch().wait(), ErrorKind::Limit, &words);
            let mut cursor = store.read(query).cursor();
            says(cursor.next_batch().wait(), ErrorKind::Limit, &words);
        }
        assert_eq!(store.view().watermark(), Position::START);
        let most = Query::types(&names[..256]);
        store
            .transaction()
            .append("a-1", Any, event("x"))
            .fail_if_any(most, Position::START)
            .commit()
            .wait()
            .expect("at the bound");
    });
}

/// Two decide on the same state, and what each writes is what the other's condition is about.
#[test]
fn of_two_writers_whose_events_match_the_others_condition_one_succeeds() {
    const ROUNDS: u64 = 200;
    on_each(|store| {
        let barrier = Barrier::new(2);
        let decide = |own: &'static str, other: &'static str| {
            let mut wins = 0;
            for round in 0..ROUNDS {
                let seen = store.read(Query::all()).fetch().wait().expect("a read").through();
                assert_eq!(seen, Position(round));
                barrier.wait();
                let new = NewEvent::raw("decided", b"").tag(own);
                let commit = store.transaction().append(format!("{own}-1"), Any, new);
                match commit.fail_if_any(Query::tags([other]), seen).commit().wait() {
                    Ok(receipt) => {
                        assert_eq!(receipt.position(), Position(round + 1));
                        wins += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.conflict().expect("a conflict").matched, Some(Position(round + 1)));
                    }
                }
                barrier.wait();
            }
            wins
        };
        let wins = thread::scope(|scope| {
            let other = scope.spawn(|| decide("left", "right"));
            decide("right", "left") + other.join().expect("no panic")
        });
        assert_eq!((wins, store.view().watermark()), (ROUNDS, Position(ROUNDS)));
    });
}

/// A condition sees what is committed, not only what is synced; and what an earlier opening has written.
#[test]
fn it_sees_everything_that_is_committed() {
    let dir = Dir::new();
    for round in 0..3 {
        let store = small().durability(Durability::Process).open(dir.store()).expect("a store");
        let taken = || Query::tags([format!("seat:{}", round.max(1) - 1)]);
        let new = |n: u64| NewEvent::raw("seat.taken", b"").tag(format!("seat:{n}"));
        let commit =
            store.transaction().append("guest-1", Any, new(round)).fail_if_any(taken(), Position::START);
        let committed = commit.commit().wait();
        assert_eq!(committed.is_ok(), round == 0, "taken in the opening before");
        if round > 0 {
            store.append("guest-1", Any, new(round)).wait().expect("an append");
        }
        let again = store
            .transaction()
            .append("guest-2", Any, new(9))
            .fail_if_any(Query::tags([format!("seat:{round}")]), Position::START);
        says(again.commit().wait(), ErrorKind::Conflict, &[&format!("seat:{round}")]);
        store.close().wait().expect("a close");
        let closed =
            store.transaction().append("a-1", Any, event("x")).fail_if_any(Query::all(), Position(9));
        assert!(closed.commit().wait().expect_err("closed").is_closed());
    }
}
