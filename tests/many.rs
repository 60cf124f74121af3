//! Five hundred stores in one process, each open for writing and written to: what they take of disk, threads and descriptors.
//! Alone in its program, so that nothing else is counted.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::{Durability, Options};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::ops::Range;
use std::thread;
use tools::{Dir, event};

const STORES: u64 = 500;
const DISK_MAX: u64 = 1 << 30;
const EMPTY_MAX: u64 = 2 << 20;
const THREADS_MAX: u64 = 16;

fn options() -> Options {
    Store::options().durability(Durability::Process)
}

fn threads() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the state of this process");
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).expect("a count");
    line.trim().parse().expect("a number")
}

fn descriptors() -> u64 {
    fs::read_dir("/proc/self/fd").expect("the descriptors of this process").count() as u64
}

/// What takes time is waiting for the disk, so several wait at once. They are gone before anything is counted.
fn in_parallel<T: Send>(numbers: Range<u64>, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let (work, numbers) = (&work, &numbers.collect::<Vec<_>>());
    thread::scope(|scope| {
        let parts = numbers.chunks(numbers.len().div_ceil(8));
        let workers: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(|n| work(*n)).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    })
}

#[test]
fn five_hundred_stores_are_open_at_once() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the hard limit");
    let dir = Dir::new();
    let before = descriptors();
    let stores: Vec<Store> = in_parallel(0..STORES, |n| {
        let store = options().open(dir.path(&n.to_string())).expect("a store");
        let bytes = store.stats().expect("stats").bytes_on_disk;
        assert!(bytes <= EMPTY_MAX, "an empty store takes {bytes} bytes");
        store.append("a-1", NoStream, event("x")).wait().expect("an append");
        store
    });
    let disk: u64 = stores.iter().map(|store| store.stats().expect("stats").bytes_on_disk).sum();
    let held = descriptors() - before;
    let threads = threads();
    println!("{STORES} stores: {} MiB of disk, {threads} threads, {held} descriptors", disk >> 20);
    assert!(disk <= DISK_MAX, "{disk} bytes of disk");
    assert!(threads <= THREADS_MAX, "{threads} threads");
    // What `docs/durability.md` says: the lock, the watermark file, its mark, and the segment that is written to.
    assert_eq!(held, 4 * STORES, "descriptors");
    in_parallel(0..STORES, |n| {
        let store = &stores[n as usize];
        assert_eq!(store.view().watermark(), Position(1));
        store.close().wait().expect("a close");
    });
    drop(stores);
    assert_eq!(descriptors(), before);
}
