//! Subscriptions on the simulated machine: what a subscriber was given, power is cut, and it goes on from its token. One that sees
//! synced events is never ahead; one that sees committed events is told so or finds exactly what it saw.
//!
//! `ORCHESTRIX_CRASHES` is ten times the number of lives, `ORCHESTRIX_SEED` the first.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::testing::{Bugs, Call, Chance, Crash, Fault, Machine};
use orchestrix::{Cursor, Durability, ErrorKind, ResumeToken, Start};
use std::time::Duration;
use tools::{number, small};

fn open(machine: &Machine) -> Store {
    machine.open(small().durability(Durability::Process)).expect("a store")
}

/// What a subscriber has seen, and where it stood then.
struct Seen {
    cursor: Cursor,
    events: Vec<(u64, String)>,
}

impl Seen {
    fn new(cursor: Cursor) -> Self {
        Self { cursor, events: Vec::new() }
    }

    fn poll(&mut self) {
        let batch = self.cursor.poll_batch().expect("a batch").expect("open");
        self.events.extend(batch.iter().map(|event| (event.position().0, event.id().to_string())));
    }

    /// Whether the store has exactly this up to the token.
    fn is_in(&self, store: &Store) -> bool {
        let there: Vec<(u64, String)> = store
            .view()
            .all()
            .map(|event| event.expect("an event"))
            .map(|event| (event.position().0, event.id().to_string()))
            .take(self.events.len())
            .collect();
        there == self.events
    }

    /// Goes on where it stood. `Err`: the token was believed, and something else is there.
    fn resumes(&self, store: &Store) -> Result<bool, String> {
        let token: ResumeToken = self.cursor.token().to_string().parse().expect("a token");
        match store.subscribe().committed().start(Start::Resume(token)).open() {
            Ok(_) if self.is_in(store) => Ok(true),
            Ok(_) => Err(format!("{token} was believed, and the log has another history")),
            Err(error) if error.is_ahead() => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What became of those who had seen committed events.
#[derive(Default)]
struct Counts {
    ahead: u64,
    resumed: u64,
}

fn grow(store: &Store, chance: &mut Chance, events: u64, seed: u64) {
    for _ in 0..events {
        let id = format!("{seed}-{}", chance.any());
        let event = NewEvent::raw("t", vec![7; chance.below(300) as usize]).id(id);
        store.append(format!("s-{}", chance.below(3)), Any, event).wait().expect("append");
    }
}

fn live_and_die(seed: u64, bugs: Bugs, counts: &mut Counts) -> Result<(), String> {
    let (machine, mut chance) = (Machine::new(seed).with_bugs(bugs), Chance::new(seed));
    let store = open(&machine);
    let mut synced = Seen::new(store.subscribe().open().expect("a subscription"));
    let mut committed = Seen::new(store.subscribe().committed().open().expect("a subscription"));
    for _ in 0..chance.below(60) {
        match chance.below(6) {
            0..3 => grow(&store, &mut chance, 1, seed),
            3 => drop(machine.run_one(&mut chance)),
            4 => synced.poll(),
            _ => committed.poll(),
        }
    }
    let machine = machine.power_cut(seed, Crash::Torn);
    let store = open(&machine);
    if !synced.resumes(&store)? {
        return Err("a subscriber that sees synced events is ahead".to_owned());
    }
    match committed.resumes(&store)? {
        true => counts.resumed += 1,
        false => counts.ahead += 1,
    }
    // The log grows past what was lost.
    grow(&store, &mut chance, 40, seed + 1);
    synced.resumes(&store)?;
    committed.resumes(&store).map(|_| ())
}

/// F57: what was seen is there, or it is told that it isn't, also when the log has grown past it.
#[test]
fn a_token_finds_what_was_seen_or_says_that_it_is_lost() {
    let (first, lives) = (number("ORCHESTRIX_SEED", 1), number("ORCHESTRIX_CRASHES", 5_000) / 10);
    let mut counts = Counts::default();
    for seed in first..first + lives {
        if let Err(what) = live_and_die(seed, Bugs::default(), &mut counts) {
            panic!(
                "{what}\nORCHESTRIX_SEED={seed} ORCHESTRIX_CRASHES=10 cargo test --test subscribe_crash a_token"
            );
        }
    }
    println!("{lives} lives: {} were ahead, {} went on", counts.ahead, counts.resumed);
    if lives >= 100 {
        assert!(counts.ahead > lives / 20 && counts.resumed > lives / 20);
    }
}

/// A seeded bug: positions alone are compared.
#[test]
fn a_token_that_is_believed_by_its_position_is_noticed() {
    let bugs = Bugs { believe_tokens: true, ..Bugs::default() };
    let noticed = (1..500).find(|seed| live_and_die(*seed, bugs, &mut Counts::default()).is_err());
    println!("noticed with seed {noticed:?}");
    assert!(noticed.is_some());
}

/// F31: after a failed sync nothing past what is synced is given, and every subscriber is told.
#[test]
fn a_failed_sync_ends_subscriptions_at_what_is_synced() {
    let machine = Machine::new(1);
    let store = open(&machine);
    let mut chance = Chance::new(1);
    grow(&store, &mut chance, 3, 1);
    store.sync().wait().expect("synced");
    let mut synced = Seen::new(store.subscribe().open().expect("a subscription"));
    let mut committed = Seen::new(store.subscribe().committed().open().expect("a subscription"));
    grow(&store, &mut chance, 2, 1);
    machine.fail(Fault::once(Call::SyncRange, libc::EIO));
    assert!(store.sync().wait().is_err());
    for seen in [&mut synced, &mut committed] {
        seen.poll();
        assert_eq!(seen.events.len(), 3);
        for _ in 0..2 {
            let error = seen.cursor.poll_batch().expect_err("poisoned");
            assert_eq!(error.kind(), ErrorKind::Poisoned);
            let waited = seen.cursor.next_batch().wait_timeout(Duration::from_millis(1));
            assert_eq!(waited.expect_err("poisoned").kind(), ErrorKind::Poisoned);
        }
    }
}
