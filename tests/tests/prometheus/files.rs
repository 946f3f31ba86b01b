//! The files, and what is in them.

use serde_json::Value;

pub(crate) const DASHBOARD: &str = include_str!("../../../resilience-metrics/dashboards/resilience.json");
pub(crate) const RULES: &str = include_str!("../../../resilience-metrics/alerts/resilience-rules.yml");
pub(crate) const RULES_TEST: &str =
    include_str!("../../../resilience-metrics/alerts/resilience-rules.test.yml");
pub(crate) const RUNBOOK: &str = include_str!("../../../resilience-metrics/RUNBOOK.md");

pub(crate) fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

/// The panels beside each other: first those that always show, then those of each row that is folded.
pub(crate) fn grids(dashboard: &Value) -> Vec<Vec<&Value>> {
    let shown: Vec<&Value> = dashboard["panels"].as_array().unwrap().iter().collect();
    let folded: Vec<Vec<&Value>> = shown
        .iter()
        .filter_map(|panel| panel["panels"].as_array())
        .map(|panels| panels.iter().collect())
        .collect();
    [shown].into_iter().chain(folded).collect()
}

/// A query of the dashboard.
pub(crate) struct Query {
    /// The title of the panel, or of the annotation.
    pub(crate) of: String,
    pub(crate) expr: String,
}

pub(crate) fn queries(dashboard: &Value) -> Vec<Query> {
    let query = |of: &Value, target: &Value| Query {
        of: of.as_str().unwrap().to_owned(),
        expr: target["expr"].as_str().unwrap().to_owned(),
    };
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    let annotations = annotations.iter().filter(|annotation| annotation["builtIn"] != 1);
    let mut all: Vec<Query> = annotations.map(|it| query(&it["name"], &it["target"])).collect();
    for panel in grids(dashboard).into_iter().flatten().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        all.extend(targets.iter().map(|target| query(&panel["title"], target)));
    }
    all
}

/// What Grafana would send, for all jobs and pipelines.
pub(crate) fn substituted(expr: &str, rate_interval: &str, range: &str) -> String {
    expr.replace("$__rate_interval", rate_interval)
        .replace("$__range", range)
        .replace("$job", ".*")
        .replace("$pipeline", ".*")
}

/// An alert of the rules, by the lines of its entry.
pub(crate) struct Alert {
    pub(crate) name: &'static str,
    text: &'static str,
}

impl Alert {
    /// The value of a one-line field.
    pub(crate) fn field(&self, name: &str) -> Option<&'static str> {
        let mut lines = self.text.lines();
        lines.find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

pub(crate) fn alerts() -> Vec<Alert> {
    let entries = RULES.split("- alert: ").skip(1);
    let alert = |text: &'static str| Alert { name: text.lines().next().unwrap().trim(), text };
    entries.map(alert).collect()
}

/// What the rules record.
pub(crate) fn recorded() -> impl Iterator<Item = &'static str> {
    RULES.lines().filter_map(|line| line.trim().strip_prefix("- record: "))
}
