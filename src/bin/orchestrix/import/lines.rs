//! Splits any input into lines, with a bound on their length, and never waits for the input so long that Ctrl-C goes
//! unnoticed: a thread of its own reads ahead. Lines are bytes; what they mean is `record`'s affair.

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

const CHUNK_BYTES: usize = 1 << 18;
const CHUNKS_AHEAD: usize = 2;
const IDLE: Duration = Duration::from_millis(100);

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A line; see [`Lines::line`].
    Line,
    /// A line that is longer than the bound; [`Lines::line`] is its beginning, [`Lines::copy_rest`] gives the rest.
    TooLong,
    /// Nothing, for a moment.
    Idle,
    /// Ctrl-C.
    Interrupted,
    /// The end of the input.
    End,
}

/// Where the current line lies.
#[derive(Clone, Copy)]
enum Current {
    /// In the chunk, from the first to before the second.
    Chunk(usize, usize),
    /// In the buffer of lines that cross chunks.
    Carried,
}

/// The lines of an input, without their ends.
pub(crate) struct Lines {
    chunks: Receiver<io::Result<Vec<u8>>>,
    interrupt: Interrupt,
    line_bytes_max: usize,
    chunk: Vec<u8>,
    /// First byte of the chunk that hasn't been looked at.
    at: usize,
    carried: Vec<u8>,
    /// The carried bytes are the line that was given out last.
    carried_is_done: bool,
    current: Current,
    number: u64,
    bytes: u64,
}

impl Lines {
    pub(crate) fn new(
        input: impl Read + Send + 'static,
        line_bytes_max: usize,
        interrupt: Interrupt,
    ) -> Self {
        let (to, chunks) = sync_channel(CHUNKS_AHEAD);
        thread::spawn(move || read_ahead(input, &to));
        Self {
            chunks,
            interrupt,
            line_bytes_max,
            chunk: Vec::new(),
            at: 0,
            carried: Vec::new(),
            carried_is_done: false,
            current: Current::Carried,
            number: 0,
            bytes: 0,
        }
    }

    /// Goes on to the next line.
    pub(crate) fn advance(&mut self) -> Result<Next, Failure> {
        if self.carried_is_done {
            self.carried.clear();
            self.carried_is_done = false;
        }
        loop {
            if self.interrupt.is_set() {
                return Ok(Next::Interrupted);
            }
            if let Some(next) = self.next_in_chunk() {
                return Ok(next);
            }
            match self.refill()? {
                Refill::Chunk => {}
                Refill::Idle => return Ok(Next::Idle),
                Refill::End if self.carried.is_empty() => return Ok(Next::End),
                Refill::End => return Ok(self.give_carried()),
            }
        }
    }

    /// The current line.
    pub(crate) fn line(&self) -> &[u8] {
        match self.current {
            Current::Chunk(from, to) => &self.chunk[from..to],
            Current::Carried => &self.carried,
        }
    }

    /// Number of the current line, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes up to the end of the current line.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// After [`Next::TooLong`]: writes the whole line to `to`, holding no more of it than a chunk.
    pub(crate) fn copy_rest(&mut self, to: &mut impl Write) -> Result<io::Result<()>, Failure> {
        let mut written = to.write_all(&self.carried);
        self.carried.clear();
        loop {
            let rest = &self.chunk[self.at..];
            let end = rest.iter().position(|&b| b == b'\n');
            if written.is_ok() {
                written = to.write_all(&rest[..end.unwrap_or(rest.len())]);
            }
            let taken = end.map_or(rest.len(), |end| end + 1);
            self.at += taken;
            self.bytes += taken as u64;
            if end.is_some() || self.interrupt.is_set() {
                return Ok(written);
            }
            if let Refill::End = self.refill()? {
                return Ok(written);
            }
        }
    }

    /// The next line, if its end is in the chunk or it is too long already.
    fn next_in_chunk(&mut self) -> Option<Next> {
        let rest = &self.chunk[self.at..];
        let end = rest.iter().position(|&b| b == b'\n');
        let part = &rest[..end.unwrap_or(rest.len())];
        if self.carried.len() + part.len() > self.line_bytes_max {
            let room = self.line_bytes_max - self.carried.len();
            self.carried.extend_from_slice(&part[..room]);
            self.at += room;
            self.bytes += room as u64;
            self.give_carried();
            return Some(Next::TooLong);
        }
        let Some(end) = end else {
            self.carried.extend_from_slice(part);
            self.bytes += part.len() as u64;
            self.at = self.chunk.len();
            return None;
        };
        let from = self.at;
        self.at += end + 1;
        self.bytes += end as u64 + 1;
        if self.carried.is_empty() {
            self.current = Current::Chunk(from, from + end);
            self.number += 1;
            return Some(Next::Line);
        }
        self.carried.extend_from_slice(&self.chunk[from..from + end]);
        Some(self.give_carried())
    }

    fn give_carried(&mut self) -> Next {
        self.current = Current::Carried;
        self.carried_is_done = true;
        self.number += 1;
        Next::Line
    }

    fn refill(&mut self) -> Result<Refill, Failure> {
        match self.chunks.recv_timeout(IDLE) {
            Ok(Ok(chunk)) => {
                (self.chunk, self.at) = (chunk, 0);
                Ok(Refill::Chunk)
            }
            Ok(Err(error)) => Err(Failure::io("reading the input", &error)),
            Err(RecvTimeoutError::Timeout) => Ok(Refill::Idle),
            Err(RecvTimeoutError::Disconnected) => {
                (self.chunk, self.at) = (Vec::new(), 0);
                Ok(Refill::End)
            }
        }
    }
}

enum Refill {
    Chunk,
    Idle,
    End,
}

/// Reads until the end, an error, or until nobody wants more.
fn read_ahead(mut input: impl Read, to: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = match input.read(&mut chunk) {
            Ok(0) => return,
            Ok(read) => {
                chunk.truncate(read);
                Ok(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = read.is_err();
        if to.send(read).is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of a few.
    struct Pieces(&'static [u8], usize);
    impl Read for Pieces {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(to.len());
            to[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn split(input: &'static [u8], piece: usize, max: usize) -> Vec<(u64, String)> {
        let mut lines = Lines::new(Pieces(input, piece), max, Interrupt::default());
        let mut found = Vec::new();
        loop {
            match lines.advance().unwrap() {
                Next::Line => {
                    found.push((lines.number(), String::from_utf8(lines.line().to_vec()).unwrap()));
                }
                Next::TooLong => {
                    let number = lines.number();
                    let mut whole = b"long:".to_vec();
                    lines.copy_rest(&mut whole).unwrap().unwrap();
                    found.push((number, String::from_utf8(whole).unwrap()));
                }
                Next::Idle => {}
                Next::Interrupted => unreachable!("nobody pressed Ctrl-C"),
                Next::End => break,
            }
        }
        assert_eq!(lines.bytes(), input.len() as u64);
        found
    }

    #[test]
    fn lines_whatever_the_chunks() {
        let input = b"one\n\ntwo three four\r\nfive\n\nsix";
        let expected = ["one", "", "two three four\r", "five", "", "six"];
        for piece in 1..=input.len() {
            let found = split(input, piece, 100);
            assert!(found.iter().map(|(n, _)| *n).eq(1..=6), "{found:?}");
            assert!(found.iter().map(|(_, l)| l.as_str()).eq(expected), "{found:?}");
        }
    }

    #[test]
    fn a_line_at_the_bound_is_a_line_and_one_beyond_it_is_not() {
        let input = b"123\n1234\n12345678901\n123";
        for piece in 1..=input.len() {
            let found: Vec<_> = split(input, piece, 3).into_iter().map(|(_, line)| line).collect();
            assert_eq!(found, ["123", "long:1234", "long:12345678901", "123"], "pieces of {piece}");
        }
    }

    #[test]
    fn a_long_last_line_has_an_end() {
        assert_eq!(split(b"1\n123456", 2, 3), [(1, "1".into()), (2, "long:123456".into())]);
    }

    #[test]
    fn nothing_is_no_line() {
        assert_eq!(split(b"", 1, 3), []);
        assert_eq!(split(b"\n", 1, 3), [(1, String::new())]);
    }

    #[test]
    fn an_interrupt_comes_before_the_next_line() {
        let interrupt = Interrupt::default();
        let mut lines = Lines::new(&b"one\ntwo\n"[..], 10, interrupt.clone());
        assert_eq!(lines.advance().unwrap(), Next::Line);
        interrupt.set();
        assert_eq!(lines.advance().unwrap(), Next::Interrupted);
    }
}
