//! `consumers`: where the consumers of a store are, and how one is set back.

use crate::args::{Consumers, Global, Reset};
use crate::failure::Failure;
use crate::open;
use crate::output::{Out, grouped, note};
use orchestrix::{Position, Store};
use serde_json::json;

pub(crate) fn run(global: &Global, command: &Consumers) -> Result<(), Failure> {
    match command {
        Consumers::List => list(global),
        Consumers::Reset(args) => reset(global, args),
    }
}

fn list(global: &Global) -> Result<(), Failure> {
    let store = open::to_read(global)?;
    let (consumers, letters) = (store.consumers().wait()?, store.dead_letters());
    let mut out = Out::new();
    for consumer in &consumers {
        let parked = letters.clone().of(&consumer.name).count().wait()?;
        if global.json {
            out.json(&json!({
                "consumer": consumer.name,
                "position": consumer.position.0,
                "through": consumer.through.0,
                "retrying": consumer.retrying,
                "dead_letters": parked,
                "paused": consumer.paused,
            }))?;
            continue;
        }
        let (name, position) = (&consumer.name, grouped(consumer.position.0));
        let paused = if consumer.paused { ", paused" } else { "" };
        let retrying = consumer.retrying;
        out.line(format_args!(
            "{name}  at position {position}, {retrying} retrying, {parked} dead letters{paused}"
        ))?;
    }
    out.finish()
}

fn reset(global: &Global, args: &Reset) -> Result<(), Failure> {
    let store = Store::options().create(false).open(open::existing(global)?)?;
    store.reset_consumer(&args.consumer, Position(args.to)).wait()?;
    store.close().wait()?;
    note(format_args!("{} goes on behind position {}", args.consumer, grouped(args.to)));
    Ok(())
}
