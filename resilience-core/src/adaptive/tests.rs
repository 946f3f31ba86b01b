//! The limit as callers see it, at times that the tests choose.

#![cfg(not(loom))]

use std::time::{Duration, Instant};

use super::{AdaptiveLimit, Aimd, Config, Limit, Permit, Priority, Window};
use crate::{FailureKind, Rejected, Verdict};

const MS: Duration = Duration::from_millis(1);

/// Keeps the limit and shows what it is told.
#[derive(Clone, Debug, Default)]
struct Seen(std::sync::Arc<std::sync::Mutex<Vec<Window>>>);

impl Limit for Seen {
    fn next(&mut self, limit: f64, window: &Window) -> f64 {
        self.0.lock().unwrap().push(*window);
        limit
    }
}

impl Seen {
    fn last(&self) -> Option<Window> {
        self.0.lock().unwrap().last().copied()
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

struct Lab {
    limit: AdaptiveLimit,
    now: Instant,
}

impl Lab {
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn new(config: Config) -> Self {
        let now = Instant::now();
        Self { limit: AdaptiveLimit::new(config, now), now }
    }

    fn seeing() -> (Self, Seen) {
        let seen = Seen::default();
        (Self::new(Config::new(seen.clone())), seen)
    }

    fn acquire(&self) -> Permit {
        self.limit.try_acquire(Priority::Critical, || self.now).unwrap()
    }

    /// A call of `length`, one after the other.
    fn call(&mut self, length: Duration, verdict: Verdict) {
        let permit = self.acquire();
        self.now += length;
        permit.finish(verdict, || self.now);
    }

    /// As many calls as the limit allows, all at once, each of `length`; one more is refused.
    fn full(&mut self, length: Duration, verdict: Verdict) {
        let calls: Vec<Permit> = (0..self.limit.snapshot().limit).map(|_| self.acquire()).collect();
        assert!(self.limit.try_acquire(Priority::Critical, || self.now).is_err());
        self.now += length;
        for call in calls {
            call.finish(verdict, || self.now);
        }
    }

    fn value(&self) -> u32 {
        self.limit.snapshot().limit
    }
}

const THROTTLED: Verdict = Verdict::Failure(FailureKind::Throttled);

#[test]
fn a_window_ends_with_the_first_call_after_100_ms_once_there_are_ten() {
    let (mut lab, seen) = Lab::seeing();
    for _ in 0..9 {
        lab.call(20 * MS, Verdict::Success);
    }
    assert_eq!(seen.count(), 0, "only nine calls");
    lab.call(20 * MS, Verdict::Success);
    assert_eq!(seen.count(), 1);
    let window = seen.last().unwrap();
    assert_eq!((window.samples, window.average, window.shortest), (10, 20 * MS, 20 * MS));
    assert_eq!((window.overloads, window.peak, window.refused), (0, 1, false));

    let (mut lab, seen) = Lab::seeing();
    for _ in 0..99 {
        lab.call(MS, Verdict::Success);
    }
    lab.call(MS - Duration::from_nanos(1), Verdict::Success);
    assert_eq!(seen.count(), 0, "a nanosecond early");
    lab.call(Duration::from_nanos(1), Verdict::Success);
    assert_eq!(seen.last().unwrap().samples, 101);
}

#[test]
fn what_counts_as_a_sample_and_what_as_overload() {
    let (mut lab, seen) = Lab::seeing();
    let kinds = FailureKind::ALL.map(Verdict::Failure);
    for verdict in kinds.into_iter().chain([Verdict::Ignored, Verdict::Success]) {
        for _ in 0..2 {
            lab.call(100 * MS, verdict);
        }
    }
    lab.acquire().abandon(true, || lab.now);
    drop(lab.acquire());
    lab.call(40 * MS, Verdict::Success);
    let window = seen.last().unwrap();
    assert_eq!((window.samples, window.overloads), (3, 7), "throttled, overloaded, timed out and cut");
    assert_eq!((window.average, window.shortest), (80 * MS, 40 * MS));
    assert_eq!(lab.limit.snapshot().in_flight, 0);
}

#[test]
fn a_call_with_less_time_than_calls_take_says_nothing_when_it_is_cut() {
    let (mut lab, seen) = Lab::seeing();
    for _ in 0..10 {
        lab.call(20 * MS, Verdict::Success);
    }
    assert_eq!(seen.last().unwrap().average, 20 * MS);
    let timeout = Verdict::Failure(FailureKind::Timeout);
    let cut = |lab: &mut Lab, length| {
        let permit = lab.acquire();
        lab.now += length;
        permit.abandon(true, || lab.now);
    };
    for _ in 0..20 {
        lab.call(20 * MS - Duration::from_nanos(1), timeout);
        cut(&mut lab, 20 * MS - Duration::from_nanos(1));
    }
    assert_eq!(seen.count(), 1, "nothing was counted");
    for _ in 0..5 {
        lab.call(20 * MS, timeout);
        cut(&mut lab, 20 * MS);
    }
    assert_eq!((seen.last().unwrap().samples, seen.last().unwrap().overloads), (0, 10));
    // That the other side refuses is overload however quickly it does.
    for _ in 0..10 {
        lab.call(10 * MS, THROTTLED);
    }
    assert_eq!(seen.last().unwrap().overloads, 10);
}

#[test]
fn trap_24_errors_of_other_kinds_change_nothing_however_many_and_however_quick() {
    let mut lab = Lab::new(Config::default());
    for kind in [FailureKind::Transient, FailureKind::Fault, FailureKind::Permanent] {
        for _ in 0..100 {
            lab.full(MS, Verdict::Failure(kind));
            lab.full(1000 * MS, Verdict::Failure(kind));
        }
        assert_eq!(lab.value(), 16);
    }
    lab.full(200 * MS, THROTTLED);
    assert_eq!(lab.value(), 8, "but overload does");
}

#[test]
fn trap_24_a_limit_that_is_not_in_use_does_not_grow() {
    let mut lab = Lab::new(Config::default());
    for _ in 0..10_000 {
        lab.call(MS, Verdict::Success);
    }
    assert_eq!(lab.value(), 16);
    for _ in 0..2 {
        lab.full(60 * MS, Verdict::Success);
    }
    assert_eq!(lab.value(), 17);
}

#[test]
fn from_the_minimum_it_doubles_as_soon_as_the_dependency_is_well() {
    let mut lab = Lab::new(Config::default());
    for _ in 0..20 {
        lab.full(1000 * MS, Verdict::Failure(FailureKind::Timeout));
    }
    assert_eq!(lab.value(), 2);
    let well = lab.now;
    while lab.value() < 64 {
        lab.full(10 * MS, Verdict::Success);
    }
    assert!(lab.now - well <= 600 * MS, "{:?}", lab.now - well);
}

#[test]
fn the_bounds_hold() {
    let mut lab = Lab::new(Config::default().bounds(3, 40));
    for _ in 0..50 {
        lab.full(200 * MS, THROTTLED);
    }
    assert_eq!(lab.value(), 3);
    for _ in 0..200 {
        lab.full(10 * MS, Verdict::Success);
    }
    assert_eq!(lab.value(), 40);
    assert_eq!(Lab::new(Config::default().initial(9).bounds(1, 5)).value(), 5, "the initial one, too");
}

/// Gives a number that is none.
#[derive(Clone, Debug)]
struct Broken;

impl Limit for Broken {
    fn next(&mut self, _: f64, _: &Window) -> f64 {
        f64::NAN
    }
}

#[test]
fn what_is_not_a_number_is_no_limit() {
    let mut lab = Lab::new(Config::new(Broken));
    lab.full(100 * MS, Verdict::Success);
    assert_eq!(lab.value(), 16);
}

#[test]
fn calls_that_began_under_another_limit_do_not_speak_for_this_one() {
    let mut lab = Lab::new(Config::default());
    let old: Vec<Permit> = (0..5).map(|_| lab.acquire()).collect();
    for _ in 0..11 {
        lab.acquire().finish(THROTTLED, || lab.now + 100 * MS);
    }
    lab.now += 101 * MS;
    assert_eq!(lab.value(), 8);
    lab.now += 400 * MS;
    for old in old {
        old.finish(THROTTLED, || lab.now);
    }
    lab.full(10 * MS, THROTTLED);
    assert_eq!(lab.value(), 8, "eight calls, and two more are needed");
    lab.full(10 * MS, THROTTLED);
    assert_eq!(lab.value(), 4);
}

#[test]
fn after_a_change_a_window_waits_for_the_calls_that_it_let_in() {
    let mut lab = Lab::new(Config::new(Aimd::new(10_000 * MS)));
    lab.full(150 * MS, Verdict::Success);
    assert_eq!(lab.value(), 32);
    lab.full(299 * MS, Verdict::Success);
    assert_eq!(lab.value(), 32, "twice the average of 150 ms is not over");
    lab.full(MS, Verdict::Success);
    assert_eq!(lab.value(), 64);
}

#[test]
fn a_caller_who_leaves_counts_if_he_has_waited_longer_than_the_average() {
    let (mut lab, seen) = Lab::seeing();
    for _ in 0..10 {
        lab.call(20 * MS, Verdict::Success);
    }
    let leave = |lab: &mut Lab, after: Duration| {
        let permit = lab.acquire();
        lab.now += after;
        permit.abandon(false, || lab.now);
    };
    for _ in 0..100 {
        leave(&mut lab, 20 * MS);
    }
    assert_eq!(seen.count(), 1, "the answer may have been about to come");
    for _ in 0..10 {
        leave(&mut lab, 21 * MS);
    }
    let window = seen.last().unwrap();
    assert_eq!((seen.count(), window.samples, window.overloads, window.average), (2, 10, 0, 21 * MS));
}

#[test]
fn the_lowest_priority_is_refused_first() {
    let lab = Lab::new(Config::default().initial(10));
    let mut held = Vec::new();
    let mut admitted = |priority| {
        let permit = lab.limit.try_acquire(priority, || lab.now);
        let is_admitted = permit.is_ok();
        held.extend(permit);
        is_admitted
    };
    let mut most = |priority| (0..20).filter(|_| admitted(priority)).count();
    assert_eq!(most(Priority::Sheddable), 6);
    assert_eq!(most(Priority::Default), 3);
    assert_eq!(most(Priority::Critical), 1);
    let refused =
        lab.limit.try_acquire(Priority::Critical, || panic!("a refusal needs no time")).unwrap_err();
    assert_eq!(refused, Rejected::Overloaded { limit: 10, in_flight: 10 });
    assert_eq!((refused.verdict(), refused.was_sent()), (Verdict::Ignored, false));
    assert_eq!(refused.outcome(), crate::Outcome::Overloaded);
    assert_eq!(refused.to_string(), "no room under the adaptive limit of 10, 10 calls are in flight");
}

#[test]
fn every_priority_has_a_part_of_every_limit() {
    assert_eq!(Priority::ALL.map(|priority| priority.part_of(1)), [1, 1, 1]);
    assert_eq!(Priority::ALL.map(|priority| priority.part_of(11)), [11, 10, 7]);
    let most = u32::MAX >> 1;
    assert_eq!(Priority::ALL.map(|priority| priority.part_of(most)), [most, 1_932_735_283, 1_288_490_189]);
}

#[test]
fn a_key_that_holds_more_than_its_part_leaves_room_for_the_others() {
    let lab = Lab::new(Config::default().initial(100));
    let acquire = |key: &str| lab.limit.try_acquire_for(&key, Priority::Critical, || lab.now);
    let alone: Vec<Permit> = (0..100).map(|_| acquire("greedy").unwrap()).collect();
    assert!(acquire("greedy").is_err(), "alone it may have all");
    drop(alone);
    let first = acquire("modest").unwrap();
    let greedy: Vec<Permit> = (0..100).map_while(|_| acquire("greedy").ok()).collect();
    // Of 100, 50 are its part. With 90 others in flight it may be the 91st while 80 + 20 * 50 / 90 = 91 is more than what is there.
    assert_eq!(greedy.len(), 90);
    let modest: Vec<Permit> = (0..100).map_while(|_| acquire("modest").ok()).collect();
    assert_eq!(modest.len(), 9, "up to the limit");
    drop((first, greedy, modest));
    assert_eq!((lab.limit.snapshot().in_flight, lab.limit.shared.keys_in_flight()), (0, 0));
}

#[test]
fn a_flood_of_keys_leaves_nothing_behind() {
    let lab = Lab::new(Config::default().initial(10_000));
    let held: Vec<Permit> = (0..10_000)
        .map_while(|key| lab.limit.try_acquire_for(&key, Priority::Default, || lab.now).ok())
        .collect();
    // The nine tenths of its priority, less what is held back of the last fifth where keys meet by chance.
    assert!((7_200..=9_000).contains(&held.len()), "{}", held.len());
    drop(held);
    assert_eq!(lab.limit.shared.keys_in_flight(), 0);
}

#[test]
fn other_settings_take_effect_at_once_and_keep_the_limit_within_them() {
    let mut lab = Lab::new(Config::default());
    let held: Vec<Permit> = (0..16).map(|_| lab.acquire()).collect();
    lab.limit.reconfigure(Config::default().bounds(2, 10));
    assert_eq!((lab.value(), lab.limit.snapshot().in_flight), (10, 16), "nothing is revoked");
    drop(held);
    lab.limit.reconfigure(Config::default().bounds(20, 30));
    assert_eq!(lab.value(), 20);
    lab.limit.reconfigure(Config::new(Aimd::new(10 * MS)));
    lab.full(100 * MS, Verdict::Success);
    assert_eq!(lab.value(), 10, "by the new target");
}

#[test]
fn a_clock_that_goes_back_or_stands_still_does_no_harm() {
    let mut lab = Lab::new(Config::default());
    let permit = lab.acquire();
    permit.finish(Verdict::Success, || lab.now - 5 * MS);
    lab.limit.try_acquire(Priority::Default, || lab.now - MS).unwrap().finish(Verdict::Success, || lab.now);
    for _ in 0..10_000 {
        lab.call(Duration::ZERO, Verdict::Success);
    }
    assert_eq!((lab.value(), lab.limit.snapshot().in_flight), (16, 0));
}

#[test]
fn counts_do_not_overflow_while_the_clock_stands_still() {
    let (mut lab, seen) = Lab::seeing();
    let permit = lab.acquire();
    lab.now += 100_000_000 * MS;
    permit.finish(Verdict::Success, || lab.now);
    for _ in 0..(1 << 20) {
        lab.acquire().finish(THROTTLED, || lab.now - 100_000_000 * MS);
    }
    assert!(seen.count() >= 2);
    let first = seen.0.lock().unwrap()[0];
    assert!(first.average > 10_000 * MS, "{first:?}");
}

#[test]
fn a_ticket_is_worth_one_report() {
    let lab = Lab::new(Config::default());
    let mut ticket = lab.limit.admit(Priority::Default, || lab.now).unwrap();
    assert!(!ticket.is_spent());
    lab.limit.finish(&mut ticket, Verdict::Success, || lab.now);
    lab.limit.abandon(&mut ticket, true, || panic!("it is spent"));
    assert!(ticket.is_spent());
    assert_eq!(lab.limit.snapshot().in_flight, 0);
    let other = lab.limit.clone();
    assert!(other.is_same(&lab.limit) && !other.is_same(&Lab::new(Config::default()).limit));
}

#[test]
#[should_panic(expected = "min is 5, it must not be above max, which is 4")]
fn bounds_that_cross_are_an_error() {
    let _ = Config::default().bounds(5, 4);
}

#[test]
#[should_panic(expected = "initial is 0, it must be from 1 to 2147483647")]
fn a_limit_of_zero_is_an_error() {
    let _ = Config::default().initial(0);
}
