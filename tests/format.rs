//! Golden bytes. The example at the end of `docs/format.md` is parsed out of the page: what it says must be what the product
//! writes (but for what is drawn at random, which is set to fixed values here) and be read as the event that it tells. The
//! store in `fixtures/v1` was written by version 1: every later build opens it. A test that fails here says that the format
//! changed: raise the version, never the bytes.

#[path = "format/example.rs"]
mod example;
#[path = "format/fixture.rs"]
mod fixture;
#[path = "format/run.rs"]
mod run;
#[path = "tools/mod.rs"]
mod tools;
