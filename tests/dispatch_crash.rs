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

use orchestrix::prelude::*;
use orchestrix::testing::{Bugs, Chance, Machine};
use orchestrix::{RetryPolicy, RunningConsumer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tasks::Tasks;
use tools::{number, small};
use world::{Counts, live};

/// D21, F28.
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

/// D21. Seeded bugs: each is noticed.
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

/// A consumer whose handler fails at its first attempt, to be tried again after a minute.
fn fails_once(store: &Store, tasks: &mut Tasks, attempts: &Arc<AtomicU32>) -> RunningConsumer {
    let (policy, count) = (RetryPolicy::fixed(Duration::from_secs(60)).expect("a policy"), attempts.clone());
    let consumer = Consumer::named("reader").retry(policy).handle_async(move |event: Delivery| {
        count.store(event.attempt(), Ordering::SeqCst);
        std::future::ready(if event.attempt() == 1 { Err("not yet".into()) } else { Ok(Ack) })
    });
    consumer.start_on(store, |task| tasks.push(task)).expect("a consumer")
}

/// Runs what is due, for so long.
fn pass(machine: &Machine, tasks: &mut Tasks, chance: &mut Chance, seconds: u64) {
    for _ in 0..seconds {
        machine.pass(Duration::from_secs(1));
        while tasks.poll_one(chance) || machine.pass(Duration::ZERO) > 0 {}
    }
}

/// D23, F59: a stored time to retry at is kept over a restart, and a clock that was set back meanwhile makes nobody wait for
/// longer than the policy.
#[test]
fn rule_23_a_clock_that_jumps_makes_no_retry_wait_longer() {
    const DAY_NANOS: i64 = 24 * 3_600 * 1_000_000_000;
    for (jump, waits) in [(0, true), (-30 * DAY_NANOS, true), (30 * DAY_NANOS, false)] {
        let (machine, mut chance, attempts) = (Machine::new(7), Chance::new(7), Arc::new(AtomicU32::new(0)));
        let (store, mut tasks) = (machine.open(small()).expect("a store"), Tasks::default());
        store.append("in-1", Any, NewEvent::raw("happened", b"x")).wait().expect("an append");
        store.sync().wait().expect("a sync");
        let consumer = fails_once(&store, &mut tasks, &attempts);
        pass(&machine, &mut tasks, &mut chance, 30);
        assert_eq!((attempts.load(Ordering::SeqCst), consumer.status().retrying), (1, 1));
        let machine = machine.kill(8);
        machine.jump_clock(jump);
        drop((consumer, tasks));
        let (store, mut tasks) = (machine.open(small()).expect("a store"), Tasks::default());
        let consumer = fails_once(&store, &mut tasks, &attempts);
        pass(&machine, &mut tasks, &mut chance, 10);
        assert_eq!(attempts.load(Ordering::SeqCst), if waits { 1 } else { 2 }, "after a jump of {jump}");
        pass(&machine, &mut tasks, &mut chance, 61);
        assert_eq!(attempts.load(Ordering::SeqCst), 2, "after a jump of {jump}");
        assert_eq!(consumer.status().position, Position(1));
    }
}
