//! Random operations against a store and a plain `Vec`: appends with expectations and conditions that hold or don't,
//! transactions, repeats, reads and queries from both ends, with bounds and limits, views that are kept, closes, kills, power
//! cuts and reopenings; retention, runs, merges and rebuilds of the index at any moment, and damage to its files. Every field of every
//! event is compared. With segments of 8 KiB, padded and not, mapped and positioned: on real files, on a simulated machine,
//! whose background work is done step by step, and in memory.
//!
//! `ORCHESTRIX_CASES` is the number of cases over all kinds of stores. Each case has a seed of its own, the one before
//! and one; a failure names it and the command that repeats it, and proptest shrinks it.

#[path = "model/asks.rs"]
mod asks;
#[path = "model/counts.rs"]
mod counts;
#[path = "model/home.rs"]
mod home;
#[path = "model/ops.rs"]
mod ops;
#[path = "model/plain.rs"]
mod plain;
#[path = "model/queries.rs"]
mod queries;
#[path = "model/reads.rs"]
mod reads;
#[path = "model/requests.rs"]
mod requests;
#[path = "model/snapshots.rs"]
mod snapshots;
#[path = "tools/mod.rs"]
mod tools;
#[path = "model/world.rs"]
mod world;

use counts::Counts;
use home::Place;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tools::number;
use world::{Kind, World, write_mode};

/// From so many cases on, what must happen in them is asserted.
const COUNTED: u64 = 50;
/// Every so many cases a store is verified at the end.
const VERIFIED: u64 = 5;

/// A part of all cases, on stores in such places. `salt` gives each kind of store other cases.
fn model(test: &str, of_hundred: u64, salt: u8, place: impl Fn(u64) -> Place) {
    let first = number("ORCHESTRIX_SEED", 1);
    let cases = (number("ORCHESTRIX_CASES", 1_000) * of_hundred / 100).max(1);
    let counts = Counts::default();
    for seed in first..first + cases {
        let kind = Kind { place: place(seed), padded: seed % 4 < 2, busy: seed % 3 == 0 };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8] = salt;
        let config =
            Config { cases: 1, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let result = TestRunner::new_with_rng(config, rng).run(&ops::ops(), |ops| {
            let mut world = World::new(kind, seed, &counts);
            ops.iter().for_each(|op| world.run(op));
            world.finish(seed % VERIFIED == 0);
            Ok(())
        });
        if let Err(failure) = result {
            let repeat = format!("ORCHESTRIX_SEED={seed} ORCHESTRIX_CASES=1 cargo test --test model {test}");
            panic!("{kind:?}, again with `{repeat}`: {failure}");
        }
    }
    println!("{cases} cases: {counts:?}");
    if cases >= COUNTED {
        counts.assert_enough(cases, place(first));
    }
}

#[test]
fn mapped_stores_do_what_the_model_does() {
    model("mapped_stores", 25, 0, |_| Place::Files(write_mode(0)));
}

#[test]
fn positioned_stores_do_what_the_model_does() {
    model("positioned_stores", 20, 1, |_| Place::Files(write_mode(1)));
}

#[test]
fn simulated_stores_do_what_the_model_does() {
    model("simulated_stores", 40, 2, |seed| Place::Machine(write_mode(seed)));
}

#[test]
fn stores_in_memory_do_what_the_model_does() {
    model("stores_in_memory", 15, 3, |_| Place::Memory);
}
