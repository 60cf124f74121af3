//! Tables of each kind of policy: the first attempt, the cap, overflow, and the ends of the jitter.

use super::*;
use std::cell::RefCell;

const MS: Duration = Duration::from_millis(1);
const FOREVER: u32 = u32::MAX;

fn delays(policy: &RetryPolicy, attempts: &[u32]) -> Vec<Duration> {
    attempts.iter().map(|attempt| policy.delay(*attempt, 0).expect("a retry")).collect()
}

#[test]
fn each_kind_has_its_delays() {
    let fixed = RetryPolicy::fixed(7 * MS).unwrap().max_retries(FOREVER);
    assert_eq!(delays(&fixed, &[0, 1, 2, 1_000_000, FOREVER]), [7 * MS; 5]);
    let linear = RetryPolicy::linear(10 * MS, 5 * MS, 22 * MS).unwrap().max_retries(FOREVER);
    assert_eq!(delays(&linear, &[0, 1, 2, 3, 4, FOREVER]), [10, 10, 15, 20, 22, 22].map(|ms| ms * MS));
    let flat = RetryPolicy::linear(10 * MS, Duration::ZERO, 10 * MS).unwrap();
    assert_eq!(delays(&flat, &[1, 2, 3]), [10 * MS; 3]);
    let doubled = RetryPolicy::exponential(100 * MS, 2.0, 500 * MS).unwrap().max_retries(FOREVER);
    assert_eq!(delays(&doubled, &[0, 1, 2, 3, 4, 5]), [100, 100, 200, 400, 500, 500].map(|ms| ms * MS));
    let halved = RetryPolicy::exponential(100 * MS, 0.5, 100 * MS).unwrap();
    assert_eq!(delays(&halved, &[1, 2, 3]), [100, 50, 25].map(|ms| ms * MS));
}

#[test]
fn what_a_duration_cannot_hold_is_the_cap() {
    let cap = Duration::MAX;
    let steep = RetryPolicy::exponential(MS, 1e300, cap).unwrap().max_retries(FOREVER);
    assert_eq!(delays(&steep, &[2, 3, 1_000, FOREVER]), [cap; 4]);
    let long = RetryPolicy::linear(MS, Duration::MAX, cap).unwrap().max_retries(FOREVER);
    assert_eq!(delays(&long, &[2, 1_000, FOREVER]), [cap; 3]);
    let hour = Duration::from_secs(3_600);
    let capped = RetryPolicy::exponential(MS, f64::MAX, hour).unwrap().max_retries(FOREVER).jitter(1.0);
    assert!((0..1_000).all(|seed| capped.delay(FOREVER, seed) <= Some(hour)));
}

#[test]
fn attempts_are_one_more_than_retries() {
    assert!(!RetryPolicy::none().should_retry(1));
    assert_eq!(RetryPolicy::none().delay(1, 0), None);
    let default = RetryPolicy::fixed(MS).unwrap();
    assert_eq!([0, 1, 3, 4, FOREVER].map(|n| default.should_retry(n)), [true, true, true, false, false]);
    let once = default.clone().max_retries(1);
    assert_eq!([1, 2].map(|n| once.delay(n, 0)), [Some(MS), None]);
    assert!(default.max_retries(FOREVER).should_retry(FOREVER));
}

/// Bounds of the delays behind attempt 1 over many seeds.
fn bounds(policy: &RetryPolicy) -> (Duration, Duration) {
    let delays = || (0..10_000).map(|seed| policy.delay(1, seed).expect("a retry"));
    (delays().min().expect("some"), delays().max().expect("some"))
}

#[test]
fn jitter_spreads_to_both_sides_and_is_never_above_the_cap() {
    let policy = RetryPolicy::linear(100 * MS, MS, 1_000 * MS).unwrap();
    assert_eq!(bounds(&policy), (100 * MS, 100 * MS));
    let (low, high) = bounds(&policy.clone().jitter(0.2));
    assert!(low >= 80 * MS && low < 81 * MS && high > 119 * MS && high <= 120 * MS, "{low:?} {high:?}");
    let (low, high) = bounds(&policy.clone().jitter(1.0));
    assert!(low < MS && high > 199 * MS && high <= 200 * MS, "{low:?} {high:?}");
    let fixed = RetryPolicy::fixed(100 * MS).unwrap().jitter(1.0);
    assert_eq!(bounds(&fixed).1, fixed.cap());
    for (given, same) in [(-3.0, 0.0), (f64::NAN, 0.0), (7.0, 1.0), (f64::INFINITY, 1.0)] {
        assert_eq!(policy.clone().jitter(given), policy.clone().jitter(same), "{given}");
    }
}

#[test]
fn a_seed_repeats_its_delays() {
    let policy = RetryPolicy::exponential(100 * MS, 1.1, 900 * MS).unwrap().max_retries(FOREVER).jitter(0.5);
    let row = |seed| (1..20).map(|attempt| policy.delay(attempt, seed)).collect::<Vec<_>>();
    assert_eq!(row(1), row(1));
    assert_ne!(row(1), row(2));
}

#[test]
fn what_makes_no_policy_is_refused() {
    let refused = [
        RetryPolicy::fixed(Duration::ZERO),
        RetryPolicy::linear(Duration::ZERO, MS, MS),
        RetryPolicy::linear(2 * MS, MS, MS),
        RetryPolicy::exponential(Duration::ZERO, 2.0, MS),
        RetryPolicy::exponential(2 * MS, 2.0, MS),
        RetryPolicy::exponential(MS, 0.0, MS),
        RetryPolicy::exponential(MS, -1.0, MS),
        RetryPolicy::exponential(MS, f64::NAN, MS),
        RetryPolicy::exponential(MS, f64::INFINITY, MS),
    ];
    for policy in refused {
        let error = policy.expect_err("a refusal");
        assert_eq!(error.kind(), crate::ErrorKind::Invalid);
        let text = error.to_string();
        assert!(text.contains("retry policy: expected") && text.contains("found"), "{text}");
    }
}

#[test]
fn a_call_is_repeated_until_it_succeeds_or_is_given_up() {
    let policy = RetryPolicy::linear(MS, MS, 10 * MS).unwrap();
    let slept = RefCell::new(Vec::new());
    let sleep = |delay| slept.borrow_mut().push(delay);
    let third = policy.call(0, sleep, |attempt| if attempt == 3 { Ok("done") } else { Err(attempt) });
    assert_eq!((third, slept.take()), (Ok("done"), vec![MS, 2 * MS]));
    let never = policy.call(0, sleep, Err::<(), u32>);
    assert_eq!((never, slept.take()), (Err(GivenUp { attempts: 4, error: 4 }), vec![MS, 2 * MS, 3 * MS]));
    let once = RetryPolicy::none().call(0, sleep, Err::<(), u32>).expect_err("given up");
    assert_eq!((once.to_string().as_str(), slept.take()), ("given up after 1 attempt: 1", vec![]));
}

#[test]
fn a_task_is_repeated_alike() {
    let policy = RetryPolicy::fixed(MS).unwrap().max_retries(2);
    let slept = RefCell::new(Vec::new());
    let sleep = |delay| {
        slept.borrow_mut().push(delay);
        std::future::ready(())
    };
    let run = |good: u32| {
        let operation = |attempt| async move { if attempt == good { Ok(attempt) } else { Err(attempt) } };
        futures::executor::block_on(policy.call_async(0, sleep, operation))
    };
    assert_eq!((run(2), slept.take()), (Ok(2), vec![MS]));
    assert_eq!((run(9), slept.take()), (Err(GivenUp { attempts: 3, error: 3 }), vec![MS, MS]));
}
