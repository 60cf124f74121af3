//! Consumers: durable readers that retry, park and never lose or reorder. Uses what every back end has, and nothing below it.

mod retry;

pub use retry::{GivenUp, RetryPolicy};
