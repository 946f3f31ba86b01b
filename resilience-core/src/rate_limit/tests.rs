//! What a limiter promises, one promise each, to the nanosecond.

#![cfg(not(loom))]

use std::{
    sync::{
        Barrier,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::{Quota, RateLimiter};
use crate::{
    Rejected,
    keyed::{Entry, Worth},
};

const NS: Duration = Duration::from_nanos(1);
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn lab(quota: Quota) -> (RateLimiter, Instant) {
    let now = Instant::now();
    (RateLimiter::new(quota, now), now)
}

fn limited(retry_after: Duration) -> Rejected {
    Rejected::RateLimited { retry_after }
}

#[test]
fn trap_26_a_hundred_per_second_are_a_hundred_in_each_second() {
    let (limiter, start) = lab(Quota::per_second(100));
    let mut admitted = 0;
    // Ten seconds, asked each millisecond.
    for ms in 0..10_000 {
        admitted += u32::from(limiter.check(1, start + ms * MS).is_ok());
    }
    assert_eq!(admitted, 100 + 999, "the burst, and a hundred in each second");
}

#[test]
fn the_next_token_comes_to_the_nanosecond() {
    let (limiter, start) = lab(Quota::per_second(100).burst(2));
    assert_eq!(limiter.check(2, start).map(|admitted| admitted.remaining()), Ok(0));
    assert_eq!(limiter.check(1, start), Err(limited(10 * MS)));
    assert_eq!(limiter.check(1, start + 10 * MS - NS), Err(limited(NS)));
    assert_eq!(limiter.check(2, start + 10 * MS), Err(limited(10 * MS)));
    assert!(limiter.check(1, start + 10 * MS).is_ok());
    assert_eq!(limiter.check(1, start + 10 * MS), Err(limited(10 * MS)), "and a refusal charges nothing");
}

#[test]
fn a_call_that_costs_more_than_the_burst_is_told_that_it_never_will() {
    let (limiter, start) = lab(Quota::per_second(100).burst(5));
    let never = Rejected::CostAboveBurst { cost: 6, burst: 5 };
    assert_eq!(limiter.check(6, start), Err(never));
    assert_eq!(limiter.reserve(6, SECOND, start).map(drop), Err(never));
    assert_eq!((limiter.next_after(6, start), limiter.next_after(5, start)), (None, Some(Duration::ZERO)));
    assert_eq!(limiter.tokens(start), 5, "nothing is charged");
    assert!(limiter.check(5, start).is_ok());
    assert_eq!(limiter.next_after(5, start), Some(50 * MS));
}

#[test]
fn what_costs_nothing_is_let_through_even_past_a_queue() {
    let (limiter, start) = lab(Quota::per_second(100).burst(1));
    for _ in 0..3 {
        let _ = limiter.reserve(1, SECOND, start).unwrap();
    }
    assert!(limiter.check(0, start).is_ok());
    let place = limiter.reserve(0, Duration::ZERO, start).unwrap();
    assert_eq!((place.wait(), limiter.full_after(start)), (Duration::ZERO, 30 * MS));
    assert!(!limiter.give_back(place), "there is nothing to give back");
    assert_eq!(limiter.next_after(0, start), Some(Duration::ZERO));
}

#[test]
fn trap_20_a_wait_that_would_be_too_long_is_refused_at_once_and_charges_nothing() {
    let (limiter, start) = lab(Quota::per_second(100).burst(1));
    let reserve = |max_wait| limiter.reserve(1, max_wait, start).map(|place| place.wait());
    assert_eq!(reserve(15 * MS), Ok(Duration::ZERO));
    assert_eq!(reserve(15 * MS), Ok(10 * MS));
    assert_eq!(reserve(20 * MS - NS), Err(limited(20 * MS)));
    assert_eq!(reserve(20 * MS), Ok(20 * MS), "the refusal took no place");
    assert_eq!(reserve(Duration::MAX), Ok(30 * MS));
}

#[test]
fn a_queue_keeps_the_pace_and_its_order() {
    let (limiter, start) = lab(Quota::per_second(100).burst(3));
    let mut now = start;
    let mut leave = Vec::new();
    for n in 0..200 {
        let place = limiter.reserve(1, 10 * SECOND, now).unwrap();
        leave.push(now + place.wait());
        now += (n % 7) * MS;
    }
    assert!(leave.is_sorted());
    for (nth, left) in leave.iter().enumerate().skip(3) {
        let window = *left - leave[nth - 3];
        assert!(window >= 10 * MS, "four within {window:?}");
    }
}

#[test]
fn the_last_place_is_given_back_and_one_with_others_behind_it_is_not() {
    let (limiter, start) = lab(Quota::per_second(100).burst(1));
    let mut places = (0..3).map(|_| limiter.reserve(1, SECOND, start).unwrap());
    let (first, second, third) = (places.next().unwrap(), places.next().unwrap(), places.next().unwrap());
    assert!(!limiter.give_back(first), "the second would have to move up");
    assert_eq!(limiter.full_after(start), 30 * MS);
    assert!(limiter.give_back(third));
    assert_eq!(limiter.full_after(start), 20 * MS);
    assert!(limiter.give_back(second), "it is the last now");
    assert_eq!(limiter.full_after(start), 10 * MS);
}

#[test]
fn a_place_that_is_given_back_late_leaves_the_bucket_as_if_it_never_was() {
    let (limiter, start) = lab(Quota::per_second(100).burst(2));
    assert!(limiter.check(1, start).is_ok());
    let place = limiter.reserve(1, SECOND, start).unwrap();
    let later = start + 12 * MS;
    assert_eq!(limiter.tokens(later), 1);
    assert!(limiter.give_back(place));
    assert_eq!(limiter.tokens(later), 2, "and no more than the burst");
    assert_eq!(limiter.full_after(later), Duration::ZERO);
}

#[test]
fn another_quota_keeps_what_was_taken() {
    let (limiter, start) = lab(Quota::per_second(100).burst(10));
    assert!(limiter.check(4, start).is_ok());
    limiter.reconfigure(Quota::per_second(1000).burst(100), start);
    assert_eq!((limiter.tokens(start), limiter.full_after(start)), (96, 4 * MS));
    limiter.reconfigure(Quota::per_second(10).burst(2), start);
    assert_eq!(limiter.check(1, start), Err(limited(100 * MS)), "more than there are now were taken");
    assert_eq!(limiter.quota(), Quota::per_second(10).burst(2));
}

#[test]
fn another_quota_is_in_force_within_its_window() {
    let (limiter, start) = lab(Quota::per_minute(1));
    for _ in 0..10 {
        let _ = limiter.reserve(1, 3600 * SECOND, start).unwrap();
    }
    let quota = Quota::per_second(100).burst(5);
    limiter.reconfigure(quota, start);
    assert_eq!(limiter.check(1, start), Err(limited(10 * MS)));
    assert_eq!(limiter.tokens(start + quota.window()), 5);
}

#[test]
fn a_full_bucket_stays_full_and_the_same_quota_changes_nothing() {
    let (limiter, start) = lab(Quota::per_second(100).burst(5));
    for quota in [Quota::per_second(7).burst(3), Quota::per_minute(5), Quota::per_second(100).burst(5)] {
        limiter.reconfigure(quota, start);
        assert_eq!(limiter.tokens(start), quota.max_burst());
        assert!(limiter.worth(start) == Worth::Nothing);
    }
    let place = limiter.reserve(1, Duration::ZERO, start).unwrap();
    limiter.reconfigure(Quota::per_second(100).burst(5), start);
    assert!(limiter.give_back(place), "nothing has happened since");
}

/// A change replaces the word even where it computes the same, so that no place of before is given back after it.
#[test]
fn no_place_is_given_back_across_a_change() {
    let (limiter, start) = lab(Quota::per_second(100).burst(1));
    let place = limiter.reserve(1, Duration::ZERO, start).unwrap();
    limiter.reconfigure(Quota::per_second(100).burst(2), start);
    assert!(!limiter.give_back(place));
    assert_eq!(limiter.tokens(start), 1);
}

#[test]
fn a_clock_that_stands_still_or_goes_back_gives_nothing_away() {
    let (limiter, start) = lab(Quota::per_second(100).burst(2));
    let later = start + SECOND;
    assert!(limiter.check(2, later).is_ok());
    assert!(limiter.check(1, start).is_err());
    assert!(limiter.check(1, later).is_err());
    assert!(limiter.check(1, start.checked_sub(SECOND).unwrap()).is_err(), "before it was made");
}

#[test]
fn the_far_future_does_not_overflow() {
    let century = Duration::from_secs(100 * 365 * 24 * 3600);
    let (limiter, start) = lab(Quota::per(1, century));
    assert!(limiter.check(1, start).is_ok());
    for _ in 0..20 {
        let _ = limiter.reserve(1, Duration::MAX, start);
    }
    assert!(limiter.check(1, start + 4 * century).is_err());
    limiter.reconfigure(Quota::per_second(1), start + century);
    assert!(limiter.check(1, start + century + SECOND).is_ok());
}

#[test]
fn an_empty_bucket_is_protection_and_a_full_one_is_nothing() {
    let (limiter, start) = lab(Quota::per_second(100).burst(2));
    assert_eq!(limiter.worth(start), Worth::Nothing);
    assert!(limiter.check(1, start).is_ok());
    assert_eq!(limiter.worth(start), Worth::History);
    assert!(limiter.check(1, start).is_ok());
    assert_eq!(limiter.worth(start), Worth::Protection);
    assert_eq!(limiter.worth(start + 10 * MS), Worth::History);
    assert_eq!(limiter.worth(start + 20 * MS), Worth::Nothing);
}

/// N callers over a time, in virtual time: at most the burst and the rate, and almost all of that.
#[test]
fn callers_get_what_the_quota_says_and_no_more() {
    for (seed, quota) in
        [Quota::per_second(1000).burst(50), Quota::per_second(3).burst(2), Quota::per(7, 3 * MS)]
            .into_iter()
            .enumerate()
    {
        let mut rng = SmallRng::seed_from_u64(seed as u64);
        let (limiter, start) = lab(quota);
        let time = 10_000 * quota.interval();
        let (mut now, mut admitted) = (start, 0_u32);
        while now < start + time {
            admitted += u32::from(limiter.check(1, now).is_ok());
            // Ten callers for each place.
            now += quota.interval().mul_f64(rng.random::<f64>() / 5.0);
        }
        let most = quota.max_burst() + 10_000;
        assert!(admitted <= most, "{admitted} of {most}, {quota:?}");
        assert!(f64::from(admitted) >= 0.99 * f64::from(most), "{admitted} of {most}, {quota:?}");
    }
}

#[test]
fn threads_that_race_get_the_tokens_that_there_are() {
    const THREADS: usize = 4;
    const TOKENS: u32 = 200_000;
    let (limiter, start) = lab(Quota::per_second(1).burst(TOKENS));
    let (admitted, begin) = (AtomicU32::new(0), Barrier::new(THREADS));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                begin.wait();
                let ours = (0..TOKENS).take_while(|_| limiter.check(1, start).is_ok()).count();
                admitted.fetch_add(u32::try_from(ours).unwrap(), Ordering::Relaxed);
            });
        }
    });
    assert_eq!((admitted.into_inner(), limiter.tokens(start)), (TOKENS, 0));
}
