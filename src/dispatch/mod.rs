//! When what failed is tried again.

mod retry;

pub use retry::{GivenUp, RetryPolicy};
