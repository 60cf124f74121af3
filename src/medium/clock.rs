//! The machine's clock and random numbers. Never caches a value.

use super::{Entropy, TimeSource};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::{Duration, Instant};

/// The clock and the entropy of the operating system.
pub(crate) struct SystemTimeSource {
    start: Instant,
}

impl SystemTimeSource {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl TimeSource for SystemTimeSource {
    fn now(&self) -> i64 {
        nanoseconds(clock_gettime(ClockId::Realtime))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

impl Entropy for SystemTimeSource {
    /// # Panics
    ///
    /// If the kernel has no random numbers; Linux has them since 3.17.
    fn fill(&self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match getrandom(&mut *rest, GetRandomFlags::empty()) {
                Ok(count) => rest = &mut rest[count..],
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => panic!("the kernel gives no random numbers: {error}"),
            }
        }
    }
}

/// Since 1970-01-01 UTC, before it as well; capped at the ends of `i64` (years 1677 and 2262).
#[inline]
fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_beyond_the_range_are_kept_and_capped() {
        let at = |tv_sec, tv_nsec| nanoseconds(Timespec { tv_sec, tv_nsec });
        assert_eq!(at(0, 0), 0);
        assert_eq!(at(0, 1_500), 1_500);
        assert_eq!(at(-1, 999_998_500), -1_500);
        assert_eq!(at(10_000_000_000, 0), i64::MAX);
        assert_eq!(at(-10_000_000_000, 0), i64::MIN);
    }

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let source = SystemTimeSource::new();
        let times: Vec<Duration> = (0..100).map(|_| source.monotonic()).collect();
        assert!(times.is_sorted(), "{times:?}");
    }

    #[test]
    fn random_bytes_fill_everything_and_differ() {
        let source = SystemTimeSource::new();
        // Longer than what one call is sure to deliver.
        let mut bytes = vec![0; 100_000];
        source.fill(&mut bytes);
        assert!(bytes.chunks(64).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
        assert_ne!(source.u64(), source.u64());
        source.fill(&mut []);
    }
}
