//! Whatever is in a file, nothing panics, and what is read makes stacks.

use proptest::{collection, prelude::*, sample::select};
use resilience_tower::stack::{ClientLayer, ServerLayer};
use serde_json::{Map, Value};

use crate::{File, REFERENCE, same};

/// Builds what was read, and writes it.
fn use_it(file: &File) {
    assert!(ClientLayer::new("any", &file.client).is_ok(), "it was checked");
    assert!(ServerLayer::new("any", &file.server).is_ok(), "it was checked");
    let text = serde_json::to_string(file).unwrap();
    same(&serde_json::from_str::<File>(&text).unwrap(), file);
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
        2 => words().prop_map(Value::from),
        1 => (0..100_u32).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaves.prop_recursive(4, 40, 8, |inner| {
        collection::btree_map(words(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect()))
    })
}

/// The reference, with a value exchanged at each of some places.
fn nearly() -> impl Strategy<Value = Value> {
    collection::vec((any::<proptest::sample::Index>(), values()), 1..4).prop_map(|changes| {
        let mut file = serde_json::to_value(toml::from_str::<toml::Table>(REFERENCE).unwrap()).unwrap();
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
            use_it(&file);
        }
    }

    #[test]
    fn any_json_is_read_or_refused(client in values(), server in values()) {
        let file = serde_json::json!({ "client": client, "server": server });
        if let Ok(file) = serde_json::from_value::<File>(file) {
            use_it(&file);
        }
    }

    #[test]
    fn any_change_of_the_reference_is_read_or_refused(value in nearly()) {
        if let Ok(text) = toml::to_string(&value) {
            if let Ok(file) = toml::from_str::<File>(&text) {
                use_it(&file);
            }
        }
        if let Ok(file) = serde_json::from_value::<File>(value) {
            use_it(&file);
        }
    }
}
