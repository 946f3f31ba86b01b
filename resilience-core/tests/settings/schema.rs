//! The JSON schemas say what is read.

use std::collections::BTreeSet;

use schemars::schema_for;
use serde_json::{Value, json};

use crate::file::File;

const REFERENCE: &str = include_str!("../../settings.reference.toml");

fn schema() -> Value {
    schema_for!(File).to_value()
}

/// The schema of a table, which may be one of several choices.
fn table<'a>(schema: &'a Value, name: &str) -> &'a Value {
    let mut schema = schema;
    while schema["properties"].get(name).is_none() {
        schema = schema["anyOf"].as_array().unwrap().iter().find(|one| holds(one, name)).unwrap();
    }
    &schema["properties"][name]
}

fn holds(schema: &Value, name: &str) -> bool {
    schema["properties"].get(name).is_some()
        || schema["anyOf"].as_array().is_some_and(|any| any.iter().any(|one| holds(one, name)))
}

/// Every value of the reference has a schema with a description, and that schema has its default.
fn compare(value: &Value, schema: &Value, path: &str) {
    for (name, value) in value.as_object().unwrap() {
        let path = format!("{path}.{name}");
        assert!(holds(schema, name), "{path} is not in {schema:#}");
        let one = table(schema, name);
        if value.is_object() {
            compare(value, one, &path);
        } else {
            assert!(one["description"].is_string(), "{path}: {one:#}");
        }
    }
}

#[test]
fn they_have_every_setting() {
    let reference = toml::from_str::<toml::Table>(REFERENCE).unwrap();
    compare(&serde_json::to_value(reference).unwrap(), &schema(), "");
}

#[test]
fn they_have_ranges_defaults_and_needs() {
    let schema = schema();
    let breaker = table(&schema, "circuit_breaker");
    let expected = json!({
        "type": "integer", "minimum": 1, "maximum": 1000, "default": 3,
        "description": "Closes after so many successful probes, and admits no more than that while half-open.",
    });
    assert_eq!(table(breaker, "probes"), &expected);
    let rate = table(breaker, "failure_rate");
    assert_eq!(
        rate["anyOf"],
        json!([{ "type": "number", "exclusiveMinimum": 0, "maximum": 1.0 }, { "const": "off" }])
    );
    assert_eq!(rate["default"], 0.5);
    assert_eq!(table(breaker, "time_window")["default"], "10s");
    assert_eq!(table(breaker, "slow_calls")["default"], "off");
    assert_eq!(table(table(&schema, "throttle"), "max_requests")["multipleOf"], 10);
    let bulkhead = schema["properties"]["bulkhead"].clone();
    assert!(bulkhead.to_string().contains(r#""required":["max_concurrent"]"#), "{bulkhead:#}");
    assert!(breaker.to_string().contains(r#""additionalProperties":false"#));
}

#[test]
fn kinds_are_named() {
    let schema = schema();
    let budget = table(&schema, "retry_budget").to_string();
    assert!(
        budget.contains(r#"{"enum":["success_paid","ratio","quota","throttle","in_flight"]}"#),
        "{budget}"
    );
    let jitter = table(table(table(&schema, "retry"), "backoff"), "jitter").to_string();
    let named: BTreeSet<_> =
        ["none", "full", "equal", "fifth"].into_iter().filter(|name| jitter.contains(name)).collect();
    assert_eq!(named.len(), 4, "{jitter}");
}
