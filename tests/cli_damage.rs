//! A damaged store from outside: what each kind of damage ends with, and what `repair` says, does and keeps.

#[path = "cli/run.rs"]
#[allow(dead_code, reason = "shared by several tests")]
mod run;

use orchestrix::prelude::*;
use run::{Place, event, tree};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

const SEGMENT_BYTES: u64 = 8 << 10;

/// A closed store of several small segments, and what `read` prints of it.
fn store() -> (Place, String) {
    let place = Place::new();
    let store = Store::options().segment_bytes(SEGMENT_BYTES).open(place.store()).unwrap();
    store.close().wait().unwrap();
    let lines: Vec<_> = (0..300).map(|n| event(&n.to_string(), &format!("\"data of {n:03}\""))).collect();
    place.run_with(&["import", "--batch", "3"], lines.join("\n")).ended(0);
    let all = place.all();
    assert!(segments(&place).len() >= 3);
    (place, all)
}

fn segments(place: &Place) -> Vec<PathBuf> {
    let mut found: Vec<_> =
        fs::read_dir(place.path("store/log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Changes a byte of the data of one event; returns the segment.
fn damage(place: &Place, number: u32) -> PathBuf {
    let data = format!("data of {number:03}");
    for segment in segments(place) {
        let bytes = fs::read(&segment).unwrap();
        if let Some(at) = bytes.windows(data.len()).position(|window| window == data.as_bytes()) {
            let file = fs::OpenOptions::new().write(true).open(&segment).unwrap();
            file.write_all_at(b"X", at as u64).unwrap();
            return segment;
        }
    }
    panic!("{data} is in no segment");
}

#[test]
fn what_is_missing_cut_or_strange_is_corrupt_and_named() {
    type Damage = fn(&Place);
    let cases: &[(&str, Damage, &str)] = &[
        (
            "a segment in the middle is missing",
            |place| fs::remove_file(&segments(place)[1]).unwrap(),
            "00000001.seg",
        ),
        (
            "a segment is cut short",
            |place| {
                fs::OpenOptions::new().write(true).open(&segments(place)[1]).unwrap().set_len(5_000).unwrap()
            },
            "00000001.seg",
        ),
        (
            "a segment is that of another store",
            |place| _ = fs::copy(&segments(&store().0)[1], &segments(place)[1]).unwrap(),
            "00000001.seg",
        ),
        (
            "a foreign file lies among the segments",
            |place| fs::write(place.path("store/log/notes.txt"), "Dear Ada").unwrap(),
            "notes.txt",
        ),
        (
            "the store file is damaged",
            |place| {
                // A byte of its id, which is random.
                let mut bytes = fs::read(place.path("store/store")).unwrap();
                bytes[30] ^= 1;
                fs::write(place.path("store/store"), bytes).unwrap();
            },
            "store",
        ),
    ];
    for (what, damage, named) in cases {
        let (place, _) = store();
        damage(&place);
        let before = tree(&place.store());
        for args in [&["read"][..], &["append", "s-1", "--type", "t", "--data", "1"]] {
            let ran = place.run(args);
            assert_eq!(ran.code, Some(3), "{what}, {args:?}: {ran:?}");
            assert!(ran.err.contains(named), "{what}, {args:?}: {ran:?}");
        }
        let report = place.run(&["verify", "--json"]).ended(3).json();
        assert_eq!(report["clean"], false, "{what}");
        assert!(report["problems"].to_string().contains(named), "{what}: {report}");
        let changed: Vec<_> = before
            .iter()
            .zip(&tree(&place.store()))
            .filter(|(a, b)| a != b)
            .map(|(a, _)| a.0.clone())
            .collect();
        // A writer that is refused leaves its process id.
        assert!(changed.iter().all(|path| *path == place.path("store/lock")), "{what}: {changed:?}");
    }
}

#[test]
fn a_file_that_a_crash_left_empty_is_no_damage() {
    let (place, all) = store();
    let next = place.path(&format!("store/log/{:020}.seg", segments(&place).len()));
    fs::write(&next, b"").unwrap();
    assert_eq!(place.run(&["verify", "--json"]).ended(0).json()["clean"], true);
    assert!(place.all() == all);
    place.run(&["append", "s-2", "--type", "t", "--data", "1"]).ended(0);
    assert_eq!(place.all().lines().count(), 301);
}

#[test]
fn repair_says_what_it_would_do_and_keeps_what_it_removes() {
    let (place, all) = store();
    assert_eq!(place.run(&["repair", "--apply"]).ended(0).out, "nothing to repair\n");
    let segment = damage(&place, 120);
    let damaged = fs::read(&segment).unwrap();
    let before = tree(&place.store());

    let plan = place.run(&["repair"]).ended(0).out;
    assert!(plan.ends_with("nothing was changed; run it with --apply to do this\n"), "{plan}");
    let steps = place.run(&["repair", "--json"]).ended(0).json();
    assert_eq!(steps["applied"], false);
    assert_eq!(steps["steps"].as_array().unwrap().len(), plan.lines().count() - 1);
    assert!(tree(&place.store()) == before, "a plan changes nothing");
    place.run(&["verify"]).ended(3);

    let done = place.run(&["repair", "--apply"]).ended(0).out;
    assert!(done.ends_with("done\n"), "{done}");
    assert_eq!(place.run(&["verify", "--json"]).ended(0).json()["clean"], true);
    let left = place.all();
    assert!(all.starts_with(&left), "what is left is the beginning of what was there");
    assert_eq!(left.lines().count(), 120, "up to the commit that is damaged");
    let kept = tree(&place.path("store/removed"));
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(
        kept.iter().any(|(path, bytes)| path.to_str().unwrap().contains(name) && *bytes == damaged),
        "{name}"
    );

    // What was cut off can be imported again.
    let lines: Vec<_> = (0..300).map(|n| event(&n.to_string(), &format!("\"data of {n:03}\""))).collect();
    assert_eq!(place.run_with(&["import"], lines.join("\n")).ended(0).out, "added 180, skipped 120\n");
    assert!(place.all() == all);
}

#[test]
fn a_store_that_may_not_be_written_can_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let (place, all) = store();
    let mode = |mode| {
        for dir in ["store/log", "store"] {
            fs::set_permissions(place.path(dir), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    mode(0o555);
    for (path, _) in tree(&place.store()).iter().filter(|(path, _)| path.is_file()) {
        fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
    }
    assert!(place.all() == all);
    place.run(&["verify"]).ended(0);
    let ran = place.run(&["append", "s-2", "--type", "t", "--data", "1"]);
    // Whoever may do everything may write here too.
    assert!(ran.code == Some(4) || (ran.code == Some(0) && rustix::process::geteuid().is_root()), "{ran:?}");
    mode(0o755);
}

/// No data is lost, so it is told, and no failure; `index rebuild` makes an end of it.
#[test]
fn damage_to_the_index_is_told_and_is_no_failure() {
    let (place, all) = store();
    let runs = fs::read_dir(place.path("store/index")).unwrap().map(|entry| entry.unwrap().path());
    let run = runs.min().unwrap();
    let bytes = fs::metadata(&run).unwrap().len();
    fs::OpenOptions::new().write(true).open(&run).unwrap().write_all_at(&[0x55; 16], bytes - 40).unwrap();
    let text = place.run(&["verify"]).ended(0).out;
    assert!(text.contains("corrupt index in index/") && text.contains("\nclean: 300 events"), "{text}");
    assert!(text.ends_with("`index rebuild` makes it again\n"), "{text}");
    let report = place.run(&["verify", "--json"]).ended(0).json();
    assert_eq!((&report["clean"], &report["problems"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(report["index_problems"].as_array().unwrap().len(), 1, "{report}");
    place.run(&["index", "rebuild"]).ended(0);
    assert_eq!(place.run(&["verify", "--json"]).ended(0).json()["index_problems"], serde_json::json!([]));
    assert_eq!(place.all(), all);
}
