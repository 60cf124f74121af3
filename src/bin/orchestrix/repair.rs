//! `repair`: says what would be done to a damaged store, and does it with `--apply`.

use crate::args::{Global, Repair};
use crate::failure::Failure;
use crate::open;
use crate::output::Out;
use serde_json::json;

pub(crate) fn run(global: &Global, args: &Repair) -> Result<(), Failure> {
    let dir = open::existing(global)?;
    let plan = orchestrix::repair(dir)?;
    let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    let mut out = Out::new();
    if !global.json {
        for step in &steps {
            out.line(step)?;
        }
    }
    out.flush()?;
    if args.apply && !steps.is_empty() {
        plan.apply()?;
    }
    let applied = args.apply && !steps.is_empty();
    if global.json {
        out.json(&json!({ "steps": steps, "applied": applied }))?;
    } else if steps.is_empty() {
        out.line("nothing to repair")?;
    } else if applied {
        out.line("done")?;
    } else {
        out.line("nothing was changed; run it with --apply to do this")?;
    }
    out.finish()
}
