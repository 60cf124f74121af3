//! `backup` as the real program: once, beside a writer, and followed until Ctrl-C.

#[path = "cli/run.rs"]
#[allow(dead_code, reason = "shared by several tests")]
mod run;

use orchestrix::prelude::*;
use run::{Place, command, event, quakes};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn a_store_is_backed_up_and_read_where_it_went() {
    let place = Place::new();
    place.run(&["import", &quakes()]).ended(0);
    let target = place.path("copy");
    let backup = ["backup", target.to_str().unwrap()];
    let done = place.run(&backup).ended(0).out;
    assert!(done.contains("goes up to position 1707; ") && done.ends_with(" bytes copied\n"), "{done}");
    let again = place.run(&[&backup[..], &["--json"]].concat()).ended(0).json();
    assert_eq!(again, serde_json::json!({ "position": 1_707, "bytes": 0, "full": false }));
    let copied = run::run(command(&target, &["read"]), b"").ended(0).out;
    assert!(copied == place.all());
    assert!(run::run(command(&target, &["verify"]), b"").ended(0).out.starts_with("clean"));

    std::fs::create_dir(place.path("full")).unwrap();
    place.file("full/mine", "x");
    let full = place.path("full");
    place.run(&["backup", full.to_str().unwrap()]).ended(5).says("expected an empty directory");
    // Written to, it is a store of its own.
    run::run(command(&target, &["import"]), event("new", "1").as_bytes()).ended(0);
    place.run(&backup).ended(5).says("expected an empty directory or a backup of this store");
}

#[test]
fn a_warm_copy_follows_a_writer_until_ctrl_c() {
    let place = Place::new();
    let target = place.path("copy");
    let store = Store::open(place.store()).unwrap();
    let append = |n: u8| store.append("s", Any, NewEvent::raw("done", vec![n])).wait().unwrap();
    append(1);
    let mut follow = place.command(&["backup", target.to_str().unwrap(), "--follow", "--interval", "20ms"]);
    let mut follow = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    for n in 1..10 {
        let line = lines.next().unwrap().unwrap();
        assert!(line.contains(&format!("up to position {n};")), "{line}");
        append(n + 1);
    }
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains("up to position 10;"), "{line}");
    kill_process(Pid::from_child(&follow), Signal::INT).unwrap();
    let ended = follow.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), &*ended.stderr), (Some(0), &b""[..]));
    assert!(lines.next().is_none());
    let copied = Store::options().read_only().open(&target).unwrap();
    let data = |store: &Store| -> Vec<Vec<u8>> {
        store.view().all().map(|event| event.unwrap().data().to_vec()).collect()
    };
    assert_eq!(data(&copied), data(&store));
}
