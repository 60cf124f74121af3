//! A list that any number of readers load without a lock, and that is replaced as a whole. In models it is a number that says
//! which of all lists is the newest, so that the checker sees the order that readers depend on.

use std::sync::Arc;

#[cfg(not(orchestrix_loom))]
mod list {
    use super::Arc;
    use arc_swap::{ArcSwap, Guard};

    /// What was loaded for as long as it takes to look something up.
    pub(crate) type Loaded<T> = Guard<Arc<T>>;

    /// See the module.
    pub(crate) struct Shared<T>(ArcSwap<T>);

    impl<T> Shared<T> {
        pub(crate) fn new(list: T) -> Self {
            Self(ArcSwap::from_pointee(list))
        }

        /// The newest list. Pairs with [`put`](Self::put) and [`replace`](Self::replace): what was written before them is seen.
        #[inline]
        pub(crate) fn now(&self) -> Loaded<T> {
            self.0.load()
        }

        /// The same, to be kept.
        pub(crate) fn load(&self) -> Arc<T> {
            self.0.load_full()
        }

        /// Puts a list in the place of the newest, whatever that is.
        pub(crate) fn put(&self, list: T) {
            self.0.store(Arc::new(list));
        }

        /// Puts what is made of the newest list in its place; makes it again if another was quicker.
        pub(crate) fn replace(&self, mut make: impl FnMut(&T) -> T) {
            self.0.rcu(|list| make(list));
        }
    }
}

#[cfg(orchestrix_loom)]
mod list {
    use super::Arc;
    use crate::medium::atomic::{AtomicU64, Edge, Ordering, release};
    use parking_lot::Mutex;

    pub(crate) type Loaded<T> = Arc<T>;

    pub(crate) struct Shared<T> {
        all: Mutex<Vec<Arc<T>>>,
        newest: AtomicU64,
    }

    impl<T> Shared<T> {
        pub(crate) fn new(list: T) -> Self {
            Self { all: Mutex::new(vec![Arc::new(list)]), newest: AtomicU64::new(0) }
        }

        pub(crate) fn now(&self) -> Loaded<T> {
            self.load()
        }

        pub(crate) fn load(&self) -> Arc<T> {
            let newest = self.newest.load(Ordering::Acquire);
            self.all.lock()[newest as usize].clone()
        }

        pub(crate) fn put(&self, list: T) {
            let newest = {
                let mut all = self.all.lock();
                all.push(Arc::new(list));
                all.len() as u64 - 1
            };
            self.newest.store(newest, release(Edge::List));
        }

        pub(crate) fn replace(&self, mut make: impl FnMut(&T) -> T) {
            // Not by a load: the checker looks for other threads' accesses only behind the last one.
            let newest = self.all.lock().last().expect("a list").clone();
            self.put(make(&newest));
        }
    }
}

pub(crate) use list::{Loaded, Shared};

/// Loads two lists that go together: what one of the first kind names, the second one has. It comes to the second before the first,
/// and goes from the second after the first; where it has gone meanwhile (`outdated`), both are loaded anew.
pub(crate) fn load_both<A, B>(
    mut first: impl FnMut() -> A,
    second: impl Fn() -> B,
    outdated: impl Fn(&A, &B) -> bool,
) -> (A, B) {
    loop {
        // In this order: whoever sees the first sees the second that was there before it.
        let one = first();
        let other = second();
        if !outdated(&one, &other) {
            return (one, other);
        }
        #[cfg(orchestrix_loom)]
        loom::thread::yield_now();
    }
}
