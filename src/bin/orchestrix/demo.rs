//! `demo`: real events in, a process killed, a byte flipped, in three acts; each checks what it shows, and a mismatch
//! ends the program with a failure. It writes to `orchestrix-demo` in the current directory and nowhere else.

mod crash;
mod flip;
mod quakes;
mod writer;

pub(crate) use writer::run as write;

use crate::failure::Failure;
use crate::output::Out;
use std::path::Path;

const ROOT: &str = "orchestrix-demo";

pub(crate) fn run() -> Result<(), Failure> {
    let root = Path::new(ROOT);
    let mut out = Out::new();
    quakes::act(&root.join("quakes"), &mut out)?;
    let acknowledged = crash::act(&root.join("crash"), &mut out)?;
    flip::act(&root.join("crash"), &root.join("flipped"), &acknowledged, &mut out)?;
    let program = std::env::args().next().unwrap_or_else(|| "orchestrix".into());
    out.line("\nAll that was shown was checked. Three commands to try:")?;
    out.line(format_args!("  {program} read --store {ROOT}/quakes quakes-hv --backward --limit 3"))?;
    out.line(format_args!("  {program} streams --store {ROOT}/quakes"))?;
    out.line(format_args!("  {program} verify --store {ROOT}/flipped --json"))?;
    out.finish()
}
