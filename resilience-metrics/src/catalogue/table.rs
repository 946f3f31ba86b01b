//! The catalogue as a table of the documentation: `CATALOGUE.md`, which is included and which a test keeps current.

#![cfg(test)]

use std::fmt::Write as _;

use super::{CATALOGUE, LabelDef, MetricDef, Shown, Values};

fn when(shown: Shown) -> Option<&'static str> {
    match shown {
        Shown::Always => None,
        Shown::Verbose => Some("verbose"),
        Shown::OneHot => Some("one-hot"),
        Shown::Operations => Some("operations"),
    }
}

fn label(label: &LabelDef) -> String {
    let name = label.name;
    match (label.values, when(label.shown)) {
        // A version in the file would have it change with each release.
        _ if name == "version" => format!("`{name}`"),
        (Values::OneOf(values), _) => format!("`{name}`: {}", values.join(" ")),
        (Values::Given, Some(when)) => format!("`{name}` ({when})"),
        (Values::Given, None) => format!("`{name}`"),
    }
}

fn row(metric: &MetricDef) -> String {
    let labels: Vec<String> = metric.labels.iter().map(label).collect();
    let when = when(metric.shown).map_or(String::new(), |when| format!(" ({when})"));
    let (name, kind, help) = (metric.name, metric.kind.as_str(), metric.help);
    format!("| `{name}` | {kind}{when} | {} | {help} |\n", labels.join("; "))
}

fn table() -> String {
    let mut table = String::from(
        "<!-- Made by a test of `catalogue/table.rs`: run it with UPDATE_CATALOGUE=1 after a change. -->\n\n\
         | name | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in CATALOGUE {
        // Writing to a string cannot fail.
        let _ = write!(table, "{}", row(metric));
    }
    table
}

#[test]
fn the_table_of_the_documentation_is_the_catalogue() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/CATALOGUE.md");
    if std::env::var_os("UPDATE_CATALOGUE").is_some() {
        std::fs::write(file, table()).unwrap();
    }
    let is_current = std::fs::read_to_string(file).unwrap() == table();
    assert!(is_current, "run this test with UPDATE_CATALOGUE=1, and see what has changed in {file}");
}

#[test]
fn names_are_told_apart_and_say_what_they_are() {
    for (index, metric) in CATALOGUE.iter().enumerate() {
        assert!(metric.name.starts_with("resilience_"));
        assert!(CATALOGUE[..index].iter().all(|before| before.name != metric.name), "{}", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.kind == super::Kind::Counter, "{}", metric.name);
        assert_eq!(metric.name.ends_with("_seconds"), metric.unit.is_some(), "{}", metric.name);
        assert_eq!(metric.buckets.is_empty(), metric.kind != super::Kind::Histogram, "{}", metric.name);
        assert!(metric.buckets.is_sorted_by(|a, b| a < b));
        assert!(metric.help.ends_with('.') && !metric.help.contains('|'), "{}", metric.name);
    }
}
