//! Many threads on one handle: what they write is contiguous, what they read is always a prefix.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Durability, View};
use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tools::{Dir, event, small};

/// That positions are contiguous from 1, and revisions in each stream from 0. Returns the number of events.
fn check(view: &View) -> u64 {
    let mut next: HashMap<String, u64> = HashMap::new();
    let mut position = 0;
    for event in view.all() {
        let event = event.expect("an event");
        position += 1;
        assert_eq!(event.position(), Position(position));
        let revision = next.entry(event.stream().to_owned()).or_default();
        assert_eq!(event.revision(), Revision(*revision), "of {}", event.stream());
        *revision += 1;
    }
    assert_eq!(view.watermark(), Position(position));
    for (stream, count) in &next {
        assert_eq!(view.stream(stream).len() as u64, *count);
        assert_eq!(view.head(stream).expect("a head").expect("a stream").revision.0 + 1, *count);
    }
    position
}

fn stores() -> (Dir, [Store; 2]) {
    let dir = Dir::new();
    let on_disk = small().open(dir.store()).expect("a store");
    (dir, [on_disk, Store::options().segment_bytes(64 << 10).in_memory().expect("a store")])
}

#[test]
fn positions_and_revisions_are_contiguous_from_eight_threads() {
    let (_dir, stores) = stores();
    for store in &stores {
        thread::scope(|scope| {
            for t in 0..8 {
                scope.spawn(move || {
                    for n in 0..200 {
                        let own = format!("own-{t}");
                        let (expected, shared) =
                            (if n == 0 { NoStream } else { StreamExists }, format!("s-{}", n % 5));
                        store
                            .transaction()
                            .append(own, expected, event(&format!("{t} {n}")))
                            .append(shared, Any, [event("a"), event("b")])
                            .commit()
                            .wait()
                            .expect("a commit");
                    }
                });
            }
        });
        assert_eq!(check(&store.view()), 8 * 200 * 3);
        store.close().wait().expect("a close");
    }
    let store = Store::open(_dir.store()).expect("a store");
    assert_eq!(check(&store.view()), 8 * 200 * 3);
}

#[test]
fn of_fifty_writers_one_wins_each_revision() {
    const WRITERS: u64 = 50;
    let (_dir, stores) = stores();
    for store in &stores {
        for round in 0..5 {
            let barrier = Barrier::new(WRITERS as usize);
            let expected = if round == 0 { NoStream } else { Exact(Revision(round - 1)) };
            let wins: u64 = thread::scope(|scope| {
                let writers: Vec<_> = (0..WRITERS)
                    .map(|n| {
                        let barrier = &barrier;
                        scope.spawn(move || {
                            barrier.wait();
                            match store.append("a-1", expected, event(&format!("{round} {n}"))).wait() {
                                Ok(receipt) => {
                                    assert_eq!(receipt.revision(), Revision(round));
                                    1
                                }
                                Err(error) => {
                                    let actual = error.conflict().expect("a conflict").actual;
                                    assert_eq!(actual, Some(Revision(round)));
                                    0
                                }
                            }
                        })
                    })
                    .collect();
                writers.into_iter().map(|writer| writer.join().expect("no panic")).sum()
            });
            assert_eq!((wins, store.view().watermark()), (1, Position(round + 1)));
        }
    }
}

#[test]
fn readers_see_only_prefixes_while_others_write() {
    let (_dir, stores) = stores();
    for store in &stores {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut last = 0;
                        while !done.load(Ordering::Acquire) {
                            let synced = store.view_synced();
                            let view = store.view();
                            let seen = check(&view);
                            assert!(seen >= last && seen >= synced.watermark().0);
                            assert_eq!(seen % 3, 0, "commits are whole");
                            assert_eq!(check(&view), seen, "a view doesn't change");
                            check(&synced);
                            last = seen;
                        }
                        last
                    })
                })
                .collect();
            let writers: Vec<_> = (0..4)
                .map(|t| {
                    scope.spawn(move || {
                        for n in 0..150 {
                            let events = [event("a"), event("b")];
                            let durability =
                                if n % 10 == 0 { Durability::Power } else { Durability::Process };
                            let commit =
                                store.transaction().append(format!("s-{}", (t + n) % 3), Any, events);
                            let commit = commit.append(format!("t-{t}"), Any, event("c"));
                            commit.durability(durability).commit().wait().expect("a commit");
                        }
                    })
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
            done.store(true, Ordering::Release);
            readers.into_iter().for_each(|reader| _ = reader.join().expect("no panic"));
        });
        assert_eq!(check(&store.view()), 4 * 150 * 3);
    }
}
