//! Every metric that the files name is one that there is, with the labels that it has; and every metric is shown.

use std::collections::BTreeSet;

use resilience_core::Outcome;
use resilience_metrics::catalogue::{CATALOGUE, Kind, MetricDef, Values};

use super::files::{DASHBOARD, RULES, RULES_TEST, RUNBOOK, dashboard, queries, recorded};

/// What Prometheus puts on a series.
const FROM_OUTSIDE: [&str; 3] = ["job", "instance", "le"];

/// The names of series in a text, each with what follows it.
fn names(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = &rest[rest.find(is_part)?..];
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        Some((name, after))
    })
    .filter(|(name, _)| name.contains("resilience_"))
}

/// The metric whose series this is.
fn metric_of(series: &str) -> Option<&'static MetricDef> {
    let named = |name: &str| CATALOGUE.iter().find(|metric| metric.name == name);
    let of_histogram =
        |part| named(series.strip_suffix(part)?).filter(|metric| metric.kind == Kind::Histogram);
    named(series).or_else(|| ["_bucket", "_sum", "_count"].into_iter().find_map(of_histogram))
}

#[test]
fn every_name_is_that_of_a_metric_or_of_a_recording_rule() {
    let recorded: BTreeSet<&str> = recorded().collect();
    for (file, text) in
        [("dashboard", DASHBOARD), ("rules", RULES), ("tests of the rules", RULES_TEST), ("runbook", RUNBOOK)]
    {
        let mut count = 0;
        for (name, _) in names(text) {
            count += 1;
            let known = recorded.contains(name) || metric_of(name).is_some();
            assert!(known, "{name}, in the {file}, is no metric");
        }
        assert!(count > 0, "no names in the {file}");
    }
}

/// `rate(resilience_x[..])` of a histogram is nothing: it has buckets, a sum and a count.
#[test]
fn a_histogram_is_never_named_alone_in_a_query() {
    let queries = queries(&dashboard());
    let queries = queries.iter().map(|query| query.expr.as_str()).chain([RULES]);
    for (name, _) in queries.flat_map(names) {
        let alone =
            metric_of(name).is_some_and(|metric| metric.name == name && metric.kind == Kind::Histogram);
        assert!(!alone, "{name}");
    }
}

/// The label of a matcher, and the values that it names, if it names them.
fn parsed(matcher: &str) -> (&str, Vec<&str>) {
    let (label, rest) = matcher.split_at(matcher.find(['=', '!']).unwrap());
    let (operator, rest) = rest.split_once('"').unwrap();
    let values = rest.strip_suffix('"').unwrap();
    let is_variable = values.starts_with('$');
    let values = if operator.ends_with('~') { values.split('|').collect() } else { vec![values] };
    (label, if is_variable { vec![] } else { values })
}

#[test]
fn every_selector_names_labels_and_values_that_the_metric_has() {
    let dashboard = DASHBOARD.replace("\\\"", "\"");
    let mut count = 0;
    for (name, after) in [&dashboard, RULES, RULES_TEST].into_iter().flat_map(names) {
        let Some((selector, _)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) else {
            continue;
        };
        let metric = metric_of(name).unwrap();
        for (label, values) in selector.split(", ").map(parsed) {
            count += 1;
            if FROM_OUTSIDE.contains(&label) {
                continue;
            }
            let known = metric.labels.iter().find(|known| known.name == label);
            let known = known.unwrap_or_else(|| panic!("{name} has no label `{label}`"));
            if let Values::OneOf(known) = known.values {
                assert!(
                    values.iter().all(|value| known.contains(value)),
                    "{name}: {label} is none of {values:?}"
                );
            }
        }
    }
    assert!(count > 100, "{count} matchers");
}

/// A new outcome is an error until somebody says that it is none.
#[test]
fn what_an_error_is_is_the_same_everywhere() {
    const NO_ERRORS: [Outcome; 4] =
        [Outcome::Success, Outcome::Fallback, Outcome::ClientError, Outcome::Cancelled];
    let errors = Outcome::ALL.into_iter().filter(|outcome| !NO_ERRORS.contains(outcome));
    let mut errors: Vec<&str> = errors.map(Outcome::as_str).collect();
    errors.sort_unstable();
    let dashboard = DASHBOARD.replace("\\\"", "\"");
    let mut count = 0;
    for set in [&dashboard, RULES].iter().flat_map(|text| text.split("outcome=~\"").skip(1)) {
        let mut set: Vec<&str> = set.split('"').next().unwrap().split('|').collect();
        set.sort_unstable();
        assert_eq!(set, errors);
        count += 1;
    }
    assert_eq!(count, 8, "seven windows of the alerts, and the panel");
}

#[test]
fn every_metric_is_in_the_dashboard() {
    let shown: BTreeSet<&str> =
        names(DASHBOARD).filter_map(|(name, _)| Some(metric_of(name)?.name)).collect();
    let missing: Vec<&str> =
        CATALOGUE.iter().map(|it| it.name).filter(|name| !shown.contains(name)).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_recording_rule_is_used() {
    for record in recorded() {
        assert!(names(RULES).filter(|(name, _)| *name == record).count() > 1, "{record} is used nowhere");
    }
}
