//! `read --follow` as the real program: what is there and what comes, beside writers that come and go, until it is told to end.

#[path = "cli/run.rs"]
#[allow(dead_code, reason = "shared by several tests")]
mod run;

use orchestrix::prelude::*;
use run::Place;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

fn start(place: &Place, args: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut follow = place.command(args);
    let mut follow = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    (follow, lines)
}

/// Position and data of the next line.
fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> (u64, u64) {
    let line = lines.next().expect("a line").unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    let position =
        event["globalposition"].as_str().map_or(event["globalposition"].as_u64(), |p| p.parse().ok());
    (position.expect("a position"), event["data"].as_u64().expect("a number"))
}

fn append(store: &Store, stream: &str, n: u64) {
    let event = NewEvent::raw("done", n.to_string().into_bytes()).content_type("application/json");
    store.append(stream, Any, event).wait().unwrap();
}

#[test]
fn what_comes_is_read_until_a_signal_ends_it() {
    for (command, signal) in [(&["read", "--follow"][..], Signal::INT), (&["tail", "-f"], Signal::TERM)] {
        let place = Place::new();
        let store = Store::open(place.store()).unwrap();
        append(&store, "s", 1);
        let (follow, mut lines) = start(&place, command);
        for n in 1..5 {
            assert_eq!(next(&mut lines), (n, n));
            append(&store, "s", n + 1);
        }
        assert_eq!(next(&mut lines), (5, 5));
        store.close().wait().unwrap();
        drop(store);
        let store = Store::open(place.store()).unwrap();
        append(&store, "s", 6);
        assert_eq!(next(&mut lines), (6, 6));
        kill_process(Pid::from_child(&follow), signal).unwrap();
        let ended = follow.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), &*ended.stderr), (Some(0), &b""[..]));
        assert!(lines.next().is_none());
    }
}

#[test]
fn a_stream_is_followed_from_a_revision_and_up_to_a_limit() {
    let place = Place::new();
    let store = Store::open(place.store()).unwrap();
    for n in 0..6 {
        append(&store, if n % 2 == 0 { "even" } else { "odd" }, n);
    }
    let (follow, mut lines) = start(&place, &["read", "odd", "--from", "1", "--limit", "3", "--follow"]);
    assert_eq!((next(&mut lines), next(&mut lines)), ((4, 3), (6, 5)));
    append(&store, "even", 6);
    append(&store, "odd", 7);
    assert_eq!(next(&mut lines), (8, 7));
    assert_eq!(follow.wait_with_output().unwrap().status.code(), Some(0));
    assert!(lines.next().is_none());

    let (follow, mut lines) = start(&place, &["read", "--from", "7", "--limit", "2", "--follow"]);
    assert_eq!((next(&mut lines), next(&mut lines)), ((7, 6), (8, 7)));
    assert_eq!(follow.wait_with_output().unwrap().status.code(), Some(0));
    place.run(&["read", "--follow", "--from", "99"]).ended(1).says("position 98, and the last one is 8");
    place.run(&["read", "--follow", "--backward"]).ended(2);
    store.close().wait().unwrap();
}

/// As `read` alone: whoever reads its output may go away.
#[test]
fn a_closed_pipe_ends_it_in_order() {
    let place = Place::new();
    let store = Store::open(place.store()).unwrap();
    append(&store, "s", 1);
    let (follow, mut lines) = start(&place, &["read", "--follow"]);
    next(&mut lines);
    drop(lines);
    let mut follow = follow;
    let status = loop {
        append(&store, "s", 2);
        match follow.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(std::time::Duration::from_millis(2)),
        }
    };
    assert_eq!(status.code(), Some(0));
    store.close().wait().unwrap();
}
