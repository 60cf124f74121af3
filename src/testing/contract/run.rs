//! Runs the cases.

use super::case::{CASES, Case};
use crate::error::Error;
use crate::pending::Pending;
use crate::store::{Capabilities, EventStore, Store};
use std::sync::LazyLock;
use std::time::Duration;

/// A case that takes longer than this has failed.
const DEADLINE: Duration = Duration::from_secs(120);

/// Runs every case that the store claims, each on a new store, and prints what isn't claimed.
///
/// # Panics
/// If a case fails, or isn't over after two minutes: with its name, what was expected and what was found.
pub fn run<B: EventStore>(make: impl Fn() -> Store<B>) {
    for case in CASES {
        let store = make();
        if !is_within(case.needs, store.capabilities()) {
            println!("not claimed, so not run: {}", case.name);
            continue;
        }
        match run_case(case.name, &store).wait_timeout(DEADLINE) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("the store doesn't meet the contract: {error}"),
            Err(_) => panic!("the store doesn't meet the contract: {}: no end after {DEADLINE:?}", case.name),
        }
    }
}

/// The names of all cases.
pub fn cases() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> =
        LazyLock::new(|| CASES.iter().map(|case| case.name).collect());
    &NAMES
}

/// Whether a store claims what a case is about. One that no case has the name of is not claimed.
pub fn is_claimed<B: EventStore>(case: &str, store: &Store<B>) -> bool {
    find(case).is_some_and(|case| is_within(case.needs, store.capabilities()))
}

/// Runs one case on a store without events.
///
/// # Errors
/// `Other`: the store doesn't meet the contract; the message has the case, what was expected and what was found.
/// `Invalid`: there is no such case. `Unsupported`: the store doesn't claim what it is about.
pub fn run_case<B: EventStore>(case: &str, store: &Store<B>) -> Pending<()> {
    let Some(case) = find(case) else {
        return Pending::ready(Err(Error::invalid(format!("{case:?} is no case of the contract"))));
    };
    if !is_within(case.needs, store.capabilities()) {
        let (name, needs) = (case.name, case.needs);
        let error = Error::unsupported(format!("{name}: the store doesn't claim all of {needs:?}"));
        return Pending::ready(Err(error));
    }
    let running = (case.start)(store.erase());
    Pending::new(async move {
        running.await.map_err(|broken| Error::other(format!("{}: {}", case.name, broken.0)))
    })
}

fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

fn is_within(needs: Capabilities, claims: Capabilities) -> bool {
    (claims.contiguous_positions || !needs.contiguous_positions)
        && (claims.multi_stream || !needs.multi_stream)
        && (claims.query_conditions || !needs.query_conditions)
        && (claims.progress || !needs.progress)
        && (claims.snapshots || !needs.snapshots)
        && (claims.committed_watermark || !needs.committed_watermark)
        && (claims.resume || !needs.resume)
        && (claims.lag || !needs.lag)
        && (claims.checkpoints || !needs.checkpoints)
        && (claims.leases || !needs.leases)
        && (claims.partitions || !needs.partitions)
        && (claims.dead_letters || !needs.dead_letters)
        && (claims.requests || !needs.requests)
}
