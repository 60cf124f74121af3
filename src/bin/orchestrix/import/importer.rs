//! Takes lines, skips what the store has, commits the rest in batches. Lines are committed in their order: when an
//! import stops at a bad line, every line before it has been taken care of and none after it.

use super::batch::{Batch, Origin};
use super::known::Known;
use super::lines::Lines;
use super::record::{Mapping, Record};
use super::rejects::Rejects;
use crate::failure::Failure;
use crate::progress::Progress;
use orchestrix::{Durability, Error, ErrorKind, Expected, Store, View, limits};
use std::ops::Range;

/// Lines between two looks at the progress bar.
const LINES_A_REPORT: u64 = 256;

/// What became of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) added: u64,
    pub(crate) skipped: u64,
    pub(crate) rejected: u64,
}

/// Why no further line is taken.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A line is bad and there is nowhere to set it aside.
    BadLine {
        number: u64,
        reason: String,
    },
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

/// An import into one store, whose only writer it is.
pub(crate) struct Importer<'s> {
    store: &'s Store,
    view: View,
    known: Known,
    mapping: Mapping,
    batch: Batch,
    rejects: Option<Rejects>,
    counts: Counts,
    progress: Progress,
}

impl<'s> Importer<'s> {
    pub(crate) fn new(
        store: &'s Store,
        mapping: Mapping,
        batch: usize,
        rejects: Option<Rejects>,
        progress: Progress,
    ) -> Result<Self, Error> {
        let event_bytes_max = limits::event_bytes_max(store.stats()?.segment_bytes);
        let batch = Batch::new(batch, event_bytes_max);
        let (view, known, counts) = (store.view(), Known::new(), Counts::default());
        Ok(Self { store, view, known, mapping, batch, rejects, counts, progress })
    }

    /// Takes the current line.
    pub(crate) fn line(&mut self, lines: &Lines) -> Result<(), Stop> {
        let (number, line) = (lines.number(), lines.line());
        let taken = match self.mapping.record(number, line) {
            Ok(None) => return Ok(()),
            Ok(Some(record)) => self.take(number, line, record)?,
            Err(reason) => Err(reason),
        };
        if let Err(reason) = taken {
            self.bad_line(number, reason)?;
            if let Some(rejects) = &mut self.rejects {
                rejects.line(line)?;
            }
        }
        if number.is_multiple_of(LINES_A_REPORT) {
            self.progress.at(lines.bytes(), self.counts.added + self.counts.skipped);
        }
        if self.batch.is_full() { self.flush() } else { Ok(()) }
    }

    /// Takes the current line, which is too long to be held.
    pub(crate) fn too_long(&mut self, lines: &mut Lines, line_bytes_max: u32) -> Result<(), Stop> {
        self.bad_line(lines.number(), format!("longer than {line_bytes_max} bytes (--max-line)"))?;
        match &mut self.rejects {
            Some(rejects) => Ok(rejects.long_line(lines)?),
            None => Ok(()),
        }
    }

    /// Commits what is waiting.
    pub(crate) fn flush(&mut self) -> Result<(), Stop> {
        let flushed = self.commit(0..self.batch.events().len());
        self.batch.clear();
        flushed
    }

    /// Commits what is waiting and makes everything survive power loss.
    pub(crate) fn finish(&mut self) -> Result<(), Stop> {
        let flushed = self.flush();
        self.progress.clear();
        self.store.sync().wait()?;
        if let Some(rejects) = &mut self.rejects {
            rejects.finish()?;
        }
        flushed
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Skips an event that is there or puts it into the batch. The inner `Err` is the reason of a bad line.
    fn take(&mut self, number: u64, line: &[u8], record: Record) -> Result<Result<(), String>, Failure> {
        let Record { stream, event } = record;
        let id = event.event_id();
        let is_same = match self.batch.find(&stream, id) {
            Some(waiting) => Some(*waiting == event),
            None => {
                let there = self.known.find(&self.view, &stream, id)?;
                there.map(|there| super::same::is_same(there, &event))
            }
        };
        match is_same {
            Some(true) => self.counts.skipped += 1,
            Some(false) => {
                return Ok(Err(format!("stream {stream:?} has an event with the id {id} and other content")));
            }
            None => {
                let raw = self.rejects.as_ref().map(|_| line.to_vec());
                self.batch.push(Origin { stream, line: number, raw }, event, line.len());
            }
        }
        Ok(Ok(()))
    }

    /// Reports a bad line; `Err` if it ends the import.
    fn bad_line(&mut self, number: u64, reason: String) -> Result<(), Stop> {
        let Some(rejects) = &self.rejects else {
            return Err(Stop::BadLine { number, reason });
        };
        self.progress.note(&format!("line {number}: {reason}; set aside in {}", rejects.path().display()));
        self.counts.rejected += 1;
        Ok(())
    }

    /// Commits these events of the batch: all at once, or in halves where one of them can't be.
    fn commit(&mut self, all: Range<usize>) -> Result<(), Stop> {
        let mut waiting = vec![all];
        while let Some(range) = waiting.pop() {
            if range.is_empty() {
                continue;
            }
            match self.append(range.clone()) {
                Ok(()) => self.committed(range)?,
                Err(error) if !matches!(error.kind(), ErrorKind::Limit | ErrorKind::Invalid) => {
                    return Err(error.into());
                }
                Err(_) if range.len() > 1 => {
                    let middle = range.start + range.len() / 2;
                    waiting.push(middle..range.end);
                    waiting.push(range.start..middle);
                }
                Err(error) => {
                    self.bad_line(self.batch.origins()[range.start].line, error.to_string())?;
                    if let (Some(rejects), Some(raw)) =
                        (&mut self.rejects, &self.batch.origins()[range.start].raw)
                    {
                        rejects.line(raw)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn append(&self, range: Range<usize>) -> Result<(), Error> {
        let mut transaction = self.store.transaction().durability(Durability::Process);
        let mut at = range.start;
        for run in self.batch.origins()[range].chunk_by(|a, b| a.stream == b.stream) {
            let events = &self.batch.events()[at..at + run.len()];
            transaction = transaction.append(&run[0].stream, Expected::Any, events);
            at += run.len();
        }
        transaction.commit().wait().map(drop)
    }

    fn committed(&mut self, range: Range<usize>) -> Result<(), Failure> {
        self.counts.added += range.len() as u64;
        self.view = self.store.view();
        let streams = self.batch.origins()[range.clone()].iter().map(|origin| origin.stream.as_str());
        let ids = self.batch.events()[range].iter().map(|event| event.event_id());
        self.known.appended(&self.view, streams.zip(ids))
    }
}
