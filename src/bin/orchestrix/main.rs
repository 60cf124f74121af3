//! The command line of Orchestrix. Data goes to standard output, everything else to standard error; what each command
//! promises stands in its module. Nothing here reaches into a store but through the library.

mod append;
mod args;
mod backup;
mod consumers;
mod demo;
mod dlq;
mod failure;
mod import;
mod index;
mod inspect;
mod interrupt;
mod open;
mod output;
mod progress;
mod read;
mod repair;
mod request;
mod retain;
mod stats;
mod streams;
mod verify;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    let ended = match &command {
        Command::Import(args) => import::run(&global, args),
        Command::Append(args) => append::run(&global, args),
        Command::Read(args) => read::run(&global, args),
        Command::Streams(args) => streams::run(&global, args),
        Command::Inspect(args) => inspect::run(&global, args),
        Command::Demo => demo::run(),
        Command::Stats => stats::run(&global),
        Command::Verify => verify::run(&global),
        Command::Repair(args) => repair::run(&global, args),
        Command::Retain(args) => retain::run(&global, args),
        Command::Backup(args) => backup::run(&global, args),
        Command::Consumers(args) => consumers::run(&global, args),
        Command::Dlq(args) => dlq::run(&global, args),
        Command::Index(args) => index::run(&global, args),
        Command::DemoWriter(args) => demo::write(&args.dir),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                output::note(format_args!("orchestrix: {message}"));
            }
            ExitCode::from(failure.code())
        }
    }
}
