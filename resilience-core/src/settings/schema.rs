//! What the JSON schemas of the settings have in common.
//!
//! Hidden, and public for the settings of `resilience-tower`'s stacks alone: what they would notice waits for a new minor version.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};

use super::form::Form;

/// The schema of a setting that holds a `T`.
pub fn of<T>(form: &impl Form<Value = T>, generator: &mut SchemaGenerator) -> Schema {
    form.schema(generator)
}

/// A table with these settings, each with its name and description, and no others.
pub fn table<const N: usize>(settings: [(&str, &str, Schema); N]) -> Schema {
    let mut properties = Map::new();
    for (name, description, mut schema) in settings {
        schema.insert("description".to_owned(), description.trim().into());
        properties.insert(name.to_owned(), schema.into());
    }
    json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The schema of whole settings: that of their patch, with what they need, and the defaults.
pub fn whole(mut schema: Schema, needs: &[&str], defaults: Option<&impl Serialize>) -> Schema {
    if !needs.is_empty() {
        schema.insert("required".to_owned(), needs.into());
    }
    let defaults = defaults.and_then(|defaults| serde_json::to_value(defaults).ok());
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    if let (Some(Value::Object(defaults)), Some(properties)) = (defaults, properties) {
        for (name, default) in defaults {
            if let Some(Value::Object(property)) = properties.get_mut(&name) {
                property.insert("default".to_owned(), default);
            }
        }
    }
    schema
}
