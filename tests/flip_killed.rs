//! As `flip.rs`, of a store whose process was killed: all was acknowledged, nothing was closed. A program of its own, since each
//! takes a while.

#[path = "flip/files.rs"]
mod files;
#[path = "flip/flips.rs"]
mod flips;
#[path = "flip/read.rs"]
mod read;
#[allow(dead_code, reason = "shared by several tests")]
#[path = "flip/small.rs"]
mod small;

use small::Made;

/// Every byte, the last event's among them.
// F47, F52, D7
#[test]
fn any_flipped_byte_of_a_killed_store_is_named_or_harmless() {
    flips::of_the_log(&Made::killed());
}
