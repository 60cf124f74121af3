//! `dlq`: the dead letters of a store, listed, shown, exported; read beside the program whose consumers have written them.

use crate::args::{Dlq, DlqShow, Global, Letters};
use crate::failure::Failure;
use crate::open;
use crate::output::Out;
use crate::read;
use orchestrix::{DeadLetter, Store};
use serde_json::{Value, json};
use std::time::SystemTime;

pub(crate) fn run(global: &Global, command: &Dlq) -> Result<(), Failure> {
    let store = open::to_read(global)?;
    match command {
        Dlq::List(args) => list(global, &letters(&store, args)?),
        Dlq::Show(args) => show(global, &store, args),
        Dlq::Export(args) => export(&letters(&store, args)?),
    }
}

fn letters(store: &Store, args: &Letters) -> Result<Vec<DeadLetter>, Failure> {
    let all = store.dead_letters();
    let asked = match &args.consumer {
        Some(consumer) => all.of(consumer),
        None => all,
    };
    Ok(asked.list().wait()?)
}

fn time(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|error| error.to_string(), |time| time.to_string())
}

fn fields(letter: &DeadLetter) -> Value {
    let event = letter.event();
    json!({
        "consumer": letter.consumer,
        "number": letter.number,
        "id": letter.event_id.to_string(),
        "stream": event.stream(),
        "revision": event.revision().0,
        "position": event.position().0,
        "type": event.event_type(),
        "reason": letter.reason,
        "errors": letter.errors,
        "attempts": letter.attempts,
        "first_failure": time(letter.first_failure),
        "last_failure": time(letter.last_failure),
        "handler_version": letter.handler_version,
    })
}

fn list(global: &Global, letters: &[DeadLetter]) -> Result<(), Failure> {
    let mut out = Out::new();
    for letter in letters {
        if global.json {
            out.json(&fields(letter))?;
            continue;
        }
        let (event, tried) = (letter.event(), letter.attempts);
        let times = if tried == 1 { "attempt" } else { "attempts" };
        out.line(format_args!(
            "{}  {}  {} {} {}  {tried} {times}: {}",
            letter.consumer,
            letter.event_id,
            event.stream(),
            event.revision(),
            event.event_type(),
            letter.reason.escape_debug(),
        ))?;
    }
    out.finish()
}

fn show(global: &Global, store: &Store, args: &DlqShow) -> Result<(), Failure> {
    let all = letters(store, &args.letters)?;
    let found: Vec<_> = all.iter().filter(|letter| letter.event_id.to_string() == args.id).collect();
    if found.is_empty() {
        return Err(Failure::refused(format!(
            "there is no open dead letter of an event with the id {}",
            args.id
        )));
    }
    let (mut out, mut line) = (Out::new(), Vec::new());
    for letter in found {
        let fields = fields(letter);
        if global.json {
            out.json(&fields)?;
            continue;
        }
        for (name, value) in fields.as_object().into_iter().flatten() {
            match value {
                Value::String(text) => out.line(format_args!("{name}: {}", text.escape_debug()))?,
                value => out.line(format_args!("{name}: {value}"))?,
            }
        }
        read::write(letter.event(), &mut line, &mut out)?;
    }
    out.finish()
}

fn export(letters: &[DeadLetter]) -> Result<(), Failure> {
    let (mut out, mut line) = (Out::new(), Vec::new());
    letters.iter().try_for_each(|letter| read::write(letter.event(), &mut line, &mut out))?;
    out.finish()
}
