//! Act 3: in a copy of the store one byte of an acknowledged event is flipped. Reading it refuses, and so does `verify`;
//! both name the place.

use super::crash::Acknowledged;
use crate::failure::Failure;
use crate::open;
use crate::output::Out;
use orchestrix::{Corruption, Error, Position, Revision, Store};
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The byte, and the event that it belongs to.
struct Flipped {
    stream: String,
    revision: Revision,
    segment: PathBuf,
    offset: u64,
}

pub(crate) fn act(
    original: &Path,
    copy: &Path,
    acknowledged: &[Acknowledged],
    out: &mut Out,
) -> Result<(), Failure> {
    out.line(format_args!("\nAct 3. One byte of an acknowledged event is flipped, in {}", copy.display()))?;
    let io = |e: io::Error| Failure::io(format!("copying {} to {}", original.display(), copy.display()), &e);
    if copy.exists() {
        fs::remove_dir_all(copy).map_err(io)?;
    }
    copy_dir(original, copy).map_err(io)?;
    let victim = acknowledged[acknowledged.len() / 2].position;
    let flipped = flip(copy, victim)?;
    let Flipped { stream, revision, segment, offset } = &flipped;
    let name = segment.file_name().unwrap_or_default().to_string_lossy();
    out.line(format_args!("  event {revision} of {stream} (position {victim}): byte {offset} of {name}"))?;

    match read(copy, &flipped) {
        Ok(()) => return Err(Failure::mismatch("a flipped byte was read as if it were right")),
        Err(error) => {
            named(error.corruption(), &flipped, &error)?;
            out.line(format_args!("  reading refuses: {error}"))?;
        }
    }
    let report = orchestrix::verify(copy)?;
    let problem = report.problems.first();
    named(problem, &flipped, &"verify found no damage")?;
    if let Some(problem) = problem {
        out.line(format_args!("  verify refuses:  {problem}"))?;
    }
    out.flush()
}

/// Reads the event through the store: the refusal may come from opening already.
fn read(dir: &Path, flipped: &Flipped) -> Result<(), Error> {
    let store = Store::options().create(false).read_only().open(dir)?;
    let view = store.view();
    match view.stream(&flipped.stream).from(flipped.revision).next() {
        Some(event) => event.map(drop),
        None => Ok(()),
    }
}

/// Damage was found where the byte was flipped, not elsewhere: in that segment, in what begins before the byte.
fn named(
    found: Option<&Corruption>,
    flipped: &Flipped,
    otherwise: &dyn std::fmt::Display,
) -> Result<(), Failure> {
    let Some(found) = found else { return Err(Failure::mismatch(otherwise)) };
    if flipped.segment.ends_with(&found.file) && found.segment.is_some() && found.offset <= flipped.offset {
        return Ok(());
    }
    Err(Failure::mismatch(format!(
        "byte {} of {} was flipped, and this was found: {found}",
        flipped.offset,
        flipped.segment.display()
    )))
}

/// Flips a bit in the middle of the data of the event at `position`.
fn flip(dir: &Path, position: Position) -> Result<Flipped, Failure> {
    let store = open::to_write(dir, Store::options().create(false))?;
    let view = store.view();
    let event = view.all().after(Position(position.0 - 1)).next().transpose()?;
    let event = event.ok_or_else(|| Failure::mismatch(format!("no event at position {position}")))?;
    let (stream, revision, data) = (event.stream().to_owned(), event.revision(), event.data().to_vec());
    drop(view);
    store.close().wait()?;
    drop(store);

    let io = |e: io::Error| Failure::io(format!("flipping a byte in {}", dir.display()), &e);
    let mut segments: Vec<PathBuf> = fs::read_dir(dir.join("log"))
        .map_err(io)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, _>>()
        .map_err(io)?;
    segments.sort();
    for segment in segments {
        let bytes = fs::read(&segment).map_err(io)?;
        // The data names process, thread and number, so it stands in one place only.
        if let Some(at) = bytes.windows(data.len()).position(|window| window == data) {
            let offset = (at + data.len() / 2) as u64;
            let file = fs::OpenOptions::new().write(true).open(&segment).map_err(io)?;
            file.write_all_at(&[bytes[offset as usize] ^ 0x10], offset).map_err(io)?;
            return Ok(Flipped { stream, revision, segment, offset });
        }
    }
    Err(Failure::mismatch(format!("the data of the event at position {position} is in no segment")))
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_dir(&entry.path(), &target)?,
            false => _ = fs::copy(entry.path(), target)?,
        }
    }
    Ok(())
}
