//! The JSON schemas say what is read.

use schemars::schema_for;
use serde_json::{Value, json};

use crate::{File, REFERENCE};

/// The schema of a setting, which may be within one of several choices.
fn find<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let of_choices = || schema["anyOf"].as_array()?.iter().find_map(|one| find(one, name));
    schema["properties"].get(name).or_else(of_choices)
}

/// Every value of the reference has a schema with a description.
fn compare(value: &Value, schema: &Value, path: &str) {
    for (name, value) in value.as_object().unwrap() {
        let path = format!("{path}.{name}");
        let one = find(schema, name).unwrap_or_else(|| panic!("{path} is not in {schema:#}"));
        if value.is_object() {
            compare(value, one, &path);
        } else {
            assert!(one["description"].is_string(), "{path}: {one:#}");
        }
    }
}

#[test]
fn they_have_every_setting_with_its_default() {
    let schema = schema_for!(File).to_value();
    let reference = toml::from_str::<toml::Table>(REFERENCE).unwrap();
    compare(&serde_json::to_value(reference).unwrap(), &schema, "");
    let client = find(&schema, "client").unwrap();
    assert_eq!(client["additionalProperties"], false);
    assert_eq!(find(client, "attempt_timeout").unwrap()["default"], "2s");
    assert_eq!(find(client, "throttle").unwrap()["default"]["min_requests"], 10);
    let bulkhead = find(client, "bulkhead").unwrap();
    assert_eq!(bulkhead["default"], "off");
    assert_eq!(bulkhead["anyOf"][1], json!({ "const": "off" }));
}
