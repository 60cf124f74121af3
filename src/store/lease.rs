//! Who runs a consumer, or a part of it: one at a time.

use super::core::Core;
use super::reserve;
use crate::error::Error;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use twox_hash::XxHash3_64;

/// The right to run a consumer, for as long as it is kept.
#[must_use = "a lease that is dropped is given back"]
#[derive(Default)]
pub struct Lease(Option<Box<dyn Send + Sync>>);

impl Lease {
    /// For authors of stores: `guard` gives the right back when it is dropped. [`Lease::default`] is for a store whose consumers
    /// have no competitors.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Some(Box::new(guard)))
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("competes", &self.0.is_some()).finish()
    }
}

/// A part of the streams: those whose hash, modulo the number of parts, is its number. The hash is XXH3 of 64 bits of the name of the
/// stream, so that every program parts them alike.
///
/// ```
/// use orchestrix::Partition;
/// let parts = [Partition::new(0, 2)?, Partition::new(1, 2)?];
/// assert_eq!(parts.iter().filter(|part| part.has("order-1")).count(), 1);
/// assert!(Partition::WHOLE.has("order-1") && Partition::WHOLE.overlaps(parts[0]) && !parts[0].overlaps(parts[1]));
/// # Ok::<(), orchestrix::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    number: u32,
    of: u32,
}

impl Partition {
    /// All streams.
    pub const WHOLE: Self = Self { number: 0, of: 1 };

    /// Part `number`, from 0 on, of so many.
    ///
    /// # Errors
    /// `Invalid`: there are no parts, or none of that number.
    pub fn new(number: u32, of: u32) -> Result<Self, Error> {
        if number < of {
            return Ok(Self { number, of });
        }
        Err(Error::invalid(format!(
            "number of a partition: expected less than their number {of}, found {number}"
        )))
    }

    /// Its number, from 0 on.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many parts there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Whether a stream is in it.
    pub fn has(self, stream: &str) -> bool {
        XxHash3_64::oneshot(stream.as_bytes()) % u64::from(self.of) == u64::from(self.number)
    }

    /// Whether a stream may be in both.
    pub fn overlaps(self, other: Self) -> bool {
        let (mut common, mut rest) = (self.of, other.of);
        while rest > 0 {
            (common, rest) = (rest, common % rest);
        }
        self.number % common == other.number % common
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WHOLE => f.write_str("all streams"),
            Self { number, of } => write!(f, "part {number} of {of}"),
        }
    }
}

/// The consumers that run on a store. Other processes can't run any: they don't have its lock.
#[derive(Default)]
pub(super) struct Leases(Mutex<HashSet<String>>);

struct Guard {
    core: Arc<Core>,
    consumer: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.core.leases.0.lock().remove(&self.consumer);
    }
}

pub(super) fn take(core: &Arc<Core>, consumer: &str, partition: Partition) -> Result<Lease, Error> {
    if partition != Partition::WHOLE {
        return Err(Error::unsupported(format!(
            "{partition} for consumer {consumer:?}: a store of files has one owner, which runs all of it"
        )));
    }
    core.log.write_side()?;
    if !core.leases.0.lock().insert(consumer.to_owned()) {
        return Err(Error::taken(format!("consumer {consumer:?}")));
    }
    reserve::keep(core);
    Ok(Lease::new(Guard { core: core.clone(), consumer: consumer.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn parts_overlap_if_a_stream_can_be_in_both() {
        let streams: Vec<String> = (0..2_000).map(|n| format!("order-{n}")).collect();
        let parts: Vec<Partition> =
            (1..=6).flat_map(|of| (0..of).map(move |number| Partition::new(number, of).unwrap())).collect();
        for one in &parts {
            for other in &parts {
                let shared = streams.iter().any(|stream| one.has(stream) && other.has(stream));
                assert_eq!(one.overlaps(*other), shared, "{one}, {other}");
            }
        }
        for (number, of) in [(0, 0), (1, 1), (7, 3)] {
            assert!(Partition::new(number, of).is_err_and(|error| error.kind() == ErrorKind::Invalid));
        }
    }

    /// Programs of different builds must part streams alike.
    #[test]
    fn the_hash_is_pinned() {
        let hash = XxHash3_64::oneshot(b"mailer");
        assert_eq!(hash, 0x9d0f_093f_95b7_7a85);
        let part = Partition::new((hash % 5) as u32, 5).unwrap();
        assert!(part.has("mailer") && part.number() == 1);
    }
}
