//! What code may do where: unsafe, threads, clocks, random numbers, files, output, leftovers of unfinished work.

use crate::imports::used_paths;
use crate::source::{Findings, Source, is_in_crate, is_library, is_test_path, places, words};
use std::collections::BTreeMap;

/// Files with `unsafe`, each with the reason. Asserted both ways.
pub(crate) const UNSAFE_FILES: &[(&str, &str)] = &[
    ("benches/common/floor.rs", "the base case writes into a mapping of its own"),
    ("benches/common/scan.rs", "the base case reads a mapping of its own, and allocations are counted"),
    ("benches/peers/src/peers/lmdb.rs", "opening LMDB, which trusts that nobody else changes its file"),
    ("src/medium/lock.rs", "locks on open file descriptions"),
    ("src/medium/mapping.rs", "mapping, syncing and unmapping files and memory"),
    ("src/medium/region.rs", "lends bytes that are never written again"),
    ("src/medium/region/writer.rs", "writes bytes that are not lent yet"),
    ("tests/alloc.rs", "an allocator that counts"),
];

/// A call that goes through `medium/`, and the only files or folders (with `/` at the end) that make it.
pub(crate) struct Reserved {
    pub(crate) what: &'static str,
    pub(crate) calls: &'static [&'static str],
    pub(crate) files: &'static [&'static str],
}

/// What would make a run depend on more than its seed. The files are asserted both ways.
pub(crate) const RESERVED: &[Reserved] = &[
    Reserved {
        what: "threads",
        calls: &["thread::spawn", "thread::scope", "thread::Builder"],
        files: &["src/bin/", "src/medium/jobs.rs", "src/testing/contract/threads.rs"],
    },
    Reserved {
        what: "sleeping",
        calls: &["thread::sleep", "thread::park_timeout"],
        files: &["src/bin/", "src/medium/clock.rs"],
    },
    Reserved {
        what: "clocks",
        calls: &["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now", "clock_gettime"],
        files: &[
            "src/bin/",
            "src/event/fresh.rs",
            "src/medium/clock.rs",
            "src/medium/jobs.rs",
            "src/pending.rs",
        ],
    },
    Reserved {
        what: "random numbers",
        calls: &["getrandom", "Uuid::now_v7", "Uuid::new_v4", "rustix::rand", "DefaultHasher"],
        files: &["src/event/fresh.rs", "src/medium/clock.rs"],
    },
    Reserved {
        what: "files",
        calls: &["std::fs", "fs::", "File::open", "File::create", "OpenOptions", "MmapOptions", "MmapRaw"],
        files: &[
            "src/bin/",
            "src/medium/files.rs",
            "src/medium/lock.rs",
            "src/medium/mapping.rs",
            "src/medium/posix.rs",
        ],
    },
    Reserved {
        what: "the process and its environment",
        calls: &["env::var", "env::args", "env::temp_dir", "Command::new", "process::id", "process::exit"],
        files: &["src/bin/", "src/medium/heap.rs", "src/medium/lock.rs", "src/medium/sim/"],
    },
];

/// What every delivery of an event goes through: no lock stands there. Asserted both ways.
pub(crate) const EVENT_PATH: &[&str] = &[
    "src/log/bell.rs",
    "src/log/checked.rs",
    "src/log/stretch.rs",
    "src/log/walk.rs",
    "src/medium/published.rs",
    "src/store/batch.rs",
    "src/store/following.rs",
    "src/subscribe/cursor.rs",
    "src/subscribe/next.rs",
    "src/subscribe/tail.rs",
    "src/subscribe/under_way.rs",
];
const LOCKS: &[&str] = &["Mutex", "RwLock", "Condvar", "ReentrantLock"];

/// Locks in the path of the events, and files on the list that aren't there.
pub(crate) fn check_event_path(sources: &[Source], listed: &[&str]) -> Findings {
    let mut findings = Findings::new();
    for path in listed {
        let Some(source) = sources.iter().find(|source| source.path == *path) else {
            findings.push(format!("{path}: is on EVENT_PATH and isn't there"));
            continue;
        };
        for lock in LOCKS {
            let found = words(&source.live, lock);
            findings.extend(found.map(|at| format!("{}: {lock} in the path of the events", source.at(at))));
        }
    }
    findings
}

/// Unfinished work, wherever it stands.
const LEFTOVERS: &[&str] = &["todo!", "unimplemented!", "dbg!"];
/// The library speaks through its values only, but for the suite that others run as a test: it says what it didn't run.
const SPEAKS: &str = "src/testing/contract/run.rs";
const OUTPUT: &[&str] = &["println!", "print!", "eprintln!", "eprint!"];
/// Lines between the end of a SAFETY comment and the `unsafe` that it speaks of.
const SAFETY_DISTANCE_MAX: usize = 6;

/// Unsafe outside the list, or without a comment that says who guarantees what.
pub(crate) fn check_unsafe(source: &Source, listed: &[(&str, &str)]) -> Findings {
    let mut findings = Findings::new();
    let listed = listed.iter().any(|(path, _)| *path == source.path);
    let mut uses = words(&source.code, "unsafe").peekable();
    if listed && uses.peek().is_none() {
        findings.push(format!("{}: has no unsafe any more; take it off UNSAFE_FILES", source.path));
    }
    for at in uses {
        if !listed {
            findings.push(format!("{}: unsafe in a file that isn't on UNSAFE_FILES", source.at(at)));
        }
        let next = source.code[at + "unsafe".len()..].trim_start();
        if (next.starts_with('{') || next.starts_with("impl")) && !is_justified(&source.text, at) {
            findings.push(format!("{}: unsafe without a SAFETY comment right above", source.at(at)));
        }
    }
    for at in places(&source.code, "allow(unsafe_code").filter(|_| !listed) {
        findings.push(format!("{}: allows unsafe in a file that isn't on UNSAFE_FILES", source.at(at)));
    }
    findings
}

fn is_justified(text: &str, at: usize) -> bool {
    let line_end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    let mut distance = 0;
    for line in text[..line_end].lines().rev() {
        if line.contains("// SAFETY:") {
            return true;
        }
        distance += usize::from(!line.trim_start().starts_with("//"));
        if distance > SAFETY_DISTANCE_MAX {
            break;
        }
    }
    false
}

/// The reserved calls that the live code of a file makes: index in `reserved`, what, place.
fn reserved_calls(source: &Source, reserved: &[Reserved]) -> Vec<(usize, &'static str, usize)> {
    let mut calls = Vec::new();
    for (index, rule) in reserved.iter().enumerate() {
        for &call in rule.calls {
            calls.extend(places(&source.live, call).map(|at| (index, call, at)));
        }
    }
    for (at, path) in used_paths(&source.live) {
        let path = format!("{}::", path.join("::"));
        for (index, rule) in reserved.iter().enumerate() {
            let call = rule.calls.iter().find(|call| places(&path, call).next().is_some());
            calls.extend(call.map(|call| (index, *call, at)));
        }
    }
    calls
}

/// Reserved calls outside the files that may make them, and files that no longer make them.
pub(crate) fn check_reserved(sources: &[Source], reserved: &[Reserved]) -> Findings {
    let mut idle: Vec<Vec<&str>> = reserved.iter().map(|rule| rule.files.to_vec()).collect();
    // One a file and rule, however often it happens there.
    let mut strays = BTreeMap::new();
    for source in sources.iter().filter(|source| is_in_crate(&source.path)) {
        for (index, call, at) in reserved_calls(source, reserved) {
            match reserved[index].files.iter().find(|file| is_within(&source.path, file)) {
                Some(file) => idle[index].retain(|other| other != file),
                None => _ = strays.entry((&source.path, index)).or_insert_with(|| (source.at(at), call)),
            }
        }
    }
    let strays = strays.into_iter();
    let mut findings: Findings = strays
        .map(|((_, index), (at, call))| {
            format!("{at}: `{call}`: only src/medium/ deals with {}", reserved[index].what)
        })
        .collect();
    for (rule, idle) in reserved.iter().zip(idle) {
        let idle = idle.iter().filter(|file| !file.ends_with('/'));
        findings
            .extend(idle.map(|file| format!("{file}: is listed for {} and doesn't deal with it", rule.what)));
    }
    findings
}

fn is_within(path: &str, listed: &str) -> bool {
    path == listed || listed.ends_with('/') && path.starts_with(listed)
}

/// Unfinished work, output of the library, tests that are ignored without a reason.
pub(crate) fn check_leftovers(source: &Source) -> Findings {
    let mut findings = Findings::new();
    let mut forbid = |code: &str, pattern: &str, why: &str| {
        findings.extend(places(code, pattern).map(|at| format!("{}: `{pattern}`: {why}", source.at(at))));
    };
    for pattern in LEFTOVERS {
        forbid(&source.code, pattern, "unfinished work");
    }
    let speaks = source.path == SPEAKS || is_test_path(&source.path);
    for pattern in OUTPUT.iter().filter(|_| is_library(&source.path) && !speaks) {
        forbid(&source.live, pattern, "the library prints nothing");
    }
    forbid(&source.code, "#[ignore]", "say why: `#[ignore = \"...\"]`");
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &[(&str, &str)] = &[("src/medium/map.rs", "a mapping")];

    fn unsafety(path: &str, text: &str) -> usize {
        check_unsafe(&Source::new(path, text), LISTED).len()
    }

    #[test]
    fn catches_unsafe() {
        let good = "// SAFETY: mapped until drop,\n// by `open`.\nlet a =\n    unsafe { f() };\n// SAFETY: as above.\nunsafe impl Send for A {}\n";
        assert_eq!(unsafety("src/medium/map.rs", good), 0);
        assert_eq!(unsafety("src/log/a.rs", good), 2);
        assert_eq!(unsafety("src/medium/map.rs", "let a = unsafe { f() };"), 1, "no comment");
        let far = format!("// SAFETY: far away.\n{}unsafe {{ f() }};", "g();\n".repeat(SAFETY_DISTANCE_MAX));
        assert_eq!(unsafety("src/medium/map.rs", &far), 1, "a comment too far away");
        assert_eq!(unsafety("src/medium/map.rs", "fn f() {}"), 1, "a listed file without unsafe");
        assert_eq!(unsafety("src/log/a.rs", "#![allow(unsafe_code)]"), 1);
        assert_eq!(unsafety("src/log/a.rs", "// unsafe\nlet unsafe_code = \"unsafe\";"), 0);
    }

    const RULES: &[Reserved] = &[
        Reserved { what: "clocks", calls: &["Instant::now"], files: &["src/medium/clock.rs"] },
        Reserved { what: "files", calls: &["std::fs", "fs::", "File::open"], files: &["src/bin/"] },
    ];

    fn reserved(path: &str, text: &str) -> usize {
        let clock = Source::new("src/medium/clock.rs", "fn now() { Instant::now() }");
        check_reserved(&[clock, Source::new(path, text)], RULES).len()
    }

    #[test]
    fn catches_locks_in_the_path_of_the_events() {
        let locked = Source::new("src/log/walk.rs", "use parking_lot::RwLock;\nfn f(l: &RwLock<u8>) {}\n");
        let free = Source::new("src/log/bell.rs", "fn f() { \"Mutex\"; }\n");
        let findings =
            check_event_path(&[locked, free], &["src/log/walk.rs", "src/log/bell.rs", "src/gone.rs"]);
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(findings[0].contains("walk.rs:1") && findings[2].contains("isn't there"));
    }

    #[test]
    fn catches_reserved_calls() {
        assert_eq!(reserved("src/log/a.rs", "fn f() { Instant::now(); }"), 1);
        assert_eq!(reserved("src/log/a.rs", "use std::{fs, io};"), 1);
        assert_eq!(reserved("src/log/a.rs", "use std::{io, fs::File};\nfn f() {}"), 1, "by path");
        assert_eq!(reserved("src/log/a.rs", "// Instant::now\nuse std::fmt;\nfn f(offs: u8) {}"), 0);
        assert_eq!(reserved("src/log/a.rs", "#[cfg(test)]\nmod tests {\n    use std::fs;\n}"), 0);
        assert_eq!(reserved("src/bin/x/main.rs", "use std::fs;"), 0);
        assert_eq!(reserved("tests/a.rs", "use std::fs;"), 0);
        let idle = [Source::new("src/medium/clock.rs", "fn now() {}")];
        assert_eq!(check_reserved(&idle, RULES).len(), 1, "a listed file that makes no such call");
    }

    #[test]
    fn catches_leftovers() {
        let count = |path: &str, text: &str| check_leftovers(&Source::new(path, text)).len();
        let unfinished = "fn f() { todo!(); unimplemented!(); dbg!(1); }";
        assert_eq!(count("src/log/a.rs", unfinished), 3);
        assert_eq!(count("tests/a.rs", unfinished), 3);
        assert_eq!(count("src/log/a.rs", "fn f() { println!(); eprint!(\"\"); }"), 2);
        assert_eq!(count("src/log/a.rs", "/// println!()\n#[cfg(test)]\nfn f() { println!(); }"), 0);
        assert_eq!(count("derive/src/a.rs", "fn f() { println!(); }"), 1);
        assert_eq!(count("derive/src/tests.rs", "fn f() { println!(); }"), 0);
        assert_eq!(count("src/bin/x/main.rs", "fn f() { println!(); }"), 0);
        assert_eq!(count(SPEAKS, "fn f() { println!(); }"), 0);
        assert_eq!(count("tests/a.rs", "#[test]\n#[ignore]\nfn f() {}"), 1);
        assert_eq!(count("tests/a.rs", "#[test]\n#[ignore = \"an hour\"]\nfn f() {}"), 0);
    }
}
