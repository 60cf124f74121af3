//! The demo from outside: three acts in an empty directory, twice; it ends well, leaves nothing elsewhere, and what it
//! shows in the third act is damage that the other commands refuse too.

#[path = "cli/run.rs"]
#[allow(dead_code, reason = "shared by several tests")]
mod run;

use run::{Place, bare, run};
use std::fs;

/// The number before the comma or the space after `name`.
fn number(out: &str, name: &str) -> u64 {
    let after = out.split_once(name).unwrap_or_else(|| panic!("{name:?} is not in {out}")).1;
    let digits: String = after.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|e| panic!("{e}: {name:?} in {out}"))
}

#[test]
fn three_acts_twice() {
    let place = Place::new();
    let demo = || {
        let mut demo = bare();
        demo.arg("demo").current_dir(place.path("")).env("ORCHESTRIX_STORE", place.path("untouched"));
        let ran = run(demo, b"").ended(0);
        assert_eq!(ran.err, "");
        ran.out
    };
    for (added, skipped) in [(1_707, 0), (0, 1_707)] {
        let out = demo();
        assert!(out.contains(&format!("added {added}, skipped {skipped}\n")), "{out}");
        assert_eq!(out.contains("adds nothing"), added == 0, "{out}");
        assert!(out.contains("reopened: 1707 events, clean"), "{out}");
        let acknowledged = number(&out, "acknowledged");
        assert!(acknowledged > 0, "{out}");
        assert!(number(&out, "found") >= acknowledged, "{out}");
        number(&out, "tail cut");
        assert!(out.contains("reading refuses: corrupt"), "{out}");
        assert!(out.contains("verify refuses:  corrupt"), "{out}");
        assert!(out.lines().rev().take(3).all(|line| line.contains("--store orchestrix-demo/")), "{out}");
    }
    let there: Vec<_> = fs::read_dir(place.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(there, ["orchestrix-demo"]);

    let store = |name: &str| {
        let mut verify = bare();
        verify.arg("verify").arg("--store").arg(place.path("orchestrix-demo").join(name));
        run(verify, b"").code
    };
    assert_eq!((store("quakes"), store("crash"), store("flipped")), (Some(0), Some(0), Some(3)));
}

#[test]
fn what_is_in_the_way_is_refused_and_left_alone() {
    let place = Place::new();
    fs::create_dir_all(place.path("orchestrix-demo/quakes")).unwrap();
    place.file("orchestrix-demo/quakes/letter.txt", "Dear Ada");
    let mut demo = bare();
    demo.arg("demo").current_dir(place.path(""));
    run(demo, b"").ended(5).says("not a store");
    assert_eq!(run::tree(&place.path("orchestrix-demo")).len(), 3);
}
