//! Random appends, transactions, repeats, conflicts, reads and reopenings against a plain `Vec`, on every medium.
//! `ORCHESTRIX_CASES` sets the number of cases.

use orchestrix::prelude::*;
use orchestrix::testing::Machine;
use orchestrix::{Durability, Error, Options, View, WriteMode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

const STREAMS: [&str; 5] = ["account-1", "account-2", "order-1", "order", "b-äöü-1"];
const TYPES: [&str; 3] = ["opened", "paid", "closed"];
const CATEGORIES: [&str; 4] = ["account", "order", "b", "nobody"];

/// An event as it is asked for: stream, type, bytes of data.
type Asked = (usize, usize, usize);

#[derive(Clone, Debug)]
enum Op {
    /// Events for one stream; which expectation.
    Append(usize, Vec<(usize, usize)>, u8),
    /// Events for several streams, in any order.
    Transact(Vec<Asked>),
    /// The commit of this number, modulo what there is, again.
    Repeat(usize),
    /// An append that expects this much more than is there.
    Conflict(usize, u64),
    /// Ranges to read, as parts of a thousand of what is there.
    Read(u64, u64),
    Sync,
    Work,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let event = || (0..TYPES.len(), prop_oneof![8 => 0..40_usize, 1 => 0..700_usize]);
    let asked = (0..STREAMS.len(), 0..TYPES.len(), 0..60_usize);
    prop_oneof![
        8 => (0..STREAMS.len(), vec(event(), 1..3), 0..4_u8).prop_map(|(s, e, x)| Op::Append(s, e, x)),
        4 => vec(asked, 1..8).prop_map(Op::Transact),
        2 => (0..100_usize).prop_map(Op::Repeat),
        2 => (0..STREAMS.len(), 1..3_u64).prop_map(|(s, n)| Op::Conflict(s, n)),
        4 => (0..1100_u64, 0..1100_u64).prop_map(|(a, b)| Op::Read(a, b)),
        1 => Just(Op::Sync),
        2 => Just(Op::Work),
        1 => Just(Op::Reopen),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Event {
    stream: String,
    revision: u64,
    event_type: String,
    id: String,
    data: Vec<u8>,
}

impl Event {
    fn of(event: EventRef<'_>) -> (u64, Self) {
        let own = Self {
            stream: event.stream().to_owned(),
            revision: event.revision().0,
            event_type: event.event_type().to_owned(),
            id: event.id().to_string(),
            data: event.data().to_vec(),
        };
        (event.position().0, own)
    }

    fn to_new(&self) -> NewEvent<'_> {
        NewEvent::raw(&*self.event_type, &*self.data).id(&*self.id)
    }

    fn category(&self) -> &str {
        self.stream.split('-').next().unwrap_or_default()
    }
}

/// The store, and what it must hold.
struct Pair {
    medium: Option<Machine>,
    store: Store,
    events: Vec<Event>,
    /// First event and number of events of each commit.
    commits: Vec<(usize, usize)>,
}

type Check = Result<(), TestCaseError>;

fn options() -> Options {
    Store::options().segment_bytes(8 << 10)
}

impl Pair {
    fn new(kind: u8, seed: u64) -> Self {
        let mode = [WriteMode::Mapped, WriteMode::Positioned].get(usize::from(kind));
        let medium = mode.map(|mode| Machine::with_mode(seed, *mode));
        let store = match &medium {
            Some(machine) => machine.open(options()).unwrap(),
            None => options().in_memory().unwrap(),
        };
        Self { medium, store, events: Vec::new(), commits: Vec::new() }
    }

    fn count(&self, stream: &str) -> u64 {
        self.events.iter().filter(|event| event.stream == stream).count() as u64
    }

    fn make(&self, asked: &[Asked]) -> Vec<Event> {
        let mut made: Vec<Event> = Vec::new();
        for (stream, event_type, bytes) in asked {
            let (stream, number) = (STREAMS[*stream], self.events.len() + made.len());
            let before = made.iter().filter(|event| event.stream == stream).count() as u64;
            made.push(Event {
                stream: stream.to_owned(),
                revision: self.count(stream) + before,
                event_type: TYPES[*event_type].to_owned(),
                id: if number % 3 == 0 { format!("{number}") } else { format!("an-id-that-is-long-{number}") },
                data: (0..*bytes).map(|n| (n * 7 + number) as u8).collect(),
            });
        }
        made
    }

    fn exactly(revision: u64) -> Expected {
        revision.checked_sub(1).map_or(NoStream, |newest| Exact(Revision(newest)))
    }

    /// Sends events as a transaction that expects what stands before each run of one stream.
    fn send(&self, events: &[Event], durability: Durability) -> Result<orchestrix::Receipt, Error> {
        let mut transaction = self.store.transaction().durability(durability);
        for run in events.chunk_by(|one, other| one.stream == other.stream) {
            let new: Vec<_> = run.iter().map(Event::to_new).collect();
            transaction = transaction.append(&run[0].stream, Self::exactly(run[0].revision), &new);
        }
        transaction.commit().wait()
    }

    fn committed(&mut self, made: Vec<Event>, receipt: &orchestrix::Receipt) -> Check {
        self.commits.push((self.events.len(), made.len()));
        self.events.extend(made);
        prop_assert_eq!(receipt.position().0, self.events.len() as u64);
        prop_assert!(!receipt.is_repeat());
        let first = &self.events[self.commits[self.commits.len() - 1].0].stream;
        prop_assert_eq!(receipt.revision().0 + 1, self.count(first));
        for stream in STREAMS {
            let is_in = self.events[self.commits[self.commits.len() - 1].0..].iter().any(|e| e.stream == stream);
            let wanted = is_in.then(|| Revision(self.count(stream) - 1));
            prop_assert_eq!(receipt.revision_of(stream), wanted);
        }
        Ok(())
    }

    fn act(&mut self, op: &Op) -> Check {
        match op {
            Op::Append(stream, events, expects) => {
                let asked: Vec<Asked> = events.iter().map(|(kind, bytes)| (*stream, *kind, *bytes)).collect();
                let made = self.make(&asked);
                let expected = match expects {
                    0 => Any,
                    1 if made[0].revision > 0 => StreamExists,
                    _ => Self::exactly(made[0].revision),
                };
                let new: Vec<_> = made.iter().map(Event::to_new).collect();
                let receipt = self.store.append(STREAMS[*stream], expected, &new).wait().unwrap();
                drop(new);
                self.committed(made, &receipt)
            }
            Op::Transact(asked) => {
                let made = self.make(asked);
                let receipt = self.send(&made, Durability::Process).unwrap();
                self.committed(made, &receipt)
            }
            Op::Repeat(number) => self.repeat(*number),
            Op::Conflict(stream, more) => {
                let actual = self.count(STREAMS[*stream]);
                let wrong = Exact(Revision(actual + more - 1));
                let refused = self.store.append(STREAMS[*stream], wrong, NewEvent::raw("never", b"")).wait();
                let conflict = refused.unwrap_err().conflict().cloned().expect("a conflict");
                prop_assert_eq!(conflict.actual, actual.checked_sub(1).map(Revision));
                Ok(())
            }
            Op::Read(from, to) => self.read(*from, *to),
            Op::Sync => {
                self.store.sync().wait().unwrap();
                prop_assert_eq!(self.store.view_synced().watermark().0, self.events.len() as u64);
                Ok(())
            }
            Op::Work => {
                if let Some(machine) = &self.medium {
                    machine.pass(std::time::Duration::from_millis(60));
                }
                Ok(())
            }
            Op::Reopen => self.reopen(),
        }
    }

    /// A repeat is the first receipt again, where each stream of the commit stands in one run; nothing is added.
    fn repeat(&self, number: usize) -> Check {
        let Some((start, count)) = self.commits.get(number % self.commits.len().max(1)) else { return Ok(()) };
        let events = &self.events[*start..start + count];
        let receipt = self.send(events, Durability::Power).unwrap();
        prop_assert!(receipt.is_repeat());
        prop_assert_eq!(receipt.position().0, (start + count) as u64);
        prop_assert!(self.store.view_synced().watermark() >= receipt.position());
        prop_assert_eq!(self.store.view().watermark().0, self.events.len() as u64);
        Ok(())
    }

    fn reopen(&mut self) -> Check {
        if let Some(machine) = &self.medium {
            self.store.close().wait().unwrap();
            self.store = machine.open(options()).unwrap();
            prop_assert!(self.store.recovery().is_clean());
            prop_assert_eq!(self.store.recovery().events, self.events.len() as u64);
            let report = machine.verify().unwrap();
            prop_assert!(report.is_clean(), "{:?}", report);
            prop_assert_eq!(report.events, self.events.len() as u64);
        }
        Ok(())
    }

    fn read(&self, from: u64, to: u64) -> Check {
        let view = self.store.view();
        let part = |thousandth: u64, of: u64| of * thousandth / 1000;
        prop_assert_eq!(view.watermark().0, self.events.len() as u64);
        let all = self.events.len() as u64;
        let (after, before) = (part(from, all), part(to, all));
        let own = |keep: &dyn Fn(u64, &Event) -> bool| -> Vec<(u64, Event)> {
            (1..).zip(self.events.iter().cloned()).filter(|(position, event)| keep(*position, event)).collect()
        };
        let within = |position: u64| position > after && position < before;
        let (a, b) = (Position(after), Position(before));
        both_ways(own(&|n, _| within(n)), || view.all().after(a).before(b))?;
        for category in CATEGORIES {
            let wanted = own(&|n, event| within(n) && event.category() == category);
            both_ways(wanted, || view.category(category).after(a).before(b))?;
        }
        for kind in TYPES {
            both_ways(own(&|n, e| n > after && e.event_type == kind), || view.event_type(kind).after(a))?;
        }
        for stream in STREAMS {
            let count = self.count(stream);
            let (low, high) = (part(from, count), part(to, count));
            let wanted = own(&|_, e| e.stream == stream && e.revision >= low && e.revision <= high);
            both_ways(wanted, || view.stream(stream).from(Revision(low)).up_to(Revision(high)))?;
            let newest = own(&|_, e| e.stream == stream).pop().map(|(n, e)| (Revision(e.revision), Position(n)));
            prop_assert_eq!(view.head(stream).map(|head| (head.revision, head.position)), newest);
        }
        self.counts(&view)
    }

    fn counts(&self, view: &View) -> Check {
        let mut streams: Vec<(String, u64)> = view.streams().map(|(name, head)| (name, head.revision.0 + 1)).collect();
        streams.sort();
        let mut wanted: Vec<_> = STREAMS.map(|stream| (stream.to_owned(), self.count(stream))).into();
        wanted.retain(|(_, count)| *count > 0);
        wanted.sort();
        prop_assert_eq!(view.stream_count(), wanted.len() as u64);
        prop_assert_eq!(streams, wanted);
        let stats = self.store.stats().unwrap();
        prop_assert_eq!(stats.events, self.events.len() as u64);
        prop_assert_eq!(stats.last_position.0, self.events.len() as u64);
        Ok(())
    }
}

/// Reads the same events forward, backward, and from both ends in turn.
fn both_ways<'v, I>(wanted: Vec<(u64, Event)>, events: impl Fn() -> I) -> Check
where
    I: DoubleEndedIterator<Item = Result<EventRef<'v>, Error>>,
{
    let read = |event: Result<EventRef<'v>, Error>| Event::of(event.unwrap());
    prop_assert_eq!(&events().map(read).collect::<Vec<_>>(), &wanted);
    let mut backward: Vec<_> = events().rev().map(read).collect();
    backward.reverse();
    prop_assert_eq!(&backward, &wanted);
    let (mut front, mut back, mut both) = (Vec::new(), Vec::new(), events());
    loop {
        let Some(event) = both.next() else { break };
        front.push(read(event));
        let Some(event) = both.next_back() else { break };
        back.push(read(event));
    }
    front.extend(back.into_iter().rev());
    prop_assert_eq!(&front, &wanted);
    Ok(())
}

#[test]
fn the_store_is_a_vec_that_survives() {
    let cases = std::env::var("ORCHESTRIX_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let lives = (0..3_u8, any::<u64>(), vec(op(), 1..40));
    let outcome = TestRunner::new(config).run(&lives, |(kind, seed, ops)| {
        let mut pair = Pair::new(kind, seed);
        for op in &ops {
            pair.act(op)?;
        }
        pair.read(0, 1100)?;
        pair.reopen()?;
        pair.read(100, 900)
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
