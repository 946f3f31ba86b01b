//! The shape of the dashboard, and that Prometheus understands its queries.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::{Value, json};
use tests::process::{Directory, tool};

use super::files::{dashboard, grids, queries, substituted};

#[test]
fn it_is_one_that_grafana_imports() {
    let dashboard = dashboard();
    assert_eq!(dashboard["schemaVersion"], 41);
    assert_eq!((&dashboard["title"], &dashboard["uid"]), (&json!("Resilience"), &json!("resilience")));
    // An id would be that of a dashboard in somebody's database.
    assert!(dashboard.get("id").is_none());
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variables: Vec<_> = variables.iter().map(|it| (it["name"].as_str(), it["type"].as_str())).collect();
    let expected = [("datasource", "datasource"), ("job", "query"), ("pipeline", "query")];
    assert_eq!(variables, expected.map(|(name, kind)| (Some(name), Some(kind))));
}

#[test]
fn every_panel_has_an_id_of_its_own_and_says_what_it_shows() {
    let dashboard = dashboard();
    let panels: Vec<&Value> = grids(&dashboard).into_iter().flatten().collect();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let titles: BTreeSet<&str> = panels.iter().map(|panel| panel["title"].as_str().unwrap()).collect();
    assert_eq!(titles.len(), panels.len());
    for panel in panels.into_iter().filter(|panel| panel["type"] != "row") {
        let title = &panel["title"];
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title}");
        let targets = panel["targets"].as_array().unwrap();
        let references: BTreeSet<&str> = targets.iter().map(|it| it["refId"].as_str().unwrap()).collect();
        assert!(!targets.is_empty() && references.len() == targets.len(), "{title}");
        let states_or_heat = ["state-timeline", "heatmap"].contains(&panel["type"].as_str().unwrap());
        assert!(
            states_or_heat || panel["fieldConfig"]["defaults"]["unit"].is_string(),
            "{title} has no unit"
        );
    }
}

/// Where this part and what is in it ask.
fn sources(part: &Value) -> Vec<&Value> {
    let inside: Vec<&Value> = match part {
        Value::Array(parts) => parts.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => vec![],
    };
    let own = part.get("datasource").filter(|source| source.is_object());
    own.into_iter().chain(inside.into_iter().flat_map(sources)).collect()
}

#[test]
fn all_ask_the_source_that_was_chosen() {
    let dashboard = dashboard();
    let chosen = json!({ "type": "prometheus", "uid": "${datasource}" });
    let (chosen, others): (Vec<&Value>, Vec<&Value>) =
        sources(&dashboard).into_iter().partition(|source| **source == chosen);
    // Each query, its panel or annotation, and two variables; besides them there are Grafana's own annotations.
    let panels = grids(&dashboard).concat().iter().filter(|panel| panel["type"] != "row").count();
    let queries = queries(&dashboard).len();
    assert_eq!(chosen.len(), panels + queries + 2);
    assert_eq!(others, [&json!({ "type": "grafana", "uid": "-- Grafana --" })]);
}

#[test]
fn no_panel_covers_another() {
    /// Left, top, right, bottom.
    fn corners(panel: &Value) -> [u64; 4] {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        [x, y, x + w, y + h]
    }
    let dashboard = dashboard();
    for grid in grids(&dashboard) {
        for (index, panel) in grid.iter().enumerate() {
            let [left, top, right, bottom] = corners(panel);
            assert!(left < right && right <= 24 && top < bottom, "{}", panel["title"]);
            for other in &grid[..index] {
                let [l, t, r, b] = corners(other);
                let apart = right <= l || r <= left || bottom <= t || b <= top;
                assert!(apart, "{} and {}", panel["title"], other["title"]);
            }
        }
    }
}

/// Variables and ranges are those of whoever looks.
#[test]
fn every_query_goes_by_the_variables_and_none_has_a_range_of_its_own() {
    for query in queries(&dashboard()) {
        let expr = &query.expr;
        for selector in expr.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
            let of_all_pipelines = ["resilience_build_info{", "resilience_telemetry_overflow_total{"];
            assert!(selector.contains(r#"job=~"$job""#), "{}: {expr}", query.of);
            let pipeline = selector.contains(r#"pipeline=~"$pipeline""#);
            assert!(
                pipeline || of_all_pipelines.iter().any(|name| expr.contains(name)),
                "{}: {expr}",
                query.of
            );
        }
        for range in expr.split('[').skip(1) {
            let variable = range.starts_with("$__rate_interval]") || range.starts_with("$__range]");
            assert!(variable || range.starts_with("$__range:]"), "{}: {expr}", query.of);
        }
    }
}

/// What was refused took no time: it would make latencies look good.
#[test]
fn latencies_are_those_of_successes() {
    let queries = queries(&dashboard());
    let durations = queries.iter().filter(|query| query.expr.contains("_duration_seconds"));
    let mut count = 0;
    for query in durations {
        assert!(query.expr.contains(r#"outcome="success""#), "{}: {}", query.of, query.expr);
        count += 1;
    }
    assert!(count >= 5);
}

#[test]
fn prometheus_understands_every_query() {
    let Some(promtool) = tool("promtool") else { return };
    let directory = Directory::new("dashboard");
    let mut rules = Vec::new();
    for (index, query) in queries(&dashboard()).iter().enumerate() {
        let expr = substituted(&query.expr, "1m", "1h");
        assert!(!expr.contains('$'), "{}: {expr}", query.of);
        rules.push(json!({ "record": format!("panel:{index}"), "expr": expr }));
    }
    // JSON is YAML.
    let file = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    let path = directory.path().join("panels.yml");
    fs::write(&path, file.to_string()).unwrap();
    let output = Command::new(promtool).args(["check", "rules"]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("SUCCESS: {} rules found", rules.len())), "{said}");
}
