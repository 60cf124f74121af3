//! The file of lines that were set aside, byte for byte, so that they can be mended and imported.

use super::lines::Lines;
use crate::failure::Failure;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file. [`Rejects::finish`] must end it: dropping it swallows errors.
pub(crate) struct Rejects {
    path: PathBuf,
    to: BufWriter<File>,
}

impl Rejects {
    /// Begins the file anew: each run looks at the whole input, so it finds every bad line again. The input itself is
    /// refused.
    pub(crate) fn create(path: &Path, input: Option<&File>) -> Result<Self, Failure> {
        let identity = |found: std::fs::Metadata| (found.dev(), found.ino());
        let of_input =
            input.and_then(|input| input.metadata().ok()).filter(|found| found.is_file()).map(identity);
        if of_input.is_some() && path.metadata().ok().map(identity) == of_input {
            return Err(Failure::bad_input(format!("--rejects {} is the input itself", path.display())));
        }
        let file = File::create(path).map_err(|e| failure(path, &e))?;
        Ok(Self { path: path.to_owned(), to: BufWriter::new(file) })
    }

    /// Sets a line aside.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let written = self.to.write_all(line).and_then(|()| self.to.write_all(b"\n"));
        written.map_err(|e| failure(&self.path, &e))
    }

    /// Sets the current line aside, which is too long to be held.
    pub(crate) fn long_line(&mut self, lines: &mut Lines) -> Result<(), Failure> {
        let written = lines.copy_rest(&mut self.to)?;
        written.and_then(|()| self.to.write_all(b"\n")).map_err(|e| failure(&self.path, &e))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What was set aside survives power loss.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        let synced = self.to.flush().and_then(|()| match self.to.get_ref().sync_data() {
            // A pipe or a device has nothing to sync.
            Err(e) if e.kind() == std::io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        });
        synced.map_err(|e| failure(&self.path, &e))
    }
}

fn failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::io(format!("writing rejects to {}", path.display()), error)
}
