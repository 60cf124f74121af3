//! When what failed is tried again. A pure function of the attempt and a seed; who waits, and by which clock, is another matter.

use crate::error::Error;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::time::Duration;
use twox_hash::XxHash3_64;

/// How often and after which delays a failed attempt is repeated. Attempts count from 1: a policy with `n` retries makes at
/// most `n + 1` attempts.
///
/// The delay behind attempt `n` is that of its kind, spread by the [`jitter`](Self::jitter), and at most the cap:
///
/// | kind | delay |
/// |---|---|
/// | [`fixed`](Self::fixed) | `delay` |
/// | [`linear`](Self::linear) | `initial + step * (n - 1)` |
/// | [`exponential`](Self::exponential) | `initial * factor ^ (n - 1)` |
///
/// ```
/// use orchestrix::RetryPolicy;
/// use std::time::Duration;
/// let policy = RetryPolicy::exponential(Duration::from_millis(100), 2.0, Duration::from_secs(30))?.max_retries(5);
/// assert_eq!(policy.delay(1, 0), Some(Duration::from_millis(100)));
/// assert_eq!(policy.delay(3, 0), Some(Duration::from_millis(400)));
/// assert_eq!(policy.delay(6, 0), None);
/// # Ok::<(), orchestrix::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    kind: Kind,
    cap: Duration,
    max_retries: u32,
    jitter: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Fixed { delay: Duration },
    Linear { initial: Duration, step: Duration },
    Exponential { initial: Duration, factor: f64 },
}

/// Retries of a policy that isn't told otherwise.
const MAX_RETRIES: u32 = 3;

impl RetryPolicy {
    /// No retry: the first failure is the last.
    pub fn none() -> Self {
        Self { max_retries: 0, ..Self::of(Kind::Fixed { delay: Duration::ZERO }, Duration::ZERO) }
    }

    /// The same delay behind every attempt.
    ///
    /// # Errors
    /// `Invalid`: the delay is zero.
    pub fn fixed(delay: Duration) -> Result<Self, Error> {
        above_zero("delay", delay)?;
        Ok(Self::of(Kind::Fixed { delay }, delay))
    }

    /// A delay that grows by `step` with every attempt.
    ///
    /// # Errors
    /// `Invalid`: `initial` is zero, or `cap` is less than it.
    pub fn linear(initial: Duration, step: Duration, cap: Duration) -> Result<Self, Error> {
        capped(initial, cap)?;
        Ok(Self::of(Kind::Linear { initial, step }, cap))
    }

    /// A delay that is multiplied by `factor` with every attempt.
    ///
    /// # Errors
    /// `Invalid`: `initial` is zero, `cap` is less than it, or `factor` isn't a number above zero.
    pub fn exponential(initial: Duration, factor: f64, cap: Duration) -> Result<Self, Error> {
        capped(initial, cap)?;
        if !(factor.is_finite() && factor > 0.0) {
            return Err(Error::invalid(format!(
                "factor of a retry policy: expected a number above 0, found {factor}"
            )));
        }
        Ok(Self::of(Kind::Exponential { initial, factor }, cap))
    }

    fn of(kind: Kind, cap: Duration) -> Self {
        Self { kind, cap, max_retries: MAX_RETRIES, jitter: 0.0 }
    }

    /// Retries at most so often, 3 unless this is called; `u32::MAX` never gives up.
    #[must_use]
    pub fn max_retries(self, retries: u32) -> Self {
        Self { max_retries: retries, ..self }
    }

    /// Spreads each delay at random by up to this fraction of it, to either side: with 0.2, by 20 %. What isn't within 0 to 1
    /// counts as the nearer end, and what isn't a number as 0. The cap comes after it, so no delay is above the cap.
    #[must_use]
    pub fn jitter(self, fraction: f64) -> Self {
        Self { jitter: if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) }, ..self }
    }

    /// The longest delay that it gives.
    pub fn cap(&self) -> Duration {
        self.cap
    }

    /// Whether a failed attempt is followed by another. An attempt 0 counts as the first.
    pub fn should_retry(&self, attempt: u32) -> bool {
        attempt.max(1) <= self.max_retries
    }

    /// How long to wait between this failed attempt and the next; `None` if there is no next one. The same seed and attempt
    /// always give the same delay.
    pub fn delay(&self, attempt: u32, seed: u64) -> Option<Duration> {
        let attempt = attempt.max(1);
        if !self.should_retry(attempt) {
            return None;
        }
        let before = f64::from(attempt - 1);
        let seconds = match self.kind {
            Kind::Fixed { delay } => delay.as_secs_f64(),
            Kind::Linear { initial, step } => initial.as_secs_f64() + step.as_secs_f64() * before,
            Kind::Exponential { initial, factor } => initial.as_secs_f64() * factor.powf(before),
        };
        let spread = seconds * (1.0 + self.jitter * fraction(seed, attempt));
        // Beyond what a duration can say, it is beyond any cap.
        Some(Duration::try_from_secs_f64(spread).unwrap_or(self.cap).min(self.cap))
    }

    /// Calls `operation` until it succeeds or the policy gives up; it gets the number of the attempt, from 1. Blocks this thread
    /// between attempts by `sleep`, which is `std::thread::sleep` for most.
    ///
    /// ```
    /// use orchestrix::RetryPolicy;
    /// use std::time::Duration;
    /// let policy = RetryPolicy::fixed(Duration::from_millis(1))?;
    /// let sent = policy.call(7, std::thread::sleep, |attempt| if attempt < 3 { Err("busy") } else { Ok(attempt) });
    /// assert_eq!(sent, Ok(3));
    /// # Ok::<(), orchestrix::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`GivenUp`], with the last error and how many attempts were made.
    pub fn call<T, E>(
        &self,
        seed: u64,
        mut sleep: impl FnMut(Duration),
        mut operation: impl FnMut(u32) -> Result<T, E>,
    ) -> Result<T, GivenUp<E>> {
        let mut attempt = 1;
        loop {
            match self.after(attempt, seed, operation(attempt)) {
                ControlFlow::Break(result) => return result,
                ControlFlow::Continue(delay) => sleep(delay),
            }
            attempt = attempt.saturating_add(1);
        }
    }

    /// As [`call`](Self::call), in a task: `sleep` is that of the runtime, such as `tokio::time::sleep`.
    ///
    /// ```
    /// use orchestrix::RetryPolicy;
    /// use std::time::Duration;
    /// # async fn send() -> Result<u32, std::io::Error> { Ok(7) }
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let policy = RetryPolicy::fixed(Duration::from_millis(1))?;
    /// assert_eq!(policy.call_async(7, tokio::time::sleep, |_attempt| send()).await?, 7);
    /// # Ok::<(), orchestrix::BoxError>(()) })?;
    /// # Ok::<(), orchestrix::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_async<T, E, F, S>(
        &self,
        seed: u64,
        mut sleep: impl FnMut(Duration) -> S,
        mut operation: impl FnMut(u32) -> F,
    ) -> Result<T, GivenUp<E>>
    where
        F: Future<Output = Result<T, E>>,
        S: Future<Output = ()>,
    {
        let mut attempt = 1;
        loop {
            match self.after(attempt, seed, operation(attempt).await) {
                ControlFlow::Break(result) => return result,
                ControlFlow::Continue(delay) => sleep(delay).await,
            }
            attempt = attempt.saturating_add(1);
        }
    }

    /// What an attempt leads to: its end, or a delay before the next.
    fn after<T, E>(
        &self,
        attempt: u32,
        seed: u64,
        result: Result<T, E>,
    ) -> ControlFlow<Result<T, GivenUp<E>>, Duration> {
        match (result, self.delay(attempt, seed)) {
            (Ok(value), _) => ControlFlow::Break(Ok(value)),
            (Err(error), None) => ControlFlow::Break(Err(GivenUp { attempts: attempt, error })),
            (Err(_), Some(delay)) => ControlFlow::Continue(delay),
        }
    }
}

impl Default for RetryPolicy {
    /// Exponential from 100 ms by 2 up to 30 s, 3 retries, 20 % jitter.
    fn default() -> Self {
        let kind = Kind::Exponential { initial: Duration::from_millis(100), factor: 2.0 };
        Self::of(kind, Duration::from_secs(30)).jitter(0.2)
    }
}

/// An operation that failed at every attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GivenUp<E> {
    /// How often it was tried.
    pub attempts: u32,
    /// What the last attempt failed with.
    pub error: E,
}

impl<E: fmt::Display> fmt::Display for GivenUp<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = if self.attempts == 1 { "attempt" } else { "attempts" };
        write!(f, "given up after {} {times}: {}", self.attempts, self.error)
    }
}

impl<E: std::error::Error + 'static> std::error::Error for GivenUp<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// A number from -1 to 1 that follows from a seed and an attempt, of the 53 bits that an `f64` holds.
fn fraction(seed: u64, attempt: u32) -> f64 {
    let hash = XxHash3_64::oneshot_with_seed(seed, &attempt.to_le_bytes());
    (hash >> 11) as f64 / ((1_u64 << 53) - 1) as f64 * 2.0 - 1.0
}

fn above_zero(what: &str, delay: Duration) -> Result<(), Error> {
    match delay.is_zero() {
        true => {
            Err(Error::invalid(format!("{what} of a retry policy: expected more than zero, found {delay:?}")))
        }
        false => Ok(()),
    }
}

fn capped(initial: Duration, cap: Duration) -> Result<(), Error> {
    above_zero("initial delay", initial)?;
    match cap < initial {
        true => Err(Error::invalid(format!(
            "cap of a retry policy: expected at least {initial:?}, found {cap:?}"
        ))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
