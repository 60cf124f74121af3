//! A directory tree in memory. Files are bytes or regions of private memory; every sync succeeds at once. Nothing
//! survives the last handle but what somebody still holds mapped.

use super::mapping::{Mapping, pages_inward};
use super::region::{REGION_HEAD, Region, RegionOps, RegionWriter};
use super::{Access, Entry, Files, Found, Lock, WriteMode};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A tree of its own; nobody else sees it.
pub(crate) struct HeapFiles {
    tree: Mutex<BTreeMap<String, Node>>,
    locks: Arc<Mutex<BTreeSet<String>>>,
}

enum Node {
    Directory,
    File(Vec<u8>),
    Region(HeapRegion),
}

/// Memory of a region and, through `head`, what a whole-file read can see of it.
struct HeapRegion {
    mapping: Mapping,
    head: Arc<Region>,
    taken: Arc<AtomicU64>,
}

impl HeapFiles {
    pub(crate) fn new() -> Self {
        Self { tree: Mutex::default(), locks: Arc::default() }
    }

    fn lock(&self, path: &str, byte: &str) -> io::Result<Box<dyn Lock>> {
        let name = format!("{path}{byte}");
        if !self.locks.lock().insert(name.clone()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(HeapLock { name, locks: self.locks.clone() }))
    }
}

/// Stands behind a path in the name of a writer's mark; no path contains it.
const MARK: &str = "\0mark";

struct HeapLock {
    name: String,
    locks: Arc<Mutex<BTreeSet<String>>>,
}

impl Lock for HeapLock {}

impl Drop for HeapLock {
    fn drop(&mut self) {
        self.locks.lock().remove(&self.name);
    }
}

/// The file of a region: only a length, and how much of it counts as taken.
struct HeapOps {
    bytes: u64,
    taken: Arc<AtomicU64>,
}

impl RegionOps for HeapOps {
    fn write_at(&self, _at: u64, _bytes: &[u8]) -> io::Result<()> {
        unreachable!("the heap is never written by position");
    }

    fn reserve(&self, _from: u64, to: u64) -> io::Result<()> {
        self.taken.fetch_max(to, Ordering::Relaxed);
        Ok(())
    }

    fn populate(&self, _from: u64, _to: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync_range(&self, _from: u64, _to: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync_file(&self) -> io::Result<()> {
        Ok(())
    }

    fn punch(&self, from: u64, to: u64) -> io::Result<()> {
        let (from, to) = pages_inward(from, to);
        if from < to && to >= self.taken.load(Ordering::Relaxed) {
            self.taken.fetch_min(from, Ordering::Relaxed);
        }
        Ok(())
    }

    fn next_data(&self, from: u64) -> io::Result<Option<u64>> {
        Ok((from < self.bytes).then_some(from))
    }
}

impl HeapRegion {
    fn new(mapping: Mapping, taken: u64) -> Self {
        let taken = Arc::new(AtomicU64::new(taken));
        let head = open(&mapping, &taken, Access::Read).region().clone();
        Self { mapping, head, taken }
    }

    fn open(&self, access: Access) -> RegionWriter {
        open(&self.mapping, &self.taken, access)
    }
}

fn open(mapping: &Mapping, taken: &Arc<AtomicU64>, access: Access) -> RegionWriter {
    let ops = HeapOps { bytes: mapping.len(), taken: taken.clone() };
    Region::create(mapping.share(), WriteMode::Heap, access == Access::Write, Box::new(ops))
}

/// The directory that a path stands in must be there.
fn check_parent(tree: &BTreeMap<String, Node>, path: &str) -> io::Result<()> {
    match path.rsplit_once('/') {
        None => Ok(()),
        Some((parent, _)) => check_dir(tree, parent),
    }
}

fn check_dir(tree: &BTreeMap<String, Node>, dir: &str) -> io::Result<()> {
    match tree.get(dir) {
        Some(Node::Directory) => Ok(()),
        Some(_) => Err(ErrorKind::NotADirectory.into()),
        None if dir.is_empty() => Ok(()),
        None => Err(ErrorKind::NotFound.into()),
    }
}

impl Files for HeapFiles {
    fn root(&self) -> &Path {
        Path::new("memory")
    }

    fn write_mode(&self) -> WriteMode {
        WriteMode::Heap
    }

    fn found(&self, path: &str) -> io::Result<Found> {
        Ok(match self.tree.lock().get(path) {
            Some(Node::Directory) => Found::Directory,
            Some(Node::File(_) | Node::Region(_)) => Found::File,
            None if path.is_empty() => Found::Directory,
            None => Found::Nothing,
        })
    }

    fn create_root(&self) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        let tree = self.tree.lock();
        check_dir(&tree, dir)?;
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let mut entries: Vec<Entry> = tree
            .iter()
            .filter_map(|(path, node)| {
                let name = path.strip_prefix(&prefix).filter(|name| !name.contains('/'))?;
                let bytes = match node {
                    Node::Directory => 0,
                    Node::File(bytes) => bytes.len() as u64,
                    Node::Region(region) => region.mapping.len(),
                };
                Some(Entry { name: name.to_owned(), bytes, is_file: !matches!(node, Node::Directory) })
            })
            .collect();
        entries.sort();
        Ok(entries)
    }

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        let mut tree = self.tree.lock();
        check_parent(&tree, dir)?;
        match tree.get(dir) {
            Some(Node::Directory) => Ok(()),
            Some(_) => Err(ErrorKind::AlreadyExists.into()),
            None if dir.is_empty() => Ok(()),
            None => {
                tree.insert(dir.to_owned(), Node::Directory);
                Ok(())
            }
        }
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        check_dir(&self.tree.lock(), dir)
    }

    /// Of a region only the head can be read as a file; beyond it this is `Unsupported`, since whoever has it open
    /// may be writing there.
    fn read(&self, path: &str, bytes_max: usize) -> io::Result<Vec<u8>> {
        match self.tree.lock().get(path) {
            Some(Node::File(bytes)) => Ok(bytes[..bytes.len().min(bytes_max)].to_vec()),
            Some(Node::Region(region)) => {
                let to = region.mapping.len().min(bytes_max as u64);
                if to > REGION_HEAD {
                    return Err(ErrorKind::Unsupported.into());
                }
                Ok(region.head.head_bytes(0, to))
            }
            Some(Node::Directory) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    /// A region at this path is replaced, not emptied: whoever has it open keeps it as it is.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut tree = self.tree.lock();
        check_parent(&tree, path)?;
        if matches!(tree.get(path), Some(Node::Directory)) {
            return Err(ErrorKind::IsADirectory.into());
        }
        tree.insert(path.to_owned(), Node::File(bytes.to_vec()));
        Ok(())
    }

    /// Files only.
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut tree = self.tree.lock();
        check_parent(&tree, to)?;
        match (tree.get(from), tree.get(to)) {
            (None, _) => return Err(ErrorKind::NotFound.into()),
            (Some(Node::Directory), _) | (_, Some(Node::Directory)) => {
                return Err(ErrorKind::IsADirectory.into());
            }
            _ => {}
        }
        let node = tree.remove(from).expect("it was found");
        tree.insert(to.to_owned(), node);
        Ok(())
    }

    /// Files only.
    fn remove(&self, path: &str) -> io::Result<()> {
        let mut tree = self.tree.lock();
        match tree.get(path) {
            None => Err(ErrorKind::NotFound.into()),
            Some(Node::Directory) => Err(ErrorKind::IsADirectory.into()),
            Some(_) => {
                tree.remove(path);
                Ok(())
            }
        }
    }

    fn try_lock(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        let lock = self.lock(path, "")?;
        self.write(path, format!("{}\n", std::process::id()).as_bytes())?;
        Ok(lock)
    }

    fn mark_writer(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        self.lock(path, MARK)
    }

    fn writer_lives(&self, path: &str) -> io::Result<bool> {
        Ok(self.locks.lock().contains(&format!("{path}{MARK}")))
    }

    fn create_region(&self, path: &str, bytes: u64) -> io::Result<RegionWriter> {
        let mut tree = self.tree.lock();
        check_parent(&tree, path)?;
        if tree.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let region = HeapRegion::new(Mapping::zeroed(bytes)?, 0);
        let writer = region.open(Access::Write);
        tree.insert(path.to_owned(), Node::Region(region));
        Ok(writer)
    }

    fn open_region(&self, path: &str, access: Access) -> io::Result<RegionWriter> {
        let mut tree = self.tree.lock();
        let node = tree.get_mut(path).ok_or(ErrorKind::NotFound)?;
        if let Node::File(bytes) = node {
            *node = Node::Region(HeapRegion::new(Mapping::copied(bytes)?, bytes.len() as u64));
        }
        match node {
            Node::Region(region) => Ok(region.open(access)),
            Node::File(_) | Node::Directory => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// The bytes of files, and of regions what was reserved.
    fn bytes_on_disk(&self) -> io::Result<u64> {
        let bytes = |node: &Node| match node {
            Node::Directory => 0,
            Node::File(bytes) => bytes.len() as u64,
            Node::Region(region) => region.taken.load(Ordering::Relaxed),
        };
        Ok(self.tree.lock().values().map(bytes).sum())
    }

    fn boot_id(&self) -> [u8; 16] {
        [0; 16]
    }
}

#[cfg(test)]
mod tests;
