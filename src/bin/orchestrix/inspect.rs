//! `inspect`: the frames of one segment file as annotated hex. It reads the file alone, so it works on what no store
//! would open.

use crate::args::{Global, Inspect};
use crate::failure::Failure;
use crate::output::Out;

pub(crate) fn run(_global: &Global, args: &Inspect) -> Result<(), Failure> {
    let mut out = Out::new();
    for part in orchestrix::inspect_segment(&args.segment)? {
        out.line(part)?;
    }
    out.finish()
}
