//! Work on several threads at once, awaited: a case that waits for writers blocks no task beside it.

use super::check::Broken;
use event_listener::Event;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

/// Says that a thread is at its end, by panic too.
struct Ending(Arc<(AtomicUsize, Event)>);

impl Drop for Ending {
    fn drop(&mut self) {
        // Pairs with the Acquire in `on_threads`.
        self.0.0.fetch_sub(1, Ordering::Release);
        self.0.1.notify(usize::MAX);
    }
}

/// Runs `work` on so many threads, which begin together. What each came to, in order.
pub(super) async fn on_threads<T: Send + 'static>(
    count: usize,
    work: impl Fn(usize) -> T + Send + Sync + 'static,
) -> Result<Vec<T>, Broken> {
    let (work, start) = (Arc::new(work), Arc::new(Barrier::new(count)));
    let running = Arc::new((AtomicUsize::new(count), Event::new()));
    let threads: Vec<_> = (0..count)
        .map(|n| {
            let (work, start, ending) = (work.clone(), start.clone(), Ending(running.clone()));
            thread::spawn(move || {
                let _ending = ending;
                start.wait();
                work(n)
            })
        })
        .collect();
    loop {
        let changed = running.1.listen();
        if running.0.load(Ordering::Acquire) == 0 {
            break;
        }
        changed.await;
    }
    let ended = threads.into_iter().map(thread::JoinHandle::join);
    ended.map(|ended| ended.map_err(|_| Broken("expected no panic, found one".to_owned()))).collect()
}
