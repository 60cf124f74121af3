//! Copies a log, frame by frame, to where a copy of an earlier end of it may stand. Promises that everything up to the end is
//! synced when [`LogCopy::finish`] returns, and that nothing stands behind it. What the copy is good for until then, somebody
//! else says: `backup_file`.

use super::base::{BASE_PATH, Base};
use super::blocks::{SEAL_AT, Seal, StoreFile};
use super::geometry::{FRAMES_AT, LOG_DIR, segment_path};
use super::open::STORE_FILE;
use super::recover;
use super::segment::Segment;
use super::walk::Walked;
use super::watermark::{self, Mark, WATERMARK_FILE};
use crate::error::Error;
use crate::medium::{Access, Found, Medium, RegionWriter, Site};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What is written at once.
const PIECE_BYTES: usize = 1 << 20;

/// A copy that is under way.
pub(crate) struct LogCopy {
    medium: Medium,
    store: StoreFile,
    current: Option<(Arc<Segment>, RegionWriter)>,
    /// Bytes that aren't written yet, and where in the segment they begin.
    piece: Vec<u8>,
    piece_at: u64,
    end: Mark,
    bytes: u64,
    is_full: bool,
}

impl LogCopy {
    /// Begins in `medium`, behind `from`, up to where a copy of the same log was complete (nowhere, if it is as by default), or
    /// anew, where that isn't there any more. Everything else in the folder of the log goes.
    ///
    /// # Errors
    /// `DiskFull`, `Io`.
    pub(crate) fn begin(medium: &Medium, store: &StoreFile, from: Mark, base: &Base) -> Result<Self, Error> {
        let from = Self::found(medium, store, from, base)?;
        let copy = Self {
            is_full: from.synced == 0,
            medium: medium.clone(),
            store: *store,
            current: None,
            piece: Vec::new(),
            piece_at: 0,
            end: from,
            bytes: 0,
        };
        let files = &medium.files;
        let failed = |error| Error::io("preparing the copy in", files.root(), error);
        files.create_root().map_err(failed)?;
        files.write(STORE_FILE, &store.encode()).map_err(failed)?;
        files.create_dir(LOG_DIR).map_err(failed)?;
        files.sync_dir("").map_err(failed)?;
        copy.put_base(base).map_err(|error| Error::io("writing", Path::new(BASE_PATH), error))?;
        copy.clear(base.first_segment())?;
        copy.at_end()
    }

    /// How far a copy in `medium` that was complete up to `from` is there: all of it, or nothing.
    ///
    /// # Errors
    /// `Io`.
    fn found(medium: &Medium, store: &StoreFile, from: Mark, base: &Base) -> Result<Mark, Error> {
        let first = base.first_segment();
        if from.synced == 0 || from.segment < first {
            return Ok(Mark::default());
        }
        let listing = recover::list(medium, first)?;
        let whole = |number: u64| {
            listing.get(number).is_some_and(|entry| entry.bytes == store.geometry.segment_bytes())
        };
        Ok(if (first..=from.segment).all(whole) { from } else { Mark::default() })
    }

    /// Up to where it goes so far.
    pub(crate) fn end(&self) -> &Mark {
        &self.end
    }

    /// Nothing was there to go on from.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    fn put_base(&self, base: &Base) -> io::Result<()> {
        let files = &self.medium.files;
        match base.file_bytes() {
            Some(bytes) => files.write(BASE_PATH, &bytes),
            None if files.found(BASE_PATH)? == Found::Nothing => Ok(()),
            None => files.remove(BASE_PATH),
        }
    }

    /// Removes the segments that aren't part of the copy so far.
    fn clear(&self, first: u64) -> Result<(), Error> {
        let files = &self.medium.files;
        let listing = recover::list(&self.medium, first)?;
        let stays = |number: u64| self.end.synced > 0 && number <= self.end.segment;
        let gone = listing.segments.iter().filter(|(number, _)| !stays(*number));
        let gone = gone.map(|(number, _)| segment_path(*number));
        for path in listing.leftover.iter().cloned().chain(gone) {
            files.remove(&path).map_err(|error| Error::io("removing", Path::new(&path), error))?;
        }
        files.sync_dir(LOG_DIR).map_err(|error| Error::io("syncing", Path::new(LOG_DIR), error))
    }

    /// Opens the last segment, and empties what stands behind the end: an earlier run may have been killed there.
    fn at_end(mut self) -> Result<Self, Error> {
        if self.end.synced == 0 {
            return Ok(self);
        }
        let Mark { segment, offset, .. } = self.end;
        let (segment, mut writer) = Segment::open(&self.medium, &self.store.id, segment, Access::Write)?;
        let whole = self.store.geometry.segment_bytes();
        let emptied = match writer.punch(offset, whole) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => writer
                .region()
                .reserve(0, whole)
                .and_then(|()| writer.region().populate(offset, whole))
                .and_then(|()| writer.zero(Site::Body, offset, whole)),
            punched => punched,
        };
        emptied.map_err(|error| self.failed(segment.number, error))?;
        self.piece_at = offset;
        self.current = Some((segment, writer));
        Ok(self)
    }

    fn failed(&self, segment: u64, error: io::Error) -> Error {
        Error::io("copying to", &self.medium.files.root().join(segment_path(segment)), error)
    }

    /// Takes the next frame, which was checked.
    ///
    /// # Errors
    /// `DiskFull`, `Io`.
    pub(crate) fn feed(&mut self, frame: &Walked<'_>) -> Result<(), Error> {
        let geometry = self.store.geometry;
        let (number, offset) = (geometry.segment(frame.place), geometry.offset(frame.place));
        if self.current.as_ref().is_none_or(|(segment, _)| segment.number != number) {
            self.seal(frame.commit.first_position().0)?;
            let path = segment_path(number);
            self.current = Some(Segment::create(&self.medium, &self.store.id, geometry, number, &path)?);
            self.piece_at = FRAMES_AT;
        }
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        // Between frames there are zeros, where syncs are padded.
        self.piece.resize((offset - self.piece_at) as usize, 0);
        self.piece.extend_from_slice(frame.commit.bytes());
        self.end = Mark {
            synced: frame.commit.last_position().0,
            segment: number,
            offset: offset + u64::from(frame.commit.length()),
            epoch: frame.commit.epoch(),
        };
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let Some((segment, writer)) = &mut self.current else { return Ok(()) };
        let (from, to) = (self.piece_at, self.piece_at + self.piece.len() as u64);
        let region = writer.region().clone();
        let written = region
            .reserve(0, to)
            .and_then(|()| region.populate(from, to))
            .and_then(|()| writer.write(Site::Body, from, &self.piece));
        let number = segment.number;
        written.map_err(|error| self.failed(number, error))?;
        self.bytes += to - from;
        self.piece_at = to;
        self.piece.clear();
        Ok(())
    }

    /// Ends the segment that is written: the next one begins with position `next`.
    fn seal(&mut self, next: u64) -> Result<(), Error> {
        self.flush()?;
        let Some((segment, _)) = self.current.take() else { return Ok(()) };
        let seal = Seal { next, end: self.end.offset, epoch: self.end.epoch };
        let region = &segment.region;
        let sealed = region
            .reserve(0, FRAMES_AT)
            .and_then(|()| region.populate(0, FRAMES_AT))
            .and_then(|()| region.store_head(SEAL_AT, &seal.encode(segment.seed)))
            .and_then(|()| region.sync_file());
        sealed.map_err(|error| self.failed(segment.number, error))
    }

    /// Makes everything durable, and says up to where the copy goes and how many bytes of frames were written.
    ///
    /// # Errors
    /// `DiskFull`, `Io`.
    pub(crate) fn finish(mut self) -> Result<(Mark, u64), Error> {
        self.flush()?;
        if let Some((segment, _)) = &self.current {
            segment.region.sync_file().map_err(|error| self.failed(segment.number, error))?;
        }
        let failed = |error| Error::io("finishing the copy in", self.medium.files.root(), error);
        let files = &self.medium.files;
        files.sync_dir(LOG_DIR).map_err(failed)?;
        if self.end.synced > 0 {
            files.write(WATERMARK_FILE, &watermark::file(&self.store.id, &self.end)).map_err(failed)?;
        }
        files.sync_dir("").map_err(failed)?;
        Ok((self.end, self.bytes))
    }
}
