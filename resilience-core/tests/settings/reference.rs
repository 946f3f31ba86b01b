//! The reference file: it is read, it says the defaults, and it has every setting there is.

use std::collections::BTreeSet;

use resilience_core::{
    Quota, RetryBudget, RetryPolicy, adaptive, bulkhead, circuit_breaker,
    retry::budget::{self, InFlight, Throttle},
    throttle,
};
use toml::{Table, Value};

use crate::file::{File, toml};

const REFERENCE: &str = include_str!("../../settings.reference.toml");

fn defaults() -> File {
    File {
        circuit_breaker: Some(circuit_breaker::Config::new()),
        retry: Some(RetryPolicy::new()),
        retry_budget: Some(budget::Config::default()),
        bulkhead: Some(bulkhead::Config::new(20)),
        rate_limit: Some(Quota::per_second(100)),
        throttle: Some(throttle::Config::new()),
        adaptive: Some(adaptive::Config::default()),
    }
}

/// The paths of all values.
fn paths(prefix: &str, table: &Table, paths: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = format!("{prefix}.{key}");
        match value {
            Value::Table(table) => self::paths(&path, table, paths),
            _ => drop(paths.insert(path)),
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
    let lines = REFERENCE.lines().filter_map(|line| line.strip_prefix("# "));
    let code =
        |line: &&str| line.starts_with("[retry_budget") || line.starts_with("# ") || line.contains(" = ");
    let block = lines.skip_while(|line| !line.starts_with("[retry_budget")).filter(code);
    block.take_while(|line| !line.starts_with("resilience_core")).collect::<Vec<_>>().join("\n")
}

#[test]
fn it_says_the_defaults() {
    let read: File = toml(REFERENCE).unwrap();
    assert_eq!(format!("{read:?}"), format!("{:?}", defaults()));
}

#[test]
fn it_has_every_setting() {
    let read: Table = toml(REFERENCE).unwrap();
    assert_eq!(all_paths(&read), all_paths(&Table::try_from(defaults()).unwrap()));
}

#[test]
fn it_has_every_other_kind_of_budget() {
    let text = commented();
    let tables: Table = toml(&text).unwrap();
    for (kind, expected) in [
        ("ratio", RetryBudget::ratio(0.1).into()),
        ("quota", budget::Config::Quota),
        ("throttle", Throttle::new(10, 0.1).into()),
        ("in_flight", InFlight::new(20, 3).into()),
    ] {
        let table = tables["retry_budget"][kind].clone();
        let one = Table::from_iter([(kind.to_owned(), table)]);
        assert_eq!(one.clone().try_into::<budget::Config>().unwrap(), expected);
        assert_eq!(all_paths(&one), all_paths(&Table::try_from(expected).unwrap()));
    }
}
