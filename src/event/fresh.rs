//! Ids for events that are given none: UUIDs of version 7 (RFC 9562), in order within a thread.
//!
//! Costs about one read of the coarse clock. Each thread counts on its own, in random steps, from a random number
//! that it draws from the operating system whenever the coarse clock (a tick is 1 to 10 ms) has moved. So the ids of
//! two threads, of two processes, or of a process and its fork (from the next tick on) meet no more than random
//! numbers do. Never repeats an id because the clock was set back: it counts on from the latest time that it saw.

use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use uuid::Uuid;

#[derive(Clone, Copy)]
struct State {
    millis: u64,
    /// 74 bits: what the id has room for beside the time.
    counter: u128,
    steps: u64,
}

thread_local! {
    static STATE: Cell<State> = const { Cell::new(State { millis: 0, counter: 0, steps: 0 }) };
}

/// A new id.
#[inline]
pub(crate) fn fresh_id() -> [u8; 16] {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    let millis = (now.tv_sec as u64).wrapping_mul(1_000).wrapping_add(now.tv_nsec as u64 / 1_000_000);
    STATE.with(|cell| {
        let mut state = cell.get();
        if millis > state.millis {
            state = seeded(millis);
        }
        state.steps = state.steps.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        state.counter += 1 + u128::from(state.steps >> 32);
        cell.set(state);
        compose(state.millis, state.counter)
    })
}

#[cold]
fn seeded(millis: u64) -> State {
    let random = Uuid::new_v4().as_u128();
    // The highest of the 74 bits stays free, so that counting never overflows: 2^41 ids in one tick would have to.
    let counter = (random >> 64 & 0x0FFF) << 61 | (random & ((1 << 61) - 1));
    State { millis, counter, steps: (random >> 80) as u64 }
}

#[inline]
fn compose(millis: u64, counter: u128) -> [u8; 16] {
    let high = (counter >> 62) & 0x0FFF;
    let low = counter & ((1 << 62) - 1);
    (u128::from(millis) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_of_version_7_in_order_and_never_twice() {
        let ids: Vec<_> = (0..100_000).map(|_| Uuid::from_bytes(fresh_id())).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        for id in [ids[0], ids[ids.len() - 1]] {
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
            let (seconds, _) = id.get_timestamp().unwrap().to_unix();
            assert!(now.as_secs().abs_diff(seconds) < 60);
        }
    }

    #[test]
    fn threads_meet_no_ids() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..50_000).map(|_| fresh_id()).collect::<Vec<_>>()))
            .collect();
        let ids: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    }
}
