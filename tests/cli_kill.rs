//! An import that doesn't get to its end: killed with SIGKILL at many moments, or ended by Ctrl-C. Running it again
//! must lead to the same store as one run that nobody disturbed.

#[path = "cli/run.rs"]
#[allow(dead_code, reason = "shared by several tests")]
mod run;

use run::{Place, event, quakes};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

const KILLS: u32 = 12;

#[test]
fn a_killed_import_is_resumed_by_running_it_again() {
    let undisturbed = Place::new();
    undisturbed.run(&["import", &quakes()]).ended(0);
    let expected = undisturbed.all();
    let input = std::fs::read(quakes()).unwrap();

    let place = Place::new();
    let mut cut_short = 0;
    for round in 1..=KILLS {
        let batch = ["1", "3", "50"][round as usize % 3];
        let mut import = place.command(&["import", "--batch", batch]);
        let mut import =
            import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdin = import.stdin.take().unwrap();
        // The pipe holds back what comes after a share of the input that grows from kill to kill.
        let share = input.len() * round as usize / (KILLS as usize + 1);
        stdin.write_all(&input[..share]).unwrap();
        thread::sleep(Duration::from_millis(u64::from(round * 37 % 20)));
        import.kill().unwrap();
        drop(stdin);
        let mut out = String::new();
        import.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        import.wait().unwrap();
        cut_short += u32::from(out.is_empty());
        // What is there is the beginning of what would be there: nothing twice, nothing left out.
        if place.store().join("store").exists() {
            let there = place.run(&["read"]);
            assert!(there.code == Some(5) || expected.starts_with(&there.out), "round {round}");
        }
    }
    assert_eq!(cut_short, KILLS, "every import was killed before it was done");
    let counts = place.run_with(&["import", "--json"], &input).ended(0).json();
    assert_eq!(counts["added"].as_u64().unwrap() + counts["skipped"].as_u64().unwrap(), 1_707);
    assert!(place.all() == expected);
    let report = place.run(&["verify", "--json"]).ended(0).json();
    assert_eq!((&report["clean"], &report["events"]), (&true.into(), &1_707.into()));
}

#[test]
fn ctrl_c_stores_what_was_read_and_says_how_to_go_on() {
    let place = Place::new();
    let lines: Vec<_> = (0..10).map(|n| event(&n.to_string(), "1") + "\n").collect();
    let mut import = place.command(&["import"]);
    let mut import =
        import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = import.stdin.take().unwrap();
    stdin.write_all(lines[..7].concat().as_bytes()).unwrap();
    // An import that waits for input commits what it has, so the store says when the lines were read.
    let read_all = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(25));
        place.run(&["read"]).out.lines().count() == 7
    });
    assert!(read_all, "seven lines were committed while the import waited for more");
    kill_process(Pid::from_child(&import), Signal::INT).unwrap();
    let ended = import.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "added 7, skipped 0\n");
    let err = String::from_utf8(ended.stderr).unwrap();
    assert!(err.contains("interrupted after line 7") && err.contains("run the same command again"), "{err}");
    assert_eq!(place.run_with(&["import"], lines.concat()).ended(0).out, "added 3, skipped 7\n");
}

#[test]
fn ctrl_c_in_the_middle_of_a_flood_ends_the_batch() {
    let place = Place::new();
    let mut import = place.command(&["import", "--batch", "100"]);
    let mut import =
        import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = import.stdin.take().unwrap();
    let flood = thread::spawn(move || {
        for n in 0_u64.. {
            let line = event(&n.to_string(), "\"flood\"") + "\n";
            if stdin.write_all(line.as_bytes()).is_err() {
                return;
            }
        }
    });
    thread::sleep(Duration::from_millis(300));
    kill_process(Pid::from_child(&import), Signal::INT).unwrap();
    let mut said = String::new();
    BufReader::new(import.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(import.wait().unwrap().code(), Some(130));
    flood.join().unwrap();
    let added: usize = said.trim_start_matches("added ").split(',').next().unwrap().parse().unwrap();
    let there = place.all();
    assert_eq!(there.lines().count(), added);
    for (n, line) in there.lines().enumerate() {
        assert!(line.contains(&format!("\"id\":\"{n}\"")), "{line}");
    }
}
