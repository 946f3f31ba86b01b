//! A preset, and a file over it.

use std::time::Duration;

use resilience_core::{
    Backoff, FailureKind, Quota, RetryBudget, RetryPolicy,
    adaptive::{self, Aimd, Gradient2, Limit, Window},
    backoff::{self, Jitter},
    bulkhead, circuit_breaker, rate_limit,
    retry::{self, budget},
    throttle,
};

use crate::file::toml;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_empty_file_changes_nothing() {
    let breaker = circuit_breaker::Config::new().min_calls(7).failure_rate(None).slow_calls(SECOND, 0.1);
    assert_eq!(toml::<circuit_breaker::Patch>("").unwrap().apply_to(breaker.clone()), Ok(breaker));
    let retry = RetryPolicy::new().max_attempts(9).backoff(Backoff::smooth(MS));
    assert_eq!(toml::<retry::Patch>("").unwrap().apply_to(retry), Ok(retry));
    let budget = budget::Config::from(RetryBudget::ratio(0.25));
    assert_eq!(budget::Patch::default().apply_to(budget.clone()), Ok(budget));
    let bulkhead = bulkhead::Config::new(7).max_wait(SECOND);
    assert_eq!(toml::<bulkhead::Patch>("").unwrap().apply_to(bulkhead.clone()), Ok(bulkhead));
    let quota = Quota::per_second(7).burst(3);
    assert_eq!(toml::<rate_limit::Patch>("").unwrap().apply_to(quota), Ok(quota));
    let throttle = throttle::Config::new().multiplier(1.5);
    assert_eq!(toml::<throttle::Patch>("").unwrap().apply_to(throttle), Ok(throttle));
    let adaptive = || adaptive::Config::new(Gradient2::new()).initial(7).bounds(5, 6);
    let same = toml::<adaptive::Patch>("").unwrap().apply_to(adaptive()).unwrap();
    assert_eq!(format!("{same:?}"), format!("{:?}", adaptive()));
}

#[test]
fn off_is_off_and_on_is_on_again() {
    let patch = |text| toml::<circuit_breaker::Patch>(text).unwrap();
    let all_off =
        patch("time_window = 'off'\nfailure_rate = 'off'\nconsecutive_failures = 'off'\nslow_calls = 'off'");
    let breaker = circuit_breaker::Config::new;
    let on = breaker().slow_calls(SECOND, 0.1).count_window(50);
    let off = breaker().time_window(None).failure_rate(None).consecutive_failures(None).count_window(50);
    assert_eq!(all_off.apply_to(on), Ok(off.clone()));
    let some_on =
        patch("time_window = '20s'\ncount_window = 'off'\nslow_calls = { longer_than = '2s', rate = 1 }");
    let expected = off.time_window(20 * SECOND).count_window(None).slow_calls(2 * SECOND, 1.0);
    assert_eq!(
        some_on.apply_to(breaker().time_window(None).failure_rate(None).consecutive_failures(None)),
        Ok(expected)
    );
}

#[test]
fn what_yaml_makes_of_a_bare_off_is_off() {
    let patch: circuit_breaker::Patch = serde_json::from_str(r#"{ "failure_rate": false }"#).unwrap();
    let config = patch.into_config().unwrap();
    assert_eq!(config, circuit_breaker::Config::new().failure_rate(None));
    assert!(serde_json::from_str::<circuit_breaker::Patch>(r#"{ "failure_rate": true }"#).is_err());
    assert!(serde_json::from_str::<circuit_breaker::Patch>(r#"{ "failure_rate": null }"#).is_err());
}

#[test]
fn what_fits_is_asked_of_the_whole() {
    let patch: circuit_breaker::Patch = toml("open_for = '5s'").unwrap();
    let wrong = patch.clone().apply_to(circuit_breaker::Config::new()).unwrap_err();
    assert_eq!(wrong.to_string(), "max_open_for is 2s, it must be at least open_for, which is 5s");
    let long = circuit_breaker::Config::new().open_for(SECOND, 10 * SECOND);
    assert_eq!(patch.apply_to(long), Ok(circuit_breaker::Config::new().open_for(5 * SECOND, 10 * SECOND)));
}

#[test]
fn a_backoff_keeps_what_its_shape_has() {
    let base = Backoff::exponential(MS).cap(SECOND).factor(3.0).jitter(Jitter::Equal);
    let over = |text| toml::<backoff::Patch>(text).unwrap().apply_to(base).unwrap();
    assert_eq!(over("base = '2ms'"), base.base(2 * MS));
    assert_eq!(over("shape = 'exponential'"), base);
    assert_eq!(over("shape = 'linear'"), Backoff::linear(MS).cap(SECOND));
    assert_eq!(over("shape = 'decorrelated'\ncap = '2s'"), Backoff::decorrelated(MS).cap(2 * SECOND));
    assert_eq!(
        over("shape = 'constant'\njitter = 'none'"),
        Backoff::constant(MS).cap(SECOND).jitter(Jitter::None)
    );
    let policy = RetryPolicy::new().backoff(base).max_attempts(5);
    let patch: retry::Patch = toml("backoff.factor = 4").unwrap();
    assert_eq!(patch.apply_to(policy), Ok(policy.backoff(base.factor(4.0))));
}

#[test]
fn kinds_that_are_not_listed_are_not_retried() {
    let patch: retry::Patch = toml("retryable = ['fault']").unwrap();
    let expected = FailureKind::ALL
        .into_iter()
        .fold(RetryPolicy::new(), |policy, kind| policy.retryable(kind, kind == FailureKind::Fault));
    assert_eq!(patch.apply_to(RetryPolicy::new()), Ok(expected));
}

#[test]
fn a_budget_of_the_same_kind_is_changed_and_another_is_begun() {
    let over = |text, base: budget::Config| toml::<budget::Patch>(text).unwrap().apply_to(base);
    let paid = || RetryBudget::success_paid().capacity(7).cost(FailureKind::Fault, 9);
    assert_eq!(
        over("success_paid.cost.timeout = 4", paid().into()),
        Ok(paid().cost(FailureKind::Timeout, 4).into()),
    );
    assert_eq!(
        over("success_paid.capacity = 8", budget::Config::Quota),
        Ok(RetryBudget::success_paid().capacity(8).into())
    );
    let ratio = || budget::Config::from(RetryBudget::ratio(0.5).ttl(5 * SECOND));
    assert_eq!(
        over("ratio.reserve_per_second = 0", ratio()),
        Ok(RetryBudget::ratio(0.5).ttl(5 * SECOND).reserve_per_second(0).into())
    );
    assert!(over("ratio.reserve_per_second = 0", paid().into()).is_err(), "no ratio");
    assert_eq!(over("throttle = { max = 5, ratio = 2 }", ratio()), Ok(budget::Throttle::new(5, 2.0).into()));
    assert_eq!(
        over("throttle.max = 6", budget::Throttle::new(5, 2.0).into()),
        Ok(budget::Throttle::new(6, 2.0).into())
    );
    assert_eq!(over("in_flight = { percent = 5, min = 2 }", ratio()), Ok(budget::InFlight::new(5, 2).into()));
    assert_eq!(
        over("in_flight.min = 6", budget::InFlight::new(5, 2).into()),
        Ok(budget::InFlight::new(5, 6).into())
    );
    assert_eq!(over("quota = {}", ratio()), Ok(budget::Config::Quota));
    assert_eq!(serde_json::from_str::<budget::Config>("\"quota\"").unwrap(), budget::Config::Quota);
}

#[test]
fn a_rate_brings_its_burst() {
    let base = Quota::per_second(10).burst(2);
    let over = |text: &str| serde_json::from_str::<rate_limit::Patch>(text).unwrap().apply_to(base);
    assert_eq!(over("\"50/min\""), Ok(Quota::per_minute(50)));
    assert_eq!(over(r#"{ "rate": "2/h" }"#), Ok(Quota::per_hour(2)));
    assert_eq!(over(r#"{ "rate": "3 / 2s", "burst": 7 }"#), Ok(Quota::per(3, 2 * SECOND).burst(7)));
    assert_eq!(over(r#"{ "burst": 7 }"#), Ok(Quota::per_second(10).burst(7)));
}

#[test]
fn a_queue_is_as_long_as_there_are_permits_unless_it_is_there_already() {
    let patch: bulkhead::Patch = toml("max_concurrent = 50").unwrap();
    assert_eq!(patch.clone().into_config(), Ok(bulkhead::Config::new(50)));
    assert_eq!(patch.apply_to(bulkhead::Config::new(20)), Ok(bulkhead::Config::new(50).max_queue(20)));
}

#[derive(Clone, Debug)]
struct Mine;

impl Limit for Mine {
    fn next(&mut self, limit: f64, _: &Window) -> f64 {
        limit
    }
}

#[test]
fn an_algorithm_of_ones_own_stays_and_cannot_be_written() {
    let over = |text| toml::<adaptive::Patch>(text).unwrap().apply_to(adaptive::Config::new(Mine)).unwrap();
    assert!(format!("{:?}", over("initial = 5")).contains("Mine"));
    let error = toml::to_string(&over("initial = 5")).unwrap_err();
    assert_eq!(error.to_string(), "algorithm is one of your own, which a file cannot name");
    let named = over("algorithm = 'vegas'\nmax = 50");
    assert_eq!(
        format!("{named:?}"),
        format!("{:?}", adaptive::Config::new(adaptive::Vegas::new()).bounds(2, 50))
    );
}

#[test]
fn a_target_is_kept_by_a_file_that_says_only_aimd() {
    let over = |text, base| toml::<adaptive::Patch>(text).unwrap().apply_to(base).unwrap();
    let preset = || adaptive::Config::new(Aimd::new(SECOND)).initial(5);
    assert_eq!(format!("{:?}", over("algorithm = 'aimd'", preset())), format!("{:?}", preset()));
    let vegas = adaptive::Config::new(adaptive::Vegas::new()).initial(5);
    let expected = adaptive::Config::new(Aimd::default()).initial(5);
    assert_eq!(format!("{:?}", over("algorithm = 'aimd'", vegas)), format!("{expected:?}"));
}
