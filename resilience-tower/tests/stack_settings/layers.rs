//! A preset, and a file over it.

use std::time::Duration;

use resilience_core::{
    FailureKind, Quota, RetryBudget, RetryPolicy,
    adaptive::{self, Aimd, Vegas},
    bulkhead, circuit_breaker, throttle,
};
use resilience_tower::stack::{ClientPatch, ClientSettings, Invalid, ServerPatch, ServerSettings};

use crate::{client, same, server};

const SECOND: Duration = Duration::from_secs(1);

fn over(text: &str, base: ClientSettings) -> Result<ClientSettings, Invalid> {
    toml::from_str::<ClientPatch>(text).unwrap().apply_to(base)
}

#[test]
fn what_a_file_says_is_changed_and_the_rest_stays() {
    let breaker = circuit_breaker::Config::new().min_calls(50);
    let preset = ClientSettings::new()
        .seed(7)
        .total_timeout(9 * SECOND)
        .circuit_breaker(breaker.clone())
        .throttle(None);
    same(&over("", preset.clone()).unwrap(), &preset);
    let text = "attempt_timeout = '1s'\ncircuit_breaker.probes = 1\nretry.max_attempts = 5";
    let expected = preset
        .clone()
        .attempt_timeout(SECOND)
        .circuit_breaker(breaker.probes(1))
        .retry(RetryPolicy::new().max_attempts(5));
    same(&over(text, preset).unwrap(), &expected);

    let preset = ServerSettings::new().rate_limit(Quota::per_second(7)).bulkhead(bulkhead::Config::new(3));
    let patch: ServerPatch = toml::from_str("total_timeout = 'off'\nbulkhead.max_wait = '5m'").unwrap();
    let waiting = bulkhead::Config::new(3).max_wait(300 * SECOND);
    same(&patch.apply_to(preset.clone()).unwrap(), &preset.total_timeout(None).bulkhead(waiting));
}

#[test]
fn every_part_can_be_turned_off_and_on() {
    let all = "bulkhead rate_limit retry retry_budget throttle circuit_breaker adaptive total_timeout attempt_timeout";
    let off: String = all.split(' ').map(|part| format!("{part} = 'off'\n")).collect();
    let none = ClientSettings::new()
        .total_timeout(None)
        .attempt_timeout(None)
        .retry(None)
        .without_retry_budget()
        .throttle(None)
        .circuit_breaker(None)
        .adaptive(None);
    let preset = ClientSettings::new().bulkhead(bulkhead::Config::new(1)).rate_limit(Quota::per_second(1));
    same(&over(&off, preset).unwrap(), &none);

    let on = "retry = {}\nretry_budget = 'success_paid'\nthrottle = { multiplier = 3 }\ncircuit_breaker = {}\nadaptive = {}\n\
              bulkhead = { max_concurrent = 4 }\nrate_limit = '5/s'\ntotal_timeout = '5s'\nattempt_timeout = '2s'";
    let expected = ClientSettings::new()
        .throttle(throttle::Config::new().multiplier(3.0))
        .bulkhead(bulkhead::Config::new(4))
        .rate_limit(Quota::per_second(5));
    same(&over(on, none).unwrap(), &expected);

    let none = ServerSettings::new().total_timeout(None).adaptive(None);
    same(&server("total_timeout = false\nadaptive = false"), &none);
    let patch: ServerPatch = toml::from_str("total_timeout = '30s'\nadaptive = {}").unwrap();
    same(&patch.apply_to(none).unwrap(), &ServerSettings::new());
}

#[test]
fn what_fits_is_asked_of_the_whole() {
    let long = ClientSettings::new().total_timeout(20 * SECOND);
    assert!(over("attempt_timeout = '6s'", long).is_ok());
    let wrong = over("attempt_timeout = '6s'", ClientSettings::new()).unwrap_err();
    assert!(wrong.to_string().contains("`total_timeout` 5s"), "{wrong}");
    assert!(over("total_timeout = '1s'\nattempt_timeout = 'off'", ClientSettings::new()).is_ok());
}

#[test]
fn a_latency_target_follows_the_timeout_until_an_algorithm_is_named() {
    let bounds = over("adaptive = { initial = 7, max = 50 }", ClientSettings::new()).unwrap();
    same(&client(&toml::to_string(&bounds).unwrap()), &bounds);
    assert!(!toml::to_string(&bounds).unwrap().contains("target"), "it would not follow any more");
    let named = over("adaptive.algorithm = 'vegas'", bounds).unwrap();
    same(
        &named,
        &ClientSettings::new().adaptive(adaptive::Config::new(Vegas::new()).initial(7).bounds(2, 50)),
    );
    let again = over("adaptive.algorithm.aimd.target = '1s'\nadaptive.min = 3", named).unwrap();
    let aimd = adaptive::Config::new(Aimd::new(SECOND)).initial(7).bounds(3, 50);
    same(&again, &ClientSettings::new().adaptive(aimd));
    same(
        &over("adaptive.initial = 5", ClientSettings::new().adaptive(None)).unwrap(),
        &client("adaptive.initial = 5"),
    );
}

#[test]
fn a_budget_of_another_kind_has_its_own_defaults() {
    let preset = ClientSettings::new().retry_budget(RetryBudget::success_paid().capacity(7));
    let changed = over("retry_budget.ratio.ratio = 0.5", preset.clone()).unwrap();
    same(&changed, &ClientSettings::new().retry_budget(RetryBudget::ratio(0.5)));
    let changed = over("retry_budget.success_paid.cost.timeout = 1", preset).unwrap();
    let cheap = RetryBudget::success_paid().capacity(7).cost(FailureKind::Timeout, 1);
    same(&changed, &ClientSettings::new().retry_budget(cheap));
}
