//! What several test programs share: directories, what stands in them, and the bytes of the format (see `bytes`).
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod bytes;

use orchestrix::prelude::*;
use orchestrix::{Durability, Error, ErrorKind, Options};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A number from the environment.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A directory for one test.
pub(crate) struct Dir(tempfile::TempDir);

impl Dir {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    /// Where the store of the test stands.
    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file of the store.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.store().join(name)
    }

    pub(crate) fn segment(&self, number: u64) -> PathBuf {
        self.file(&format!("log/{number:020}.seg"))
    }
}

/// Segments of 8 KiB, no wait for syncs.
pub(crate) fn small() -> Options {
    Store::options().segment_bytes(8 << 10).durability(Durability::Process)
}

/// Everything below a directory: path, then bytes and time of the last change (directories have no bytes).
pub(crate) type Tree = BTreeMap<String, (Vec<u8>, SystemTime)>;

pub(crate) fn tree(dir: &Path) -> Tree {
    fn walk(root: &Path, dir: &Path, found: &mut Tree) {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let data = fs::metadata(&path).expect("metadata");
            let name = path.strip_prefix(root).expect("below the root").display().to_string();
            let bytes = if data.is_dir() { Vec::new() } else { fs::read(&path).expect("a file") };
            found.insert(name, (bytes, data.modified().expect("a time")));
            if data.is_dir() {
                walk(root, &path, found);
            }
        }
    }
    let mut found = Tree::new();
    walk(dir, dir, &mut found);
    found
}

/// The same without the lock file, into which a writer writes its process id before it looks at anything else.
pub(crate) fn tree_but_lock(dir: &Path) -> Tree {
    let mut tree = tree(dir);
    tree.remove("lock");
    tree
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// An event whose id and data are the text.
pub(crate) fn event(text: &str) -> NewEvent<'static> {
    NewEvent::raw("happened", text.as_bytes().to_vec()).id(text)
}

/// Appends single events `0`, `1` ... to a stream.
pub(crate) fn fill(store: &Store, stream: &str, count: usize) {
    for n in 0..count {
        store.append(stream, Any, event(&n.to_string())).wait().expect("an append");
    }
}

/// The data of all events, as text.
pub(crate) fn texts<'v>(events: impl Iterator<Item = Result<EventRef<'v>, Error>>) -> Vec<String> {
    events.map(|event| String::from_utf8_lossy(event.expect("an event").data()).into_owned()).collect()
}

/// That an error is of this kind, and its message has every one of these words.
#[track_caller]
pub(crate) fn says<T>(result: Result<T, Error>, kind: ErrorKind, words: &[&str]) -> Error {
    let error = match result {
        Ok(_) => panic!("expected an error of kind {kind:?}, with {words:?}"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is not in {error}");
    }
    error
}
