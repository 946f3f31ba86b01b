//! What is refused: named, with its value and its range, at its place.

use std::{panic::catch_unwind, time::Duration};

use resilience_core::adaptive::{Config, Limit, Window};
use resilience_tower::stack::{ClientPatch, ClientSettings, ServerSettings};

use crate::{File, client};

/// What is wrong with a file, and where.
#[track_caller]
fn refused(text: &str) -> (String, String) {
    let deserializer = toml::Deserializer::parse(text).unwrap();
    match serde_path_to_error::deserialize::<_, File>(deserializer) {
        Ok(read) => panic!("{text} is read as {read:?}"),
        Err(error) => (error.path().to_string(), error.inner().message().to_owned()),
    }
}

#[test]
fn a_wrong_value_is_refused_at_its_place() {
    for (path, value, message) in [
        ("client.total_timeout", "'0s'", "total_timeout is 0ns, it must be longer than zero, or \"off\""),
        ("client.attempt_timeout", "'0s'", "attempt_timeout is 0ns, it must be longer than zero, or \"off\""),
        (
            "client.attempt_timeout",
            "2",
            "attempt_timeout is 2, without a unit: write \"2ms\" or \"2s\", or \"off\"",
        ),
        ("client.rate_limit_wait", "-1", "rate_limit_wait is -1, it must not be negative"),
        ("client.retry.max_attempts", "0", "max_attempts is 0, it must be from 1 to 4294967295"),
        ("client.retry_budget.ratio.ttl", "'2m'", "ttl is 120s, it must be from 1s to 60s"),
        ("client.circuit_breaker.probes", "5000", "probes is 5000, it must be from 1 to 1000"),
        ("client.throttle.window", "'1ms'", "window is 1ms, it must be from 10ms to one day"),
        ("client.adaptive.min", "0", "min is 0, it must be from 1 to 2147483647"),
        (
            "client.retry",
            "'on'",
            "invalid type: string \"on\", expected a table of settings, retry, or \"off\"",
        ),
        ("client.bulkhead", "true", "invalid type: boolean `true`, expected a setting or \"off\""),
        (
            "client.rate_limit",
            "'100'",
            "rate is \"100\", it must be calls per time, such as \"100/s\", \"5000/min\" or \"3/10s\", or \"off\"",
        ),
        ("server.total_timeout", "'0s'", "total_timeout is 0ns, it must be longer than zero, or \"off\""),
        ("server.max_deadline", "'0s'", "max_deadline is 0ns, it must be longer than zero"),
        ("server.bulkhead.max_concurrent", "0", "max_concurrent is 0, it must be from 1 to 2147483647"),
        (
            "server.max_deadline",
            "'off'",
            "max_deadline is \"off\", which is no duration: write numbers and units, such as \"250ms\" or \"1m 30s\"; the \
             units are d, h, m, s, ms, us and ns, the longest first",
        ),
    ] {
        assert_eq!(refused(&format!("{path} = {value}")), (path.to_owned(), message.to_owned()));
    }
}

#[test]
fn what_does_not_fit_together_is_refused_at_the_table() {
    for (text, table, message) in [
        (
            "client.attempt_timeout = '6s'",
            "client",
            "`attempt_timeout` is 6s and `total_timeout` 5s: an attempt may not take longer than the whole operation; lower \
             `attempt_timeout` or leave it out",
        ),
        (
            "client.circuit_breaker.time_window = '1s'",
            "client",
            "the `time_window` of `circuit_breaker` is 1s and `attempt_timeout` 2s: calls that hang would not be seen together; \
             make the window longer than an attempt",
        ),
        (
            "server.bulkhead = { max_concurrent = 1, max_wait = '40s' }",
            "server",
            "the `max_wait` of `bulkhead` is 40s and `total_timeout` 30s: a request would spend all its time waiting; lower \
             `max_wait`",
        ),
        (
            "client.bulkhead = {}",
            "client",
            "bulkhead.max_concurrent is missing, it must be from 1 to 2147483647",
        ),
        (
            "client.circuit_breaker.open_for = '5s'",
            "client",
            "circuit_breaker.max_open_for is 2s, it must be at least open_for, which is 5s",
        ),
        (
            "client.retry.backoff = { shape = 'smooth', jitter = 'none' }",
            "client",
            "retry.backoff.jitter is set on a decorrelated or smooth back-off, which draws its own; it must be constant, linear or \
             exponential",
        ),
        (
            "server.adaptive.min = 20_000",
            "server",
            "adaptive.min is 20000, it must not be above max, which is 10000",
        ),
    ] {
        assert_eq!(refused(text), (table.to_owned(), message.to_owned()));
    }
}

#[test]
fn what_nobody_knows_is_refused_at_its_place() {
    for table in [
        "client",
        "client.retry",
        "client.retry_budget.quota",
        "client.circuit_breaker",
        "server",
        "server.adaptive",
    ] {
        let (path, message) = refused(&format!("{table}.attempt_timout = '1s'"));
        assert_eq!(path, format!("{table}.attempt_timout"));
        assert!(message.starts_with("unknown field `attempt_timout`"), "{message}");
    }
    assert!(refused("client.max_deadline = '1s'").1.contains("`circuit_breaker`"), "it names what there is");
}

#[test]
fn a_setter_panics_in_the_same_words() {
    let of = |set: fn()| *catch_unwind(set).unwrap_err().downcast::<String>().unwrap();
    for (path, text) in [
        ("client.total_timeout", of(|| drop(ClientSettings::new().total_timeout(Duration::ZERO)))),
        ("client.attempt_timeout", of(|| drop(ClientSettings::new().attempt_timeout(Duration::ZERO)))),
        ("server.total_timeout", of(|| drop(ServerSettings::new().total_timeout(Duration::ZERO)))),
        ("server.max_deadline", of(|| drop(ServerSettings::new().max_deadline(Duration::ZERO)))),
    ] {
        let (_, message) = refused(&format!("{path} = '0s'"));
        assert!(message == text || message == format!("{text}, or \"off\""), "{message:?} for {text:?}");
    }
}

#[test]
fn toml_shows_line_and_column() {
    let text = "[client]\ntotal_timeout = '1m'\n[client.throttle]\nmultiplier = 0.5\n";
    let error = toml::from_str::<File>(text).unwrap_err().to_string();
    assert!(error.contains("line 4, column 14"), "{error}");
}

#[derive(Clone, Debug)]
struct Mine;

impl Limit for Mine {
    fn next(&mut self, limit: f64, _: &Window) -> f64 {
        limit
    }
}

#[test]
fn an_algorithm_of_ones_own_stays_under_a_file_and_cannot_be_written() {
    let own = ClientSettings::new().adaptive(Config::new(Mine));
    let error = toml::to_string(&own).unwrap_err().to_string();
    assert_eq!(error, "algorithm is one of your own, which a file cannot name");
    let patch: ClientPatch = toml::from_str("total_timeout = '7s'\nadaptive.max = 50").unwrap();
    let changed = format!("{:?}", patch.apply_to(own).unwrap());
    assert!(changed.contains("Mine") && changed.contains("max: 50") && changed.contains("7s"), "{changed}");
    assert!(toml::to_string(&client("")).is_ok());
    assert!(toml::to_string(&ServerSettings::new().adaptive(Config::new(Mine))).is_err());
}
