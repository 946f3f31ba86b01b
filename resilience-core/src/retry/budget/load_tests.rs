//! What retries add to the load, at rates of failure from none to all.

#![cfg(not(loom))]

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::RetryBudget;
use crate::FailureKind::{self, Timeout, Transient};

const OPERATIONS: u32 = 20_000;
const MAX_ATTEMPTS: u32 = 3;
const RATES: [f64; 5] = [0.1, 0.3, 0.5, 0.75, 1.0];

/// Attempts for each operation, with an operation every millisecond.
#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn load(budget: Option<&RetryBudget>, kind: FailureKind, rate: f64) -> f64 {
    let mut random = SmallRng::seed_from_u64(7);
    let mut now = Instant::now();
    let mut attempts = 0;
    for _ in 0..OPERATIONS {
        now += Duration::from_millis(1);
        let mut tab = budget.map(|budget| budget.open(|| now));
        for attempt in 1..=MAX_ATTEMPTS {
            attempts += 1;
            let both = budget.zip(tab.as_mut());
            if !random.random_bool(rate) {
                if let Some((budget, tab)) = both {
                    budget.deposit(tab);
                }
                break;
            }
            if let Some((budget, tab)) = both {
                budget.fail(kind);
                if attempt == MAX_ATTEMPTS || !budget.withdraw(tab, kind, || now) {
                    break;
                }
            }
        }
        if let Some((budget, tab)) = budget.zip(tab.as_mut()) {
            budget.close(tab);
        }
    }
    f64::from(attempts) / f64::from(OPERATIONS)
}

#[test]
fn without_a_budget_retries_multiply_the_load() {
    for (rate, expected) in RATES.into_iter().zip([1.11, 1.39, 1.75, 2.31, 3.0]) {
        let load = load(None, Transient, rate);
        assert!((load - expected).abs() < 0.02, "at {rate}: {load}");
    }
}

#[track_caller]
fn check(make: impl Fn() -> RetryBudget, kind: FailureKind, most: f64) {
    for rate in RATES {
        let load = load(Some(&make()), kind, rate);
        assert!(load <= most, "at {rate}: {load}");
        assert!(load > 1.0, "and some retries are made");
    }
}

#[test]
fn successes_pay_for_a_third_or_after_timeouts_for_a_tenth() {
    check(RetryBudget::new, Transient, 1.35);
    check(RetryBudget::new, Timeout, 1.12);
}

#[test]
fn a_ratio_of_a_tenth_adds_a_tenth() {
    check(|| RetryBudget::ratio(0.1).reserve_per_second(0).into(), Transient, 1.1);
}

#[test]
fn a_quota_or_a_throttle_ends_the_retries_of_an_outage() {
    for budget in [RetryBudget::quota(), RetryBudget::throttle(10, 0.1)] {
        let load = load(Some(&budget), Transient, 1.0);
        assert!(load <= 1.0 + 35.0 / f64::from(OPERATIONS), "{budget:?}: {load}");
    }
}
