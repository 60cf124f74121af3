//! `dlq`: the dead letters of a store, listed, shown, exported; read beside the program whose consumers have written them. What
//! changes them is asked of that program.

use crate::args::{Chosen, Dlq, DlqShow, Global, Letters};
use crate::failure::Failure;
use crate::open;
use crate::output::Out;
use crate::read;
use crate::request;
use orchestrix::{ConsumerRequest, DeadLetter, DeadLetters, EventId, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::SystemTime;

pub(crate) fn run(global: &Global, command: &Dlq) -> Result<(), Failure> {
    let store = open::to_read(global)?;
    match command {
        Dlq::List(args) => list(global, &letters(&store, args)?),
        Dlq::Show(args) => show(global, &store, args),
        Dlq::Export(args) => export(&letters(&store, args)?),
        Dlq::Redrive(args) => redrive(global, &chosen(&store, args)?, args),
        Dlq::Discard(args) => discard(global, &chosen(&store, args)?, args),
    }
}

/// The ids of the events whose letters are meant, by consumer.
fn chosen(store: &Store, args: &Chosen) -> Result<BTreeMap<String, Vec<EventId>>, Failure> {
    let mut chosen = BTreeMap::<String, Vec<EventId>>::new();
    let all = letters(store, &args.letters)?;
    for letter in &all {
        if args.all || args.ids.contains(&letter.event_id.to_string()) {
            chosen.entry(letter.consumer.clone()).or_default().push(letter.event_id.clone());
        }
    }
    match args.ids.iter().find(|id| !all.iter().any(|letter| letter.event_id.to_string() == **id)) {
        Some(id) => Err(no_letter(id)),
        None => Ok(chosen),
    }
}

fn no_letter(id: &str) -> Failure {
    Failure::refused(format!("there is no open dead letter of an event with the id {id}"))
}

fn redrive(global: &Global, chosen: &BTreeMap<String, Vec<EventId>>, args: &Chosen) -> Result<(), Failure> {
    let done = |consumer: &str, count| format!("{consumer} has handled {} again", request::letters(count));
    chosen.iter().try_for_each(|(consumer, ids)| {
        request::ask(global, consumer, ConsumerRequest::Redrive(meant(ids, args)), &args.wait, &done)
    })
}

/// The ids to ask for: none where all are meant, as of now and as they come meanwhile.
fn meant(ids: &[EventId], args: &Chosen) -> Option<Vec<EventId>> {
    (!args.all || args.letters.reason.is_some()).then(|| ids.to_vec())
}

fn discard(global: &Global, chosen: &BTreeMap<String, Vec<EventId>>, args: &Chosen) -> Result<(), Failure> {
    let done = |consumer: &str, count| format!("{} of {consumer} discarded", request::letters(count));
    let store = request::to_change(global)?;
    for (consumer, ids) in chosen {
        match &store {
            Some(store) => {
                let letters = asked(store, &args.letters).of(consumer);
                let count = match args.all {
                    true => letters.discard_all().wait()?,
                    false => {
                        ids.iter().try_for_each(|id| letters.discard(id).wait())?;
                        ids.len() as u64
                    }
                };
                request::tell(global, consumer, Some(count), &done)?;
            }
            None => {
                let discard = ConsumerRequest::Discard(meant(ids, args));
                request::ask(global, consumer, discard, &args.wait, &done)?;
            }
        }
    }
    store.map_or(Ok(()), |store| Ok(store.close().wait()?))
}

/// The dead letters that are asked for.
fn asked(store: &Store, args: &Letters) -> DeadLetters {
    let mut asked = store.dead_letters();
    if let Some(consumer) = &args.consumer {
        asked = asked.of(consumer);
    }
    if let Some(reason) = &args.reason {
        asked = asked.reason(reason);
    }
    asked
}

fn letters(store: &Store, args: &Letters) -> Result<Vec<DeadLetter>, Failure> {
    Ok(asked(store, args).list().wait()?)
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
        return Err(no_letter(&args.id));
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
