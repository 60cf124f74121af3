//! `read`: events as CloudEvents lines, which `import` takes back; with `--follow`, and those that come.

use crate::args::{Global, Read};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::open;
use crate::output::Out;
use orchestrix::{Error, EventRef, Position, Query, Revision, Start, Store, View, cloudevents};
use std::time::Duration;

type Found<'v> = Box<dyn Iterator<Item = Result<EventRef<'v>, Error>> + 'v>;

/// How long Ctrl-C may go unnoticed.
const NOTICE: Duration = Duration::from_millis(50);

pub(crate) fn run(global: &Global, args: &Read) -> Result<(), Failure> {
    let store = open::to_read(global)?;
    if args.follow {
        return follow(&store, args);
    }
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
        write(event, &mut line, &mut out)?;
        left -= 1;
    }
    out.finish()
}

pub(crate) fn write(event: EventRef<'_>, line: &mut Vec<u8>, out: &mut Out) -> Result<(), Failure> {
    line.clear();
    cloudevents::to_json_line(event, line);
    line.push(b'\n');
    out.bytes(line)
}

/// Reads on and on: what is there, and what comes.
fn follow(store: &Store, args: &Read) -> Result<(), Failure> {
    let interrupt = Interrupt::install_for_both()?;
    let query = match (&args.stream, &args.category) {
        (Some(stream), _) => Query::stream(stream),
        (None, Some(category)) => Query::category(category),
        (None, None) => Query::all(),
    };
    let query = match &args.event_type {
        Some(event_type) => query.and_types([event_type]),
        None => query,
    };
    let is_stream = args.stream.is_some();
    let start = match args.from {
        Some(position) if !is_stream => Start::After(Position(position.saturating_sub(1))),
        _ => Start::Beginning,
    };
    let revision = Revision(args.from.filter(|_| is_stream).unwrap_or(0));
    let mut live = store.subscribe().query(query).start(start).open()?;
    let (mut out, mut line) = (Out::new(), Vec::new());
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 && !interrupt.is_set() {
        let batch = match live.next_batch().wait_timeout(NOTICE) {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(error) => {
                out.flush()?;
                return Err(error.into());
            }
        };
        for event in batch.iter().filter(|event| !is_stream || event.revision() >= revision) {
            if left == 0 || interrupt.is_set() {
                break;
            }
            write(event, &mut line, &mut out)?;
            left -= 1;
        }
        if batch.is_caught_up() {
            out.flush()?;
        }
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
