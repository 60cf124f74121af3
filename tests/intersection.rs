//! Queries with several keys an item, read by comparing their postings, against a walk over everything: stores of thousands of
//! events in dozens of runs and a tail, so that lists have many groups; tags from rare to common, some of which come in
//! stretches and some always together; bounds anywhere, from either end. One leap too far, and an event is missing.
//!
//! `ORCHESTRIX_CASES` and `ORCHESTRIX_SEED` as for the model test.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Durability, Query, QueryEvents, View};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::VecDeque;
use tools::number;

/// Events of the store.
const EVENTS: u64 = 6_000;
/// Tag `n` is on one event in so many.
const TAGS: [u64; 7] = [5, 6, 8, 13, 40, 300, 2_500];

/// SplitMix64 of a number.
fn mixed(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Event `n`: of 23 streams in 3 categories, of 5 types.
fn event(n: u64) -> (String, NewEvent<'static>) {
    let category = ["cart", "order", "user"][(mixed(n) % 3) as usize];
    let stream = format!("{category}-{}", mixed(n ^ 1) % 23);
    let mut event = NewEvent::raw(format!("type {}", mixed(n ^ 2) % 5), b"x".to_vec());
    for (tag, share) in (0..).zip(TAGS) {
        if mixed(n.wrapping_mul(31) + tag).is_multiple_of(share) {
            event = event.tag(format!("tag {tag}"));
        }
    }
    // Long stretches with and without, and two that only ever come together.
    if n / 400 % 3 == 1 {
        event = event.tag("stretch");
    }
    if n % 9 == 4 {
        event = event.tag("left").tag("right");
    }
    if n % 11 == 3 {
        event = event.correlation(format!("story {}", n / 1_000));
    }
    (stream, event)
}

/// Everything in memory, most of it in runs.
fn store() -> Store {
    let options = Store::options().segment_bytes(32 << 10).durability(Durability::Process);
    let store = options.in_memory().expect("a store");
    for n in 0..EVENTS {
        let (stream, event) = event(n);
        store.append(stream, Any, event).wait().expect("an append");
        if n == EVENTS * 9 / 10 {
            store.sync().wait().expect("a sync");
        }
    }
    store
}

#[derive(Clone, Debug)]
struct Item {
    scope: Option<u8>,
    types: Option<Vec<u8>>,
    tags: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Case {
    items: Vec<Item>,
    after: Option<u64>,
    before: Option<u64>,
    from: Option<u64>,
    /// Which end each step takes, one bit a step.
    ends: u64,
}

impl Item {
    fn query(&self) -> Query {
        let scoped = match self.scope {
            None => Query::all(),
            Some(n @ 0..3) => Query::category(["cart", "order", "user"][usize::from(n)]),
            Some(n @ 3..9) => Query::correlation(format!("story {}", n - 3)),
            Some(n) => Query::stream(format!("cart-{}", n - 9)),
        };
        let tag = |n: &u8| match n {
            7 => "stretch".to_owned(),
            8 => "left".to_owned(),
            9 => "right".to_owned(),
            n => format!("tag {n}"),
        };
        let types = self.types.iter().map(|types| types.iter().map(|n| format!("type {n}")));
        types.fold(scoped, Query::and_types).and_tags(self.tags.iter().map(tag))
    }
}

fn case() -> impl Strategy<Value = Case> {
    let types = weighted(0.4, vec(0..6_u8, 1..3));
    let item = (weighted(0.4, 0..34_u8), types, vec(0..11_u8, 0..4)).prop_map(|(scope, types, tags)| Item {
        scope,
        types,
        tags,
    });
    let position = || weighted(0.3, 0..EVENTS + 10);
    let ends = prop_oneof![Just(0), Just(u64::MAX), any::<u64>()];
    (vec(item, 1..4), position(), position(), weighted(0.1, 0..300_u64), ends)
        .prop_map(|(items, after, before, from, ends)| Case { items, after, before, from, ends })
}

/// Compares one read with what a walk picks. Returns how many events there were.
fn check(view: &View, case: &Case) -> usize {
    let mut items = case.items.iter().map(Item::query);
    let first = items.next().expect("an item");
    let query = items.fold(first, Query::or);
    let asked = |event: &EventRef<'_>| {
        case.after.is_none_or(|after| event.position().0 > after)
            && case.before.is_none_or(|before| event.position().0 < before)
            && case.from.is_none_or(|from| event.revision().0 >= from)
            && query.matches(*event)
    };
    let all = view.all().map(|event| event.expect("an event")).filter(asked);
    let mut wanted: VecDeque<u64> = all.map(|event| event.position().0).collect();
    let count = wanted.len();
    let mut events = view.query(&query);
    events = case.after.into_iter().fold(events, |events, after| events.after(Position(after)));
    events = case.before.into_iter().fold(events, |events, before| events.before(Position(before)));
    events = case.from.map(Revision).into_iter().fold(events, QueryEvents::from);
    for bit in (0..64).cycle() {
        let back = case.ends & (1 << bit) != 0;
        let found = if back { events.next_back() } else { events.next() };
        let found = found.map(|event| event.expect("an event").position().0);
        let wanted = if back { wanted.pop_back() } else { wanted.pop_front() };
        assert_eq!(found, wanted, "{query} in {case:?}");
        if found.is_none() {
            break;
        }
    }
    assert!(events.next_back().is_none() && events.next().is_none());
    count
}

#[test]
fn what_keys_have_in_common_is_what_a_walk_finds() {
    let store = store();
    let (seed, cases) = (number("ORCHESTRIX_SEED", 1), number("ORCHESTRIX_CASES", 1_000));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases: cases as u32, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let (view, found) = (store.view(), std::cell::Cell::new([0; 3]));
    let result = TestRunner::new_with_rng(config, rng).run(&case(), |case| {
        let mut counts = found.get();
        counts[check(&view, &case).min(2)] += 1;
        found.set(counts);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("ORCHESTRIX_SEED={seed}: {failure}"));
    println!("cases with none, one and several events: {:?}", found.get());
    assert!(found.get().iter().all(|count| count * 100 >= cases), "{:?} of {cases}", found.get());
    assert!(store.stats().expect("stats").index.runs > 3, "runs and a tail");
}
