//! Consumers: events are handed to a handler, in order, tried again, given up, and counted. Over the contract alone.
//!
//! `consumer` and `start` describe and begin one, `engine` and `state` run it, `schedule` says what comes next, `worker` calls the
//! handler, `saver` keeps its progress, `parking`, `letters` and `redrive` see to what was given up, `emission` to what is emitted,
//! `requests` and `inbox` to what other processes ask for, `reset` to where it goes on then.

mod answers;
mod breaker;
mod careful;
mod chunk;
mod consumer;
mod dead_letters;
mod delivery;
mod emission;
mod engine;
mod handing_out;
mod handler;
mod inbox;
mod letter;
mod letters;
mod order;
mod outcome;
mod overdue;
mod parking;
mod progress;
mod record;
mod redrive;
mod requests;
mod reset;
mod retry;
mod running;
mod saver;
mod schedule;
mod source;
mod start;
mod state;
mod stored;
mod trim;
mod worker;
mod works;

pub use consumer::{Consumer, NoHandler, Ready};
pub use dead_letters::DeadLetters;
pub use delivery::{Delivery, FromEvent, Raw};
pub use handler::Handler;
pub use letter::DeadLetter;
pub use order::Order;
pub use outcome::{GiveUp, Handled, Outcome, WhenFull};
pub use requests::{ConsumerRequest, Requested};
pub use retry::{GivenUp, RetryPolicy};
pub use running::{RunningConsumer, Status};
pub use stored::StoredConsumer;
pub use worker::Task;
