//! The command line from outside: the real program, its exit codes, what it prints where, and that reading changes
//! nothing. What goes into a store is `cli_import`'s affair, what a kill leaves `cli_kill`'s.

#[path = "cli/run.rs"]
#[allow(dead_code, reason = "shared by several tests")]
mod run;

use orchestrix::prelude::*;
use run::{Place, bare, command, event, quakes, run, tree};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::Stdio;

const READING: &[&[&str]] =
    &[&["read"], &["streams"], &["stats"], &["verify"], &["repair"], &["repair", "--apply"]];
const WRITING: &[&[&str]] = &[&["import"], &["append", "s-1", "--type", "t", "--data", "1"]];

#[test]
fn help_lists_commands_and_exit_codes() {
    let mut help = bare();
    help.arg("--help");
    let help = run(help, b"").ended(0).out;
    for line in [
        "0  done",
        "1  bad input",
        "2  wrong usage",
        "3  the store is corrupt",
        "4  disk full",
        "5  refused",
        "130  interrupted",
        "ORCHESTRIX_STORE",
    ] {
        assert!(help.contains(line), "{line:?} is not in {help}");
    }
    let commands =
        ["import", "append", "read", "streams", "inspect", "demo", "stats", "verify", "repair", "retain"];
    for command in commands {
        assert!(help.contains(&format!("\n  {command}  ")), "{command:?} is not in {help}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let place = Place::new();
    for args in [
        &["unknown"][..],
        &[],
        &["read", "--limit", "-1"],
        &["read", "s-1", "--category", "s"],
        &["append", "s-1", "--data", "1"],
        &["append", "s-1", "--type", "t", "--data", "1", "--expected", "maybe"],
        &["import", "--batch", "0"],
        &["import", "--batch", "65536"],
        &["import", "--type-field", "t"],
        &["import", "--stream-field", "s"],
        &["import", "--id-field", "i"],
        &["inspect"],
        &["retain"],
        &["retain", "--older-than", "soon"],
        &["retain", "--older-than", "1 month"],
    ] {
        assert_eq!(place.run(args).code, Some(2), "{args:?}");
    }
    let mut without_store = bare();
    without_store.arg("stats");
    run(without_store, b"").ended(2).says("--store");
    assert!(!place.store().exists());
}

#[test]
fn the_store_may_come_from_the_environment() {
    let place = Place::new();
    place.run_with(&["import"], event("1", "1")).ended(0);
    let mut stats = bare();
    stats.args(["stats", "--json"]).env("ORCHESTRIX_STORE", place.store());
    assert_eq!(run(stats, b"").ended(0).json()["events"], 1);
}

#[test]
fn reading_commands_never_create_a_store() {
    let place = Place::new();
    for args in READING {
        place.run(args).ended(5).says("not a store");
        assert!(!place.store().exists(), "{args:?}");
    }
    fs::create_dir(place.store()).unwrap();
    for args in READING {
        place.run(args).ended(5).says("not a store");
        assert_eq!(tree(&place.store()).len(), 1, "{args:?}");
    }
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let place = Place::new();
    fs::create_dir(place.store()).unwrap();
    place.file("store/letter.txt", "Dear Ada");
    let before = tree(&place.store());
    for args in READING.iter().chain(WRITING) {
        place.run(args).ended(5).says("not a store");
        assert_eq!(tree(&place.store()), before, "{args:?}");
    }
    fs::remove_dir_all(place.store()).unwrap();
    place.file("store", "a file");
    for args in READING.iter().chain(WRITING) {
        place.run(args).ended(5).says("not a");
        assert_eq!(fs::read(place.store()).unwrap(), b"a file", "{args:?}");
    }
}

#[test]
fn a_newer_store_is_refused_and_left_alone() {
    let place = Place::new();
    place.run_with(&["import"], event("1", "1")).ended(0);
    let file = place.path("store/store");
    let mut bytes = fs::read(&file).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..508]);
    bytes[508..512].copy_from_slice(&crc.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    let before = tree(&place.store());
    for args in READING.iter().chain(WRITING) {
        place.run(args).ended(5).says("version");
        assert_eq!(tree(&place.store()), before, "{args:?}");
    }
}

#[test]
fn a_store_that_is_being_written_is_locked_for_writers_and_open_to_readers() {
    let place = Place::new();
    let store = Store::open(place.store()).unwrap();
    store.append("s-1", NoStream, NewEvent::raw("t", b"1")).wait().unwrap();
    for args in WRITING {
        let holder = std::process::id().to_string();
        place.run(args).ended(5).says("locked").says(&holder);
    }
    assert_eq!(place.run(&["stats", "--json"]).ended(0).json()["events"], 1);
    assert_eq!(place.all().lines().count(), 1);
    store.close().wait().unwrap();
}

#[test]
fn append_says_where_the_event_stands_and_refuses_a_conflict() {
    let place = Place::new();
    let append = |rest: &[&str]| {
        place.run(&[&["append", "account-7", "--type", "opened", "--json", "--data"], rest].concat())
    };
    let first = append(&[r#"{"owner":"Ada"}"#, "--expected", "no-stream", "--id", "e-1"]).ended(0).json();
    assert_eq!(
        (&first["position"], &first["revision"], &first["repeat"]),
        (&1.into(), &0.into(), &false.into())
    );
    let again = append(&[r#"{"owner":"Ada"}"#, "--expected", "no-stream", "--id", "e-1"]).ended(0).json();
    assert_eq!((&again["position"], &again["repeat"]), (&1.into(), &true.into()));
    append(&["1", "--expected", "no-stream"]).ended(5).says("account-7").says("found revision 0");
    append(&["2", "--expected", "7"]).ended(5).says("expected revision 7");
    append(&["3", "--expected", "0"]).ended(0);
    append(&["4", "--expected", "exists"]).ended(0);
    assert_eq!(append(&["5"]).ended(0).json()["revision"], 3);
    place.run(&["append", "none-1", "--type", "t", "--data", "1", "--expected", "exists"]).ended(5);
    let text = place.run(&["append", "account-7", "--type", "t", "--data", "6"]).ended(0);
    assert_eq!(text.out, "position 5, revision 4 of account-7\n");
}

#[test]
fn append_takes_data_from_everywhere_and_refuses_what_is_bad() {
    let place = Place::new();
    let file = place.file("data.json", " {\"from\": \"a file\"}\n");
    let append =
        |data: &str| place.run_with(&["append", "s-1", "--type", "t", "--data", data], "[\"stdin\"]");
    append("{\"from\":\"here\"}").ended(0);
    append(&format!("@{file}")).ended(0);
    append("-").ended(0);
    let store = Store::open(place.store()).unwrap();
    let data: Vec<_> = store.view().all().map(|event| event.unwrap().data().to_vec()).collect();
    assert_eq!(data, [&b"{\"from\":\"here\"}"[..], b" {\"from\": \"a file\"}\n", b"[\"stdin\"]"]);
    store.close().wait().unwrap();

    append("{").ended(1).says("not JSON");
    append("@/nowhere/at.all").ended(1).says("/nowhere/at.all");
    let large = place.file("large.json", format!("\"{}\"", "x".repeat(9 << 20)));
    append(&format!("@{large}")).ended(1).says("at most");
    for (stream, reason) in [("", "stream name"), ("$secret", "reserved"), (&"x".repeat(1_025), "1024")] {
        place.run(&["append", stream, "--type", "t", "--data", "1"]).ended(1).says(reason);
    }
    place.run(&["append", "s-1", "--type", "", "--data", "1"]).ended(1).says("type");
    place.run(&["append", "s-1", "--type", "t", "--data", "x", "--content-type", "text/plain"]).ended(0);
    assert_eq!(place.all().lines().count(), 4);
}

#[test]
fn read_selects_by_place_direction_category_and_type() {
    let place = Place::new();
    place.run(&["import", &quakes()]).ended(0);
    let read = |args: &[&str]| -> Vec<serde_json::Value> {
        let out = place.run(&[&["read"], args].concat()).ended(0).out;
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = read(&[]);
    assert_eq!(all.len(), 1_707);
    let text = |event: &serde_json::Value, name: &str| event[name].as_str().expect(name).to_owned();
    assert!(all.iter().zip(1..).all(|(event, n)| text(event, "globalposition") == n.to_string()));

    let stream = read(&["quakes-hv"]);
    assert!(stream.iter().zip(0..).all(|(event, n)| text(event, "streamrevision") == n.to_string()));
    assert_eq!(stream.len(), 46);
    let mut backward = read(&["quakes-hv", "--backward"]);
    backward.reverse();
    assert_eq!(backward, stream);
    assert_eq!(read(&["quakes-hv", "--from", "40"]), stream[40..]);
    assert_eq!(read(&["quakes-hv", "--from", "40", "--limit", "2"]), stream[40..42]);
    assert_eq!(
        read(&["quakes-hv", "--from", "2", "--backward", "--limit", "2"]),
        [&stream[2], &stream[1]].map(Clone::clone)
    );
    assert_eq!(read(&["quakes-hv", "--from", "46"]), [] as [serde_json::Value; 0]);

    assert_eq!(read(&["--category", "quakes"]), all);
    assert_eq!(read(&["--category", "quake"]).len(), 0);
    assert_eq!(read(&["--from", "1700"]), all[1_699..]);
    assert_eq!(read(&["--from", "2", "--backward"]), [&all[1], &all[0]].map(Clone::clone));
    let explosions = read(&["--type", "gov.usgs.explosion.reported"]);
    assert_eq!(explosions.len(), 15);
    assert_eq!(read(&["--category", "quakes", "--type", "gov.usgs.explosion.reported"]), explosions);
    let of_one: Vec<_> = explosions.iter().filter(|e| e["streamid"] == "quakes-uw").cloned().collect();
    assert_eq!(read(&["quakes-uw", "--type", "gov.usgs.explosion.reported"]), of_one);
    assert_eq!(read(&["--type", "gov.usgs.explosion.reported", "--limit", "3"]), explosions[..3]);
}

#[test]
fn streams_and_stats_count() {
    let place = Place::new();
    place.run(&["import", &quakes()]).ended(0);
    let rows = place.run(&["streams", "--json"]).ended(0).out;
    let rows: Vec<serde_json::Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(rows.len(), 12);
    assert!(rows.is_sorted_by_key(|row| row["stream"].as_str().unwrap().to_owned()));
    assert_eq!(rows.iter().map(|row| row["events"].as_u64().unwrap()).sum::<u64>(), 1_707);
    let table = place.run(&["streams"]).ended(0).out;
    assert!(table.lines().any(|row| row.split_whitespace().take(2).eq(["quakes-ci", "386"])), "{table}");
    assert_eq!(place.run(&["streams", "--category", "other", "--json"]).ended(0).out, "");

    let stats = place.run(&["stats", "--json"]).ended(0).json();
    for (name, value) in
        [("events", 1_707), ("streams", 12), ("segments", 1), ("first_position", 1), ("last_position", 1_707)]
    {
        assert_eq!(stats[name], value, "{name} of {stats}");
    }
    assert!(stats["bytes_on_disk"].as_u64().unwrap() > 1_000_000, "{stats}");
    assert!(stats["write_mode"].is_string(), "{stats}");
    let text = place.run(&["stats"]).ended(0).out;
    assert!(text.lines().any(|line| line.split_whitespace().eq(["events", "1,707"])), "{text}");
    let report = place.run(&["verify", "--json"]).ended(0).json();
    assert_eq!((&report["clean"], &report["events"]), (&true.into(), &1_707.into()));
    assert_eq!((&report["tail_bytes"], &report["problems"]), (&0.into(), &serde_json::json!([])));
    assert!(place.run(&["verify"]).ended(0).out.starts_with("clean: 1,707 events"));
    assert_eq!(place.run(&["repair"]).ended(0).out, "nothing to repair\n");
}

#[test]
fn damage_ends_with_3_and_is_named() {
    let place = Place::new();
    let lines: Vec<_> = (0..100).map(|n| event(&n.to_string(), &format!("\"data of {n:03}\""))).collect();
    place.run_with(&["import", "--batch", "10"], lines.join("\n")).ended(0);
    let segment = place.path("store/log/00000000000000000000.seg");
    let bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(11).position(|window| window == b"data of 042").unwrap();
    fs::OpenOptions::new().write(true).open(&segment).unwrap().write_all_at(b"X", at as u64).unwrap();

    place.run(&["verify"]).ended(3);
    let report = place.run(&["verify", "--json"]).ended(3).json();
    assert_eq!(report["clean"], false);
    let problem = &report["problems"][0];
    assert_eq!(problem["segment"], 0);
    let offset = problem["offset"].as_u64().unwrap() as usize;
    assert!(offset <= at && at < offset + 4_096, "{problem} for byte {at}");
    assert!(problem["expected"].is_string() && problem["found"].is_string(), "{problem}");
    for args in [&["read"][..], &["read", "s-1", "--from", "42", "--limit", "1"]] {
        place.run(args).ended(3).says("00000000000000000000.seg").says("at byte");
    }
    assert_ne!(place.run(&["repair"]).ended(0).out, "nothing to repair\n");
}

#[test]
fn a_full_disk_and_a_full_output_end_with_4() {
    let place = Place::new();
    place.run_with(&["import"], event("1", "1")).ended(0);
    let mut read = place.command(&["read"]);
    read.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap()).stderr(Stdio::piped());
    let read = read.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(read.status.code(), Some(4), "{read:?}");

    // A bound on the size of files stands for a full disk: it fails with EFBIG where the other does with ENOSPC.
    let mut bounded = std::process::Command::new("sh");
    bounded.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_orchestrix")]);
    bounded.arg("--store").arg(place.path("other")).arg("import");
    run(bounded, event("1", "1").as_bytes()).ended(4).says("disk full");
}

#[test]
fn a_closed_pipe_ends_with_0_and_says_nothing() {
    let place = Place::new();
    place.run(&["import", &quakes()]).ended(0);
    for args in
        [&["read"][..], &["inspect", place.path("store/log/00000000000000000000.seg").to_str().unwrap()]]
    {
        let mut child = command(&place.store(), args);
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.ends_with('\n'));
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), &*ended.stderr), (Some(0), &b""[..]), "{args:?}");
    }
}

#[test]
fn inspect_shows_frames_and_needs_no_store() {
    let place = Place::new();
    place.run_with(&["import"], event("an-id", "\"some data\"")).ended(0);
    fs::copy(place.path("store/log/00000000000000000000.seg"), place.path("lone.seg")).unwrap();
    let mut inspect = bare();
    inspect.arg("inspect").arg(place.path("lone.seg"));
    let shown = run(inspect, b"").ended(0).out;
    for text in ["s-1", "tested", "an-id"] {
        assert!(shown.contains(text), "{text:?} is not in {shown}");
    }
    let letter = place.file("letter.txt", "Dear Ada");
    assert!(matches!(place.run(&["inspect", &letter]).code, Some(3 | 5)));
    assert!(matches!(place.run(&["inspect", "/nowhere/at.all"]).code, Some(1 | 4)));
}

#[test]
fn retain_says_what_it_would_drop_and_drops_it() {
    let place = Place::new();
    // Two segments, and a bit of a third one.
    let data = "x".repeat(700_000);
    for n in 0..200 {
        let line = event(&n.to_string(), &format!("\"{n} {data}\""));
        place.run_with(&["import"], line).ended(0);
    }
    let stats = place.run(&["stats", "--json"]).ended(0).json();
    assert!(stats["segments"].as_u64().unwrap() >= 3, "{stats}");
    let before = place.run(&["streams"]).ended(0).out;
    let plan = place.run(&["retain", "--before", "150"]).ended(0).out;
    assert!(plan.starts_with("drop segment 0, positions 1 to "), "{plan}");
    assert!(plan.ends_with("nothing was changed; run it with --apply to do this\n"), "{plan}");
    assert_eq!(place.run(&["retain", "--older-than", "30d", "--apply"]).ended(0).out, "nothing to drop\n");
    let done = place.run(&["retain", "--before", "150", "--json", "--apply"]).ended(0).json();
    let first = done["first_position"].as_u64().unwrap();
    assert!(done["applied"] == true && (2..=150).contains(&first), "{done}");
    assert_eq!(place.run(&["streams"]).ended(0).out, before);
    assert!(place.run(&["verify"]).ended(0).out.starts_with("clean"));
    let stats = place.run(&["stats", "--json"]).ended(0).json();
    assert_eq!(stats["first_position"], first);
    let gone = place.run(&["read", "--from", "2"]);
    assert!(gone.code == Some(5) && gone.err.contains("removed by retention"), "{gone:?}");
}
