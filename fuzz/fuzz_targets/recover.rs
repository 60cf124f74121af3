//! Any bytes taken for the segments of a killed store: refused with a place, or opened and read. Never a panic, and what was
//! opened once opens again with the same events.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    orchestrix::testing::fuzz::recover(data);
});
