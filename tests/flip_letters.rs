//! Every byte of the dead-letter log flipped, one at a time: the letters are right, or it is said that they aren't; the store itself
//! opens and is whole.

#[path = "tools/mod.rs"]
mod tools;

use orchestrix::prelude::*;
use orchestrix::testing::Machine;
use orchestrix::{ErrorKind, RetryPolicy};
use tools::{number, small};

const FOLDER: &str = "dead-letters/";

/// A machine whose store has dead letters, one of them discarded.
fn machine() -> Machine {
    let machine = Machine::new(1);
    let store = machine.open(small()).expect("a store");
    let (mut tasks, mut cx) = (Vec::new(), std::task::Context::from_waker(std::task::Waker::noop()));
    let consumer = Consumer::named("mailer").retry(RetryPolicy::none());
    let consumer = consumer.handle_async(|_: Delivery| async { Err("no route".into()) });
    let consumer = consumer.start_on(&store, |task| tasks.push(task)).expect("a consumer");
    for n in 0..6 {
        let event = NewEvent::raw("happened", vec![n; 20]).id(format!("e{n}")).tag("room:7");
        store.append(format!("a-{}", n % 3), Any, event).wait().expect("an append");
    }
    store.sync().wait().expect("a sync");
    while consumer.status().parked < 6 {
        for task in &mut tasks {
            assert!(task.as_mut().poll(&mut cx).is_pending());
        }
        machine.pass(std::time::Duration::from_millis(10));
    }
    let mut discard = store.dead_letters().discard(&"e2".into());
    while std::pin::Pin::new(&mut discard).poll(&mut cx).map(|done| done.expect("a discard")).is_pending() {
        machine.pass(std::time::Duration::from_millis(10));
    }
    drop((consumer, tasks));
    store.close().wait().expect("a close");
    machine
}

/// Stream, data and reason of every letter.
fn letters(store: &Store) -> Result<Vec<(String, Vec<u8>, String)>, orchestrix::Error> {
    let letters = store.dead_letters().list().wait()?;
    let facts = letters.iter().map(|letter| {
        (letter.event().stream().to_owned(), letter.event().data().to_vec(), letter.reason.clone())
    });
    Ok(facts.collect())
}

#[test]
fn any_flipped_byte_of_the_dead_letters_is_named_or_harmless() {
    let patterns = number("ORCHESTRIX_FLIPS", 1).min(8);
    let machine = machine();
    let expected = letters(&machine.open(small()).expect("a store")).expect("letters");
    assert_eq!(expected.len(), 5);
    let (mut flips, mut told) = (0, 0);
    for path in machine.files().into_iter().filter(|path| path.starts_with(FOLDER)) {
        let bytes = machine.read_file(&path).expect("a file");
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| (last + 9).min(bytes.len()));
        for at in 0..end {
            for pattern in 0..patterns {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << ((at as u64 + pattern) % 8);
                let machine = machine.kill(at as u64);
                machine.put_file(&path, &flipped);
                let store = machine.open(small()).unwrap_or_else(|error| panic!("{path} at {at}: {error}"));
                assert_eq!(store.view().all().count(), 6);
                flips += 1;
                match letters(&store) {
                    Ok(found) => assert_eq!(found, expected, "{path} at {at}"),
                    Err(error) => {
                        let kinds = [ErrorKind::Corrupt, ErrorKind::Unsupported, ErrorKind::Invalid];
                        assert!(kinds.contains(&error.kind()), "{path} at {at}: {error:?}");
                        told += 1;
                    }
                }
            }
        }
    }
    println!("{flips} flips, {told} of them told");
    assert!(flips > 2_000 && told > flips / 5);
}
