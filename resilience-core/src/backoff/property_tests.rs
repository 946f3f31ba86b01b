//! What holds for every delay, whatever the settings: each shape beside a naive reckoning of it.

#![cfg(not(loom))]

use std::time::Duration;

use proptest::prelude::*;

use super::{Backoff, Delays, Jitter};
use crate::Rng;

const JITTERS: [Jitter; 4] = [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Fifth];

/// The bound of delay `n` in seconds, as the documentation of each shape has it.
fn naive_bound(shape: usize, base: f64, factor: f64, n: i32) -> f64 {
    match shape {
        0 => base,
        1 => base * f64::from(n),
        _ => (1..n).fold(base, |bound, _| bound * factor),
    }
}

proptest! {
    #[test]
    fn every_delay_is_within_its_bounds(
        (shape, jitter) in (0usize..3, 0usize..4),
        (base, cap) in (0u64..100_000, 0u64..200_000),
        factor in 1.0f64..10.0,
        n in 1i32..60,
        seed: u64,
    ) {
        let (base_ms, cap_ms) = (Duration::from_millis(base), Duration::from_millis(cap));
        let backoff = match shape {
            0 => Backoff::constant(base_ms),
            1 => Backoff::linear(base_ms),
            _ => Backoff::exponential(base_ms).factor(factor),
        };
        let backoff = backoff.jitter(JITTERS[jitter]).cap(cap_ms);
        let cap = cap as f64 / 1e3;
        let bound = naive_bound(shape, base as f64 / 1e3, factor, n).min(cap);
        let (low, high) = match JITTERS[jitter] {
            Jitter::None => (bound, bound),
            Jitter::Full => (0.0, bound),
            Jitter::Equal => (bound / 2.0, bound),
            Jitter::Fifth => (bound * 0.8, (bound * 1.2).min(cap)),
        };
        let mut delays = Delays::after(n as u32 - 1);
        let delay = backoff.next_delay(&mut delays, &mut Rng::from_seed(seed));
        prop_assert!(delay <= cap_ms && delay <= backoff.longest(n as u32));
        let delay = delay.as_secs_f64();
        prop_assert!(delay >= low - 2e-9 && delay <= high + 2e-9, "{delay} is not from {low} to {high}");
        let longest = backoff.longest(n as u32).as_secs_f64();
        prop_assert!((longest - high).abs() <= 2e-9, "{longest} instead of {high}");
    }

    #[test]
    fn every_decorrelated_delay_is_within_its_bounds(
        (base, cap) in (0u64..10_000, 0u64..100_000),
        count in 1u32..40,
        seed: u64,
    ) {
        let (base, cap) = (Duration::from_millis(base), Duration::from_millis(cap));
        let backoff = Backoff::decorrelated(base).cap(cap);
        let (mut delays, mut rng, mut previous) = (Delays::new(), Rng::from_seed(seed), base);
        for n in 1..=count {
            let delay = backoff.next_delay(&mut delays, &mut rng);
            prop_assert!(delay >= base.min(cap), "{delay:?} at {n}");
            prop_assert!(delay <= cap && delay <= backoff.longest(n), "{delay:?} at {n}");
            prop_assert!(delay <= (3 * previous).max(3 * base), "{delay:?} at {n}, after {previous:?}");
            previous = delay;
        }
        prop_assert_eq!(backoff.longest(3), (27 * base).min(cap));
    }

    #[test]
    fn every_smooth_delay_is_within_its_bounds(
        (base, cap) in (1u64..10_000, 1u64..10_000_000),
        count in 1u32..40,
        seed: u64,
    ) {
        let (base, cap) = (Duration::from_millis(base), Duration::from_millis(cap));
        let backoff = Backoff::smooth(base).cap(cap);
        let (mut delays, mut rng) = (Delays::new(), Rng::from_seed(seed));
        let (mut sum, mut whole) = (0.0, true);
        for n in 1..=count {
            let delay = backoff.next_delay(&mut delays, &mut rng);
            prop_assert!(delay <= cap && delay <= backoff.longest(n), "{delay:?} at {n}");
            whole &= delay < cap;
            sum += delay.as_secs_f64() * 1.4 / base.as_secs_f64();
            // While nothing is cut, the delays add up to a point of the curve: under 2^n, and over 0.96 * 2^(n-1).
            let (low, high) = (0.96 * 2f64.powi(n as i32 - 1), 2f64.powi(n as i32));
            prop_assert!(!whole || (sum < high && (n == 1 || sum > low)), "{sum} after {n}");
        }
    }
}
