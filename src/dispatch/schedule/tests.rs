//! A schedule against a plain list of what was finished: whatever fails, is held back, read again or restarted, every event is
//! handled, in the order that was asked for, and memory stays within its bound.

use super::*;
use proptest::prelude::*;

const OUTSTANDING_MAX: usize = 8;

/// A log of events, by their streams, and a consumer of it.
struct World {
    order: Order,
    log: Vec<u8>,
    schedule: Schedule<u8>,
    running: Vec<Next<u8>>,
    now: Duration,
    /// How often each event was finished.
    finished: Vec<u32>,
    /// Those that were finished when progress was kept last.
    kept: (Progress, Vec<u32>),
    read_again: usize,
}

#[derive(Clone, Debug)]
enum Op {
    Append(u8),
    Read(u8),
    Next,
    Finish(u8),
    Fail(u8, u8),
    GiveBack(u8),
    Fill(u8),
    Keep,
    Restart,
}

fn name(stream: u8) -> String {
    format!("s-{stream}")
}

impl World {
    fn new(order: Order) -> Self {
        Self {
            order,
            log: Vec::new(),
            schedule: Schedule::new(order, OUTSTANDING_MAX, Position::START, 7),
            running: Vec::new(),
            now: Duration::ZERO,
            finished: Vec::new(),
            kept: (Progress::default(), Vec::new()),
            read_again: 0,
        }
    }

    fn read(&mut self) -> bool {
        let at = self.schedule.through().0 as usize;
        let Some(stream) = self.log.get(at).copied().filter(|_| !self.schedule.is_full()) else {
            return false;
        };
        // Every seventh event isn't asked for.
        let position = Position(at as u64 + 1);
        match position.0 % 7 {
            0 => {
                self.finished[at] = 1;
                self.schedule.pass(position);
            }
            _ => self.schedule.add(position, &name(stream), stream),
        }
        true
    }

    fn next(&mut self) -> bool {
        let Some(next) = self.schedule.next(self.now) else { return false };
        let at = next.position as usize - 1;
        assert_eq!(self.finished[at], 0, "position {} was finished before", next.position);
        assert!(self.log[at] == next.item);
        let comes_first = |before: &usize| match self.order {
            Order::PerStream => self.log[*before] == next.item,
            Order::Total => true,
            Order::None => false,
        };
        let early = (0..at).filter(comes_first).find(|before| self.finished[*before] == 0);
        assert_eq!(early.map(|before| before + 1), None, "comes before position {}", next.position);
        self.running.push(next);
        true
    }

    /// As a consumer does when nothing is ready.
    fn make_room(&mut self) -> bool {
        self.schedule.is_full() && self.schedule.make_room()
    }

    fn take(&mut self, which: u8) -> Option<Next<u8>> {
        let count = self.running.len();
        (count > 0).then(|| self.running.swap_remove(usize::from(which) % count))
    }

    fn finish(&mut self, which: u8) -> bool {
        let Some(next) = self.take(which) else { return false };
        let progress = self.schedule.progress(Some(next.position), |_| 0);
        self.finished[next.position as usize - 1] += 1;
        self.schedule.finish(next.position);
        let after = self.schedule.progress(None, |_| 0);
        // Streams aside that are held back behind it: they hold nothing that is finished.
        assert_eq!((progress.through, progress.waiting), (after.through, after.waiting));
        true
    }

    fn fill(&mut self, limit: u8) -> bool {
        let Some((stream, after)) = self.schedule.wanted() else { return false };
        let through = self.schedule.through();
        let limit = usize::from(limit % 4 + 1).min(self.schedule.room());
        let later = (after.0..through.0).filter(|at| name(self.log[*at as usize]) == *stream);
        let later = later.filter(|at| (at + 1) % 7 != 0);
        let mut found: Vec<u64> = later.take(limit + 1).collect();
        let reached = if found.len() > limit { Position(found[limit - 1] + 1) } else { through };
        found.truncate(limit);
        self.read_again += found.len();
        let events: Vec<_> = found.iter().map(|at| (Position(at + 1), self.log[*at as usize])).collect();
        self.schedule.fill(reached, events.into_iter());
        true
    }

    fn keep(&mut self) {
        self.kept = (self.schedule.progress(None, |_| 0), self.finished.clone());
    }

    fn restart(&mut self) {
        let (progress, finished) = self.kept.clone();
        self.finished = finished;
        self.finished.resize(self.log.len(), 0);
        self.running.clear();
        self.schedule = Schedule::new(self.order, OUTSTANDING_MAX, Position(progress.through), 7);
        for waiting in &progress.waiting {
            let stream = self.log[waiting.position as usize - 1];
            assert_eq!(self.finished[waiting.position as usize - 1], 0);
            self.schedule.restore(waiting, Some(self.now), &name(stream), stream);
        }
        for (stream, after) in &progress.held {
            self.schedule.restore_held(stream, *after);
        }
        assert_eq!(self.schedule.progress(None, |_| 0), progress, "what is kept again");
    }

    fn run(&mut self, op: &Op) {
        self.now += Duration::from_millis(1);
        match *op {
            Op::Append(stream) => {
                self.log.push(stream % 4);
                self.finished.push(0);
            }
            Op::Read(count) => drop((0..count % 5).take_while(|_| self.read()).count()),
            Op::Next => drop(self.next() || self.make_room()),
            Op::Finish(which) => drop(self.finish(which)),
            Op::Fail(which, delay) => {
                if let Some(next) = self.take(which) {
                    let due = self.now + Duration::from_millis(u64::from(delay % 16));
                    self.schedule.fail(next.position, due, 5);
                }
            }
            Op::GiveBack(which) => {
                if let Some(next) = self.take(which) {
                    self.schedule.give_back(next.position);
                }
            }
            Op::Fill(limit) => drop(self.fill(limit)),
            Op::Keep => self.keep(),
            Op::Restart => self.restart(),
        }
        self.check();
    }

    fn check(&self) {
        let schedule = &self.schedule;
        assert!(schedule.works.len() <= OUTSTANDING_MAX, "{} events are kept", schedule.works.len());
        assert_eq!(schedule.running(), self.running.len());
        assert!(schedule.lanes.len() <= 4, "a lane for each stream");
        let low = schedule.low().0 as usize;
        let unfinished = self.finished[..low].iter().position(|count| *count == 0);
        assert_eq!(unfinished, None, "everything up to {low} is finished");
    }

    /// Everything is handled in the end.
    fn drain(&mut self) {
        for _ in 0..100_000 {
            self.now += Duration::from_millis(100);
            let moved = [self.read(), self.fill(3), self.next() || self.make_room(), self.finish(0)];
            self.check();
            if moved == [false; 4] {
                break;
            }
        }
        assert!(self.finished.iter().all(|count| *count == 1), "{:?}", self.finished);
        assert_eq!(self.schedule.low().0 as usize, self.log.len());
        self.schedule.forget_idle();
        assert!(
            self.schedule.numbers.is_empty() && self.schedule.held_bytes == 0 && !self.schedule.is_full()
        );
        let progress = self.schedule.progress(None, |_| 0);
        assert_eq!(progress, Progress { through: self.log.len() as u64, ..Progress::default() });
    }
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => any::<u8>().prop_map(Op::Append),
        5 => any::<u8>().prop_map(Op::Read),
        6 => Just(Op::Next),
        4 => any::<u8>().prop_map(Op::Finish),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(which, delay)| Op::Fail(which, delay)),
        1 => any::<u8>().prop_map(Op::GiveBack),
        3 => any::<u8>().prop_map(Op::Fill),
        1 => Just(Op::Keep),
        1 => Just(Op::Restart),
    ]
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![3 => Just(Order::PerStream), 1 => Just(Order::Total), 1 => Just(Order::None)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_handled_once_and_in_order(order in order(), ops in prop::collection::vec(op(), 1..400)) {
        let mut world = World::new(order);
        ops.iter().for_each(|op| world.run(op));
        world.drain();
    }
}

/// One failing stream: a million events of it wait without being kept, and others go by.
#[test]
fn a_stream_that_fails_holds_back_nobody_and_takes_no_memory() {
    let mut schedule = Schedule::new(Order::PerStream, OUTSTANDING_MAX, Position::START, 7);
    schedule.add(Position(1), "bad-1", ());
    let next = schedule.next(Duration::ZERO).expect("the first event");
    schedule.fail(next.position, Duration::from_secs(1), 5);
    for position in (2..1_000_000).step_by(2) {
        schedule.add(Position(position), "bad-1", ());
        if schedule.is_full() {
            assert!(schedule.next(Duration::ZERO).is_none() && schedule.make_room());
        }
        schedule.add(Position(position + 1), "good-1", ());
        let next = schedule.next(Duration::ZERO).expect("an event of the other stream");
        assert_eq!((next.position, next.attempt), (position + 1, 1));
        schedule.finish(next.position);
    }
    assert_eq!((schedule.works.len(), schedule.retrying(), schedule.low()), (1, 1, Position::START));
    let progress = schedule.progress(None, |due| due.as_secs() as i64);
    let waiting = Waiting { position: 1, failed: 1, first_failure: 5, due: 1 };
    assert_eq!((progress.waiting, progress.held), (vec![waiting], vec![("bad-1".to_owned(), 1)]));
    assert_eq!(schedule.next_due(), Some(Duration::from_secs(1)));
    let again = schedule.next(Duration::from_secs(1)).expect("it is due");
    assert_eq!((again.attempt, again.first_failure), (2, 5));
    schedule.finish(again.position);
    assert_eq!(schedule.wanted(), Some(("bad-1".into(), Position(1))));
}

/// Streams that have come and gone are forgotten.
#[test]
fn many_streams_take_no_memory() {
    let mut schedule = Schedule::new(Order::PerStream, OUTSTANDING_MAX, Position::START, 7);
    for position in 1..100_000 {
        schedule.add(Position(position), &format!("s-{position}"), ());
        let next = schedule.next(Duration::ZERO).expect("its event");
        schedule.finish(next.position);
    }
    assert!(schedule.lanes.len() <= 2 * OUTSTANDING_MAX + LANES_KEPT + 2, "{}", schedule.lanes.len());
}

/// The names of many failing streams are bounded, too.
#[test]
fn many_streams_that_are_held_back_end_reading() {
    let mut schedule = Schedule::new(Order::PerStream, 1 << 20, Position::START, 7);
    let mut position = 0;
    while !schedule.is_full() {
        let stream = format!("{}-{position}", "n".repeat(1_000));
        for _ in 0..2 {
            position += 1;
            schedule.add(Position(position), &stream, ());
        }
        let next = schedule.next(Duration::ZERO).expect("its first event");
        schedule.fail(next.position, Duration::from_secs(1), 0);
        assert!(schedule.make_room());
    }
    assert!((200..300).contains(&schedule.held.len()), "{}", schedule.held.len());
    let bytes = schedule.progress(None, |_| i64::MAX).encode().expect("bytes").len();
    assert!(bytes < crate::limits::CHECKPOINT_BYTES_MAX / 2, "{bytes}");
}
