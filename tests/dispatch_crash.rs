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
use orchestrix::testing::{Bugs, Chance, Crash, Machine};
use orchestrix::{ConsumerRequest, EventStore, Pending, RetryPolicy, RunningConsumer};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
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

/// Polls something that is waited for, while what is due runs.
fn until<T>(
    machine: &Machine,
    tasks: &mut Tasks,
    pending: Pending<T>,
    is_over: impl Fn() -> bool,
) -> Option<T> {
    let (mut pending, mut chance) = (Box::pin(pending), Chance::new(1));
    for _ in 0..500 {
        if is_over() {
            return None;
        }
        if let Poll::Ready(found) = pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(found.expect("an answer"));
        }
        while tasks.poll_one(&mut chance) {}
        machine.pass(Duration::from_millis(10));
    }
    panic!("it doesn't come to an end");
}

/// A consumer that is asked to begin again is cut off at an I/O step of that. Whether it was told before that the request is kept: then
/// the request must be executed by this life or the next.
fn asks(cut: u64, bugs: Bugs) -> Result<bool, String> {
    let (machine, calls) = (Machine::new(cut).with_bugs(bugs), Arc::new(AtomicU32::new(0)));
    let start = |store: &Store, tasks: &mut Tasks| {
        let count = calls.clone();
        let consumer = Consumer::named("reader").handle_async(move |_: Delivery| {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok(Ack))
        });
        consumer.start_on(store, |task| tasks.push(task)).expect("a consumer")
    };
    let (store, mut tasks) = (machine.open(small()).expect("a store"), Tasks::default());
    for n in 0..6 {
        let event = NewEvent::raw("happened", b"x");
        store.append(format!("in-{}", n % 2), Any, event).wait().expect("an append");
    }
    let consumer = start(&store, &mut tasks);
    until(&machine, &mut tasks, consumer.wait_for(Position(6)), || false);
    until(&machine, &mut tasks, consumer.pause(), || false);
    until(&machine, &mut tasks, consumer.resume(), || false);

    let (kept, left) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
    let (is_kept, taken, countdown) = (kept.clone(), left.clone(), AtomicU32::new(cut as u32));
    machine.watch(move |machine, _| {
        let mut taken = taken.lock().expect("no panic");
        let is_now = countdown.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if is_now.is_err() && taken.is_none() {
            *taken = Some((machine.power_cut(cut, Crash::Torn), is_kept.load(Ordering::SeqCst)));
        }
    });
    let is_cut = || left.lock().expect("no panic").is_some();
    let asked = store.request("reader", ConsumerRequest::Reset(Position::START));
    if let Some(asked) = until(&machine, &mut tasks, asked, is_cut) {
        kept.store(true, Ordering::SeqCst);
        let is_done = || calls.load(Ordering::SeqCst) >= 12 || is_cut();
        let done =
            until(&machine, &mut tasks, Pending::new(std::future::pending::<Result<(), _>>()), is_done);
        assert!(done.is_none());
        drop(asked);
    }
    pass(&machine, &mut tasks, &mut Chance::new(1), 3);
    machine.unwatch();
    let (machine, was) = left.lock().expect("no panic").take().unwrap_or_else(|| (machine.kill(cut), true));
    drop((consumer, tasks));
    let (store, mut tasks) = (machine.open(small()).expect("a store"), Tasks::default());
    let consumer = start(&store, &mut tasks);
    pass(&machine, &mut tasks, &mut Chance::new(1), 5);
    let requests = store.backend().requests("reader").wait().expect("requests");
    let is_answered = requests.iter().all(|request| request.answer.is_some());
    let is_done = !was || requests.len() == 1 && calls.load(Ordering::SeqCst) >= 12;
    match (consumer.status().position, is_answered, is_done) {
        (Position(6), true, true) => Ok(was),
        found => Err(format!("cut {cut}, kept is {was}: {found:?}, {requests:?}")),
    }
}

#[test]
fn a_request_survives_a_power_cut_at_any_step() {
    let mut was_kept = [0; 2];
    for cut in 0..60 {
        let kept = asks(cut, Bugs::default()).unwrap_or_else(|what| panic!("{what}"));
        was_kept[usize::from(kept)] += 1;
    }
    assert!(was_kept.iter().all(|count| *count > 3), "before and after it was kept: {was_kept:?}");
    let unsynced = Bugs { request_unsynced: true, ..Bugs::default() };
    let noticed = (0..60).find_map(|cut| asks(cut, unsynced).err());
    println!("request_unsynced: {noticed:?}");
    assert!(noticed.is_some(), "a request that isn't synced before it counts as kept");
}

/// F34: on a full disk nothing can be appended, but what a consumer has done is kept, and what it gives up on, in space that was set
/// aside. Once there is room again, so is that.
#[test]
fn a_full_disk_has_room_for_checkpoints_and_dead_letters() {
    const EVENTS: u64 = 30;
    let (machine, mut tasks) = (Machine::new(9), Tasks::default());
    let store = machine.open(small()).expect("a store");
    let append = |store: &Store, n| {
        store.append(format!("in-{n}"), Any, NewEvent::raw("happened", vec![7; 500])).wait()
    };
    for n in 0..EVENTS {
        append(&store, n).expect("an append");
    }
    let start = |store: &Store, tasks: &mut Tasks| {
        let consumer = Consumer::named("reader").retry(RetryPolicy::none());
        let consumer = consumer.handle_async(|_: Delivery| std::future::ready(Err("no route".into())));
        consumer.start_on(store, |task| tasks.push(task)).expect("a consumer")
    };
    let pieces =
        |machine: &Machine| machine.files().iter().filter(|path| path.starts_with("reserve/")).count();
    let consumer = start(&store, &mut tasks);
    until(&machine, &mut Tasks::default(), Pending::new(std::future::pending()), || pieces(&machine) == 4)
        .unwrap_or(());
    machine.set_space(Some(machine.bytes_on_disk()));
    let (mut last, mut full) = (EVENTS, None);
    while full.is_none() {
        full = append(&store, last).err();
        last += u64::from(full.is_none());
    }
    assert!(full.is_some_and(|error| error.is_disk_full()));
    until(&machine, &mut tasks, consumer.wait_for(Position(last)), || false);
    assert_eq!(consumer.status().parked, last);
    until(&machine, &mut tasks, consumer.pause(), || false);
    assert!((1..4).contains(&pieces(&machine)), "{:?}", machine.files());

    let machine = machine.power_cut(9, Crash::Torn);
    machine.set_space(None);
    drop((consumer, tasks));
    let (store, mut tasks) = (machine.open(small()).expect("a store"), Tasks::default());
    let found = store.consumers().wait().expect("consumers");
    assert_eq!((found[0].position.0, found[0].paused), (last, true));
    assert_eq!(store.dead_letters().count().wait().expect("a count"), last);
    let consumer = start(&store, &mut tasks);
    pass(&machine, &mut tasks, &mut Chance::new(1), 2);
    assert_eq!(pieces(&machine), 4, "it is made again");
    drop(consumer);
}
