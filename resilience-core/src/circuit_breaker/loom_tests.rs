//! Admission, report and transition racing each other, in every order that loom can find.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p resilience-core --release --lib loom_`

#![cfg(loom)]

use std::time::{Duration, Instant};

use loom::thread;

use super::{CircuitBreaker, Config, State};
use crate::{FailureKind, Verdict};

const FAILED: Verdict = Verdict::Failure(FailureKind::Transient);

#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn lab(config: Config) -> (CircuitBreaker, Instant) {
    let now = Instant::now();
    (CircuitBreaker::with_seed(config, now, 7), now)
}

/// Opens at the first failure and admits two probes.
fn touchy() -> Config {
    Config::new().time_window(None).consecutive_failures(1).probes(2)
}

/// An open breaker whose wait is over.
fn due() -> (CircuitBreaker, Instant) {
    let (breaker, now) = lab(touchy());
    let _ = breaker.try_acquire(|| now).0.unwrap().finish(FAILED, None, || now);
    (breaker, now + Duration::from_secs(60))
}

#[test]
fn loom_no_answer_is_lost_or_counted_twice() {
    loom::model(|| {
        let (breaker, now) = lab(Config::new().min_calls(100));
        let report = |verdict: Verdict| {
            let breaker = breaker.clone();
            move || {
                let permit = breaker.try_acquire(|| now).0.unwrap();
                permit.finish(verdict, None, || now)
            }
        };
        let threads = [thread::spawn(report(Verdict::Success)), thread::spawn(report(FAILED))];
        report(Verdict::Success)();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), None);
        }
        let seen = breaker.snapshot(now);
        assert_eq!((seen.calls, seen.failures), (3, 1));
    });
}

#[test]
fn loom_an_answer_racing_a_transition_never_counts_in_a_later_generation() {
    loom::model(|| {
        let (breaker, now) = lab(touchy().count_window(10));
        let late = breaker.try_acquire(|| now).0.unwrap();
        let bad = breaker.try_acquire(|| now).0.unwrap();
        let thread = thread::spawn(move || late.finish(Verdict::Success, None, || now));
        assert!(bad.finish(FAILED, None, || now).is_some());
        assert!(breaker.reset().is_some());
        assert_eq!(thread.join().unwrap(), None);
        assert_eq!(breaker.snapshot(now).calls, 0);
    });
}

#[test]
fn loom_of_two_failures_one_trips() {
    loom::model(|| {
        let (breaker, now) = lab(touchy());
        let [one, other] = [(); 2].map(|()| breaker.try_acquire(|| now).0.unwrap());
        let thread = thread::spawn(move || one.finish(FAILED, None, || now));
        let here = other.finish(FAILED, None, || now);
        let there = thread.join().unwrap();
        assert!(here.is_some() != there.is_some());
        assert_eq!(breaker.snapshot(now).openings, 1);
    });
}

#[test]
fn loom_racing_callers_get_no_more_than_the_probes() {
    loom::model(|| {
        let (breaker, now) = due();
        let ask = |breaker: CircuitBreaker| move || breaker.try_acquire(|| now);
        let threads = [(); 2].map(|()| thread::spawn(ask(breaker.clone())));
        let mut asked = vec![ask(breaker.clone())()];
        asked.extend(threads.map(|thread| thread.join().unwrap()));
        assert_eq!(asked.iter().filter(|(permit, _)| permit.is_ok()).count(), 2);
        assert_eq!(asked.iter().filter(|(_, transition)| transition.is_some()).count(), 1);
    });
}

#[test]
fn loom_a_slot_given_back_is_found_again() {
    loom::model(|| {
        let (breaker, now) = due();
        let [one, other] = [(); 2].map(|()| breaker.try_acquire(|| now).0.unwrap());
        let thread = thread::spawn(move || drop(one));
        let early = breaker.try_acquire(|| now).0;
        thread.join().unwrap();
        // Either the racing caller got the slot, or the next one gets it.
        let next = breaker.try_acquire(|| now).0;
        assert!(early.is_ok() != next.is_ok());
        drop(other);
    });
}

#[test]
fn loom_probes_that_disagree_make_one_transition() {
    loom::model(|| {
        let (breaker, now) = due();
        let [good, bad] = [(); 2].map(|()| breaker.try_acquire(|| now).0.unwrap());
        let thread = thread::spawn(move || good.finish(Verdict::Success, None, || now));
        let here = bad.finish(FAILED, None, || now);
        assert_eq!(thread.join().unwrap(), None);
        assert_eq!(here.map(|t| t.to), Some(State::Open));
        assert_eq!(breaker.snapshot(now).state, State::Open);
    });
}

#[test]
fn loom_a_call_admitted_while_the_breaker_trips_is_of_the_old_generation() {
    loom::model(|| {
        let (breaker, now) = lab(touchy());
        let bad = breaker.try_acquire(|| now).0.unwrap();
        let thread = thread::spawn({
            let breaker = breaker.clone();
            move || breaker.try_acquire(|| now).0.ok()
        });
        assert!(bad.finish(FAILED, None, || now).is_some());
        let admitted = thread.join().unwrap();
        // If it was admitted, its answer comes late, whatever it is.
        assert_eq!(admitted.and_then(|permit| permit.finish(FAILED, None, || now)), None);
        assert_eq!(breaker.snapshot(now).openings, 1);
    });
}

#[test]
fn loom_a_bucket_that_turns_loses_no_success() {
    loom::model(|| {
        let (breaker, now) = lab(Config::new().min_calls(100));
        let later = now + Duration::from_secs(1);
        let [one, other] = [(); 2].map(|()| breaker.try_acquire(|| now).0.unwrap());
        let thread = thread::spawn(move || one.finish(Verdict::Success, None, || now));
        assert_eq!(other.finish(Verdict::Success, None, || later), None);
        assert_eq!(thread.join().unwrap(), None);
        assert_eq!(breaker.snapshot(later).calls, 2);
    });
}

/// Two calls suffice and one of them fails: whatever the order, that is half.
#[test]
fn loom_a_success_that_races_the_failure_it_makes_count_trips_at_the_next_report() {
    loom::model(|| {
        let config = Config::new().time_window(None).count_window(10).consecutive_failures(None).min_calls(2);
        let (breaker, now) = lab(config);
        let [good, bad, next] = [(); 3].map(|()| breaker.try_acquire(|| now).0.unwrap());
        let thread = thread::spawn(move || good.finish(Verdict::Success, None, || now));
        let here = bad.finish(FAILED, None, || now);
        let there = thread.join().unwrap();
        let _ = breaker.snapshot(now);
        let then = next.finish(Verdict::Success, None, || now);
        assert_eq!([here, there, then].iter().flatten().count(), 1);
        assert_eq!(breaker.snapshot(now).openings, 1);
    });
}

#[test]
fn loom_a_refusal_tells_a_wait_that_the_breaker_may_have() {
    loom::model(|| {
        let (breaker, now) = due();
        let _first = breaker.try_acquire(|| now - Duration::from_secs(60));
        let thread = thread::spawn({
            let breaker = breaker.clone();
            move || [(); 2].map(|()| breaker.try_acquire(|| now).0)
        });
        let asked = breaker.try_acquire(|| now).0;
        let there = thread.join().unwrap();
        for refused in there.iter().chain([&asked]).filter_map(|asked| asked.as_ref().err()) {
            assert!(refused.retry_after().unwrap() <= Duration::from_secs(5), "{refused}");
        }
    });
}
