//! Whatever is in a file, nothing panics, and what is read makes policies.

use std::time::Instant;

use proptest::{collection, prelude::*, sample::select};
use resilience_core::{AdaptiveLimit, Bulkhead, CircuitBreaker, RateLimiter, RetryBudget, Throttle};
use serde_json::{Map, Value};

use crate::file::File;

const REFERENCE: &str = include_str!("../../settings.reference.toml");

/// Builds what was read, and writes it.
#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn use_it(file: File) {
    let now = Instant::now();
    let text = serde_json::to_string(&file).unwrap();
    let again: File = serde_json::from_str::<Map<_, _>>(&text).map(known).unwrap();
    assert_eq!(format!("{again:?}"), format!("{file:?}"));
    // A count window of a million calls takes its time.
    let small = |config: &Value| config["count_window"].as_u64().is_none_or(|calls| calls < 1000);
    let value: Value = serde_json::from_str(&text).unwrap();
    drop(
        file.circuit_breaker
            .filter(|_| small(&value["circuit_breaker"]))
            .map(|config| CircuitBreaker::new(config, now)),
    );
    drop(file.retry_budget.map(RetryBudget::from));
    drop(file.bulkhead.map(Bulkhead::new));
    drop(file.rate_limit.map(|quota| RateLimiter::new(quota, now)));
    drop(file.throttle.map(|config| Throttle::new(config, now)));
    drop(file.adaptive.map(|config| AdaptiveLimit::new(config, now)));
}

/// What was written, without what was not there.
fn known(tables: Map<String, Value>) -> File {
    let tables = tables.into_iter().filter(|(_, value)| !value.is_null()).collect();
    serde_json::from_value(Value::Object(tables)).unwrap()
}

/// Words that mean something somewhere, and some that do not.
fn words() -> impl Strategy<Value = String> {
    let known: Vec<_> = REFERENCE.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '/')).collect();
    prop_oneof![
        4 => select(known).prop_map(str::to_owned),
        1 => "[0-9]{1,9}/[0-9]{0,3}(s|min|h|ms)",
        1 => "[0-9]{1,5} ?(d|h|m|s|ms|us|ns)",
        1 => any::<String>(),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaves = prop_oneof![
        words().prop_map(Value::from),
        (0..100_u32).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0.0..1.0).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaves.prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            collection::btree_map(words(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The reference, with a value exchanged at each of some places.
fn nearly() -> impl Strategy<Value = Value> {
    collection::vec((any::<proptest::sample::Index>(), values()), 1..4).prop_map(|changes| {
        let mut file: Value =
            serde_json::to_value(toml::from_str::<toml::Table>(REFERENCE).unwrap()).unwrap();
        for (place, value) in changes {
            let mut places = Vec::new();
            leaves(&mut file, &mut places);
            let at = place.index(places.len());
            *places.swap_remove(at) = value;
        }
        file
    })
}

fn leaves<'a>(value: &'a mut Value, places: &mut Vec<&'a mut Value>) {
    if value.as_object().is_none_or(Map::is_empty) {
        places.push(value);
    } else if let Value::Object(map) = value {
        map.values_mut().for_each(|value| leaves(value, places));
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text: String) {
        if let Ok(file) = toml::from_str::<File>(&text) {
            use_it(file);
        }
    }

    #[test]
    fn any_json_is_read_or_refused(value in values()) {
        if let Ok(file) = serde_json::from_value::<File>(value) {
            use_it(file);
        }
    }

    #[test]
    fn any_change_of_the_reference_is_read_or_refused(value in nearly()) {
        if let Ok(text) = toml::to_string(&value) {
            if let Ok(file) = toml::from_str::<File>(&text) {
                use_it(file);
            }
        }
        if let Ok(file) = serde_json::from_value::<File>(value) {
            use_it(file);
        }
    }
}
