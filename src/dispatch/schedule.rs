//! Which event is handled next: order, retries, and what is held back. A pure function of what it is told; it knows neither
//! stores nor handlers, and reads no clock. Its memory is bounded by the events that may be under way, whatever waits behind them.

use super::order::Order;
use super::progress::{Progress, Waiting};
use super::works::Works;
use crate::Position;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Lanes without events that are kept, beside twice as many as events.
const LANES_KEPT: usize = 1_024;
/// Bytes of streams that are held back, beyond which nothing is read ahead.
const HELD_BYTES_MAX: usize = 256 << 10;

/// About what a stream that is held back takes where progress is kept.
fn held_bytes(name: &str) -> usize {
    name.len() + 16
}

/// The events of a consumer that were read and aren't finished, by position.
pub(super) struct Schedule<T> {
    order: Order,
    outstanding_max: usize,
    /// Everything up to here was read.
    through: u64,
    /// The highest position that was finished, or failed.
    touched: u64,
    works: Works<Work<T>>,
    lanes: Vec<Lane>,
    /// Numbers of lanes, by their stream.
    numbers: HashMap<Arc<str>, usize, FixedState>,
    /// Numbers of lanes that no stream has.
    free: Vec<usize>,
    /// Streams of which later events than these were read and not kept.
    held: BTreeSet<(u64, usize)>,
    held_bytes: usize,
    ready: VecDeque<u64>,
    due: BinaryHeap<Reverse<(Duration, u64)>>,
    /// Streams whose held events are wanted.
    wanted: VecDeque<usize>,
    running: usize,
}

struct Work<T> {
    item: T,
    lane: Option<usize>,
    state: State,
    /// Attempts that failed.
    failed: u32,
    /// When it failed first, in nanoseconds since 1970-01-01 UTC.
    first_failure: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Another event of its lane comes first.
    Queued,
    Ready,
    Running,
    /// It is tried again then.
    Due(Duration),
}

/// Events that are handled one after another. One without any is kept for a while: its stream probably goes on.
struct Lane {
    stream: Arc<str>,
    /// Those that were kept.
    queue: VecDeque<u64>,
    /// Later events than this one were read and not kept.
    held: Option<u64>,
}

/// An event that is to be handled now.
#[derive(Debug)]
pub(super) struct Next<T> {
    pub(super) position: u64,
    pub(super) item: T,
    /// From 1 on.
    pub(super) attempt: u32,
    pub(super) first_failure: i64,
}

impl<T: Clone> Schedule<T> {
    /// One that has read everything up to a position. Streams are found by a hash with this seed.
    pub(super) fn new(order: Order, outstanding_max: usize, through: Position, seed: u64) -> Self {
        Self {
            order,
            outstanding_max,
            through: through.0,
            touched: through.0,
            works: Works::new(),
            lanes: Vec::new(),
            numbers: HashMap::with_hasher(FixedState::with_seed(seed)),
            free: Vec::new(),
            held: BTreeSet::new(),
            held_bytes: 0,
            ready: VecDeque::new(),
            due: BinaryHeap::new(),
            wanted: VecDeque::new(),
            running: 0,
        }
    }

    /// Puts back an event that an earlier run hadn't finished, to be handled at `due`. In ascending order of positions, before
    /// anything is added.
    pub(super) fn restore(&mut self, waiting: &Waiting, due: Option<Duration>, stream: &str, item: T) {
        self.push(waiting.position, stream, item);
        if waiting.failed > 0
            && let Some(work) = self.works.get_mut(waiting.position)
        {
            (work.failed, work.first_failure) = (waiting.failed, waiting.first_failure);
            if let (State::Ready, Some(due)) = (work.state, due) {
                work.state = State::Due(due);
                self.ready.retain(|ready| *ready != waiting.position);
                self.due.push(Reverse((due, waiting.position)));
            }
        }
    }

    /// Puts back that events of a stream behind a position were read and not kept. After the last `restore`.
    pub(super) fn restore_held(&mut self, stream: &str, after: u64) {
        let lane = self.lane_of(stream);
        self.set_held(lane, Some(after));
        if self.lanes[lane].queue.is_empty() {
            self.wanted.push_back(lane);
        }
    }

    /// Whether nothing more may be kept.
    pub(super) fn is_full(&self) -> bool {
        self.works.len() >= self.outstanding_max || self.held_bytes > HELD_BYTES_MAX
    }

    /// Everything up to here was read.
    pub(super) fn through(&self) -> Position {
        Position(self.through)
    }

    /// Everything up to here was read: what wasn't added isn't asked for.
    pub(super) fn pass(&mut self, through: Position) {
        self.through = self.through.max(through.0);
    }

    /// An event that was read, in ascending order of positions.
    pub(super) fn add(&mut self, position: Position, stream: &str, item: T) {
        self.pass(position);
        if self.order != Order::PerStream {
            return self.push(position.0, stream, item);
        }
        let lane = self.lane_of(stream);
        if self.lanes[lane].held.is_none() {
            self.push_to(position.0, Some(lane), item);
        }
    }

    fn lane_of(&mut self, stream: &str) -> usize {
        if let Some(number) = self.numbers.get(stream) {
            return *number;
        }
        if self.numbers.len() > 2 * self.outstanding_max + LANES_KEPT {
            self.forget_idle();
        }
        let stream: Arc<str> = stream.into();
        let lane = Lane { stream: stream.clone(), queue: VecDeque::new(), held: None };
        let number = match self.free.pop() {
            Some(number) => {
                self.lanes[number] = lane;
                number
            }
            None => {
                self.lanes.push(lane);
                self.lanes.len() - 1
            }
        };
        self.numbers.insert(stream, number);
        number
    }

    /// Forgets the lanes that have nothing.
    #[cold]
    fn forget_idle(&mut self) {
        let (lanes, free) = (&self.lanes, &mut self.free);
        self.numbers.retain(|_, number| {
            let lane = &lanes[*number];
            let is_idle = lane.queue.is_empty() && lane.held.is_none();
            if is_idle {
                free.push(*number);
            }
            !is_idle
        });
    }

    fn push(&mut self, position: u64, stream: &str, item: T) {
        let lane = match self.order {
            Order::PerStream => Some(self.lane_of(stream)),
            Order::Total => Some(self.lane_of("")),
            Order::None => None,
        };
        self.push_to(position, lane, item);
    }

    fn push_to(&mut self, position: u64, lane: Option<usize>, item: T) {
        let mut state = State::Ready;
        if let Some(lane) = lane {
            let queue = &mut self.lanes[lane].queue;
            if !queue.is_empty() {
                state = State::Queued;
            }
            queue.push_back(position);
        }
        if state == State::Ready {
            self.ready.push_back(position);
        }
        self.works.insert(position, Work { item, lane, state, failed: 0, first_failure: 0 });
    }

    fn set_held(&mut self, number: usize, after: Option<u64>) {
        let lane = &mut self.lanes[number];
        let bytes = held_bytes(&lane.stream);
        if let Some(before) = std::mem::replace(&mut lane.held, after) {
            self.held.remove(&(before, number));
            self.held_bytes -= bytes;
        }
        if let Some(after) = after {
            self.held.insert((after, number));
            self.held_bytes += bytes;
        }
    }

    /// The next event to be handled, if there is one now.
    pub(super) fn next(&mut self, now: Duration) -> Option<Next<T>> {
        while let Some(Reverse((due, position))) = self.due.peek().copied() {
            if due > now {
                break;
            }
            self.due.pop();
            self.works.get_mut(position).expect("a work that is due").state = State::Ready;
            self.ready.push_back(position);
        }
        let position = self.ready.pop_front()?;
        let work = self.works.get_mut(position).expect("a work that is ready");
        work.state = State::Running;
        self.running += 1;
        let attempt = work.failed.saturating_add(1);
        Some(Next { position, item: work.item.clone(), attempt, first_failure: work.first_failure })
    }

    /// Whether an event could be handled now.
    pub(super) fn is_ready(&self, now: Duration) -> bool {
        !self.ready.is_empty() || self.next_due().is_some_and(|due| due <= now)
    }

    /// When the next event that failed is tried again.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }

    /// An event that `next` gave is done with.
    pub(super) fn finish(&mut self, position: u64) {
        let work = self.works.remove(position).expect("a work that was handed out");
        debug_assert!(work.state == State::Running);
        self.running -= 1;
        self.touched = self.touched.max(position);
        let Some(number) = work.lane else { return };
        let lane = &mut self.lanes[number];
        lane.queue.pop_front();
        match (lane.queue.front(), lane.held) {
            (Some(next), _) => {
                let next = *next;
                self.works.get_mut(next).expect("a work of its lane").state = State::Ready;
                self.ready.push_back(next);
            }
            (None, Some(_)) => self.wanted.push_back(number),
            (None, None) => {}
        }
    }

    /// An event that `next` gave has failed at this time, and is tried again at `due`. What follows it in its stream waits.
    pub(super) fn fail(&mut self, position: u64, due: Duration, at: i64) {
        let work = self.works.get_mut(position).expect("a work that was handed out");
        debug_assert!(work.state == State::Running);
        self.running -= 1;
        self.touched = self.touched.max(position);
        work.state = State::Due(due);
        work.failed = work.failed.saturating_add(1);
        if work.failed == 1 {
            work.first_failure = at;
        }
        self.due.push(Reverse((due, position)));
    }

    /// Lets go of events that wait for another of their stream, which is being handled or has failed: they are read again when
    /// it is their turn. `false` if there are none. For when nothing is ready, and there is no room to look for what is.
    pub(super) fn make_room(&mut self) -> bool {
        if self.order != Order::PerStream {
            return false;
        }
        let queued = self.works.values().filter(|work| work.state == State::Queued);
        let lanes = queued.filter_map(|work| work.lane).collect::<BTreeSet<usize>>();
        for number in &lanes {
            let queue = &mut self.lanes[*number].queue;
            let first = *queue.front().expect("an event that others wait for");
            for position in queue.drain(1..) {
                self.works.remove(position);
            }
            self.set_held(*number, Some(first));
        }
        !lanes.is_empty()
    }

    /// An event that `next` gave wasn't handled after all.
    pub(super) fn give_back(&mut self, position: u64) {
        let work = self.works.get_mut(position).expect("a work that was handed out");
        debug_assert!(work.state == State::Running);
        work.state = State::Ready;
        self.running -= 1;
        self.ready.push_front(position);
    }

    /// A stream that was held back and may go on: its events behind a position are wanted, up to what was read.
    pub(super) fn wanted(&self) -> Option<(Arc<str>, Position)> {
        if self.works.len() >= self.outstanding_max {
            return None;
        }
        let lane = &self.lanes[*self.wanted.front()?];
        Some((lane.stream.clone(), Position(lane.held.expect("a lane that is held"))))
    }

    /// How many events may be kept besides.
    pub(super) fn room(&self) -> usize {
        self.outstanding_max.saturating_sub(self.works.len())
    }

    /// The events of the stream that was wanted; there are no others of it up to `through`.
    pub(super) fn fill(&mut self, through: Position, events: impl Iterator<Item = (Position, T)>) {
        let number = self.wanted.pop_front().expect("a lane that was wanted");
        for (position, item) in events {
            self.push_to(position.0, Some(number), item);
        }
        let rest = (through.0 < self.through).then_some(through.0);
        self.set_held(number, rest);
        if rest.is_some() && self.lanes[number].queue.is_empty() {
            self.wanted.push_back(number);
        }
    }

    /// Events that are kept.
    pub(super) fn outstanding(&self) -> usize {
        self.works.len()
    }

    /// Events that were handed out and aren't finished.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// Events that wait to be tried again.
    pub(super) fn retrying(&self) -> usize {
        self.due.len()
    }

    /// Everything up to here is finished.
    pub(super) fn low(&self) -> Position {
        let first = self.works.first().map_or(self.through, |position| position - 1);
        let held = self.held.first().map_or(self.through, |(after, _)| *after);
        Position(first.min(held))
    }

    /// What is finished; with `done`, as if that event were, too.
    pub(super) fn progress(&self, done: Option<u64>, due: impl Fn(Duration) -> i64) -> Progress {
        let touched = self.touched.max(done.unwrap_or(0));
        let is_left = |position: u64| Some(position) != done;
        let through = self.works.first_behind(touched, is_left).map_or(self.through, |behind| behind - 1);
        let before = self.works.up_to(touched).into_iter().filter(|(position, _)| is_left(*position));
        let waiting = before.map(|(position, work)| Waiting {
            position,
            failed: work.failed,
            first_failure: work.first_failure,
            due: match work.state {
                State::Due(at) => due(at),
                _ => 0,
            },
        });
        let held = self.held.iter().filter(|(after, _)| *after < through);
        Progress {
            through,
            waiting: waiting.collect(),
            held: held.map(|(after, lane)| (self.lanes[*lane].stream.to_string(), *after)).collect(),
            ..Progress::default()
        }
    }
}

#[cfg(test)]
mod tests;
