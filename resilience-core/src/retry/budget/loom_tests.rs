//! Steps of two operations racing each other, in every order that loom can find.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p resilience-core --release --lib loom_`

#![cfg(loom)]

use std::time::{Duration, Instant};

use loom::thread;

use super::{RetryBudget, Tab};
use crate::FailureKind::{Timeout, Transient};

const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn lab(budget: impl Into<RetryBudget>) -> (RetryBudget, Instant) {
    (budget.into(), Instant::now())
}

/// Runs the one in a thread of its own and the other in this.
fn race<T: 'static, U>(one: impl FnOnce() -> T + 'static, other: impl FnOnce() -> U) -> (T, U) {
    let thread = thread::spawn(one);
    let here = other();
    (thread.join().unwrap(), here)
}

/// An operation of its own that asks for a retry.
fn retry(budget: &RetryBudget, now: Instant) -> impl FnOnce() -> bool + 'static {
    let budget = budget.clone();
    move || budget.withdraw(&mut Tab::new(false), Transient, || now)
}

fn succeed(budget: &RetryBudget) -> impl FnOnce() + 'static {
    let budget = budget.clone();
    move || budget.deposit(&mut Tab::new(false))
}

#[test]
fn loom_of_two_withdrawals_one_gets_the_last_retry() {
    loom::model(|| {
        let (budget, now) = lab(RetryBudget::success_paid().capacity(5));
        let (one, other) = race(retry(&budget, now), retry(&budget, now));
        assert!(one != other);
        assert_eq!(budget.tokens(now), 2.0);
    });
}

#[test]
fn loom_of_two_withdrawals_one_gets_the_last_retry_of_a_ratio() {
    loom::model(|| {
        let (budget, now) = lab(RetryBudget::ratio(0.0).reserve_per_second(1).ttl(SECOND));
        let (one, other) = race(retry(&budget, now), retry(&budget, now));
        assert!(one != other);
        assert_eq!(budget.tokens(now), 0.0);
    });
}

#[test]
fn loom_a_deposit_that_races_a_withdrawal_is_not_lost() {
    loom::model(|| {
        let (budget, now) = lab(RetryBudget::success_paid().capacity(13));
        assert!(budget.withdraw(&mut Tab::new(false), Timeout, || now));
        let ((), granted) = race(succeed(&budget), retry(&budget, now));
        assert!(granted, "there were 3");
        assert_eq!(budget.tokens(now), 1.0);
    });
}

#[test]
fn loom_a_deposit_into_a_full_bucket_comes_before_a_withdrawal_or_counts() {
    loom::model(|| {
        let (budget, now) = lab(RetryBudget::success_paid().capacity(5));
        let ((), granted) = race(succeed(&budget), retry(&budget, now));
        assert!(granted);
        let left = budget.tokens(now);
        assert!(left == 2.0 || left == 3.0, "{left}");
    });
}

#[test]
fn loom_a_success_that_follows_a_withdrawal_counts() {
    loom::model(|| {
        let (budget, now) = lab(RetryBudget::success_paid().capacity(10));
        // The deposit of each thread comes after its own withdrawal, so neither may find the bucket full.
        let both = |budget: RetryBudget| {
            move || {
                let mut tab = Tab::new(false);
                assert!(budget.withdraw(&mut tab, Transient, || now));
                budget.deposit(&mut tab);
            }
        };
        race(both(budget.clone()), both(budget.clone()));
        assert_eq!(budget.tokens(now), 6.0);
    });
}

#[test]
fn loom_a_slice_that_turns_loses_no_deposit() {
    loom::model(|| {
        let (budget, now) = lab(RetryBudget::ratio(1.0).reserve_per_second(0).ttl(2 * SECOND));
        let request = |budget: RetryBudget, now: Instant| move || drop(budget.open(|| now));
        request(budget.clone(), now)();
        race(request(budget.clone(), now), request(budget.clone(), now + SECOND));
        assert_eq!(budget.tokens(now + SECOND), 3.0);
        // A late one counts in the slice that was reached.
        let left = budget.tokens(now + 2 * SECOND);
        assert!(left == 1.0 || left == 2.0, "{left}");
    });
}

#[test]
fn loom_failures_of_a_throttle_all_count() {
    loom::model(|| {
        let (budget, now) = lab(RetryBudget::throttle(6, 0.5));
        let fail = |budget: RetryBudget| move || budget.fail(Transient);
        race(fail(budget.clone()), fail(budget.clone()));
        // Four are left, then three: the first is above half, so the retry may be granted or not.
        race(fail(budget.clone()), retry(&budget, now));
        assert_eq!(budget.tokens(now), 3.0);
        assert!(!retry(&budget, now)());
    });
}

#[test]
fn loom_a_close_that_races_a_withdrawal_counts_exactly() {
    loom::model(|| {
        let (budget, now) = lab(RetryBudget::in_flight(20, 1));
        let mut tabs = [(); 2].map(|()| budget.open(|| now));
        assert!(budget.withdraw(&mut tabs[0], Transient, || now));
        let [mut one, mut other] = tabs;
        let closing = budget.clone();
        let ((), granted) =
            race(move || closing.close(&mut one), || budget.withdraw(&mut other, Transient, || now));
        assert_eq!(budget.tokens(now), if granted { 0.0 } else { 1.0 });
        assert!(budget.withdraw(&mut other, Transient, || now), "there is room now");
        budget.close(&mut other);
        assert_eq!((budget.tokens(now), budget.max_tokens()), (1.0, 1.0));
    });
}

#[test]
fn loom_two_operations_never_both_have_the_last_place() {
    loom::model(|| {
        let (budget, now) = lab(RetryBudget::in_flight(20, 1));
        let operation = |budget: RetryBudget| {
            move || {
                let mut tab = budget.open(|| now);
                let granted = budget.withdraw(&mut tab, Transient, || now);
                (tab, granted)
            }
        };
        let ((mut one, granted), (mut other, also)) =
            race(operation(budget.clone()), operation(budget.clone()));
        assert!(granted != also);
        budget.close(&mut one);
        budget.close(&mut other);
        let _open = budget.open(|| now);
        assert_eq!((budget.tokens(now), budget.max_tokens()), (1.0, 1.0));
    });
}
