//! The figures of those whose formulas these are, worked out apart from this code.

#![cfg(not(loom))]

use std::time::Duration;

use super::{Backoff, Delays, Jitter};
use crate::Rng;

const SECOND: Duration = Duration::from_secs(1);
/// The largest number below one.
const ALMOST: f64 = 1.0 - f64::EPSILON / 2.0;

/// The delays in seconds that follow from these draws.
fn drawn(backoff: Backoff, draws: &[f64]) -> Vec<f64> {
    let mut delays = Delays::new();
    draws.iter().map(|draw| backoff.next_nanos(&mut delays, || *draw) as f64 / 1e9).collect()
}

#[track_caller]
fn assert_close(ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    for (our, their) in ours.iter().zip(theirs) {
        assert!((our - their).abs() <= 2e-9, "{ours:?} instead of {theirs:?}");
    }
}

/// `t = n - 1 + draw; next = 2^t * tanh(sqrt(4 t)); (next - previous) / 1.4`, worked out with Python.
#[test]
fn smooth_is_the_formula_of_pollys_v2() {
    let backoff = Backoff::smooth(SECOND).cap(1000 * SECOND);
    assert_close(
        &drawn(backoff, &[0.5; 6]),
        &[0.897404935579, 1.093003547382, 2.035747962622, 4.045979422784, 8.083631609820, 16.163662812315],
    );
    assert_close(
        &drawn(backoff, &[0.0; 6]),
        &[0.0, 1.377182257251, 1.460067301051, 2.865849862259, 5.717806862171, 11.430272441144],
    );
    assert_close(
        &drawn(backoff, &[0.25, 0.9, 0.1, 0.75, 0.0, 0.999]),
        &[0.646923706434, 1.997476791642, 0.399259665634, 6.558275633538, 1.818970485485, 34.256623119405],
    );
    assert_close(&drawn(backoff.base(SECOND / 4), &[0.5, 0.5]), &[0.224351233895, 0.273250886846]);
    assert_close(
        &drawn(backoff.cap(4 * SECOND), &[0.25, 0.9, 0.1, 0.75, 0.0]),
        &[0.646923706434, 1.997476791642, 0.399259665634, 4.0, 1.818970485485],
    );
}

/// Polly: the medians fall at about 1, 1, 2, 4, 8 and so on times the base.
#[test]
fn smooth_has_the_medians_of_pollys_v2() {
    let backoff = Backoff::smooth(SECOND).cap(1000 * SECOND);
    let mut by_retry = vec![Vec::new(); 6];
    for request in 0..4001 {
        let (mut delays, mut rng) = (Delays::new(), Rng::from_seed(request));
        for retry in &mut by_retry {
            retry.push(backoff.next_delay(&mut delays, &mut rng).as_secs_f64());
        }
    }
    // Worked out with Python: 0.90, 1.14, 2.00, 4.02, 8.06, 15.95.
    for (retry, expected) in by_retry.iter_mut().zip([0.90, 1.14, 2.0, 4.0, 8.0, 16.0]) {
        retry.sort_by(f64::total_cmp);
        let median = retry[2000];
        assert!((median / expected - 1.0).abs() < 0.05, "a median of {median} instead of {expected}");
    }
}

/// Polly documents a range of `0` to `2^(t+1)` times the base for try `t` from 0, and `2^(t+1) - 2^(t-1)` from try 2 on;
/// the factor of 1.4 came later and makes it shorter.
#[test]
fn smooth_stays_within_the_range_that_polly_documents() {
    let backoff = Backoff::smooth(SECOND).cap(100_000 * SECOND);
    for (n, most) in [(1, 2.0), (2, 4.0), (3, 6.0), (4, 12.0), (5, 24.0), (10, 768.0)] {
        let longest = backoff.longest(n).as_secs_f64();
        assert!(longest <= most && longest > 0.6 * most, "{longest} for delay {n}, of {most}");
    }
}

/// gRFC A6: `initialBackoff` 0.1 s, `maxBackoff` 1 s, `backoffMultiplier` 2.
#[test]
fn exponential_has_the_bounds_of_grpc() {
    let until_2024 = Backoff::exponential(SECOND / 10).factor(2.0).cap(SECOND);
    assert_close(&drawn(until_2024, &[0.0; 6]), &[0.0; 6]);
    assert_close(&drawn(until_2024, &[0.5; 6]), &[0.05, 0.1, 0.2, 0.4, 0.5, 0.5]);
    assert_close(&drawn(until_2024, &[ALMOST; 6]), &[0.1, 0.2, 0.4, 0.8, 1.0, 1.0]);

    let since_2024 = until_2024.jitter(Jitter::Fifth);
    assert_close(&drawn(since_2024, &[0.0; 6]), &[0.08, 0.16, 0.32, 0.64, 0.8, 0.8]);
    assert_close(&drawn(since_2024, &[0.5; 6]), &[0.1, 0.2, 0.4, 0.8, 0.9, 0.9]);
    // Unlike gRPC's, never above the cap.
    assert_close(&drawn(since_2024, &[ALMOST; 6]), &[0.12, 0.24, 0.48, 0.96, 1.0, 1.0]);
}

/// gRFC A6: after a pushback the delays start again from `initialBackoff`.
#[test]
fn a_restart_begins_again_as_after_a_pushback_of_grpc() {
    for backoff in [Backoff::exponential(SECOND), Backoff::decorrelated(SECOND), Backoff::smooth(SECOND)] {
        let mut delays = Delays::new();
        let next = |delays: &mut Delays| backoff.next_nanos(delays, || 0.75);
        let (first, second) = (next(&mut delays), next(&mut delays));
        assert_ne!(first, second);
        delays.restart();
        assert_eq!(delays.count(), 0);
        assert_eq!((next(&mut delays), next(&mut delays)), (first, second));
    }
}

/// `sleep = min(cap, random_between(base, sleep * 3))`, worked out by hand.
#[test]
fn decorrelated_is_the_formula_of_aws() {
    let backoff = Backoff::decorrelated(SECOND).cap(12 * SECOND);
    assert_close(&drawn(backoff, &[0.0; 3]), &[1.0, 1.0, 1.0]);
    assert_close(&drawn(backoff, &[0.5; 4]), &[2.0, 3.5, 5.75, 9.125]);
    // The cap is what it remembers: 1 + 0.1 * (3 * 12 - 1).
    assert_close(&drawn(backoff, &[0.75, 0.75, 0.75, 0.75, 0.1]), &[2.5, 5.875, 12.0, 12.0, 4.5]);
}
