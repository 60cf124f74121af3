//! When so many attempts fail that it isn't the events: a consumer pauses instead of giving them all up.

use std::collections::VecDeque;

/// The last attempts of a consumer.
#[derive(Default)]
pub(super) struct Breaker {
    /// Whether each has failed, the newest last.
    attempts: VecDeque<bool>,
    failed: usize,
}

impl Breaker {
    /// Takes in an attempt. Whether at least `failed` of the last `of` have failed.
    pub(super) fn trips(&mut self, has_failed: bool, (failed, of): (usize, usize)) -> bool {
        self.attempts.push_back(has_failed);
        self.failed += usize::from(has_failed);
        if self.attempts.len() > of && self.attempts.pop_front() == Some(true) {
            self.failed -= 1;
        }
        has_failed && self.failed >= failed
    }

    /// Begins anew.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_trips_when_enough_of_the_last_have_failed() {
        let mut breaker = Breaker::default();
        let mut feed = |attempts: &[bool]| -> Vec<bool> {
            attempts.iter().map(|failed| breaker.trips(*failed, (3, 5))).collect()
        };
        assert_eq!(feed(&[true, true, false, false, false]), [false; 5]);
        // The first two are forgotten.
        assert_eq!(feed(&[true, true, true, false]), [false, false, true, false]);
        breaker.reset();
        assert!(!breaker.trips(true, (3, 5)));
    }
}
