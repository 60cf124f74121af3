//! Consumers on the simulated machine: their tasks, background work and time move as a seed says, power is cut or the process killed
//! at any I/O step, and the next life goes on. Every event is handled, in the order of its stream; what a handler emits is there
//! once; no dead letter is lost; and no more comes again than may be in flight.
//!
//! `ORCHESTRIX_CRASHES` is ten times the number of lives, `ORCHESTRIX_SEED` the first.

#[path = "dispatch_crash/tasks.rs"]
mod tasks;
#[path = "tools/mod.rs"]
mod tools;
#[path = "dispatch_crash/world.rs"]
mod world;

use orchestrix::testing::Bugs;
use tools::number;
use world::{Counts, live};

/// Rules 21 to 23, F28.
#[test]
fn consumers_lose_nothing_and_repeat_little_whatever_ends_them() {
    let (first, lives) = (number("ORCHESTRIX_SEED", 1), number("ORCHESTRIX_CRASHES", 5_000) / 10);
    let mut counts = Counts::default();
    for seed in first..first + lives {
        if let Err(what) = live(seed, Bugs::default(), &mut counts) {
            panic!(
                "{what}\nORCHESTRIX_SEED={seed} ORCHESTRIX_CRASHES=10 cargo test --test dispatch_crash consumers_lose"
            );
        }
    }
    println!("{lives} lives: {counts:?}");
    if lives >= 50 {
        counts.assert_enough(lives);
    }
}

/// Seeded bugs: each is noticed.
#[test]
fn mistakes_of_consumers_are_noticed() {
    let bugs = [
        ("ignore_marks", Bugs { ignore_marks: true, ..Bugs::default() }),
        ("park_unsynced", Bugs { park_unsynced: true, ..Bugs::default() }),
        ("count_running", Bugs { count_running: true, ..Bugs::default() }),
        ("forget_held", Bugs { forget_held: true, ..Bugs::default() }),
        ("emit_apart", Bugs { emit_apart: true, ..Bugs::default() }),
        ("checkpoint_unsynced", Bugs { checkpoint_unsynced: true, ..Bugs::default() }),
    ];
    for (name, bugs) in bugs {
        let noticed =
            (1..600).find_map(|seed| live(seed, bugs, &mut Counts::default()).err().map(|what| (seed, what)));
        println!("{name}: {noticed:?}");
        assert!(noticed.is_some(), "{name}");
    }
}
