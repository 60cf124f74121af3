//! Pairs of examples: what the compiler refuses, and after it the nearest thing that it accepts, so that none is refused
//! for another reason. The messages and the places that they point at are compared in `tests`.
//!
//! A variant without a name:
//! ```compile_fail
//! #[derive(orchestrix::Event)]
//! enum AccountEvent {
//!     Closed,
//! }
//! ```
//! ```
//! #[derive(orchestrix::Event)]
//! enum AccountEvent {
//!     #[event("account.closed")]
//!     Closed,
//! }
//! ```
//!
//! Two variants with one name:
//! ```compile_fail
//! #[derive(orchestrix::Event)]
//! enum AccountEvent {
//!     #[event("account.closed")]
//!     Closed,
//!     #[event("account.closed")]
//!     Seized,
//! }
//! ```
//! ```
//! #[derive(orchestrix::Event)]
//! enum AccountEvent {
//!     #[event("account.closed")]
//!     Closed,
//!     #[event("account.Closed")]
//!     Seized,
//! }
//! ```
//!
//! Fields that serde can't read:
//! ```compile_fail
//! struct Money(u64);
//! #[derive(orchestrix::Event)]
//! #[event("account.deposited")]
//! struct Deposited {
//!     money: Money,
//! }
//! ```
//! ```
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Money(u64);
//! #[derive(orchestrix::Event)]
//! #[event("account.deposited")]
//! struct Deposited {
//!     money: Money,
//! }
//! ```
//!
//! Data that isn't owned, within a type without lifetimes too:
//! ```compile_fail
//! #[derive(orchestrix::Event)]
//! #[event("account.opened")]
//! struct Opened {
//!     owner: &'static str,
//! }
//! ```
//! ```
//! #[derive(orchestrix::Event)]
//! #[event("account.opened")]
//! struct Opened {
//!     owner: std::borrow::Cow<'static, str>,
//! }
//! ```
//!
//! A variant for unknown types that can't hold one:
//! ```compile_fail
//! #[derive(orchestrix::Event)]
//! enum AccountEvent {
//!     #[event("account.closed")]
//!     Closed,
//!     #[event(unknown)]
//!     Other(String),
//! }
//! ```
//! ```
//! #[derive(orchestrix::Event)]
//! enum AccountEvent {
//!     #[event("account.closed")]
//!     Closed,
//!     #[event(unknown)]
//!     Other(std::sync::Arc<orchestrix::RecordedEvent>),
//! }
//! ```
//!
//! An event that can't be sent to another thread:
//! ```compile_fail
//! #[derive(orchestrix::Event)]
//! #[event("account.opened")]
//! struct Opened {
//!     #[serde(skip)]
//!     cached: std::rc::Rc<u8>,
//! }
//! ```
//! ```
//! #[derive(orchestrix::Event)]
//! #[event("account.opened")]
//! struct Opened {
//!     #[serde(skip)]
//!     cached: std::sync::Arc<u8>,
//! }
//! ```
//!
//! A name that comes out of a macro and may not be stored:
//! ```compile_fail
//! macro_rules! named {
//!     ($name:literal) => {
//!         #[derive(orchestrix::Event)]
//!         #[event($name)]
//!         struct Opened;
//!     };
//! }
//! named!("");
//! ```
//! ```
//! macro_rules! named {
//!     ($name:literal) => {
//!         #[derive(orchestrix::Event)]
//!         #[event($name)]
//!         struct Opened;
//!     };
//! }
//! named!("account.opened");
//! ```
