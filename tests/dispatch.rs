//! Consumers, on every kind of store: on disk, in memory, and through `dyn`. Each test is a function of a store, run on all three.

#[path = "dispatch/delivery.rs"]
mod delivery;
#[path = "dispatch/emission.rs"]
mod emission;
#[path = "dispatch/letters.rs"]
mod letters;
#[path = "dispatch/life.rs"]
mod life;
#[path = "dispatch/order.rs"]
mod order;
#[path = "dispatch/requests.rs"]
mod requests;
#[path = "dispatch/seen.rs"]
mod seen;
#[path = "tools/mod.rs"]
mod tools;

/// Each function is a test on three stores.
macro_rules! everywhere {
    ($($(#[$doc:meta])* fn $name:ident($store:ident) $body:block)*) => {
        $(
            $(#[$doc])*
            mod $name {
                use super::*;

                fn run<B: orchestrix::EventStore>($store: &Store<B>) $body

                #[test]
                fn in_memory() {
                    run(&Store::in_memory());
                }

                #[test]
                fn on_disk() {
                    let dir = crate::tools::Dir::new();
                    run(&crate::tools::small().segment_bytes(1 << 20).open(dir.store()).expect("a store"));
                }

                #[test]
                fn through_dyn() {
                    run(&Store::in_memory().erase());
                }
            }
        )*
    };
}
pub(crate) use everywhere;
