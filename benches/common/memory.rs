//! What a process has in memory, as the kernel counts it.

use std::fs;

/// Bytes of a process that are resident.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    /// Not of a file: heap, stacks, what was written to private mappings.
    pub anonymous: u64,
    /// All, pages of mapped files among them.
    pub all: u64,
}

impl Resident {
    /// Of this process, now.
    pub fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").expect("the kernel tells");
        let bytes = |field: &str| {
            let line =
                status.lines().find_map(|line| line.strip_prefix(field)).expect("a field of the status");
            let kibibytes = line.split_whitespace().next().expect("a number");
            kibibytes.parse::<u64>().expect("a number of KiB") << 10
        };
        Self { anonymous: bytes("RssAnon:"), all: bytes("VmRSS:") }
    }
}
