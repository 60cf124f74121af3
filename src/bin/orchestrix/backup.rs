//! `backup`: copies a store, which may be written to meanwhile, to another directory; with `--follow` again and again. Opens the
//! store to read, each time anew, so that no writer is in the way and none is disturbed.

use crate::args::{Backup, Global};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::open;
use crate::output::{Out, grouped};
use orchestrix::{ErrorKind, Position};
use serde_json::json;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long Ctrl-C may go unnoticed.
const NOTICE: Duration = Duration::from_millis(50);
/// How often a writer's retention may get in the way of one backup.
const RETENTIONS_MAX: u32 = 10;

pub(crate) fn run(global: &Global, args: &Backup) -> Result<(), Failure> {
    let mut out = Out::new();
    if !args.follow {
        one(global, args, None, &mut out)?;
        return out.finish();
    }
    let interrupt = Interrupt::install()?;
    let mut last = None;
    while !interrupt.is_set() {
        let next = Instant::now() + args.interval;
        last = Some(one(global, args, last, &mut out)?);
        while !interrupt.is_set() && Instant::now() < next {
            sleep(NOTICE.min(args.interval));
        }
    }
    out.finish()
}

/// Backs up once. Says so, unless nothing is new since the `last` one.
fn one(global: &Global, args: &Backup, last: Option<Position>, out: &mut Out) -> Result<Position, Failure> {
    let mut retentions = 0;
    let backup = loop {
        match open::to_read(global)?.backup(&args.target) {
            Err(error) if error.is_truncated() && retentions < RETENTIONS_MAX => retentions += 1,
            // The target isn't what it should be: no input was bad.
            Err(error) if error.kind() == ErrorKind::Invalid => return Err(Failure::refused(error)),
            done => break done?,
        }
    };
    let (position, bytes) = (backup.position, backup.bytes);
    if last == Some(position) && bytes == 0 {
        return Ok(position);
    }
    if global.json {
        out.json(&json!({ "position": position.0, "bytes": bytes, "full": backup.is_full }))?;
    } else {
        let target = args.target.display();
        out.line(format_args!("{target} goes up to position {position}; {} bytes copied", grouped(bytes)))?;
    }
    out.flush()?;
    Ok(position)
}
