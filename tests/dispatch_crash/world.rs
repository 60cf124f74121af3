//! One machine, one consumer, and an oracle that knows what its handler was asked.

use crate::tasks::{Tasks, Yield};
use crate::tools::small;
use orchestrix::prelude::*;
use orchestrix::testing::{Bugs, Chance, Crash, Machine};
use orchestrix::{Durability, Query, RetryPolicy, RunningConsumer};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const IN_FLIGHT_MAX: usize = 6;
const STREAMS: u64 = 4;

/// What happened in all lives.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    crashes: u64,
    calls: u64,
    again: u64,
    failed: u64,
    letters: u64,
    redriven: u64,
}

impl Counts {
    pub(crate) fn assert_enough(&self, lives: u64) {
        let found = [self.crashes, self.calls / 10, self.again, self.failed, self.letters, self.redriven];
        assert!(found.iter().all(|count| *count >= lives / 2), "{self:?}");
    }
}

/// What the handler was asked, and said; as a crash leaves it in the memory of who looks on.
#[derive(Clone, Default)]
struct Oracle {
    /// Answered with `Ack`, by stream and revision.
    acked: HashSet<(String, u64)>,
    /// Answered with `Park`.
    parked: HashSet<(String, u64)>,
    /// Acknowledged before this life, and asked again in it.
    again: HashSet<(String, u64)>,
    before: HashSet<(String, u64)>,
    mended: bool,
    calls: u64,
    failed: u64,
    problem: Option<String>,
}

type Shared = Arc<Mutex<Oracle>>;

fn lock(oracle: &Shared) -> std::sync::MutexGuard<'_, Oracle> {
    oracle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Oracle {
    fn asked(&mut self, stream: &str, revision: u64) {
        self.calls += 1;
        let place = (stream.to_owned(), revision);
        if self.before.contains(&place) {
            self.again.insert(place);
        }
        let early = (0..revision).find(|earlier| {
            let earlier = (stream.to_owned(), *earlier);
            !self.acked.contains(&earlier)
        });
        if let Some(earlier) = early {
            self.problem.get_or_insert(format!(
                "{stream} {revision} was handed out before {earlier} was acknowledged"
            ));
        }
    }
}

/// What the handler does with an event, by its number.
fn is_bad(number: u64) -> bool {
    number % 29 == 3
}

fn fails_first(number: u64) -> u32 {
    if number % 5 == 1 { 1 + (number % 3) as u32 } else { 0 }
}

async fn handle(oracle: Shared, event: Delivery) -> Handled {
    let (stream, revision) = (event.stream().to_owned(), event.revision().0);
    let number: u64 = String::from_utf8_lossy(event.event().data()).parse()?;
    lock(&oracle).asked(&stream, revision);
    if number.is_multiple_of(2) {
        Yield::default().await;
    }
    event.emit(format!("out-{number}"), NewEvent::raw("derived", b""))?;
    let mut oracle = lock(&oracle);
    if event.attempt() <= fails_first(number) {
        oracle.failed += 1;
        return Err("not yet".into());
    }
    if is_bad(number) && !oracle.mended {
        oracle.parked.insert((stream, revision));
        return Ok(Outcome::park("bad"));
    }
    oracle.acked.insert((stream, revision));
    Ok(Ack)
}

struct World {
    machine: Machine,
    store: Store,
    tasks: Tasks,
    consumer: Option<RunningConsumer>,
    oracle: Shared,
    chance: Chance,
    /// Number of the next event.
    next: u64,
}

impl World {
    fn new(seed: u64, bugs: Bugs) -> Result<Self, String> {
        let machine = Machine::new(seed).with_bugs(bugs);
        let store =
            machine.open(small().durability(Durability::Process)).map_err(|error| error.to_string())?;
        let (tasks, oracle) = (Tasks::default(), Shared::default());
        let mut world =
            Self { machine, store, tasks, consumer: None, oracle, chance: Chance::new(seed), next: 0 };
        world.start()?;
        Ok(world)
    }

    fn start(&mut self) -> Result<(), String> {
        self.tasks = Tasks::default();
        let oracle = self.oracle.clone();
        let policy = RetryPolicy::fixed(Duration::from_millis(20)).expect("a policy").max_retries(5);
        let consumer = Consumer::named("reader")
            .category("in")
            .workers(2)
            .in_flight_max(IN_FLIGHT_MAX)
            .retry(policy)
            .checkpoint_every(Duration::from_millis(100))
            .handle_async(move |event: Delivery| handle(oracle.clone(), event));
        let tasks = &mut self.tasks;
        let consumer = consumer.start_on(&self.store, |task| tasks.push(task));
        self.consumer = Some(consumer.map_err(|error| format!("starting: {error}"))?);
        Ok(())
    }

    fn append(&mut self) {
        let stream = format!("in-{}", self.chance.below(STREAMS));
        let event = NewEvent::raw("happened", self.next.to_string().into_bytes());
        self.next += 1;
        self.store.append(stream, Any, event).wait().expect("an append");
    }

    fn step(&mut self) {
        match self.chance.below(10) {
            0..2 => self.append(),
            2..5 => drop(self.machine.run_one(&mut self.chance)),
            5..9 => drop(self.tasks.poll_one(&mut self.chance)),
            _ => drop(self.machine.pass(Duration::from_millis(self.chance.below(30)))),
        }
    }

    /// Some steps, in one of which power is cut or the process killed. The machine goes on as that leaves it.
    fn crash(&mut self, steps: u64, counts: &mut Counts) -> Result<(), String> {
        for _ in 0..self.chance.below(steps) {
            self.step();
        }
        let (seed, countdown) = (self.chance.any(), Mutex::new(self.chance.below(12)));
        let is_cut = self.chance.happens(600);
        let left = Arc::new(Mutex::new(None));
        let (taken, oracle) = (left.clone(), self.oracle.clone());
        self.machine.watch(move |machine, _| {
            let mut countdown = countdown.lock().expect("no panic");
            let mut taken = taken.lock().expect("no panic");
            if *countdown > 0 || taken.is_some() {
                *countdown = countdown.saturating_sub(1);
                return;
            }
            let next = if is_cut { machine.power_cut(seed, Crash::Torn) } else { machine.kill(seed) };
            // Inside of the handler's own step nobody writes, so the oracle isn't locked.
            *taken = Some((next, lock(&oracle).clone()));
        });
        for _ in 0..60 {
            self.step();
            if left.lock().expect("no panic").is_some() {
                break;
            }
        }
        self.machine.unwatch();
        let taken = left.lock().expect("no panic").take();
        let (machine, oracle) = match taken {
            Some(taken) => taken,
            None => (self.machine.kill(seed), lock(&self.oracle).clone()),
        };
        if let Some(problem) = lock(&self.oracle).problem.take() {
            return Err(problem);
        }
        self.check()?;
        counts.crashes += 1;
        counts.again += lock(&self.oracle).again.len() as u64;
        self.tasks = Tasks::default();
        self.consumer = None;
        let before = oracle.acked.clone();
        self.oracle = Arc::new(Mutex::new(Oracle { before, again: HashSet::new(), ..oracle }));
        self.machine = machine;
        self.store = self
            .machine
            .open(small().durability(Durability::Process))
            .map_err(|error| format!("opening: {error}"))?;
        self.start()
    }

    /// Runs until everything is handled.
    fn drain(&mut self, mut is_done: impl FnMut(&mut Self) -> bool) -> Result<(), String> {
        self.store.sync().wait().map_err(|error| error.to_string())?;
        for _ in 0..100_000 {
            if is_done(self) {
                return match lock(&self.oracle).problem.take() {
                    Some(problem) => Err(problem),
                    None => Ok(()),
                };
            }
            if !self.tasks.poll_one(&mut self.chance) && !self.machine.run_one(&mut self.chance) {
                break;
            }
        }
        Err(format!("it doesn't get to the end: {:?}", self.consumer))
    }

    fn check(&self) -> Result<(), String> {
        let oracle = lock(&self.oracle);
        if oracle.again.len() > IN_FLIGHT_MAX {
            return Err(format!("{} events came again: {:?}", oracle.again.len(), oracle.again));
        }
        for (stream, revision) in &oracle.acked {
            let head = self.store.head(stream).wait().map_err(|error| error.to_string())?;
            if head.is_none_or(|head| head.revision.0 < *revision) {
                return Err(format!("{stream} {revision} was handled and isn't there"));
            }
        }
        Ok(())
    }

    /// What is there in the end.
    fn check_all(&self, letters: &BTreeMap<u64, u64>) -> Result<(), String> {
        let oracle = lock(&self.oracle);
        for event in self.store.view().category("in") {
            let event = event.map_err(|error| error.to_string())?;
            let number: u64 = String::from_utf8_lossy(event.data()).parse().expect("a number");
            let place = (event.stream().to_owned(), event.revision().0);
            let derived = self.store.read(Query::stream(format!("out-{number}"))).fetch().wait();
            let derived = derived.map_err(|error| error.to_string())?.len();
            let (acked, parked) = (oracle.acked.contains(&place), letters.get(&event.position().0).copied());
            // An acknowledgement that a crash has lost may be followed by a dead letter: crashes are counted.
            if !matches!((acked, derived, parked), (true, 1, None) | (_, 0, Some(1))) {
                return Err(format!(
                    "event {number}, {place:?}: acknowledged is {acked}, derived {derived} times, in {parked:?} letters"
                ));
            }
        }
        Ok(())
    }

    fn letters(&self) -> Result<BTreeMap<u64, u64>, String> {
        let mut found = BTreeMap::new();
        for letter in self.store.dead_letters().list().wait().map_err(|error| error.to_string())? {
            *found.entry(letter.event().position().0).or_default() += 1;
        }
        Ok(found)
    }
}

/// Lives with crashes, and an end in which everything is handled, and what was parked is redriven.
pub(crate) fn live(seed: u64, bugs: Bugs, counts: &mut Counts) -> Result<(), String> {
    let mut world = World::new(seed, bugs)?;
    for _ in 0..3 + world.chance.below(4) {
        world.crash(150, counts)?;
    }
    let last = world.store.view().watermark();
    world
        .drain(|world| world.consumer.as_ref().is_some_and(|consumer| consumer.status().position >= last))?;
    world.check()?;
    let letters = world.letters()?;
    world.check_all(&letters)?;
    counts.letters += letters.len() as u64;
    lock(&world.oracle).mended = true;
    let consumer = world.consumer.as_ref().expect("it runs");
    let mut redrive = Box::pin(consumer.dead_letters().redrive_all());
    let mut count = None;
    world.drain(|_| {
        let waker = std::task::Waker::noop();
        if count.is_none()
            && let std::task::Poll::Ready(found) =
                redrive.as_mut().poll(&mut std::task::Context::from_waker(waker))
        {
            count = Some(found);
        }
        count.is_some()
    })?;
    let redriven = count.expect("it is over").map_err(|error| format!("redriving: {error}"))?;
    counts.redriven += redriven;
    // Those that fail at their first attempt stay, and what follows them.
    world.check_all(&world.letters()?)?;
    let oracle = lock(&world.oracle);
    counts.calls += oracle.calls;
    counts.failed += oracle.failed;
    Ok(())
}
