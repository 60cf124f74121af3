//! Random operations against a store and a plain `Vec`: appends with expectations that hold or don't, transactions,
//! repeats, reads from both ends, views that are kept, closes, kills and reopenings. Every field of every event is
//! compared. On disk, mapped and positioned, padded and not, with segments of 8 KiB; and in memory.
//!
//! `ORCHESTRIX_CASES` is the number of cases over all kinds of stores. Each case has a seed of its own, the one before
//! and one; a failure names it and the command that repeats it, and proptest shrinks it.

#[path = "model/counts.rs"]
mod counts;
#[path = "model/ops.rs"]
mod ops;
#[path = "model/plain.rs"]
mod plain;
#[path = "model/reads.rs"]
mod reads;
#[path = "model/world.rs"]
mod world;

use counts::Counts;
use orchestrix::WriteMode;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use world::{Kind, World};

/// From so many cases on, what must happen in them is asserted.
const COUNTED: u64 = 50;
/// Every so many cases a store is verified at the end.
const VERIFIED: u64 = 5;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A part of all cases, on stores that are written this way.
fn model(test: &str, of_hundred: u64, mode: Option<WriteMode>) {
    let first = number("ORCHESTRIX_SEED", 1);
    let cases = (number("ORCHESTRIX_CASES", 1_000) * of_hundred / 100).max(1);
    let counts = Counts::default();
    for seed in first..first + cases {
        let kind = Kind { mode, padded: seed % 2 == 0, busy: seed % 3 == 0 };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        // So that each kind of store gets other cases.
        bytes[8] = mode.map_or(0, |mode| 1 + u8::from(mode == WriteMode::Mapped));
        let config =
            Config { cases: 1, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let result = TestRunner::new_with_rng(config, rng).run(&ops::ops(), |ops| {
            let mut world = World::new(kind, &counts);
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
        counts.assert_enough(cases, mode.is_some());
    }
}

#[test]
fn mapped_stores_do_what_the_model_does() {
    model("mapped_stores", 40, Some(WriteMode::Mapped));
}

#[test]
fn positioned_stores_do_what_the_model_does() {
    model("positioned_stores", 40, Some(WriteMode::Positioned));
}

#[test]
fn stores_in_memory_do_what_the_model_does() {
    model("stores_in_memory", 20, None);
}
