//! How a command ends when it doesn't end well: an exit code and a message for people. The one place that maps the
//! library's errors to exit codes.

use orchestrix::{Error, ErrorKind};
use std::fmt::Display;
use std::io;

/// Part of `--help`; the numbers are those of [`Failure::code`].
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
    0  done
    1  bad input
    2  wrong usage
    3  the store is corrupt
    4  disk full, or another failure of the operating system
    5  refused: locked by another writer, a conflict, not a store, or of a later version
  130  interrupted by Ctrl-C";

const BAD_INPUT: u8 = 1;
const CORRUPT: u8 = 3;
const IO: u8 = 4;
const REFUSED: u8 = 5;
const INTERRUPTED: u8 = 130;

/// Why a command ended early. Without a message nothing is printed.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: Option<String>,
}

impl Failure {
    /// What was read is not what it should be.
    pub(crate) fn bad_input(message: impl Display) -> Self {
        Self { code: BAD_INPUT, message: Some(message.to_string()) }
    }

    /// Something was found damaged, and has been printed already.
    pub(crate) fn corrupt() -> Self {
        Self { code: CORRUPT, message: None }
    }

    /// What was acknowledged and what is there differ.
    pub(crate) fn mismatch(message: impl Display) -> Self {
        Self { code: CORRUPT, message: Some(message.to_string()) }
    }

    /// The command was right and the store is not what it needs.
    pub(crate) fn refused(message: impl Display) -> Self {
        Self { code: REFUSED, message: Some(message.to_string()) }
    }

    /// A call of the operating system failed; `what` says which, on what.
    pub(crate) fn io(what: impl Display, error: &io::Error) -> Self {
        Self { code: IO, message: Some(format!("{what}: {error}")) }
    }

    /// Writing to standard output failed. Nobody reads it any more: that's no failure.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { code: 0, message: None },
            _ => Self::io("writing to standard output", error),
        }
    }

    /// Ctrl-C; `message` says how to go on.
    pub(crate) fn interrupted(message: impl Display) -> Self {
        Self { code: INTERRUPTED, message: Some(message.to_string()) }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// What to print on standard error, if anything.
    pub(crate) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            _ if error.is_not_a_store() || error.is_incomplete_backup() => REFUSED,
            ErrorKind::Corrupt => CORRUPT,
            ErrorKind::DiskFull | ErrorKind::Io | ErrorKind::Closed | ErrorKind::Poisoned => IO,
            ErrorKind::Conflict | ErrorKind::Locked | ErrorKind::Truncated | ErrorKind::Unsupported => {
                REFUSED
            }
            _ => BAD_INPUT,
        };
        Self { code, message: Some(error.to_string()) }
    }
}
