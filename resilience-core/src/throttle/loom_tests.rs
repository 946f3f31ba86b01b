//! Admission, report and reset racing each other, in every order that loom can find.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p resilience-core --release --lib loom_`

#![cfg(loom)]

use std::time::{Duration, Instant};

use loom::thread;

use super::{Config, Throttle};
use crate::{FailureKind, Verdict};

const FAILED: Verdict = Verdict::Failure(FailureKind::Timeout);

#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn lab(config: Config) -> (Throttle, Instant) {
    let now = Instant::now();
    (Throttle::with_seed(config, now, 7), now)
}

fn call(throttle: &Throttle, verdict: Verdict, now: Instant) -> impl FnOnce() + 'static {
    let throttle = throttle.clone();
    move || throttle.try_acquire(|| now).unwrap().finish(verdict, || now)
}

fn counts(throttle: &Throttle, now: Instant) -> (u64, u64) {
    let seen = throttle.snapshot(now);
    (seen.requests, seen.accepts)
}

#[test]
fn loom_no_call_is_lost_or_counted_twice() {
    loom::model(|| {
        let (throttle, now) = lab(Config::new());
        let threads = [Verdict::Success, FAILED].map(|end| thread::spawn(call(&throttle, end, now)));
        call(&throttle, Verdict::Success, now)();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(counts(&throttle, now), (3, 2));
    });
}

#[test]
fn loom_a_success_that_races_the_turn_of_a_tick_is_counted_once() {
    loom::model(|| {
        let (throttle, now) = lab(Config::new());
        let later = now + Duration::from_secs(1);
        let thread = thread::spawn(call(&throttle, Verdict::Success, now));
        call(&throttle, Verdict::Success, later)();
        thread.join().unwrap();
        assert_eq!(counts(&throttle, later), (2, 2));
    });
}

#[test]
fn loom_an_answer_racing_a_reset_never_counts_in_the_new_window() {
    loom::model(|| {
        let (throttle, now) = lab(Config::new());
        let late = throttle.try_acquire(|| now).unwrap();
        let bad = throttle.try_acquire(|| now).unwrap();
        let thread = thread::spawn(move || {
            late.finish(Verdict::Success, || now);
            bad.finish(FAILED, || now);
        });
        throttle.reset();
        thread.join().unwrap();
        assert_eq!(counts(&throttle, now), (0, 0));
    });
}

#[test]
fn loom_of_two_callers_at_a_full_throttle_one_is_the_probe() {
    loom::model(|| {
        let (throttle, now) = lab(Config::new().min_requests(1).probe_one_in(2));
        let permits = [(); 40].map(|()| throttle.try_acquire(|| now).unwrap());
        for permit in permits {
            permit.finish(FAILED, || now);
        }
        let thread = thread::spawn({
            let throttle = throttle.clone();
            move || throttle.try_acquire(|| now).is_ok()
        });
        let here = throttle.try_acquire(|| now).is_ok();
        assert!(here != thread.join().unwrap(), "the first draw of this seed is a refusal");
    });
}

#[test]
fn loom_a_success_that_races_the_failure_it_outweighs_is_counted() {
    loom::model(|| {
        let (throttle, now) = lab(Config::new().min_requests(1));
        let (bad, good) = (throttle.try_acquire(|| now).unwrap(), throttle.try_acquire(|| now).unwrap());
        let thread = thread::spawn({
            let throttle = throttle.clone();
            move || {
                bad.finish(FAILED, || now);
                throttle.snapshot(now)
            }
        });
        good.finish(Verdict::Success, || now);
        let seen = thread.join().unwrap();
        assert!(seen.requests >= 1, "its own at least");
        let end = throttle.snapshot(now);
        assert_eq!((end.requests, end.accepts, end.probability), (2, 1, 0.0));
    });
}
