//! The rules of the log, each by name. `frames` looks at bytes alone; `writing`, `opening` and `recovery` run a store on the
//! simulated disk, cut its power, spoil its bytes and look at what the next open makes of it.

mod bytes;
mod frames;
mod opening;
mod recovery;
mod search;
mod writing;
