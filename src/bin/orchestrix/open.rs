//! Finds and opens the store that the user means. What is opened to read is never created and never changed.

use crate::args::{Cli, Global};
use crate::failure::Failure;
use crate::output::{grouped, note};
use clap::CommandFactory;
use orchestrix::{Options, Store};
use std::path::Path;

/// The directory that `--store` or the environment names. Ends the program with a usage error if neither does.
pub(crate) fn dir(global: &Global) -> &Path {
    global.store.as_deref().unwrap_or_else(|| {
        Cli::command()
            .error(
                clap::error::ErrorKind::MissingRequiredArgument,
                "which store? Give --store DIR or set ORCHESTRIX_STORE",
            )
            .exit()
    })
}

/// As [`dir`], and there must be a directory.
pub(crate) fn existing(global: &Global) -> Result<&Path, Failure> {
    let dir = dir(global);
    match dir.metadata() {
        Ok(found) if found.is_dir() => Ok(dir),
        Ok(_) => Err(Failure::refused(format!("{} is not a store: not a directory", dir.display()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(Failure::refused(format!("{} is not a store: there is no such directory", dir.display())))
        }
        Err(e) => Err(Failure::io(format!("looking at {}", dir.display()), &e)),
    }
}

/// The store, to read.
pub(crate) fn to_read(global: &Global) -> Result<Store, Failure> {
    Ok(Store::options().create(false).read_only().open(existing(global)?)?)
}

/// The store, to write; it is created if there is none. Says on standard error what recovery did.
pub(crate) fn to_write(dir: &Path, options: Options) -> Result<Store, Failure> {
    if dir.metadata().is_ok_and(|found| !found.is_dir()) {
        return Err(Failure::refused(format!("{} is not a store: not a directory", dir.display())));
    }
    let store = options.open(dir)?;
    if let Some(tail) = &store.recovery().tail {
        let bytes = grouped(tail.bytes);
        note(format_args!(
            "recovered {}: cut an unsynced tail of {bytes} bytes off segment {} at byte {} ({})",
            dir.display(),
            tail.segment,
            tail.offset,
            tail.why
        ));
    }
    Ok(store)
}
