//! `retain`: says which old segments could be dropped and why, and drops them with `--apply`.

use crate::args::{Global, Retain};
use crate::failure::Failure;
use crate::open;
use crate::output::Out;
use orchestrix::{Position, Retention, Store};
use serde_json::json;
use std::time::Duration;

/// An age as people write it: `30d`, `12h`, `1w 2d`.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let span: jiff::Span = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    let length = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "expected weeks, days, hours, minutes or seconds".to_owned())?;
    Duration::try_from(length).map_err(|_| "expected an age that isn't negative".to_owned())
}

pub(crate) fn run(global: &Global, args: &Retain) -> Result<(), Failure> {
    let mut limits = Retention::default();
    limits.before = args.before.map(Position);
    limits.older_than = args.older_than;
    limits.max_bytes = args.max_bytes;
    let store = Store::options().create(false).open(open::existing(global)?)?;
    let plan = store.plan_retention(limits)?;
    if args.apply {
        plan.apply()?;
    }
    store.close().wait()?;
    let applied = args.apply && !plan.is_empty();
    let mut out = Out::new();
    if global.json {
        let drops = plan.drops.iter().map(|dropped| {
            json!({
                "segment": dropped.segment,
                "first": dropped.first.0,
                "last": dropped.last.0,
                "bytes": dropped.bytes,
                "why": dropped.why.to_string(),
            })
        });
        let drops: Vec<_> = drops.collect();
        let held = plan.held.as_ref().map(|held| json!({ "name": held.name, "after": held.after.0 }));
        let first = plan.first_position.0;
        out.json(&json!({ "drops": drops, "held": held, "first_position": first, "applied": applied }))?;
        return out.finish();
    }
    plan.drops.iter().try_for_each(|dropped| out.line(dropped))?;
    if let Some(held) = &plan.held {
        out.line(format_args!("what follows stays: {held}"))?;
    }
    if plan.is_empty() {
        out.line("nothing to drop")?;
    } else if applied {
        out.line(format_args!("done; the first position is {}", plan.first_position))?;
    } else {
        out.line("nothing was changed; run it with --apply to do this")?;
    }
    out.finish()
}
