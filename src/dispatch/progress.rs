//! How far a consumer has come, as it is kept: in its checkpoint, and in the commits of what its handler emits.

use super::record;
use crate::error::Error;
use crate::limits::CHECKPOINT_BYTES_MAX;

/// Everything up to `through` is finished, but for what is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// One more with each reset: what an earlier one has left behind doesn't count.
    pub(super) generation: u64,
    /// One more with each record of the generation, be it in a checkpoint or in a commit: the highest counts.
    pub(super) sequence: u64,
    pub(super) through: u64,
    /// Events that aren't finished.
    pub(super) waiting: Vec<Waiting>,
    /// Streams whose events behind a position aren't.
    pub(super) held: Vec<(String, u64)>,
    /// Dead letters that were redriven, by their number, of which the dead-letter log may not know yet.
    pub(super) redriven: Vec<u64>,
    pub(super) is_paused: bool,
    /// Nothing was under way: the consumer was stopped in order.
    pub(super) is_clean: bool,
    /// Events whose handlers were called alone, after a stop that wasn't in order, and how often such a call was begun and not ended.
    pub(super) started: Vec<(u64, u32)>,
}

/// An event that isn't finished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) position: u64,
    /// Attempts that failed.
    pub(super) failed: u32,
    /// When the first one did, and when it is tried again, in nanoseconds since 1970-01-01 UTC; else 0.
    pub(super) first_failure: i64,
    pub(super) due: i64,
}

/// As it is kept.
type Stored =
    (u64, u64, u64, Vec<(u64, u32, i64, i64)>, Vec<(String, u64)>, Vec<u64>, bool, bool, Vec<(u64, u32)>);

impl Progress {
    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        let Self { generation, sequence, through, held, redriven, is_paused, is_clean, started, .. } = self;
        let waiting = self
            .waiting
            .iter()
            .map(|waiting| (waiting.position, waiting.failed, waiting.first_failure, waiting.due));
        let waiting: Vec<_> = waiting.collect();
        record::encode(&(
            generation, sequence, through, waiting, held, redriven, is_paused, is_clean, started,
        ))
    }

    fn of(stored: Stored) -> Self {
        let (generation, sequence, through, waiting, held, redriven, is_paused, is_clean, started) = stored;
        let waiting = waiting.into_iter().map(|(position, failed, first_failure, due)| Waiting {
            position,
            failed,
            first_failure,
            due,
        });
        let waiting = waiting.collect();
        Self { generation, sequence, through, waiting, held, redriven, is_paused, is_clean, started }
    }

    /// # Errors
    /// `Unsupported`: a later version wrote it. `Other`: it is none.
    pub(super) fn decode(bytes: &[u8], consumer: &str) -> Result<Self, Error> {
        let what = format_args!("progress of consumer {consumer:?}");
        record::decode::<Stored, { 4 * CHECKPOINT_BYTES_MAX }>(&what, bytes).map(Self::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Progress {
        Progress {
            generation: 3,
            sequence: 9,
            through: 1_000,
            waiting: vec![Waiting { position: 7, failed: 2, first_failure: -5, due: i64::MAX }],
            held: vec![("a-1".to_owned(), 7)],
            redriven: vec![u64::MAX],
            is_paused: true,
            is_clean: false,
            started: vec![(7, 1)],
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        for progress in [Progress::default(), some()] {
            let bytes = progress.encode().expect("bytes");
            assert_eq!(Progress::decode(&bytes, "mailer").expect("whole"), progress);
        }
    }

    #[test]
    fn other_bytes_are_refused_with_the_consumer_named() {
        let bytes = some().encode().expect("bytes");
        for length in 0..bytes.len() {
            let error = Progress::decode(&bytes[..length], "mailer").expect_err("a part");
            assert!(error.to_string().contains("mailer"), "{error}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(Progress::decode(&longer, "mailer").expect_err("more").to_string().contains("expected"));
        let later = [&[2], &bytes[1..]].concat();
        assert!(Progress::decode(&later, "mailer").expect_err("later").is_unsupported());
        // A length that nothing has room for allocates nothing.
        let hostile = [1, 0, 0, 0, 253, 255, 255, 255, 255, 255, 255, 255, 255];
        assert!(Progress::decode(&hostile, "mailer").is_err());
    }
}
