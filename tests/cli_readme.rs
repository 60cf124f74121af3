//! The commands that the README shows, run as they stand there: first those on a store that nobody has open, then those beside a
//! program that runs a consumer.

#[path = "cli/run.rs"]
#[allow(dead_code, reason = "shared by several tests")]
mod run;

use orchestrix::RetryPolicy;
use orchestrix::prelude::*;
use run::{Place, bare};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The shell blocks of a section.
fn blocks(section: &str) -> Vec<&'static str> {
    let readme = include_str!("../README.md");
    let start = readme.find(section).expect("the section");
    let rest = &readme[start + section.len()..];
    let rest = &rest[..rest.find("\n##").expect("a section behind it")];
    rest.split("```sh\n").skip(1).map(|block| block.split("```").next().expect("a block")).collect()
}

/// Runs each line in a shell, in the folder of the project, with the store at this place.
fn run_all(place: &Place, block: &str) -> usize {
    let bin = Path::new(bare().get_program()).parent().expect("a folder").to_owned();
    let path = std::env::join_paths(
        std::iter::once(bin).chain(std::env::split_paths(&std::env::var_os("PATH").expect("a path"))),
    );
    let path = path.expect("a path");
    let mut ran = 0;
    for line in block.lines().filter(|line| line.starts_with("orchestrix ")) {
        // It ends with Ctrl-C, and has a test of its own. The copy goes where the store is.
        let line = match line {
            follow if follow.contains("--follow") => continue,
            line => line.replace("backup copy", &format!("backup {}", place.path("copy").display())),
        };
        let mut shell = Command::new("bash");
        shell.args(["-c", &line]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let done = shell.env("PATH", &path).env("ORCHESTRIX_STORE", place.store()).output().expect("a shell");
        assert!(done.status.success(), "{line}\n{}", String::from_utf8_lossy(&done.stderr));
        ran += 1;
    }
    ran
}

#[test]
fn the_commands_of_the_readme_work() {
    let place = Place::new();
    let [alone, beside] = blocks("### Command line")[..] else { panic!("two blocks") };
    assert!(run_all(&place, alone) >= 6);
    let store = Store::open(place.store()).expect("a store");
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = is_mended.clone();
    let mailer = Consumer::named("mailer").category("account").retry(RetryPolicy::none());
    let mailer = mailer.handle(move |_: Delivery| match mended.load(Ordering::Relaxed) {
        true => Ok(Ack),
        false => Err("no route".into()),
    });
    let mailer = mailer.start(&store).expect("a consumer");
    let last = store.view().watermark();
    mailer.wait_for(last).wait().expect("it is reached");
    assert_eq!(mailer.status().parked, 1);
    is_mended.store(true, Ordering::Relaxed);
    assert!(run_all(&place, beside) >= 6);
    mailer.wait_for(last).wait().expect("it is reached again");
    assert_eq!((mailer.status().parked, mailer.status().paused), (0, false));
}
