//! A store and its model, which do the same.

use crate::counts::Counts;
use crate::ops::{Expect, Op, STREAMS, Twist, Write};
use crate::plain::{Asked, Fields, Outcome, Plain};
use crate::reads::{check_all, check_heads, check_read};
use orchestrix::prelude::*;
use orchestrix::{Durability, Error, ErrorKind, Options, Pending, Receipt, View, WriteMode, verify};
use std::fs;
use std::io::ErrorKind as ErrorKindOfIo;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Segments as small as they may be, so that a case rolls over.
const SEGMENT_BYTES: u64 = orchestrix::limits::SEGMENT_BYTES_MIN;

/// Where a case has its store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// `None`: in memory.
    pub(crate) mode: Option<WriteMode>,
    pub(crate) padded: bool,
    /// Whether background syncs come all the time, or never.
    pub(crate) busy: bool,
}

pub(crate) struct World<'c> {
    kind: Kind,
    dir: TempDir,
    /// Directories that the store has been in.
    moves: u32,
    store: Option<Store>,
    pub(crate) plain: Plain,
    history: Vec<Vec<Asked>>,
    views: Vec<(View, usize)>,
    counts: &'c Counts,
}

/// In memory if there is such a file system: syncs cost nothing there.
fn temp_dir() -> TempDir {
    let shared = Path::new("/dev/shm");
    let made = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).expect("a temporary directory")
}

impl<'c> World<'c> {
    pub(crate) fn new(kind: Kind, counts: &'c Counts) -> Self {
        let mut world = Self {
            kind,
            dir: temp_dir(),
            moves: 0,
            store: None,
            plain: Plain::default(),
            history: Vec::new(),
            views: Vec::new(),
            counts,
        };
        world.store = Some(match kind.mode {
            None => world.options().in_memory().expect("a store"),
            Some(_) => world.options().open(world.path()).expect("a store"),
        });
        world
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(format!("store-{}", self.moves))
    }

    fn options(&self) -> Options {
        let interval = if self.kind.busy { Duration::from_millis(1) } else { Duration::from_secs(3_600) };
        let options = Store::options().segment_bytes(SEGMENT_BYTES).pad_syncs(self.kind.padded);
        let options = options.durability(Durability::Process).sync_interval(interval);
        self.kind.mode.into_iter().fold(options, Options::write_mode)
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("an open store")
    }

    pub(crate) fn run(&mut self, op: &Op) {
        match op {
            Op::Commit { writes, power, waits } => {
                let asked = writes.iter().map(|write| self.asked(write)).collect();
                self.request(asked, *power, *waits);
            }
            Op::Repeat { back, twist } => {
                let from_end = usize::from(*back) % self.history.len().max(1);
                if let Some(request) = self.history.iter().rev().nth(from_end) {
                    let twisted = twist_of(request.clone(), *twist);
                    self.request(twisted, false, true);
                }
            }
            Op::Read(read) => {
                let (view, seen) = self.view(read.view);
                check_read(&mut self.plain, &view, seen, read);
            }
            Op::Heads(view) => {
                let (view, seen) = self.view(*view);
                check_heads(&self.plain, &view, seen);
            }
            Op::Pin => {
                let view = self.store().view();
                self.views.push((view, self.plain.events.len()));
            }
            Op::Sync => {
                self.store().sync().wait().expect("a sync");
                assert_eq!(self.store().view_synced().watermark().0, self.plain.events.len() as u64);
            }
            Op::Close | Op::Drop | Op::Kill | Op::ReadOnly | Op::Verify => self.run_on_disk(op),
        }
    }

    /// What in memory can't be done.
    fn run_on_disk(&mut self, op: &Op) {
        if self.kind.mode.is_none() {
            return;
        }
        match op {
            Op::Close => {
                let store = self.store.take().expect("an open store");
                store.close().wait().expect("a close");
                let refused = store.append("cart-1", Any, NewEvent::raw("late", b"")).wait();
                assert!(refused.is_err_and(|error| error.is_closed()));
                self.reopen();
            }
            Op::Drop => {
                self.store = None;
                self.reopen();
            }
            Op::Kill => {
                let from = self.path();
                self.moves += 1;
                copy_living(&from, &self.path());
                self.store = None;
                self.read_only();
                self.verify();
                self.reopen();
            }
            Op::ReadOnly => self.read_only(),
            _ => self.verify(),
        }
    }

    fn reopen(&mut self) {
        let store = self.options().open(self.path()).expect("the store again");
        let report = store.recovery();
        assert!(report.is_clean() && report.events == self.plain.events.len() as u64, "{report}");
        let (view, seen) = (store.view(), self.plain.events.len());
        self.store = Some(store);
        check_all(&mut self.plain, &view, seen);
        Counts::add(&self.counts.reopenings, 1);
    }

    fn read_only(&mut self) {
        let reader = Store::options().read_only().open(self.path()).expect("a reader");
        let refused = reader.append("cart-1", Any, NewEvent::raw("late", b"")).wait();
        assert!(refused.is_err_and(|error| error.kind() == ErrorKind::Invalid));
        let seen = self.plain.events.len();
        check_all(&mut self.plain, &reader.view(), seen);
    }

    fn verify(&self) {
        let report = verify(self.path()).expect("a report");
        let found = (report.is_clean(), report.events, report.tail_bytes);
        assert_eq!(found, (true, self.plain.events.len() as u64, 0), "{report:?}");
    }

    /// One of the views that were kept, or one of now.
    fn view(&self, number: u8) -> (View, usize) {
        let now = (self.store().view(), self.plain.events.len());
        self.views.get(usize::from(number) % (self.views.len() + 2)).cloned().unwrap_or(now)
    }

    fn asked(&self, write: &Write) -> Asked {
        let stream = STREAMS[usize::from(write.stream)];
        let count = self.plain.count(stream);
        let expected = match write.expect {
            Expect::Any => Any,
            Expect::NoStream => NoStream,
            Expect::Exists => StreamExists,
            Expect::Right if count == 0 => NoStream,
            Expect::Right => Exact(Revision(count - 1)),
            Expect::Off(more) => Exact(Revision((count + 2).saturating_add_signed(more.into()))),
            Expect::Last => Exact(Revision(u64::MAX)),
        };
        let mut fields: Vec<_> = write.events.iter().map(Fields::of).collect();
        let built: Vec<_> = fields.iter_mut().map(Fields::build).collect();
        Asked { stream, expected, events: fields.into_iter().zip(built).collect() }
    }

    fn request(&mut self, asked: Vec<Asked>, power: bool, waits: bool) {
        let pending = self.send(&asked, power);
        // A dropped wait cancels nothing; but what the store refuses for its size isn't known without.
        if !waits && size(&asked) < 300 {
            drop(pending);
            self.plain.commit(&asked);
        } else {
            let result = pending.wait();
            if let Err(error) = &result
                && error.kind() == ErrorKind::Limit
            {
                // An event is at most an eighth of a segment, a commit a quarter.
                assert!(size(&asked) > 500, "{error}");
                Counts::add(&self.counts.refused, 1);
                return;
            }
            let largest = asked.iter().flat_map(|write| &write.events).map(|(fields, _)| fields.data.len());
            assert!(largest.max() < Some(SEGMENT_BYTES as usize / 8), "an event that is too large");
            let expected = self.plain.commit(&asked);
            assert_eq!(outcome(result, &asked), expected, "{asked:#?}");
            self.counts.count(&expected);
        }
        self.history.push(asked);
    }

    fn send(&self, asked: &[Asked], power: bool) -> Pending<Receipt> {
        match asked {
            [one] if !power => self.store().append(one.stream, one.expected, one.new_events()),
            _ => {
                let transaction = self.store().transaction();
                let transaction = asked.iter().fold(transaction, |transaction, write| {
                    transaction.append(write.stream, write.expected, write.new_events())
                });
                let durability = if power { Durability::Power } else { Durability::Process };
                transaction.durability(durability).commit()
            }
        }
    }

    /// At the end: everything, and every view still shows what it did.
    pub(crate) fn finish(mut self, verified: bool) {
        let seen = self.plain.events.len();
        for (view, seen) in std::mem::take(&mut self.views) {
            check_all(&mut self.plain, &view, seen);
        }
        let view = self.store().view();
        check_all(&mut self.plain, &view, seen);
        let stats = self.store().stats().expect("stats");
        assert_eq!((stats.events, stats.last_position), (seen as u64, Position(seen as u64)));
        assert_eq!(stats.first_position, Position(u64::from(seen > 0)));
        assert_eq!(stats.streams, view.stream_count().expect("a count"));
        Counts::add(&self.counts.rollovers, stats.segments.saturating_sub(1));
        Counts::add(&self.counts.events, seen as u64);
        if verified && self.kind.mode.is_some() {
            self.verify();
            self.store().close().wait().expect("a close");
            self.verify();
        }
    }
}

/// Copies the files of a store that is open. Meanwhile it prepares segments, whose files get another name.
fn copy_living(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        let copied = match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                copy_living(&entry.path(), &target);
                continue;
            }
            Ok(_) => fs::copy(entry.path(), &target).map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = copied {
            assert_eq!(error.kind(), ErrorKindOfIo::NotFound, "{error}");
            let _ = fs::remove_file(target);
        }
    }
}

/// A lower bound of the bytes that a request takes.
fn size(asked: &[Asked]) -> usize {
    asked.iter().flat_map(|write| &write.events).map(|(fields, _)| fields.data.len() + 60).sum()
}

/// What a store answered, in the words of the model.
fn outcome(result: Result<Receipt, Error>, asked: &[Asked]) -> Outcome {
    match result {
        Ok(receipt) => {
            let streams = asked.iter().map(|write| write.stream);
            let revision = |stream| receipt.revision_of(stream).expect("a stream of the request").0;
            assert_eq!(receipt.revision().0, revision(asked[0].stream));
            assert_eq!(receipt.revision_of("none-1"), None);
            let revisions = streams.map(|stream| (stream, revision(stream))).collect();
            Outcome::Done { repeat: receipt.is_repeat(), position: receipt.position().0, revisions }
        }
        Err(error) => {
            assert!(error.is_conflict() && !error.is_retryable(), "{error}");
            let facts = error.conflict().expect("facts").clone();
            let stream = STREAMS.into_iter().find(|stream| *stream == facts.stream);
            let (expected, actual) = (facts.expected, facts.actual);
            Outcome::Conflict { stream: stream.expect("a stream of the case"), expected, actual }
        }
    }
}

fn twist_of(mut request: Vec<Asked>, twist: Twist) -> Vec<Asked> {
    let last = request.len() - 1;
    match twist {
        Twist::Same => {}
        Twist::Any => request.iter_mut().for_each(|write| write.expected = Any),
        Twist::FirstWrite => request.truncate(1),
        Twist::LastWrite => drop(request.drain(..last)),
        Twist::Shorter if request[last].events.len() > 1 => drop(request[last].events.pop()),
        Twist::Shorter => {}
        Twist::OtherId | Twist::OtherData => {
            let (fields, event) = request[last].events.last_mut().expect("a write has events");
            match twist {
                Twist::OtherId => fields.id = Some("other".to_owned()),
                _ => fields.data = b"other".to_vec(),
            }
            *event = fields.build();
        }
    }
    request
}
