//! `read`: events as CloudEvents lines, which `import` takes back.

use crate::args::{Global, Read};
use crate::failure::Failure;
use crate::open;
use crate::output::Out;
use orchestrix::{Error, EventRef, Position, Revision, View, cloudevents};

type Found<'v> = Box<dyn Iterator<Item = Result<EventRef<'v>, Error>> + 'v>;

pub(crate) fn run(global: &Global, args: &Read) -> Result<(), Failure> {
    let store = open::to_read(global)?;
    let view = store.view();
    let mut out = Out::new();
    let mut line = Vec::new();
    let mut left = args.limit.unwrap_or(u64::MAX);
    for event in wanted(&view, args) {
        if left == 0 {
            break;
        }
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                out.flush()?;
                return Err(error.into());
            }
        };
        if !is_of_type(&event, args.event_type.as_deref()) {
            continue;
        }
        line.clear();
        cloudevents::to_json_line(event, &mut line);
        line.push(b'\n');
        out.bytes(&line)?;
        left -= 1;
    }
    out.finish()
}

/// The events in their order, from the first that is asked for; those of other types among them.
fn wanted<'v>(view: &'v View, args: &Read) -> Found<'v> {
    if let Some(stream) = &args.stream {
        let events = view.stream(stream);
        return match (args.from, args.backward) {
            (None, false) => Box::new(events),
            (None, true) => Box::new(events.rev()),
            (Some(from), false) => Box::new(events.from(Revision(from))),
            (Some(from), true) => Box::new(events.up_to(Revision(from)).rev()),
        };
    }
    let events = match (&args.category, &args.event_type) {
        (Some(category), _) => view.category(category),
        (None, Some(event_type)) => view.event_type(event_type),
        (None, None) => view.all(),
    };
    match (args.from, args.backward) {
        (None, false) => Box::new(events),
        (None, true) => Box::new(events.rev()),
        (Some(from), false) => Box::new(events.after(Position(from.saturating_sub(1)))),
        (Some(from), true) => Box::new(events.before(Position(from.saturating_add(1))).rev()),
    }
}

fn is_of_type(event: &EventRef<'_>, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| event.event_type() == wanted)
}
