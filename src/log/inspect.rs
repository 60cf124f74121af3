//! Shows a segment file as what it is made of, with the place of every part. Reads the file alone, so it works on what no
//! store would open.

use super::blocks::{self, BLOCK_BYTES, BlockFault, SEAL_AT, SEGMENT_MAGIC, Seal, u32_at, u64_at};
use super::check::Checker;
use super::frame::Header;
use super::geometry::{FRAMES_AT, Geometry, SECTOR, Seed};
use super::scan::Frames;
use crate::error::{Corruption, Error};
use crate::event::commit::CommitRef;
use crate::event::layout::{header, record};
use crate::limits;
use std::fmt::{self, Write as _};

/// Bytes of a part that are shown; what is longer is cut with an ellipsis.
const SHOWN_BYTES: usize = 32;

/// Shows the segment whose whole file is `bytes`, a text of several lines for its header and for each frame or gap.
///
/// # Errors
/// `Corrupt`: the file doesn't begin like a segment, so that nothing in it can be told apart.
pub(crate) fn segment(name: &str, bytes: Vec<u8>) -> Result<Parts, Error> {
    let wrong = |at: u64, expected: &str, found: String| {
        Err(Error::corrupt(Corruption::new("segment header", name, None, at, expected, found)))
    };
    if bytes.len() < FRAMES_AT as usize || bytes[..8] != SEGMENT_MAGIC[..] {
        let found = format!("{} bytes that begin with {:02x?}", bytes.len(), &bytes[..bytes.len().min(8)]);
        return wrong(0, "4096 bytes or more that begin with ORCHSEGM", found);
    }
    let log2 = u32::from(bytes[48]);
    if 1u64.checked_shl(log2).is_none_or(|size| size > limits::SEGMENT_BYTES_MAX) {
        return wrong(48, "log2 of a segment size, 13 to 30", log2.to_string());
    }
    let store = bytes[24..40].try_into().expect("sixteen bytes");
    let number = u64_at(&bytes, 40);
    // Whether syncs are padded stands in the store file: here both are followed.
    let geometry = Geometry { segment_log2: log2, padded: true };
    let header = blocks::check_segment_header(&bytes[..FRAMES_AT as usize], &store, number, geometry);
    let seed = Seed::new(&store, number);
    Ok(Parts {
        bytes,
        seed,
        geometry,
        offset: None,
        first: Some(head_text(number, log2, &store, header)),
        checker: Checker::default(),
    })
}

fn head_text(number: u64, log2: u32, store: &[u8; 16], header: Result<bool, BlockFault>) -> String {
    let id: String = store.iter().map(|byte| format!("{byte:02x}")).collect();
    let state = match header {
        Ok(_) => "header ok".to_owned(),
        Err(BlockFault::Later(feature)) => format!("header of a later version: {feature}"),
        Err(BlockFault::Damaged(at, expected, found)) => {
            format!("header damaged at byte {at}: expected {expected}, found {found}")
        }
    };
    format!("segment {number} of {} bytes, store {id}: {state}", 1u64 << log2)
}

/// The parts of a segment file, in order; see [`segment`].
pub(crate) struct Parts {
    bytes: Vec<u8>,
    seed: Seed,
    geometry: Geometry,
    /// Where the next part begins; `None` before the seal was shown.
    offset: Option<u64>,
    first: Option<String>,
    checker: Checker,
}

impl Iterator for Parts {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let Some(offset) = self.offset else {
            self.offset = Some(FRAMES_AT);
            return Some(self.seal());
        };
        let frames = Frames::read(&self.bytes[FRAMES_AT as usize..], self.seed, self.geometry);
        match frames.header(offset) {
            Ok(Some(header)) if offset + u64::from(header.length) <= frames.end() => {
                let end = offset + u64::from(header.length);
                let frame = &self.bytes[offset as usize..end as usize];
                let state = self.checker.check(frame, &header, self.seed, offset);
                self.offset = Some(end);
                let problem = state.err().map(|fault| {
                    let at = offset + fault.at as u64;
                    format!("{} at byte {at}: expected {}, found {}", fault.what, fault.expected, fault.found)
                });
                Some(frame_text(offset, &header, frame, problem.as_deref()))
            }
            found => self.gap(offset, found.err().map(|fault| fault.to_string())),
        }
    }
}

impl Parts {
    fn seal(&self) -> String {
        match Seal::decode(&self.bytes[SEAL_AT as usize..SEAL_AT as usize + BLOCK_BYTES], self.seed) {
            Ok(None) => "no seal".to_owned(),
            Ok(Some(seal)) => {
                format!(
                    "seal: frames up to byte {}, next position {}, epoch {:#018x}",
                    seal.end, seal.next, seal.epoch
                )
            }
            Err(_) => format!("torn seal: {}", hex(&self.bytes[SEAL_AT as usize..SEAL_AT as usize + 40])),
        }
    }

    /// What is no frame: up to the next one that begins in a way that holds, or to the end.
    fn gap(&mut self, offset: u64, problem: Option<String>) -> Option<String> {
        let frames = Frames::read(&self.bytes[FRAMES_AT as usize..], self.seed, self.geometry);
        let next = frames.later_header(offset + 8).map_or(frames.end(), |(at, _)| at);
        if offset >= frames.end() {
            return None;
        }
        self.offset = Some(next);
        let bytes = &self.bytes[offset as usize..next as usize];
        let padding = next.is_multiple_of(SECTOR) && next - offset < SECTOR && next < frames.end();
        let text = match (blocks::first_nonzero(bytes), problem) {
            (None, _) if padding => format!("{offset:>10}  {} zeros, the padding of a sync", bytes.len()),
            (None, _) => format!("{offset:>10}  {} zeros", bytes.len()),
            (Some(_), problem) => {
                let why = problem.unwrap_or_else(|| "zeros where a frame would begin".to_owned());
                format!(
                    "{offset:>10}  {} bytes that are no frame ({why})\n            {}",
                    bytes.len(),
                    hex(bytes)
                )
            }
        };
        Some(text)
    }
}

impl fmt::Display for super::frame::Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

/// A frame, its header word by word, its names and its events.
fn frame_text(offset: u64, head: &Header, frame: &[u8], problem: Option<&str>) -> String {
    let mut out = String::new();
    let last = head.first + u64::from(head.events) - 1;
    let state = problem.unwrap_or("ok");
    let _ = write!(
        out,
        "{offset:>10}  frame of {} bytes, positions {} to {last}: {state}",
        head.length, head.first
    );
    let mut part = |at: usize, end: usize, meaning: &str| {
        let bytes = frame.get(at..end.min(frame.len())).unwrap_or(&[]);
        let _ = write!(out, "\n{:>10}    {:<96} {meaning}", offset + at as u64, hex(bytes));
    };
    part(0, 8, &format!("length {}, header checksum {:#010x}", head.length, u32_at(frame, header::CRC)));
    part(8, 16, &format!("first position {}", head.first));
    part(16, 24, &format!("synced position {}", head.synced));
    part(24, 32, &format!("time {} ns", u64_at(frame, header::TIME) as i64));
    part(32, 40, &format!("epoch {:#018x}", head.epoch));
    let revision = if head.streams == 1 { "first revision" } else { "checksum of revisions" };
    part(40, 48, &format!("{revision} {}", head.revision));
    let flags =
        format!("{} events, {} streams, kind {}, flags {}", head.events, head.streams, head.kind, head.flags);
    part(48, 56, &flags);
    part(56, 64, &format!("{} names, body checksum {:#010x}", head.names, head.body_crc));
    if problem.is_some() {
        part(64, frame.len(), "body, not taken apart because it doesn't hold");
        return out;
    }
    let commit = CommitRef::new(frame);
    if head.streams > 1 {
        part(64, commit.directory_start(), "first revisions");
    }
    part(commit.directory_start(), commit.names_end(), "names");
    for event in commit.events() {
        let at = event.offset() as usize;
        let end = at + event.length() as usize;
        let meaning = format!(
            "event {} of {:?}, revision {}, type {:?}, id {}",
            event.position(),
            event.stream(),
            event.revision(),
            event.event_type(),
            event.id()
        );
        part(at, at + record::BYTES, &meaning);
        let data = end - event.data().len();
        part(at + record::BYTES, data, "its longer parts and metadata");
        part(data, end, &format!("its data, {} bytes", event.data().len()));
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(3 * SHOWN_BYTES);
    for (index, byte) in bytes.iter().take(SHOWN_BYTES).enumerate() {
        let _ = write!(out, "{}{byte:02x}", if index == 0 { "" } else { " " });
    }
    if bytes.len() > SHOWN_BYTES {
        out.push_str(" ...");
    }
    out
}
