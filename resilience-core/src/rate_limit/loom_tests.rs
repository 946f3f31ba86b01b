//! Calls racing each other and a change of quota, in every order that loom can find.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p resilience-core --release --lib loom_`

#![cfg(loom)]

use std::time::{Duration, Instant};

use loom::thread;

use super::{Quota, RateLimiter};

const MS: Duration = Duration::from_millis(1);

#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn lab(quota: Quota) -> (RateLimiter, Instant) {
    let now = Instant::now();
    (RateLimiter::new(quota, now), now)
}

/// Runs the one in a thread of its own and the other in this.
fn race<T: 'static, U>(one: impl FnOnce() -> T + 'static, other: impl FnOnce() -> U) -> (T, U) {
    let thread = thread::spawn(one);
    let here = other();
    (thread.join().unwrap(), here)
}

fn check(limiter: &RateLimiter, now: Instant) -> impl FnOnce() -> bool + 'static {
    let limiter = limiter.clone();
    move || limiter.check(1, now).is_ok()
}

#[test]
fn loom_of_two_calls_one_gets_the_last_token() {
    loom::model(|| {
        let (limiter, now) = lab(Quota::per_second(10).burst(1));
        let (one, other) = race(check(&limiter, now), check(&limiter, now));
        assert!(one != other);
        assert_eq!(limiter.tokens(now), 0);
    });
}

#[test]
fn loom_two_who_wait_get_two_places() {
    loom::model(|| {
        let (limiter, now) = lab(Quota::per_second(100).burst(1));
        let reserve = |limiter: RateLimiter| move || limiter.reserve(1, 100 * MS, now).unwrap().wait();
        let (one, other) = race(reserve(limiter.clone()), reserve(limiter.clone()));
        assert_eq!((one.min(other), one.max(other)), (Duration::ZERO, 10 * MS));
    });
}

#[test]
fn loom_a_place_is_given_back_or_kept_but_no_call_is_lost() {
    loom::model(|| {
        let (limiter, now) = lab(Quota::per_second(100).burst(1));
        let place = limiter.reserve(1, 100 * MS, now).unwrap();
        let giver = limiter.clone();
        let (given, wait) =
            race(move || giver.give_back(place), || limiter.reserve(1, 100 * MS, now).unwrap().wait());
        assert_eq!(wait, if given { Duration::ZERO } else { 10 * MS });
        assert_eq!(limiter.full_after(now), wait + 10 * MS);
    });
}

#[test]
fn loom_what_is_taken_while_the_quota_changes_counts() {
    loom::model(|| {
        let (limiter, now) = lab(Quota::per_second(100).burst(5));
        let changer = limiter.clone();
        let quota = Quota::per_second(1000).burst(3);
        let ((), ok) = race(move || changer.reconfigure(quota, now), check(&limiter, now));
        assert!(ok, "either has room");
        assert_eq!(limiter.quota(), quota);
        // Charged by the old quota and scaled, or by the new; at the very moment, by the new and scaled.
        let left = limiter.full_after(now);
        assert!(left == MS || left == MS / 10, "{left:?}");
        assert_eq!(limiter.tokens(now), 2);
    });
}

/// An old arrival time, far ahead, must not survive the change.
#[test]
fn loom_no_call_carries_the_old_pace_past_a_change() {
    loom::model(|| {
        let (limiter, now) = lab(Quota::per_minute(1));
        let changer = limiter.clone();
        let quota = Quota::per_second(1000).burst(1);
        let ((), _) = race(move || changer.reconfigure(quota, now), check(&limiter, now));
        assert!(limiter.full_after(now) <= MS, "{:?}", limiter.full_after(now));
    });
}

#[test]
fn loom_of_two_changes_one_is_in_force_whole() {
    loom::model(|| {
        let (limiter, now) = lab(Quota::per_second(1));
        let (one, other) = (Quota::per_second(10).burst(1), Quota::per_second(1000).burst(7));
        let changer = limiter.clone();
        race(move || changer.reconfigure(one, now), || limiter.reconfigure(other, now));
        assert!([one, other].contains(&limiter.quota()), "{:?}", limiter.quota());
    });
}
