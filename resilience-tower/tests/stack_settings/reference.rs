//! The reference file: it is read, it says the defaults, and it has every setting there is.

use std::collections::BTreeSet;

use resilience_core::{Quota, bulkhead};
use resilience_tower::stack::ClientSettings;
use toml::{Table, Value};

use crate::{File, REFERENCE, file, same};

/// The paths of all values.
fn paths(prefix: &str, table: &Table, all: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = format!("{prefix}.{key}");
        match value {
            Value::Table(table) => paths(&path, table, all),
            _ => drop(all.insert(path)),
        }
    }
}

fn all_paths(table: &Table) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    paths("", table, &mut all);
    all
}

/// The tables that are commented out.
fn commented() -> String {
    let lines = REFERENCE.lines().skip_while(|line| !line.starts_with("# [client.bulkhead]"));
    let lines = lines.take_while(|line| line.starts_with('#')).map(|line| line[1..].trim_start());
    lines.filter(|line| line.starts_with('[') || line.contains(" = ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn it_says_the_defaults() {
    same(&file(REFERENCE), &File::default());
    same(&file(""), &File::default());
}

#[test]
fn it_has_every_setting() {
    let reference: Table = toml::from_str(REFERENCE).unwrap();
    assert_eq!(all_paths(&reference), all_paths(&Table::try_from(File::default()).unwrap()));
}

#[test]
fn it_has_every_setting_of_what_is_off() {
    let text = commented();
    let expected =
        ClientSettings::new().bulkhead(bulkhead::Config::new(20)).rate_limit(Quota::per_second(100));
    let written = Table::try_from(&expected).unwrap();
    same(&file(&text).client, &expected);
    let tables: Table = toml::from_str(&text).unwrap();
    for part in ["bulkhead", "rate_limit"] {
        let of = |client: &Table| all_paths(client[part].as_table().unwrap());
        assert_eq!(of(tables["client"].as_table().unwrap()), of(&written));
    }
}
