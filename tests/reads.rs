//! Reads of the contract on the embedded store, and `View::query`: each way of finding events gives the same (property test
//! against a choice by hand), a batch pins what it lends and copies nothing, a fetch is whole or fails, and a cursor that is
//! polled and dropped loses nothing.

#[path = "contract/own.rs"]
mod own;
#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Batch, Error, ErrorKind, EventStore, Query, limits};
use own::Own;
use proptest::prelude::*;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tools::{Dir, event, fill, says, small};

fn fetch(store: &Store, query: Query) -> Batch {
    store.read(query).fetch().wait().expect("a batch")
}

fn positions(batch: &Batch) -> Vec<u64> {
    batch.iter().map(|event| event.position().0).collect()
}

const STREAMS: [&str; 5] = ["a-1", "a-2", "b-1", "b", "c-1"];
const TYPES: [&str; 3] = ["t", "u", "v"];
const TAGS: [&str; 3] = ["x", "y", "z"];

/// An event: stream, type, set of tags, correlation.
type Kind = (usize, usize, u8, bool);

fn kinds() -> impl Strategy<Value = Vec<Vec<Kind>>> {
    let kind = (0..STREAMS.len(), 0..TYPES.len(), 0..8u8, any::<bool>());
    prop::collection::vec(prop::collection::vec(kind, 1..5), 0..40)
}

fn tags(set: u8) -> impl Iterator<Item = &'static str> {
    TAGS.into_iter().enumerate().filter(move |(n, _)| set >> n & 1 == 1).map(|(_, tag)| tag)
}

/// One item: scope, set of types, set of tags, correlation.
fn items() -> impl Strategy<Value = Query> {
    let item = (0..10usize, 0..8u8, prop_oneof![Just(0), 0..8u8], prop::bool::weighted(0.1));
    let item = item.prop_map(|(scope, types, all_of, story)| {
        let query = match scope {
            0..3 => Query::all(),
            3..8 => Query::stream(STREAMS[scope - 3]),
            8 => Query::category("a"),
            _ if story => Query::correlation("story"),
            _ => Query::category("b"),
        };
        let query = query.and_tags(tags(all_of));
        let types: Vec<_> =
            TYPES.iter().enumerate().filter(|(n, _)| types >> n & 1 == 1).map(|(_, t)| *t).collect();
        if types.is_empty() { query } else { query.and_types(types) }
    });
    prop::collection::vec(item, 1..4).prop_map(|items| items.into_iter().reduce(Query::or).expect("an item"))
}

fn write(store: &Store, commits: &[Vec<Kind>]) {
    for (n, commit) in commits.iter().enumerate() {
        let transaction =
            commit.iter().fold(store.transaction(), |transaction, (stream, of_type, set, story)| {
                let new =
                    tags(*set).fold(NewEvent::raw(TYPES[*of_type], n.to_le_bytes().to_vec()), NewEvent::tag);
                let new = if *story { new.correlation("story") } else { new };
                transaction.append(STREAMS[*stream], Any, new)
            });
        transaction.commit().wait().expect("a commit");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_way_of_finding_events_gives_the_same(
        commits in kinds(),
        query in items(),
        after in 0..80u64,
        before in prop::option::of(0..120u64),
        from in prop::option::of(0..12u64),
        limit in prop::option::of(0..9usize),
    ) {
        let store = small().in_memory().expect("a store");
        write(&store, &commits);
        let view = store.view();
        let asked = |event: &EventRef<'_>| {
            query.matches(*event)
                && event.position().0 > after
                && before.is_none_or(|before| event.position().0 < before)
                && from.is_none_or(|from| event.revision().0 >= from)
        };
        let all: Vec<_> = view.all().map(|event| event.expect("an event")).collect();
        let expected: Vec<u64> = all.into_iter().filter(asked).map(|event| event.position().0).collect();

        let events = || {
            let events = view.query(&query).after(Position(after));
            let events = match before { Some(before) => events.before(Position(before)), None => events };
            match from { Some(from) => events.from(Revision(from)), None => events }
        };
        let seen: Vec<u64> = events().map(|event| event.expect("an event").position().0).collect();
        prop_assert_eq!(&seen, &expected);
        let mut seen: Vec<u64> = events().rev().map(|event| event.expect("an event").position().0).collect();
        seen.reverse();
        prop_assert_eq!(&seen, &expected);

        let mut meeting = events();
        let (front, back) = (meeting.next(), meeting.next_back());
        let ends = front.into_iter().chain(back).map(|event| event.expect("an event").position().0);
        let ends: Vec<u64> = ends.collect();
        prop_assert_eq!(&ends[..], &[expected.first(), expected.last()].into_iter().flatten().take(expected.len()).copied().collect::<Vec<_>>()[..]);

        for backward in [false, true] {
            let read = store.read(query.clone()).after(Position(after));
            let read = match before { Some(before) => read.before(Position(before)), None => read };
            let read = match from { Some(from) => read.from(Revision(from)), None => read };
            let read = match limit { Some(limit) => read.limit(limit), None => read };
            let read = if backward { read.backward() } else { read };
            let batch = read.fetch().wait().expect("a batch");
            let mut wanted = expected.clone();
            if backward {
                wanted.reverse();
            }
            wanted.truncate(limit.unwrap_or(usize::MAX));
            prop_assert_eq!(positions(&batch), wanted);
            prop_assert_eq!((batch.len(), batch.is_empty()), (batch.iter().count(), batch.iter().next().is_none()));
        }

        let newest = expected.last().copied().filter(|_| before.is_none() && from.is_none());
        let commit = store.transaction().append("d-1", Any, event("x")).fail_if_any(query.clone(), Position(after));
        let matched = commit.commit().wait().err().map(|error| error.conflict().expect("a conflict").matched);
        if before.is_none() && from.is_none() {
            prop_assert_eq!(matched.flatten().map(|position| position.0), newest);
        }
    }
}

#[test]
fn a_batch_lends_from_the_log_and_outlives_the_store() {
    let dir = Dir::new();
    let store = small().open(dir.store()).expect("a store");
    fill(&store, "a-1", 500);
    let batch = fetch(&store, Query::stream("a-1"));
    let view = store.view();
    let lent = view.stream("a-1").map(|event| event.expect("an event").data().as_ptr());
    assert!(lent.eq(batch.iter().map(|event| event.data().as_ptr())), "the very same bytes");
    drop(view);
    store.close().wait().expect("a close");
    drop(store);
    std::fs::remove_dir_all(dir.store()).expect("the directory");
    let clone = batch.clone();
    drop(batch);
    let sum = std::thread::spawn(move || clone.iter().map(|event| event.revision().0).sum::<u64>());
    assert_eq!(sum.join().expect("no panic"), 499 * 500 / 2);
}

#[test]
fn a_batch_is_not_changed_by_what_follows() {
    let store = small().in_memory().expect("a store");
    fill(&store, "a-1", 3);
    let before = fetch(&store, Query::all());
    fill(&store, "a-1", 200);
    assert_eq!((positions(&before), before.through()), (vec![1, 2, 3], Position(3)));
    let rest = store.read(Query::all()).after(before.through()).fetch().wait().expect("a batch");
    assert_eq!((rest.len(), rest.through()), (200, Position(203)));
}

/// More bytes than one batch of the embedded store has: the parts are joined, in both directions.
#[test]
fn a_fetch_of_several_batches_is_one() {
    let store = Store::in_memory();
    let payload = vec![7; 3 << 20];
    for _ in 0..15 {
        drop(store.append("a-1", Any, NewEvent::raw("t", &payload[..])));
        drop(store.append("b-1", Any, event("small")));
    }
    let batch = fetch(&store, Query::all());
    assert_eq!(positions(&batch), (1..=30).collect::<Vec<_>>());
    assert_eq!((batch.len(), batch.through(), batch.is_caught_up()), (30, Position(30), true));
    assert_eq!(batch.iter().map(|event| event.data().len()).sum::<usize>(), 15 * (payload.len() + 5));
    let backward = store.read(Query::all()).backward().limit(29).fetch().wait().expect("a batch");
    assert_eq!(positions(&backward), (2..=30).rev().collect::<Vec<_>>());
    assert_eq!((backward.through(), backward.iter().len()), (Position(30), 29));
    let mut cursor = store.read(Query::all()).cursor();
    let lens: Vec<usize> = cursor.blocking().map(|batch| batch.expect("a batch").len()).collect();
    assert!(lens.len() > 1 && lens.iter().sum::<usize>() == 30, "{lens:?}");
}

#[test]
fn a_fetch_is_never_a_part_that_was_not_asked_for() {
    let store = Store::in_memory();
    let batch: Vec<_> = (0..50_000).map(|_| NewEvent::raw("t", b"")).collect();
    for _ in 0..20 {
        drop(store.append("a-1", Any, &batch));
    }
    assert_eq!(fetch(&store, Query::all()).len(), limits::FETCH_EVENTS_MAX);
    drop(store.append("a-1", Any, event("one more")));
    let too_many = ["events of one fetch", "at most 1000000", "found 1000001"];
    for read in [
        store.read(Query::all()),
        store.read(Query::all()).limit(2_000_000),
        store.read(Query::all()).backward(),
    ] {
        says(read.fetch().wait(), ErrorKind::Limit, &too_many);
    }
    let part = store.read(Query::all()).limit(limits::FETCH_EVENTS_MAX).fetch().wait().expect("a part");
    assert!(part.len() == limits::FETCH_EVENTS_MAX && !part.is_caught_up());
    let mut cursor = store.read(Query::all()).cursor();
    let all: usize = cursor.blocking().map(|batch| batch.expect("a batch").len()).sum();
    assert_eq!(all, limits::FETCH_EVENTS_MAX + 1);
}

#[test]
fn a_fetch_has_a_bound_of_bytes() {
    let store = Store::in_memory();
    let payload = vec![7; 7 << 20];
    for _ in 0..36 {
        drop(store.append("a-1", Any, NewEvent::raw("t", &payload[..])));
    }
    assert_eq!(fetch(&store, Query::all()).len(), 36, "252 MiB");
    drop(store.append("a-1", Any, NewEvent::raw("t", &payload[..])));
    let too_much = ["bytes of one fetch", "at most 268435456"];
    says(store.read(Query::all()).fetch().wait(), ErrorKind::Limit, &too_much);
    assert_eq!(store.read(Query::all()).after(Position(1)).fetch().wait().expect("a batch").len(), 36);
}

fn poll<T>(future: impl Future<Output = Result<T, Error>>) -> Poll<Result<T, Error>> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A back end whose read is not ready at the first poll.
struct Slow(Own);

impl EventStore for Slow {
    fn commit(&self, commit: orchestrix::Commit<'_>) -> orchestrix::Pending<orchestrix::Receipt> {
        self.0.commit(commit)
    }
    fn read(&self, request: &orchestrix::ReadRequest) -> orchestrix::Pending<Batch> {
        let batch = self.0.read(request);
        orchestrix::Pending::new(async {
            let mut polled = false;
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            batch.await
        })
    }
    fn head(&self, stream: &str) -> orchestrix::Pending<Option<orchestrix::Head>> {
        self.0.head(stream)
    }
    fn beyond(&self, position: Position) -> orchestrix::Pending<Position> {
        self.0.beyond(position)
    }
}

#[test]
fn a_batch_that_is_dropped_while_it_is_under_way_is_not_lost() {
    let store = Store::with(Slow(Own::default()));
    for n in 0..10 {
        store.append("a-1", Any, event(&n.to_string())).wait().expect("an append");
    }
    let mut cursor = store.read(Query::all()).cursor();
    let mut seen = Vec::new();
    loop {
        assert!(poll(cursor.next_batch()).is_pending(), "dropped right after it");
        match poll(cursor.next_batch()) {
            Poll::Ready(Ok(Some(batch))) => seen.extend(positions(&batch)),
            other => panic!("a batch, found {other:?}"),
        }
        if seen.len() == 10 {
            break;
        }
    }
    assert_eq!(seen, (1..=10).map(|n| n * 10).collect::<Vec<_>>());
    assert!(matches!(poll(cursor.next_batch()), Poll::Ready(Ok(None))));
    assert_eq!(cursor.position(), Position(100));
    let fetched = store.read(Query::all()).backward().limit(7).fetch().wait().expect("a batch");
    assert_eq!(positions(&fetched), [100, 90, 80, 70, 60, 50, 40]);
    assert_eq!(fetched.through(), Position(100));
}

/// A back end that says there is more, and gives nothing.
#[test]
fn a_read_that_would_never_end_is_an_error() {
    struct Stuck;
    impl EventStore for Stuck {
        fn commit(&self, commit: orchestrix::Commit<'_>) -> orchestrix::Pending<orchestrix::Receipt> {
            orchestrix::Pending::ready(Ok(commit.receipt(Position(1), |_| Revision(0))))
        }
        fn read(&self, _: &orchestrix::ReadRequest) -> orchestrix::Pending<Batch> {
            orchestrix::Pending::ready(Ok(Batch::new(Vec::new(), Position::START, false)))
        }
        fn head(&self, _: &str) -> orchestrix::Pending<Option<orchestrix::Head>> {
            orchestrix::Pending::ready(Ok(None))
        }
        fn beyond(&self, position: Position) -> orchestrix::Pending<Position> {
            orchestrix::Pending::ready(Ok(position))
        }
    }
    let store = Store::with(Stuck);
    for read in [store.read(Query::all()), store.read(Query::all()).backward()] {
        says(read.fetch().wait(), ErrorKind::Other, &["neither caught up nor beyond"]);
    }
    says(store.read(Query::all()).cursor().next_batch().wait(), ErrorKind::Other, &["position 0"]);
}
