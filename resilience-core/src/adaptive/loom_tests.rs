//! Taking, giving back, counting and changing the limit, racing each other in every order that loom can find.

#![cfg(loom)]

use std::time::{Duration, Instant};

use loom::thread;

use super::{AdaptiveLimit, Config, Limit, Priority, Window};
use crate::Verdict;

#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn now() -> Instant {
    Instant::now()
}

/// Doubles with every window.
#[derive(Clone, Debug)]
struct Double;

impl Limit for Double {
    fn next(&mut self, limit: f64, _: &Window) -> f64 {
        2.0 * limit
    }
}

fn lab(initial: u32) -> (AdaptiveLimit, Instant) {
    let start = now();
    (AdaptiveLimit::new(Config::new(Double).initial(initial).bounds(1, 100), start), start)
}

#[test]
fn loom_two_callers_race_for_the_last_place_and_one_gets_it() {
    loom::model(|| {
        let (limit, start) = lab(1);
        let other = limit.clone();
        let thread = thread::spawn(move || other.try_acquire(Priority::Critical, || start).ok());
        let here = limit.try_acquire(Priority::Critical, || start).ok();
        let there = thread.join().unwrap();
        assert!(here.is_some() != there.is_some());
        drop((here, there));
        assert_eq!(limit.snapshot().in_flight, 0);
    });
}

#[test]
fn loom_of_two_calls_that_may_end_a_window_one_does() {
    loom::model(|| {
        let (limit, start) = lab(20);
        let late = start + Duration::from_millis(100);
        for _ in 0..9 {
            limit.try_acquire(Priority::Critical, || start).unwrap().finish(Verdict::Success, || start);
        }
        let permits = [0, 1].map(|_| limit.try_acquire(Priority::Critical, || start).unwrap());
        let threads = permits.map(|permit| thread::spawn(move || permit.finish(Verdict::Success, || late)));
        for thread in threads {
            thread.join().unwrap();
        }
        let snapshot = limit.snapshot();
        assert_eq!((snapshot.limit, snapshot.in_flight), (40, 0), "doubled once, and nothing was lost");
    });
}

#[test]
fn loom_a_call_that_comes_and_goes_while_the_limit_changes_is_not_lost() {
    loom::model(|| {
        let (limit, start) = lab(1);
        let other = limit.clone();
        let thread = thread::spawn(move || {
            other.reconfigure(Config::new(Double).bounds(3, 9));
        });
        drop(limit.try_acquire(Priority::Critical, || start).unwrap());
        thread.join().unwrap();
        let snapshot = limit.snapshot();
        assert_eq!((snapshot.limit, snapshot.in_flight), (3, 0));
    });
}

#[test]
fn loom_keys_are_counted_as_calls_come_and_go() {
    loom::model(|| {
        let (limit, start) = lab(20);
        let other = limit.clone();
        // The table is made before: nobody waits for another to make it.
        drop(limit.try_acquire_for(&1, Priority::Critical, || start).unwrap());
        let thread =
            thread::spawn(move || drop(other.try_acquire_for(&1, Priority::Critical, || start).unwrap()));
        drop(limit.try_acquire_for(&2, Priority::Critical, || start).unwrap());
        thread.join().unwrap();
        assert_eq!(limit.shared.keys_in_flight(), 0);
    });
}
