//! `streams`: every stream by name, with how many events it has.

use crate::args::{Global, Streams};
use crate::failure::Failure;
use crate::open;
use crate::output::{Out, grouped};
use orchestrix::Head;
use serde_json::json;

pub(crate) fn run(global: &Global, args: &Streams) -> Result<(), Failure> {
    let store = open::to_read(global)?;
    let view = store.view();
    let is_wanted = |name: &str| args.category.as_deref().is_none_or(|wanted| category(name) == wanted);
    let wanted = view.streams().filter(|stream| stream.as_ref().map_or(true, |(name, _)| is_wanted(name)));
    let mut streams: Vec<(String, Head)> = wanted.collect::<Result<_, _>>()?;
    streams.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut out = Out::new();
    if global.json {
        for (name, head) in &streams {
            out.json(&json!({
                "stream": name,
                "events": head.revision.0 + 1,
                "revision": head.revision.0,
                "position": head.position.0,
            }))?;
        }
    } else {
        let width = streams.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).clamp(6, 60);
        out.line(format_args!("{:width$}  {:>12}  {:>14}", "stream", "events", "last position"))?;
        for (name, head) in &streams {
            let (events, position) = (grouped(head.revision.0 + 1), grouped(head.position.0));
            out.line(format_args!("{name:width$}  {events:>12}  {position:>14}"))?;
        }
    }
    out.finish()
}

/// What stands before the first `-`; all of a name without one.
fn category(stream: &str) -> &str {
    stream.split_once('-').map_or(stream, |(category, _)| category)
}
