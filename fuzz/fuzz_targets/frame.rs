//! Any bytes taken for a frame: an error, or a frame that reads the same when it is walked every way. Never a panic, never
//! more memory than the bytes are worth.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    orchestrix::testing::fuzz::frame(data);
});
