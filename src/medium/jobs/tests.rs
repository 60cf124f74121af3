//! Jobs tell a channel that they ran; the tests wait for that and never look at a clock.

use super::*;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Barrier, atomic::AtomicUsize, atomic::Ordering};

const NOW: Duration = Duration::ZERO;
const NEVER: Duration = Duration::MAX;

/// A job from a closure.
struct Each<F>(F);

impl<F: Fn() -> Option<Duration> + Send + Sync> Job for Each<F> {
    fn step(&self) -> Option<Duration> {
        (self.0)()
    }
}

fn job(step: impl Fn() -> Option<Duration> + Send + Sync + 'static) -> Arc<dyn Job> {
    Arc::new(Each(step))
}

fn telling<T: Clone + Send + Sync + 'static>(sender: &Sender<T>, what: T) -> Arc<dyn Job> {
    let sender = sender.clone();
    job(move || {
        sender.send(what.clone()).unwrap();
        None
    })
}

fn channels<T>() -> (Sender<T>, Receiver<T>) {
    channel()
}

#[test]
fn a_job_runs_once_for_each_time_it_is_scheduled() {
    let pool = Pool::new();
    let (sender, told) = channels();
    let once = telling(&sender, ());
    pool.schedule(NOW, once.clone());
    told.recv().unwrap();
    pool.schedule(NOW, once.clone());
    pool.schedule(Duration::from_millis(1), once);
    told.recv().unwrap();
    told.recv().unwrap();
    drop(sender);
    // Every sender went with the jobs: none is left that could run again.
    assert!(told.recv().is_err());
}

#[test]
fn a_job_runs_again_as_it_asks() {
    let pool = Pool::new();
    let (sender, told) = channels();
    let count = AtomicUsize::new(0);
    let repeating = job(move || {
        let n = count.fetch_add(1, Ordering::Relaxed);
        sender.send(n).unwrap();
        (n < 4).then_some(Duration::from_micros(n as u64))
    });
    pool.schedule(NOW, repeating);
    assert_eq!(told.iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_panic_drops_the_job_and_the_pool_lives_on() {
    let pool = Pool::new();
    let (sender, told) = channels();
    for _ in 0..2 * THREADS_MAX {
        let kept = sender.clone();
        let panicking = job(move || {
            let _kept = &kept;
            std::panic::panic_any("a panic that this test wants");
        });
        pool.schedule(NOW, panicking);
    }
    pool.schedule(NOW, telling(&sender, 7));
    drop(sender);
    assert_eq!(told.iter().collect::<Vec<_>>(), [7]);
    assert!(pool.shared.state.lock().threads <= THREADS_MAX);
}

#[test]
fn a_job_may_schedule_others_from_its_step() {
    let pool = Arc::new(Pool::new());
    let (sender, told) = channels();
    let (inner, jobs) = (telling(&sender, "inner"), pool.clone());
    drop(sender);
    pool.schedule(NOW, job(move || (jobs.schedule(NOW, inner.clone()), None).1));
    assert_eq!(told.recv(), Ok("inner"));
}

#[test]
fn as_many_steps_as_threads_run_at_once() {
    let pool = Pool::new();
    let barrier = Arc::new(Barrier::new(THREADS_MAX));
    let (sender, told) = channels();
    for n in 0..THREADS_MAX {
        let (barrier, sender) = (barrier.clone(), sender.clone());
        let waiting = job(move || {
            barrier.wait();
            sender.send(n).unwrap();
            None
        });
        pool.schedule(NOW, waiting);
    }
    drop(sender);
    let mut all: Vec<usize> = told.iter().collect();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);
    assert_eq!(pool.shared.state.lock().threads, THREADS_MAX);
}

/// A thread that waits for the time of one job and is given another, which blocks, must leave the first to somebody.
#[test]
fn a_job_whose_watcher_is_busy_is_watched_by_another() {
    let pool = Pool::new();
    let (sender, told) = channels();
    pool.schedule(Duration::from_millis(30), telling(&sender, "late"));
    let (go, gate) = channels::<()>();
    let gate = Mutex::new(gate);
    let (started_sender, started) = channels();
    let blocking = job(move || {
        started_sender.send(()).unwrap();
        gate.lock().recv().unwrap();
        None
    });
    pool.schedule(NOW, blocking);
    started.recv().unwrap();
    assert_eq!(told.recv(), Ok("late"));
    go.send(()).unwrap();
}

#[test]
fn the_earliest_is_on_top_and_the_first_of_the_same_time() {
    let mut state = State::default();
    let delays = [NEVER, Duration::from_secs(20), Duration::from_secs(10), Duration::from_secs(3_000)];
    for delay in delays {
        state.push(delay, job(|| None));
    }
    let same = state.waiting.peek().unwrap().due;
    state.waiting.push(Scheduled { due: same, sequence: 5, job: job(|| None) });
    let order: Vec<u64> = std::iter::from_fn(|| state.waiting.pop()).map(|next| next.sequence).collect();
    assert_eq!(order, [3, 5, 2, 4, 1]);
}

#[test]
fn threads_are_named_and_the_process_has_one_pool() {
    let (sender, told) = channels();
    let naming = job(move || {
        sender.send(std::thread::current().name().map(str::to_owned)).unwrap();
        None
    });
    let first = Pool::shared();
    assert!(std::ptr::addr_eq(Arc::as_ptr(&first), Arc::as_ptr(&Pool::shared())));
    first.schedule(NOW, naming);
    let name = told.recv().unwrap().unwrap();
    assert!(name.starts_with("orchestrix-"), "{name}");
}
