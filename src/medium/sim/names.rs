//! The names of the simulated tree: as processes see them, and as a power cut leaves them. A change of a name is
//! durable once its directory was synced; until then each change is kept or lost on its own.

use super::chance::Chance;
use crate::medium::{Entry, Found};
use std::collections::BTreeMap;
use std::io;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    /// Index of the file.
    File(usize),
}

#[derive(Clone, Debug)]
enum Change {
    Set(String, Node),
    Remove(String),
    Move { from: String, to: String, node: Node },
}

type Table = BTreeMap<String, Node>;

#[derive(Clone, Default)]
pub(super) struct Names {
    seen: Table,
    durable: Table,
    pending: Vec<Change>,
}

/// The directory that holds a name; `""` is the root.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

pub(super) fn not_found(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no such file or directory: {path}"))
}

impl Change {
    fn is_in(&self, dir: &str) -> bool {
        match self {
            Self::Set(path, _) | Self::Remove(path) => parent(path) == dir,
            Self::Move { from, to, .. } => parent(from) == dir || parent(to) == dir,
        }
    }

    fn apply(&self, table: &mut Table) {
        match self {
            Self::Set(path, node) => drop(table.insert(path.clone(), *node)),
            Self::Remove(path) => drop(table.remove(path)),
            Self::Move { from, to, node } => {
                table.remove(from);
                table.insert(to.clone(), *node);
            }
        }
    }
}

impl Names {
    pub(super) fn node(&self, path: &str) -> Option<Node> {
        if path.is_empty() { Some(Node::Directory) } else { self.seen.get(path).copied() }
    }

    pub(super) fn found(&self, path: &str) -> Found {
        match self.node(path) {
            None => Found::Nothing,
            Some(Node::Directory) => Found::Directory,
            Some(Node::File(_)) => Found::File,
        }
    }

    pub(super) fn file(&self, path: &str) -> io::Result<usize> {
        match self.node(path) {
            Some(Node::File(index)) => Ok(index),
            Some(Node::Directory) => Err(io::Error::from_raw_os_error(libc::EISDIR)),
            None => Err(not_found(path)),
        }
    }

    /// Fails unless the directory that would hold `path` is there.
    pub(super) fn check_parent(&self, path: &str) -> io::Result<()> {
        match self.node(parent(path)) {
            Some(Node::Directory) => Ok(()),
            Some(Node::File(_)) => Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
            None => Err(not_found(path)),
        }
    }

    /// The entries of a directory; `bytes` tells the length of a file.
    pub(super) fn list(&self, dir: &str, bytes: impl Fn(usize) -> u64) -> io::Result<Vec<Entry>> {
        match self.node(dir) {
            None => return Err(not_found(dir)),
            Some(Node::File(_)) => return Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
            Some(Node::Directory) => {}
        }
        let inside = self.seen.iter().filter(|(path, _)| parent(path) == dir);
        Ok(inside
            .map(|(path, node)| {
                let name = path.rsplit('/').next().unwrap_or(path).to_owned();
                match node {
                    Node::Directory => Entry { name, bytes: 0, is_file: false },
                    Node::File(index) => Entry { name, bytes: bytes(*index), is_file: true },
                }
            })
            .collect())
    }

    /// Paths and indices of all files.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, usize)> {
        self.seen.iter().filter_map(|(path, node)| match node {
            Node::File(index) => Some((path.as_str(), *index)),
            Node::Directory => None,
        })
    }

    /// The name that a file has now.
    pub(super) fn path_of(&self, file: usize) -> Option<&str> {
        self.files().find(|(_, index)| *index == file).map(|(path, _)| path)
    }

    pub(super) fn set(&mut self, path: &str, node: Node) {
        self.change(Change::Set(path.to_owned(), node));
    }

    pub(super) fn remove(&mut self, path: &str) -> io::Result<()> {
        self.file(path)?;
        self.change(Change::Remove(path.to_owned()));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let node = Node::File(self.file(from)?);
        self.check_parent(to)?;
        self.change(Change::Move { from: from.to_owned(), to: to.to_owned(), node });
        Ok(())
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self, dir: &str) {
        let (synced, pending) =
            std::mem::take(&mut self.pending).into_iter().partition(|change| change.is_in(dir));
        self.pending = pending;
        let synced: Vec<Change> = synced;
        synced.iter().for_each(|change| change.apply(&mut self.durable));
    }

    /// What a power cut leaves. A name whose directory is lost is lost with it.
    pub(super) fn after_crash(&self, chance: &mut Chance) -> Self {
        let mut left = self.durable.clone();
        for change in &self.pending {
            if chance.keeps() {
                change.apply(&mut left);
            }
        }
        let held = |path: &str, table: &Table| {
            let dir = parent(path);
            dir.is_empty() || table.get(dir) == Some(&Node::Directory)
        };
        // Parents sort before what they hold, so one pass sees them first.
        for path in left.keys().cloned().collect::<Vec<_>>() {
            if !held(&path, &left) {
                left.remove(&path);
            }
        }
        Self { seen: left.clone(), durable: left, pending: Vec::new() }
    }

    /// The same names for files that were numbered anew.
    pub(super) fn renumber(&mut self, mut number: impl FnMut(usize) -> usize) {
        let tables = [&mut self.seen, &mut self.durable].into_iter().flat_map(|table| table.values_mut());
        let changes = self.pending.iter_mut().filter_map(|change| match change {
            Change::Set(_, node) | Change::Move { node, .. } => Some(node),
            Change::Remove(_) => None,
        });
        for node in tables.chain(changes) {
            if let Node::File(index) = node {
                *index = number(*index);
            }
        }
    }

    /// Drops a name at once and for ever, as if it had never been.
    pub(super) fn forget(&mut self, path: &str) {
        self.sync(parent(path));
        self.seen.remove(path);
        self.durable.remove(path);
    }

    /// Sets a name at once and durably.
    pub(super) fn plant(&mut self, path: &str, node: Node) {
        self.sync(parent(path));
        self.seen.insert(path.to_owned(), node);
        self.durable.insert(path.to_owned(), node);
    }
}
