//! `consumers`: where the consumers of a store are, and how one is paused, resumed and set back.

use crate::args::{Consumer, Consumers, Global, Reset};
use crate::failure::Failure;
use crate::open;
use crate::output::{Out, grouped};
use crate::request;
use orchestrix::{ConsumerRequest, EventStore, Position};
use serde_json::json;

pub(crate) fn run(global: &Global, command: &Consumers) -> Result<(), Failure> {
    match command {
        Consumers::List => list(global),
        Consumers::Pause(args) => ask(global, args, ConsumerRequest::Pause, "is paused"),
        Consumers::Resume(args) => ask(global, args, ConsumerRequest::Resume, "goes on"),
        Consumers::Reset(args) => reset(global, args),
    }
}

fn list(global: &Global) -> Result<(), Failure> {
    let store = open::to_read(global)?;
    let (consumers, letters) = (store.consumers().wait()?, store.dead_letters());
    let mut out = Out::new();
    for consumer in &consumers {
        let parked = letters.clone().of(&consumer.name).count().wait()?;
        let requests = store.backend().requests(&consumer.name).wait()?;
        let asked = requests.iter().filter(|request| request.answer.is_none()).count();
        if global.json {
            out.json(&json!({
                "consumer": consumer.name,
                "position": consumer.position.0,
                "through": consumer.through.0,
                "retrying": consumer.retrying,
                "dead_letters": parked,
                "paused": consumer.paused,
                "requests": asked,
            }))?;
            continue;
        }
        let (name, position) = (&consumer.name, grouped(consumer.position.0));
        let paused = if consumer.paused { ", paused" } else { "" };
        let retrying = consumer.retrying;
        let asked = if asked == 0 { String::new() } else { format!(", {asked} requests") };
        out.line(format_args!(
            "{name}  at position {position}, {retrying} retrying, {parked} dead letters{paused}{asked}"
        ))?;
    }
    out.finish()
}

fn ask(global: &Global, args: &Consumer, asked: ConsumerRequest, what: &str) -> Result<(), Failure> {
    let done = |consumer: &str, _| format!("{consumer} {what}");
    request::ask(global, &args.consumer, asked, &args.wait, &done)
}

fn reset(global: &Global, args: &Reset) -> Result<(), Failure> {
    let position = Position(args.to);
    let done = |consumer: &str, _| format!("{consumer} goes on behind position {}", grouped(position.0));
    let Some(store) = request::to_change(global)? else {
        return request::ask(global, &args.consumer, ConsumerRequest::Reset(position), &args.wait, &done);
    };
    store.reset_consumer(&args.consumer, position).wait()?;
    store.close().wait()?;
    request::tell(global, &args.consumer, Some(0), &done)
}
