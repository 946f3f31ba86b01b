//! Names, how long they are taken, and what is shown of each policy.

#![cfg(not(loom))]

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    AdaptiveLimit, Bulkhead, CircuitBreaker, Drain, FailureKind, Quota, RateLimiter, RetryBudget, Throttle,
    Verdict, adaptive, bulkhead, circuit_breaker,
    keyed::{Entry as _, Keyed, Worth},
    throttle,
};

const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn now() -> Instant {
    Instant::now()
}

fn bulkhead() -> Bulkhead {
    Bulkhead::new(bulkhead::Config::new(2))
}

fn breaker(now: Instant) -> CircuitBreaker {
    CircuitBreaker::new(circuit_breaker::Config::new().consecutive_failures(1), now)
}

fn names(registry: &Registry) -> Vec<String> {
    registry.list().into_iter().map(|there| format!("{}/{}", there.pipeline, there.policy)).collect()
}

#[test]
fn a_name_is_taken_until_its_registration_is_dropped() {
    let registry = Registry::new();
    let first = registry.register("pay", "bulkhead", bulkhead()).unwrap();
    let clone = registry.clone();
    let taken = clone.register("pay", "bulkhead", breaker(now())).unwrap_err();
    assert_eq!(taken, RegisterError::Taken { name: "pay/bulkhead".to_owned(), kind: "bulkhead" });
    assert_eq!(
        taken.to_string(),
        "a policy named `pay/bulkhead` is registered already, of the kind `bulkhead`"
    );
    let other = clone.register("search", "bulkhead", bulkhead()).unwrap();
    let third = clone.register("pay", "adaptive", bulkhead()).unwrap();
    assert_eq!(names(&registry), ["pay/adaptive", "pay/bulkhead", "search/bulkhead"]);
    drop(first);
    assert_eq!(names(&registry), ["pay/adaptive", "search/bulkhead"]);
    let again = registry.register("pay", "bulkhead", breaker(now())).unwrap();
    assert_eq!(registry.list()[1].kind, "circuit_breaker");
    drop((other, third, again));
    assert!(registry.list().is_empty());
}

#[test]
fn a_policy_that_is_kept_stays_and_a_registration_may_outlive_its_registry() {
    let registry = Registry::new();
    registry.register("pay", "bulkhead", bulkhead()).unwrap().keep();
    assert_eq!(names(&registry), ["pay/bulkhead"]);
    let late = registry.register("pay", "other", bulkhead()).unwrap();
    drop(registry);
    drop(late);
}

#[test]
fn of_threads_that_race_for_a_name_one_gets_it() {
    let registry = Registry::new();
    let register = || registry.register("pay", "bulkhead", bulkhead());
    let results: Vec<_> = thread::scope(|s| {
        let threads: Vec<_> = (0..8).map(|_| s.spawn(register)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
}

#[test]
fn names_are_checked_and_the_error_says_what_is_wrong() {
    let registry = Registry::new();
    let wrong = |pipeline: &str, policy: &str| {
        let RegisterError::Name(error) = registry.register(pipeline, policy, bulkhead()).unwrap_err() else {
            panic!("it was taken")
        };
        error.to_string()
    };
    let allowed = "allowed are ASCII letters, digits, `_`, `-` and `.`";
    assert_eq!(wrong("", "x"), "the pipeline has no name");
    assert_eq!(wrong("x", ""), "the policy has no name");
    assert_eq!(wrong("my pay", "x"), format!("the name of the pipeline has ' ' at position 3, {allowed}"));
    assert_eq!(wrong("x", "über"), format!("the name of the policy has 'ü' at position 1, {allowed}"));
    assert_eq!(wrong("x", "a/b"), format!("the name of the policy has '/' at position 2, {allowed}"));
    assert_eq!(wrong("x", "a\n"), format!("the name of the policy has '\\n' at position 2, {allowed}"));
    let long = "x".repeat(65);
    assert_eq!(wrong(&long, "x"), "the name of the pipeline has 65 characters, it may have 64");
    assert!(registry.list().is_empty());
    let registered = registry.register(&long[1..], "Az09_-.", bulkhead());
    assert!(registered.is_ok());
    let source = std::error::Error::source(&RegisterError::Name(NameError::Empty { part: "policy" }))
        .map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("the policy has no name"));
}

#[test]
fn the_handle_that_is_got_is_the_one_that_was_registered() {
    let (registry, now) = (Registry::new(), now());
    let (breaker, bulkhead) = (breaker(now), bulkhead());
    registry.register("pay", "breaker", breaker.clone()).unwrap().keep();
    registry.register("pay", "bulkhead", bulkhead.clone()).unwrap().keep();

    let got = registry.get::<CircuitBreaker>("pay", "breaker").unwrap();
    assert!(got.is_same(&breaker));
    registry.get::<Bulkhead>("pay", "bulkhead").unwrap().resize(1);
    assert_eq!(bulkhead.snapshot().limit, 1);

    let unknown = registry.get::<Bulkhead>("pay", "other").unwrap_err();
    assert_eq!(unknown, LookupError::Unknown);
    assert_eq!(registry.get::<Bulkhead>("search", "bulkhead").unwrap_err(), LookupError::Unknown);
    assert_eq!(unknown.to_string(), "no policy of that name is registered");
    let other = registry.get::<Bulkhead>("pay", "breaker").unwrap_err();
    assert_eq!(other, LookupError::OtherKind { is: "circuit_breaker", wanted: "bulkhead" });
    assert_eq!(other.to_string(), "the policy of that name is of the kind `circuit_breaker`, not `bulkhead`");
}

/// The state and whether it limits, which has to be the same however it is asked.
#[track_caller]
fn seen<P: Policy>(policy: &P, now: Instant) -> (&'static str, bool) {
    let snapshot = Policy::snapshot(policy, now);
    assert_eq!(policy.is_limiting(now), snapshot.limiting);
    (snapshot.state, snapshot.limiting)
}

fn fail(breaker: &CircuitBreaker, now: Instant) {
    let permit = breaker.try_acquire(|| now).0.unwrap();
    permit.finish(Verdict::Failure(FailureKind::Fault), None, || now);
}

#[test]
fn a_breaker_shows_its_state_its_override_and_what_it_tripped_on() {
    let now = now();
    let breaker = breaker(now);
    assert_eq!(seen(&breaker, now), ("closed", false));
    fail(&breaker, now);
    assert_eq!(seen(&breaker, now), ("open", true));
    let figures = Policy::snapshot(&breaker, now).figures;
    assert_eq!((figures["calls"], figures["failure_ratio"]), (Figure::Count(1), Figure::Number(1.0)));
    let Figure::Number(wait) = figures["retry_after_seconds"] else { panic!("{figures:?}") };
    assert!((0.9..=1.1).contains(&wait), "{wait}");
    assert_eq!(seen(&breaker, now + 2 * SECOND), ("half_open", true));
    let _ = breaker.force_open(now);
    assert_eq!(seen(&breaker, now), ("forced_open", true));
    assert!(!Policy::snapshot(&breaker, now).figures.contains_key("retry_after_seconds"));
    let _ = breaker.force_closed(now);
    assert_eq!(seen(&breaker, now), ("forced_closed", false));
    let _ = breaker.disable(now);
    assert_eq!(seen(&breaker, now), ("disabled", false));
}

#[test]
fn limits_on_calls_in_flight_are_full_when_no_more_may_run() {
    let now = now();
    let bulkhead = bulkhead();
    let one = bulkhead.try_acquire(1).unwrap();
    assert_eq!(seen(&bulkhead, now), ("admitting", false));
    let two = bulkhead.try_acquire(1).unwrap();
    assert_eq!(seen(&bulkhead, now), ("full", true));
    let figures = Policy::snapshot(&bulkhead, now).figures;
    assert_eq!((figures["limit"], figures["in_flight"]), (Figure::Count(2), Figure::Count(2)));
    drop((one, two));

    let limit = AdaptiveLimit::new(adaptive::Config::default().initial(2), now);
    let acquire = || limit.try_acquire(adaptive::Priority::Critical, || now).unwrap();
    let _one = acquire();
    assert_eq!(seen(&limit, now), ("admitting", false));
    let _two = acquire();
    assert_eq!(seen(&limit, now), ("full", true));
    assert_eq!(Policy::snapshot(&limit, now).figures["limit"], Figure::Count(2));
}

#[test]
fn one_who_waits_for_a_heavy_call_makes_a_bulkhead_full() {
    let now = now();
    let bulkhead = Bulkhead::new(bulkhead::Config::new(2).max_wait(SECOND));
    let _one = bulkhead.try_acquire(1).unwrap();
    let _heavy = bulkhead.acquire(2, || now).unwrap();
    assert_eq!(seen(&bulkhead, now), ("full", true));
    assert_eq!(Policy::snapshot(&bulkhead, now).figures["queue_depth"], Figure::Count(1));
}

#[test]
fn a_rate_limiter_is_exhausted_until_a_token_has_come() {
    let now = now();
    let limiter = RateLimiter::new(Quota::per_second(2), now);
    limiter.check(1, now).unwrap();
    assert_eq!(seen(&limiter, now), ("admitting", false));
    limiter.check(1, now).unwrap();
    assert_eq!(seen(&limiter, now), ("exhausted", true));
    assert_eq!(seen(&limiter, now + SECOND / 2), ("admitting", false));
    let figures = Policy::snapshot(&limiter, now).figures;
    assert_eq!((figures["limit"], figures["interval_seconds"]), (Figure::Count(2), Figure::Number(0.5)));
}

#[test]
fn a_throttle_shows_its_probability() {
    let now = now();
    let throttle = Throttle::with_seed(throttle::Config::new(), now, 7);
    assert_eq!(seen(&throttle, now), ("admitting", false));
    for _ in 0..40 {
        if let Ok(permit) = throttle.try_acquire(|| now) {
            permit.finish(Verdict::Failure(FailureKind::PeerOverloaded), || now);
        }
    }
    assert_eq!(seen(&throttle, now), ("throttling", true));
    let Figure::Number(ratio) = Policy::snapshot(&throttle, now).figures["refusal_ratio"] else { panic!() };
    assert!(ratio > 0.5);
}

#[test]
fn a_budget_is_exhausted_when_it_cannot_pay_for_a_retry() {
    let now = now();
    let budget = RetryBudget::from(RetryBudget::success_paid().capacity(10));
    assert_eq!(seen(&budget, now), ("funded", false));
    let mut tab = budget.open(|| now);
    assert!(budget.withdraw(&mut tab, FailureKind::Timeout, || now));
    assert_eq!(seen(&budget, now), ("exhausted", true));
    assert_eq!(Policy::snapshot(&budget, now).figures["max_tokens"], Figure::Number(10.0));
}

#[test]
fn a_drain_shows_what_runs() {
    let (drain, now) = (Drain::new(), now());
    let _permit = drain.try_acquire().unwrap();
    assert_eq!(seen(&drain, now), ("admitting", false));
    let _waiter = drain.begin();
    assert_eq!(seen(&drain, now), ("draining", true));
    assert_eq!(Policy::snapshot(&drain, now).figures["running"], Figure::Count(1));
}

#[test]
fn a_table_shows_how_many_limit_and_never_a_key() {
    let (registry, now) = (Registry::new(), now());
    let capacity = NonZeroUsize::new(3).unwrap();
    let table = Keyed::new(capacity, SECOND);
    registry.register("pay", "per_host", table.clone()).unwrap().keep();
    let host = |key: &str| table.get_or_insert_with(key.to_owned(), now, || breaker(now));
    let row = || registry.snapshot(now).remove(0);
    assert_eq!((row().kind, row().state, row().limiting), ("circuit_breaker", "admitting", false));

    for key in ["secret-a", "secret-b", "secret-c"] {
        let _ = host(key);
    }
    assert_eq!((row().state, row().figures["keys"]), ("admitting", Figure::Count(3)));
    for key in ["secret-a", "secret-c"] {
        fail(&host(key), now);
    }
    assert_eq!((row().state, row().limiting), ("limiting", true));
    let figures = ["keys", "limiting", "overflow"].map(|name| row().figures[name]);
    assert_eq!(figures, [3, 2, 0].map(Figure::Count));

    // By one who knows the type and the key.
    let there = registry.get::<Keyed<String, CircuitBreaker>>("pay", "per_host").unwrap();
    let _ = there.get(&"secret-b".to_owned(), now).unwrap().force_open(now);
    assert_eq!(row().figures["limiting"], Figure::Count(3));
    let unlucky = host("secret-d");
    assert_eq!(unlucky.worth(now), Worth::Nothing);
    assert_eq!((row().figures["keys"], row().figures["overflow"]), (Figure::Count(3), Figure::Count(1)));
    fail(&unlucky, now);
    assert_eq!(row().figures["limiting"], Figure::Count(4), "what keys share limits too");
    assert!(!format!("{registry:?} {:?} {there:?}", registry.snapshot(now)).contains("secret"));

    let other = registry.get::<Keyed<u32, CircuitBreaker>>("pay", "per_host").unwrap_err();
    assert!(other.to_string().ends_with("another type of the kind `circuit_breaker`"), "{other}");
}

/// Asks the registry while it is asked.
#[derive(Clone)]
struct Curious(Registry, Arc<AtomicBool>);

impl Policy for Curious {
    fn kind() -> &'static str {
        "curious"
    }

    fn snapshot(&self, _: Instant) -> PolicySnapshot {
        self.1.store(!self.0.list().is_empty(), Ordering::Relaxed);
        PolicySnapshot::new("curious", false)
    }
}

impl Drop for Curious {
    fn drop(&mut self) {
        let _ = self.0.list();
    }
}

#[test]
fn no_policy_is_asked_or_dropped_under_the_lock() {
    let (registry, asked) = (Registry::new(), Arc::new(AtomicBool::new(false)));
    let registered = registry.register("pay", "curious", Curious(registry.clone(), Arc::clone(&asked)));
    assert_eq!(registry.snapshot(now())[0].kind, "curious");
    assert!(asked.load(Ordering::Relaxed));
    assert!(registry.get::<Curious>("pay", "curious").is_ok());
    let refused = registry.register("pay", "curious", Curious(registry.clone(), asked));
    assert!(refused.is_err());
    drop(registered);
    assert!(registry.list().is_empty());
}

#[test]
fn there_is_one_of_the_process() {
    let registered = Registry::global().register("tests", "there_is_one", bulkhead()).unwrap();
    assert!(Registry::global().get::<Bulkhead>("tests", "there_is_one").is_ok());
    drop(registered);
}

#[cfg(feature = "serde")]
#[test]
fn a_snapshot_is_plain_data() {
    let (registry, now) = (Registry::new(), now());
    registry.register("pay", "bulkhead", bulkhead()).unwrap().keep();
    registry.register("pay", "rate_limit", RateLimiter::new(Quota::per_second(2), now)).unwrap().keep();
    assert_eq!(
        serde_json::to_value(registry.snapshot(now)).unwrap(),
        serde_json::json!([
            {
                "pipeline": "pay", "policy": "bulkhead", "kind": "bulkhead", "state": "admitting", "limiting": false,
                "figures": { "in_flight": 0, "limit": 2, "queue_depth": 0, "queue_limit": 0 },
            },
            {
                "pipeline": "pay", "policy": "rate_limit", "kind": "rate_limit", "state": "admitting",
                "limiting": false,
                "figures": { "available_tokens": 2, "interval_seconds": 0.5, "limit": 2 },
            },
        ])
    );
    assert_eq!(
        serde_json::to_value(registry.list()).unwrap()[0],
        serde_json::json!({ "pipeline": "pay", "policy": "bulkhead", "kind": "bulkhead" })
    );
}
