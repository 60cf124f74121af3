//! How fast does what one thread sends come to 1, 4 and 16 others, each of which touches every event of 64 bytes? Orchestrix beside
//! channels and rings, and beside a cursor over a shared log in memory, written by hand.
//!
//! They don't do the same. Orchestrix also stamps, checks, indexes and keeps each event, on disk; who reads more slowly than others
//! read is still given all of it later, and so is who comes later. Of the others a slow reader holds up the sender (bounded channels,
//! `bus`, `disruptor`), is lapped (`tokio::sync::broadcast`, which is given room for everything here), or fills memory. The cursor by
//! hand does the least that can be done; crossbeam with shared batches sends a pointer for a hundred events, which is what a log does,
//! too, but has a queue a reader. All sides take turns in every round, and the median counts.

use orchestrix::{Batch, Durability, Expected, NewEvent, Store};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

const EVENTS: u64 = 300_000;
const BATCH: u64 = 100;
const ROUNDS: usize = 5;
/// Places of rings and bounded channels.
const ROOM: usize = 1 << 14;

type Payload = [u8; 64];

fn payload(n: u64) -> Payload {
    let mut payload = [7; 64];
    payload[..8].copy_from_slice(&n.to_le_bytes());
    payload
}

/// What one reader has touched.
#[derive(Default)]
struct Touched {
    events: u64,
    sum: u64,
}

impl Touched {
    #[inline]
    fn add(&mut self, data: &[u8]) {
        let (words, _) = data.as_chunks::<8>();
        self.sum = words.iter().fold(self.sum, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
        self.events += 1;
    }
}

/// Sends on this thread and reads on others, until each has touched everything.
fn deliver<R: Send>(readers: Vec<R>, read: impl Fn(R) -> Touched + Sync, send: impl FnOnce()) -> Duration {
    let start = Instant::now();
    let read = &read;
    thread::scope(|scope| {
        let reading: Vec<_> = readers.into_iter().map(|reader| scope.spawn(move || read(reader))).collect();
        send();
        for reader in reading {
            let touched = black_box(reader.join().expect("no panic"));
            assert_eq!(touched.events, EVENTS);
        }
    });
    start.elapsed()
}

fn orchestrix(readers: usize, batch: u64) -> Duration {
    let program = std::env::current_exe().expect("this program");
    let dir = tempfile::tempdir_in(program.parent().expect("a folder")).expect("a folder");
    let store = Store::options().durability(Durability::Process).open(dir.path()).expect("a store");
    let cursors =
        (0..readers).map(|_| store.subscribe().committed().open().expect("a subscription")).collect();
    let names: Vec<String> = (0..100).map(|n| format!("s-{n}")).collect();
    let time = deliver(
        cursors,
        |mut cursor| {
            let mut touched = Touched::default();
            while touched.events < EVENTS {
                let batch: Batch = cursor.next_batch().wait().expect("a batch").expect("open");
                batch.iter().for_each(|event| touched.add(event.data()));
            }
            touched
        },
        || {
            for first in (0..EVENTS).step_by(batch as usize) {
                let payloads: Vec<Payload> = (first..first + batch).map(payload).collect();
                let id = |n| Uuid::from_u64_pair(0x7000, n);
                let events: Vec<_> = (first..)
                    .zip(&payloads)
                    .map(|(n, payload)| NewEvent::with_id(id(n), "t", &payload[..]))
                    .collect();
                let stream = &names[(first / batch % 100) as usize];
                store.append(stream, Expected::Any, &events).wait().expect("append");
            }
        },
    );
    store.close().wait().expect("close");
    time
}

/// A log of words and one published end.
fn by_hand(readers: usize) -> Duration {
    const WORDS: usize = 9;
    let words: Vec<AtomicU64> = (0..EVENTS as usize * WORDS).map(|_| AtomicU64::new(0)).collect();
    let end = AtomicU64::new(0);
    let read = |()| {
        let (mut touched, mut at) = (Touched::default(), 0);
        while touched.events < EVENTS {
            let end = end.load(Ordering::Acquire) as usize;
            if at == end {
                thread::yield_now();
            }
            while at < end {
                let sum = words[at + 1..at + WORDS].iter().map(|word| word.load(Ordering::Relaxed));
                touched.sum = sum.fold(touched.sum, u64::wrapping_add);
                touched.events += 1;
                at += WORDS;
            }
        }
        touched
    };
    deliver(vec![(); readers], read, || {
        for n in 0..EVENTS {
            let at = n as usize * WORDS;
            words[at].store(64, Ordering::Relaxed);
            for (word, bytes) in words[at + 1..].iter().zip(payload(n).as_chunks::<8>().0) {
                word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
            }
            end.store((at + WORDS) as u64, Ordering::Release);
        }
    })
}

fn crossbeam(readers: usize) -> Duration {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..readers).map(|_| crossbeam_channel::bounded::<Payload>(ROOM)).unzip();
    let read = |receiver: crossbeam_channel::Receiver<Payload>| {
        let mut touched = Touched::default();
        (0..EVENTS).for_each(|_| touched.add(&receiver.recv().expect("an event")));
        touched
    };
    deliver(receivers, read, || {
        for n in 0..EVENTS {
            senders.iter().for_each(|sender| sender.send(payload(n)).expect("a reader"));
        }
    })
}

fn crossbeam_batches(readers: usize) -> Duration {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..readers).map(|_| crossbeam_channel::bounded::<Arc<Vec<Payload>>>(ROOM)).unzip();
    let read = |receiver: crossbeam_channel::Receiver<Arc<Vec<Payload>>>| {
        let mut touched = Touched::default();
        while touched.events < EVENTS {
            receiver.recv().expect("events").iter().for_each(|event| touched.add(event));
        }
        touched
    };
    deliver(receivers, read, || {
        for first in (0..EVENTS).step_by(BATCH as usize) {
            let batch = Arc::new((first..first + BATCH).map(payload).collect::<Vec<_>>());
            senders.iter().for_each(|sender| sender.send(batch.clone()).expect("a reader"));
        }
    })
}

fn tokio(readers: usize) -> Duration {
    let (sender, _) = tokio::sync::broadcast::channel::<Payload>(EVENTS as usize);
    let receivers = (0..readers).map(|_| sender.subscribe()).collect();
    let read = |mut receiver: tokio::sync::broadcast::Receiver<Payload>| {
        let mut touched = Touched::default();
        (0..EVENTS).for_each(|_| touched.add(&receiver.blocking_recv().expect("an event")));
        touched
    };
    deliver(receivers, read, || {
        (0..EVENTS).for_each(|n| _ = sender.send(payload(n)).expect("readers"));
    })
}

fn bus(readers: usize) -> Duration {
    let mut bus = bus::Bus::<Payload>::new(ROOM);
    let receivers = (0..readers).map(|_| bus.add_rx()).collect();
    let read = |mut receiver: bus::BusReader<Payload>| {
        let mut touched = Touched::default();
        (0..EVENTS).for_each(|_| touched.add(&receiver.recv().expect("an event")));
        touched
    };
    deliver(receivers, read, || (0..EVENTS).for_each(|n| bus.broadcast(payload(n))))
}

/// Gives the processor away: there are more readers than processors.
#[derive(Clone, Copy)]
struct Yields;

impl disruptor::wait_strategies::WaitStrategy for Yields {
    fn wait_for(&self, _sequence: disruptor::Sequence) {
        thread::yield_now();
    }
}

macro_rules! handled_by {
    ($builder:expr; $first:ident $($more:ident)*) => { handled_by!($builder.handle_events_with($first()); $($more)*) };
    ($builder:expr;) => { $builder.build() };
}

fn disruptor(readers: usize) -> Duration {
    use disruptor::Producer;
    let done = Arc::new(AtomicU64::new(0));
    let reader = || {
        let (mut touched, done) = (Touched::default(), done.clone());
        move |event: &Payload, _: disruptor::Sequence, _: bool| {
            touched.add(event);
            if touched.events == EVENTS {
                black_box(touched.sum);
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let start = Instant::now();
    macro_rules! send {
        ($($reader:ident)*) => {{
            let builder = disruptor::build_single_producer(ROOM, || [0; 64], Yields);
            let mut producer = handled_by!(builder; $($reader)*);
            (0..EVENTS).for_each(|n| producer.publish(|event| *event = payload(n)));
        }};
    }
    match readers {
        1 => send!(reader),
        4 => send!(reader reader reader reader),
        _ => send!(reader reader reader reader reader reader reader reader
            reader reader reader reader reader reader reader reader),
    }
    assert_eq!(
        done.load(Ordering::Relaxed),
        readers as u64,
        "a producer that is dropped waits for its readers"
    );
    start.elapsed()
}

type Side = (&'static str, fn(usize) -> Duration);

const SIDES: [Side; 8] = [
    ("Orchestrix, one event a commit", |readers| orchestrix(readers, 1)),
    ("Orchestrix, 100 events a commit", |readers| orchestrix(readers, BATCH)),
    ("cursor over a shared log, by hand", by_hand),
    ("tokio::sync::broadcast", tokio),
    ("crossbeam-channel, one each", crossbeam),
    ("bus", bus),
    ("disruptor", disruptor),
    ("crossbeam-channel, shared batches of 100", crossbeam_batches),
];

fn main() {
    println!(
        "{EVENTS} events of 64 bytes, sent and read at once; million deliveries a second, and of what Orchestrix makes one by one"
    );
    for readers in [1, 4, 16] {
        let mut samples: [Vec<f64>; SIDES.len()] = std::array::from_fn(|_| Vec::new());
        for round in 0..=ROUNDS {
            for ((_, side), samples) in SIDES.iter().zip(&mut samples) {
                let seconds = side(readers).as_secs_f64();
                if round > 0 {
                    samples.push(EVENTS as f64 * readers as f64 / seconds / 1e6);
                }
            }
        }
        println!("\n{readers} readers");
        let median = |samples: &mut Vec<f64>| {
            samples.sort_by(f64::total_cmp);
            samples[samples.len() / 2]
        };
        let medians = samples.each_mut().map(median);
        for ((name, _), rate) in SIDES.iter().zip(medians) {
            println!("  {name:42} {rate:8.2}  {:6.2}", rate / medians[0]);
        }
    }
}
