//! An executor that polls one task at a time, whichever chance picks among those that were woken.

use orchestrix::Task;
use orchestrix::testing::Chance;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[derive(Default)]
pub(crate) struct Tasks(Vec<(Arc<Flag>, Task)>);

impl Tasks {
    pub(crate) fn push(&mut self, task: Task) {
        self.0.push((Arc::new(Flag(AtomicBool::new(true))), task));
    }

    /// Polls one that was woken. `false` if none was.
    pub(crate) fn poll_one(&mut self, chance: &mut Chance) -> bool {
        let woken: Vec<usize> = (0..self.0.len()).filter(|n| self.0[*n].0.0.load(Ordering::SeqCst)).collect();
        if woken.is_empty() {
            return false;
        }
        let at = woken[chance.below(woken.len() as u64) as usize];
        let (flag, task) = &mut self.0[at];
        flag.0.store(false, Ordering::SeqCst);
        if task.as_mut().poll(&mut Context::from_waker(&Waker::from(flag.clone()))).is_ready() {
            drop(self.0.swap_remove(at));
        }
        true
    }
}

/// Lets others go first, once.
#[derive(Default)]
pub(crate) struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
