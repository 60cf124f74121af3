//! Durability and what waits for it: group commit, the background sync, and `Pending` as a thread and as a task waits for it.
//! Nothing here asserts on time: what must not happen by itself is put an hour away.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Durability, Error, Pending, Receipt, WriteMode};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;
use tools::{Dir, event, fill};

const NEVER: Duration = Duration::from_secs(3_600);

/// A store whose background sync is an hour away.
fn quiet(dir: &Dir, mode: WriteMode) -> Store {
    let options = Store::options().segment_bytes(8 << 10).sync_interval(NEVER).write_mode(mode);
    options.open(dir.store()).expect("a store")
}

fn modes() -> [WriteMode; 2] {
    [WriteMode::Mapped, WriteMode::Positioned]
}

fn synced(store: &Store) -> u64 {
    let stats = store.stats().expect("stats");
    assert!(store.view_synced().watermark() >= stats.synced_position, "it only grows");
    stats.synced_position.0
}

fn unsynced(store: &Store, stream: &str, expected: Expected, id: &str) -> Result<Receipt, Error> {
    store.transaction().append(stream, expected, event(id)).durability(Durability::Process).commit().wait()
}

struct Unpark(Thread, AtomicUsize);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker: Waker = Arc::new(Unpark(thread::current(), AtomicUsize::new(0))).into();
    let (mut future, mut cx) = (pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Whoever waits with `Power` leads a sync; `Process` waits for none; `Store::sync` covers what is committed.
#[test]
fn durability_is_chosen_per_transaction() {
    for mode in modes() {
        let dir = Dir::new();
        let store = quiet(&dir, mode);
        for n in 0..80 {
            unsynced(&store, "a-1", Any, &n.to_string()).expect("a commit");
        }
        assert_eq!(synced(&store), 0);
        assert_eq!(store.view_synced().all().len(), 0);
        store.append("a-1", Any, event("power")).wait().expect("the default is Power");
        assert_eq!(synced(&store), 81);
        unsynced(&store, "b-1", Any, "x").expect("a commit");
        assert_eq!((synced(&store), store.view_synced().head("b-1").expect("a head")), (81, None));
        store.sync().wait().expect("a sync");
        assert_eq!(synced(&store), 82);
        store.sync().wait().expect("nothing to do");
    }
}

/// The repeat of what was committed for the process waits for the sync, if it asks for more.
// D24
#[test]
fn rule_24_a_repeat_waits_for_the_durability_that_it_asks_for() {
    for mode in modes() {
        let dir = Dir::new();
        let store = quiet(&dir, mode);
        unsynced(&store, "a-1", NoStream, "x").expect("a commit");
        fill_unsynced(&store, 5);
        assert!(unsynced(&store, "a-1", NoStream, "x").expect("a repeat").is_repeat());
        assert_eq!(synced(&store), 0);
        let repeat = store.append("a-1", NoStream, event("x"));
        assert_eq!(format!("{repeat:?}"), "Pending(under way)");
        assert!(repeat.wait().expect("a repeat").is_repeat());
        assert!(synced(&store) >= 1);
    }
}

fn fill_unsynced(store: &Store, count: usize) {
    for n in 0..count {
        unsynced(store, "other", Any, &n.to_string()).expect("a commit");
    }
}

/// Eight threads that wait for power loss get their receipts, and each receipt is true when it is given.
#[test]
fn threads_that_wait_share_syncs() {
    for mode in modes() {
        let dir = Dir::new();
        let store = quiet(&dir, mode);
        thread::scope(|scope| {
            for t in 0..8 {
                let store = &store;
                scope.spawn(move || {
                    for n in 0..25 {
                        let receipt = store.append(format!("s-{t}"), Any, event(&n.to_string()));
                        let receipt = receipt.wait().expect("an append");
                        assert!(synced(store) >= receipt.position().0);
                    }
                });
            }
        });
        assert_eq!(synced(&store), 200);
    }
}

/// What nobody waits for is synced all the same, in a store of either durability.
// D7
#[test]
fn rule_7_what_nobody_waits_for_is_synced_in_the_background() {
    for durability in [Durability::Process, Durability::Power] {
        let dir = Dir::new();
        let options = Store::options().segment_bytes(8 << 10).durability(durability);
        let store = options.sync_interval(Duration::from_millis(1)).open(dir.store()).expect("a store");
        for n in 0..50 {
            drop(store.append("a-1", Any, event(&n.to_string())));
        }
        // Ends only if the background does its work.
        while synced(&store) < 50 {
            thread::yield_now();
        }
    }
}

#[test]
fn tasks_await_what_threads_wait_for() {
    for mode in modes() {
        let dir = Dir::new();
        let store = quiet(&dir, mode);
        let receipt = block_on(async { store.append("a-1", NoStream, event("x")).await.expect("an append") });
        assert_eq!((receipt.position(), synced(&store)), (Position(1), 1));
        let many: Vec<_> = (0..40).map(|n| store.append("a-1", Any, event(&n.to_string()))).collect();
        let receipts = block_on(join(many));
        assert_eq!(receipts.len(), 40);
        assert!(
            receipts
                .iter()
                .all(|receipt| receipt.as_ref().expect("an append").position().0 <= synced(&store))
        );
        block_on(store.sync()).expect("a sync");
        assert_eq!(block_on(store.head("a-1")).expect("a head").expect("a stream").revision, Revision(40));
        block_on(store.close()).expect("a close");
        assert!(block_on(store.append("a-1", Any, event("x"))).expect_err("closed").is_closed());
    }
}

async fn join<T>(mut all: Vec<Pending<T>>) -> Vec<Result<T, Error>> {
    let mut results: Vec<Option<Result<T, Error>>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(move |cx| {
        for (pending, result) in all.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(ready) = Pin::new(pending).poll(cx)
            {
                *result = Some(ready);
            }
        }
        if results.iter().any(Option::is_none) {
            return Poll::Pending;
        }
        Poll::Ready(results.iter_mut().map(|result| result.take().expect("all are there")).collect())
    })
    .await
}

#[test]
fn a_task_is_woken_once_it_is_polled_and_may_be_waited_for_then() {
    let dir = Dir::new();
    let store = quiet(&dir, WriteMode::Mapped);
    let counter = Arc::new(Unpark(thread::current(), AtomicUsize::new(0)));
    let waker: Waker = counter.clone().into();
    let mut pending = store.append("a-1", Any, event("x"));
    while Pin::new(&mut pending).poll(&mut Context::from_waker(&waker)).is_pending() {
        // Returns at once if the wake came first.
        thread::park();
        assert!(counter.1.load(Ordering::SeqCst) > 0 || synced(&store) > 0 || pending_debug(&pending));
    }
    assert_eq!(synced(&store), 1);
    let mut polled = store.append("a-1", Any, event("y"));
    let _ = Pin::new(&mut polled).poll(&mut Context::from_waker(&waker)).is_pending();
    if pending_debug(&polled) {
        assert_eq!(polled.wait().expect("an append").position(), Position(2));
    }
}

fn pending_debug<T>(pending: &Pending<T>) -> bool {
    format!("{pending:?}") == "Pending(under way)"
}

#[test]
fn waiting_with_a_limit_gives_the_operation_back() {
    let slow: Pending<u32> = Pending::new(std::future::pending());
    let slow = slow.wait_timeout(Duration::ZERO).expect_err("never ready");
    assert_eq!(format!("{slow:?}"), "Pending(under way)");
    assert!(slow.wait_timeout(Duration::from_millis(1)).is_err());
    let ready: Pending<u32> = Pending::ready(Ok(7));
    assert_eq!(ready.wait_timeout(Duration::ZERO).expect("ready").expect("seven"), 7);
    let dir = Dir::new();
    let store = quiet(&dir, WriteMode::Mapped);
    // A thread that leads the sync gets its result, however short the limit is.
    let receipt = store.append("a-1", Any, event("x")).wait_timeout(Duration::ZERO);
    assert_eq!(receipt.expect("led").expect("an append").position(), Position(1));
}

/// A future of another back end is polled by whoever waits, and woken from any thread.
#[test]
fn a_pending_may_hold_a_foreign_future() {
    struct Later(Option<thread::JoinHandle<u32>>, bool);
    impl Future for Later {
        type Output = Result<u32, Error>;
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            if self.1 {
                return Poll::Ready(Ok(self.0.take().expect("once").join().expect("no panic")));
            }
            self.1 = true;
            let waker = cx.waker().clone();
            self.0 = Some(thread::spawn(move || {
                waker.wake();
                7
            }));
            Poll::Pending
        }
    }
    assert_eq!(Pending::new(Later(None, false)).wait().expect("seven"), 7);
    assert_eq!(block_on(Pending::new(Later(None, false))).expect("seven"), 7);
    let limit = Pending::new(Later(None, false)).wait_timeout(NEVER);
    assert_eq!(limit.expect("in time").expect("seven"), 7);
    let failing: Pending<u32, String> = Pending::new(async { Err("no".to_owned()) });
    assert_eq!(failing.wait(), Err("no".to_owned()));
}

/// Dropping cancels nothing: the commit happened at the call.
#[test]
fn a_dropped_pending_has_happened() {
    let dir = Dir::new();
    let store = quiet(&dir, WriteMode::Mapped);
    drop(store.append("a-1", NoStream, event("x")));
    let mut polled = store.append("a-1", Any, event("y"));
    let _ = Pin::new(&mut polled).poll(&mut Context::from_waker(Waker::noop()));
    drop(polled);
    assert_eq!(store.view().watermark(), Position(2));
    store.close().wait().expect("a close");
    let store = Store::open(dir.store()).expect("a store");
    assert_eq!(store.view().watermark(), Position(2));
    fill(&store, "a-1", 1);
}

#[test]
#[should_panic(expected = "polled after it had given its result")]
fn a_pending_is_over_once() {
    let mut ready: Pending<u32> = Pending::ready(Ok(7));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut ready).poll(&mut cx).is_ready());
    let _ = Pin::new(&mut ready).poll(&mut cx);
}

mod auto_traits {
    //! Which thread may have what. `Pending` may be sent and not shared: `NotSync` is ambiguous for what is `Sync`.

    use orchestrix as o;

    trait NotSync<A> {
        fn holds() {}
    }
    struct IfSync;
    impl<T: ?Sized> NotSync<()> for T {}
    impl<T: ?Sized + Sync> NotSync<IfSync> for T {}

    fn send<T: Send>() {}
    fn both<T: Send + Sync>() {}

    #[test]
    fn public_types_are_send_and_all_but_those_that_wait_are_sync() {
        both::<(o::Store, o::Options, o::View, o::Receipt, o::Head, o::Stats, o::Error)>();
        both::<(o::Events<'_>, o::StreamEvents<'_>, o::Streams<'_>, o::Transaction<'_>)>();
        both::<(o::EventRef<'_>, o::NewEvent<'_>, o::RecordedEvent, o::Recorded<String>)>();
        both::<(o::EventId, o::EventIdRef<'_>, o::Metadata<'_>, o::OwnedMetadata, o::ExtensionValue<'_>)>();
        both::<(o::Conflict, o::Corruption, o::ErrorKind, o::Expected, o::Durability, o::WriteMode)>();
        both::<(o::Position, o::Revision, o::RecoveryReport, o::TailCut, o::VerifyReport)>();
        both::<(o::RepairPlan, o::RepairStep, o::Bincode, o::Json, o::CodecError)>();
        both::<(o::AnyStore, o::Embedded, Box<dyn o::EventStore>, o::Capabilities, o::Snapshot)>();
        both::<(o::Commit<'_>, o::Write<'_>, o::Progress<'_>, o::ReadRequest, o::Query, o::QueryItem)>();
        both::<(o::Read, o::Batch, o::BatchIter<'_>, o::QueryEvents<'_>)>();
        fn owned<T: 'static>() {}
        owned::<(o::Store, o::AnyStore, o::Read, o::Batch, o::Cursor, o::Query, o::Pending<o::Batch>)>();
        send::<(o::Cursor, o::NextBatch<'_>)>();
        <o::Cursor as NotSync<_>>::holds();
        <o::NextBatch<'_> as NotSync<_>>::holds();
        send::<o::Pending<o::Receipt>>();
        send::<o::Pending<()>>();
        <o::Pending<o::Receipt> as NotSync<_>>::holds();
        fn unpin<T: Unpin>() {}
        unpin::<o::Pending<o::Receipt>>();
    }
}
