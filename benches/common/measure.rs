//! Paired measurement: all sides run in every round, one right after another, so that what else the machine does hits
//! them alike. Ratios are taken within a round; the median of them counts.

use std::time::Duration;

/// Nanoseconds an event, one value a round.
pub type Samples = Vec<f64>;

/// Runs every side once in each of `rounds` rounds, in an order that turns, after one round that isn't counted.
pub fn rounds<const N: usize>(rounds: usize, mut sides: [&mut dyn FnMut() -> f64; N]) -> [Samples; N] {
    let mut samples = [const { Samples::new() }; N];
    sides.iter_mut().for_each(|side| {
        side();
    });
    for round in 0..rounds {
        for turn in 0..N {
            let side = (round + turn) % N;
            samples[side].push(sides[side]());
        }
    }
    samples
}

/// Nanoseconds for each of `events`.
pub fn per_event(elapsed: Duration, events: u64) -> f64 {
    elapsed.as_nanos() as f64 / events as f64
}

/// `above / below`, round by round.
pub fn ratios(above: &[f64], below: &[f64]) -> Samples {
    above.iter().zip(below).map(|(above, below)| above / below).collect()
}

/// The value that `share` of the samples don't exceed: 0.5 is the median.
pub fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// The middle one.
pub fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}
