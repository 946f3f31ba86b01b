//! What is refused: named, with its value and its range, at its place.

use std::{panic::catch_unwind, time::Duration};

use resilience_core::{
    Backoff, FailureKind, Quota, RetryBudget, RetryPolicy,
    adaptive::{self, Aimd},
    backoff::Jitter,
    bulkhead, circuit_breaker, throttle,
};

use crate::file::{Nested, refused, toml};

const MS: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(86_400);

fn breaker() -> circuit_breaker::Config {
    circuit_breaker::Config::new()
}

fn throttle() -> throttle::Config {
    throttle::Config::new()
}

/// What the setter says when it panics.
fn panic_text(set: fn()) -> String {
    let panic = catch_unwind(set).unwrap_err();
    let constant = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    constant.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap()
}

/// Settings out of range, each with the setter that panics at the same.
const OUT_OF_RANGE: &[(&str, &str, fn())] = &[
    ("circuit_breaker.time_window", "'9ms'", || drop(breaker().time_window(9 * MS))),
    ("circuit_breaker.time_window", "'1d 1ns'", || {
        drop(breaker().time_window(DAY + Duration::from_nanos(1)))
    }),
    ("circuit_breaker.buckets", "0", || drop(breaker().buckets(0))),
    ("circuit_breaker.buckets", "1001", || drop(breaker().buckets(1001))),
    ("circuit_breaker.count_window", "0", || drop(breaker().count_window(0))),
    ("circuit_breaker.count_window", "1_000_001", || drop(breaker().count_window(1_000_001))),
    ("circuit_breaker.min_calls", "0", || drop(breaker().min_calls(0))),
    ("circuit_breaker.failure_rate", "0", || drop(breaker().failure_rate(0.0))),
    ("circuit_breaker.failure_rate", "1.001", || drop(breaker().failure_rate(1.001))),
    ("circuit_breaker.failure_rate", "nan", || drop(breaker().failure_rate(f64::NAN))),
    ("circuit_breaker.slow_calls", "{ longer_than = '0s', rate = 0.5 }", || {
        drop(breaker().slow_calls(Duration::ZERO, 0.5))
    }),
    ("circuit_breaker.slow_calls", "{ longer_than = '1s', rate = 1.5 }", || {
        drop(breaker().slow_calls(DAY, 1.5))
    }),
    ("circuit_breaker.consecutive_failures", "0", || drop(breaker().consecutive_failures(0))),
    ("circuit_breaker.open_for", "'999us'", || drop(breaker().open_for(MS - MS / 1000, DAY))),
    ("circuit_breaker.max_open_for", "'2d'", || drop(breaker().open_for(MS, 2 * DAY))),
    ("circuit_breaker.probes", "0", || drop(breaker().probes(0))),
    ("circuit_breaker.probes", "1001", || drop(breaker().probes(1001))),
    ("circuit_breaker.half_open_timeout", "'0s'", || drop(breaker().half_open_timeout(Duration::ZERO))),
    ("retry.max_attempts", "0", || {
        let _ = RetryPolicy::new().max_attempts(0);
    }),
    ("retry.backoff.factor", "0.99", || {
        let _ = Backoff::default().factor(0.99);
    }),
    ("retry_budget.success_paid.capacity", "0", || drop(RetryBudget::success_paid().capacity(0))),
    ("retry_budget.success_paid.cost.timeout", "1000001", || {
        drop(RetryBudget::success_paid().cost(FailureKind::Timeout, 1_000_001))
    }),
    ("retry_budget.ratio.ratio", "1.5", || drop(RetryBudget::ratio(1.5))),
    ("retry_budget.ratio.ratio", "0.3333", || drop(RetryBudget::ratio(0.3333))),
    ("retry_budget.ratio.ttl", "'61s'", || drop(RetryBudget::ratio(0.1).ttl(61_000 * MS))),
    ("retry_budget.ratio.reserve_per_second", "101", || {
        drop(RetryBudget::ratio(0.1).reserve_per_second(101))
    }),
    ("retry_budget.throttle.max", "1001", || drop(RetryBudget::throttle(1001, 0.1))),
    ("retry_budget.throttle.ratio", "0", || drop(RetryBudget::throttle(10, 0.0))),
    ("retry_budget.in_flight.percent", "101", || drop(RetryBudget::in_flight(101, 1))),
    ("bulkhead.max_concurrent", "0", || drop(bulkhead::Config::new(0))),
    ("bulkhead.max_concurrent", "2147483648", || drop(bulkhead::Config::new(1 << 31))),
    ("rate_limit.burst", "0", || {
        let _ = Quota::per_second(1).burst(0);
    }),
    ("throttle.multiplier", "1", || {
        let _ = throttle().multiplier(1.0);
    }),
    ("throttle.window", "'9ms'", || {
        let _ = throttle().window(9 * MS);
    }),
    ("throttle.max_requests", "55", || {
        let _ = throttle().max_requests(55);
    }),
    ("throttle.min_requests", "0", || {
        let _ = throttle().min_requests(0);
    }),
    ("throttle.probe_one_in", "0", || {
        let _ = throttle().probe_one_in(0);
    }),
    ("adaptive.initial", "0", || drop(adaptive::Config::default().initial(0))),
    ("adaptive.min", "0", || drop(adaptive::Config::default().bounds(0, 5))),
    ("adaptive.max", "0", || drop(adaptive::Config::default().bounds(5, 0))),
    ("adaptive.algorithm.aimd.target", "'0s'", || drop(Aimd::new(Duration::ZERO))),
];

#[test]
fn what_a_setter_panics_at_is_refused_in_its_words_and_at_its_place() {
    for &(field, value, set) in OUT_OF_RANGE {
        let (path, message) = refused(&format!("client.{field} = {value}"));
        assert!(path.starts_with(&format!("client.{field}")), "{path}: {message}");
        let text = panic_text(set);
        assert!(message == text || message == format!("{text}, or \"off\""), "{message:?} for {text:?}");
    }
}

#[test]
fn every_cost_has_its_name() {
    for kind in FailureKind::ALL {
        let field = format!("retry_budget.success_paid.cost.{}", kind.as_str());
        let message = format!("cost of {} is 0, it must be from 1 to 1000000", kind.as_str());
        assert_eq!(refused(&format!("client.{field} = 0")), (format!("client.{field}"), message));
    }
}

#[test]
fn what_does_not_fit_together_is_refused_in_the_words_of_the_setter() {
    // Settings within others are told with their place among those.
    let cases: [(_, _, _, fn()); 5] = [
        ("circuit_breaker", "{ open_for = '5s' }", "", || drop(breaker().open_for(5000 * MS, 2000 * MS))),
        ("adaptive", "{ min = 5, max = 4 }", "", || drop(adaptive::Config::default().bounds(5, 4))),
        ("retry.backoff", "{ shape = 'smooth', jitter = 'full' }", "backoff.", || {
            let _ = Backoff::smooth(MS).jitter(Jitter::Full);
        }),
        ("retry.backoff", "{ shape = 'linear', factor = 3 }", "backoff.", || {
            let _ = Backoff::linear(MS).factor(3.0);
        }),
        ("rate_limit", "{ rate = '1/h', burst = 4294967295 }", "", || {
            let _ = Quota::per_hour(1).burst(u32::MAX);
        }),
    ];
    for (field, value, within, set) in cases {
        let (path, message) = refused(&format!("client.{field} = {value}"));
        assert!(format!("client.{field}").starts_with(&path) && path != "client", "{path}: {message}");
        assert_eq!(message, format!("{within}{}", panic_text(set)));
    }
}

#[test]
fn the_text_says_what_it_must_be() {
    for (text, path, message) in [
        (
            "circuit_breaker.min_calls = 0",
            "circuit_breaker.min_calls",
            "min_calls is 0, it must be from 1 to 4294967295",
        ),
        (
            "circuit_breaker.min_calls = -3",
            "circuit_breaker.min_calls",
            "min_calls is -3, it must be from 1 to 4294967295",
        ),
        (
            "circuit_breaker.min_calls = 4294967296",
            "circuit_breaker.min_calls",
            "min_calls is 4294967296, it must be from 1 to 4294967295",
        ),
        (
            "circuit_breaker.min_calls = '20'",
            "circuit_breaker.min_calls",
            "invalid type: string \"20\", expected min_calls: a whole number from 1 to 4294967295",
        ),
        (
            "circuit_breaker.failure_rate = 'none'",
            "circuit_breaker.failure_rate",
            "invalid type: string \"none\", expected failure_rate: a number above 0 and at most 1, or \"off\"",
        ),
        (
            "circuit_breaker.slow_calls = { longer_than = '1s' }",
            "circuit_breaker.slow_calls",
            "rate of slow_calls is missing, it must be above 0 and at most 1",
        ),
        (
            "circuit_breaker.slow_calls = { longer_than = '1s', rat = 1 }",
            "circuit_breaker.slow_calls.rat",
            "unknown field `rat`, expected `longer_than` or `rate`",
        ),
        (
            "circuit_breaker.open_for = 1",
            "circuit_breaker.open_for",
            "open_for is 1, without a unit: write \"1ms\" or \"1s\"",
        ),
        (
            "circuit_breaker.open_for = '1.5'",
            "circuit_breaker.open_for",
            "open_for is 1.5, without a unit: write \"1.5ms\" or \"1.5s\"",
        ),
        ("retry.hint_slack = -1", "retry.hint_slack", "hint_slack is -1, it must not be negative"),
        ("bulkhead.order = 'lilo'", "bulkhead.order", "unknown variant `lilo`, expected `fifo` or `lifo`"),
        ("bulkhead = {}", "bulkhead", "max_concurrent is missing, it must be from 1 to 2147483647"),
        ("retry_budget = 'ratio'", "retry_budget", "ratio is missing, it must be from 0 to 1"),
        (
            "retry_budget = { ratio = { ratio = 0.1 }, quota = {} }",
            "retry_budget",
            "invalid length 2, expected retry_budget: one of [\"success_paid\", \"ratio\", \"quota\", \"throttle\", \
             \"in_flight\"], or a table with the settings of one of them",
        ),
        (
            "rate_limit = '100'",
            "rate_limit",
            "rate is \"100\", it must be calls per time, such as \"100/s\", \"5000/min\" or \"3/10s\"",
        ),
        ("rate_limit = '0/s'", "rate_limit", "rate is \"0/s\": calls is 0, it must be at least 1"),
        (
            "rate_limit = { burst = 5 }",
            "rate_limit",
            "rate is missing, it must be calls per time, such as \"100/s\"",
        ),
        (
            "adaptive.algorithm = 'mine'",
            "adaptive.algorithm",
            "unknown variant `mine`, expected one of `aimd`, `gradient2`, `vegas`",
        ),
        (
            "adaptive.algorithm.vegas.target = '1s'",
            "adaptive.algorithm.vegas.target",
            "unknown field `target`, there are no fields",
        ),
    ] {
        assert_eq!(refused(&format!("client.{text}")), (format!("client.{path}"), message.to_owned()));
    }
}

#[test]
fn unknown_settings_are_refused_at_their_place() {
    for table in [
        "circuit_breaker",
        "retry",
        "retry.backoff",
        "retry_budget",
        "retry_budget.success_paid",
        "retry_budget.success_paid.cost",
        "retry_budget.ratio",
        "retry_budget.quota",
        "retry_budget.throttle",
        "retry_budget.in_flight",
        "bulkhead",
        "rate_limit",
        "throttle",
        "adaptive",
        "adaptive.algorithm",
        "adaptive.algorithm.aimd",
        "adaptive.algorithm.gradient2",
    ] {
        let (path, message) = refused(&format!("client.{table}.min_cals = 1"));
        assert_eq!(path, format!("client.{table}.min_cals"));
        assert!(message.starts_with("unknown field `min_cals`"), "{message}");
    }
}

#[test]
fn a_setting_said_twice_is_refused() {
    let text = r#"{ "probes": 1, "probes": 2 }"#;
    let error = serde_json::from_str::<circuit_breaker::Config>(text).unwrap_err();
    assert!(error.to_string().starts_with("duplicate field `probes`"), "{error}");
}

#[test]
fn toml_shows_line_and_column() {
    let text = "[client.circuit_breaker]\nprobes = 1\nmin_calls = 0\n";
    let error = toml::<Nested>(text).unwrap_err().to_string();
    assert!(error.contains("line 3, column 13"), "{error}");
    let text = "[client.adaptive]\nmin = 5\nmax = 4\n";
    let error = toml::<Nested>(text).unwrap_err().to_string();
    assert!(error.contains("line 1, column"), "{error}");
}
