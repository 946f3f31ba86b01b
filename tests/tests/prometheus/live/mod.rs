//! A real Prometheus watches a scripted outage: the right alerts fire and no others, they end after it, and each query of the
//! dashboard has something to show.

mod payouts;
mod pipelines;
mod server;
mod traffic;

use std::{sync::Arc, time::Duration};

use axum::Router;
use metrics_exporter_prometheus::PrometheusBuilder;
use resilience_metrics::prometheus;
use tests::{
    process::{tool, until},
    server::serve,
};

use self::{
    server::{Fired, Server},
    traffic::Weather,
};
use super::files::{RULES, dashboard, queries, substituted};

/// Much more than any step of the test takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Which alerts the outage of each pipeline is for.
const OUTAGES: [(&str, &[&str]); 9] = [
    (
        "payments",
        &[
            "ErrorBudgetBurnFast",
            "ErrorBudgetBurnSlow",
            "CircuitBreakerOpen",
            "FallbackFailing",
            "RetryBudgetExhausted",
        ],
    ),
    ("search", &["RetryAmplification"]),
    ("inventory", &["ErrorBudgetBurnFast", "ErrorBudgetBurnSlow", "RetryBudgetExhausted"]),
    ("reports", &["ErrorBudgetBurnFast", "ErrorBudgetBurnSlow", "BulkheadSaturated"]),
    ("mail", &["ErrorBudgetBurnFast", "ErrorBudgetBurnSlow", "CircuitBreakerFlapping"]),
    ("feed", &["ErrorBudgetBurnFast", "ErrorBudgetBurnSlow"]),
    ("api", &["ErrorBudgetBurnFast", "ErrorBudgetBurnSlow"]),
    ("payouts", &["IdempotencyStoreErrors"]),
    ("healthy", &[]),
];

fn expected() -> Fired {
    let pairs = |&(pipeline, alerts): &(&str, &[&str])| {
        alerts.iter().map(move |alert| ((*alert).to_owned(), pipeline.to_owned())).collect::<Vec<_>>()
    };
    OUTAGES.iter().flat_map(pairs).collect()
}

/// The rules with their minutes, hours and days as seconds, longer ones longer.
fn scaled(rules: &str) -> String {
    let seconds = [
        ("1m", "1s"),
        ("2m", "2s"),
        ("5m", "6s"),
        ("10m", "7s"),
        ("30m", "7s"),
        ("1h", "8s"),
        ("2h", "9s"),
        ("6h", "10s"),
        ("1d", "11s"),
        ("3d", "12s"),
        ("15m", "15s"),
    ];
    let mut scaled = rules.to_owned();
    for (long, short) in seconds {
        for (before, after) in [("[", "]"), ("for: ", "\n"), ("offset ", ")")] {
            scaled = scaled.replace(&format!("{before}{long}{after}"), &format!("{before}{short}{after}"));
        }
    }
    scaled
}

#[test]
fn no_duration_of_the_rules_is_left_as_it_was() {
    let scaled = scaled(RULES);
    let expressions = scaled.split("\ngroups:").nth(1).unwrap();
    for before in ["[", "for: ", "offset "] {
        for duration in expressions.split(before).skip(1) {
            let unit = duration.trim_start_matches(|c: char| c.is_ascii_digit());
            assert!(unit.len() == duration.len() || unit.starts_with('s'), "{before}{duration:.20}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_fires_the_right_alerts_and_shows_in_every_panel() {
    let Some(binary) = tool("prometheus") else { return };
    let recorder = prometheus::configure(PrometheusBuilder::new()).build_recorder();
    let handle = recorder.handle();
    let weather = Weather::default();
    let telemetries = pipelines::open(&(Arc::new(recorder) as _), &weather);
    let scraped = Router::new().route_service("/metrics", prometheus::Scrape::new(handle, telemetries));
    let target = serve(scraped).await.unwrap();
    let prometheus = Server::start(&binary, target, &scaled(RULES));

    // All is well for longer than some windows.
    let rates = "count(sum by (pipeline) (rate(resilience_operations_total[5s] offset 2s)))";
    let seen = async || prometheus.query(&format!("{rates} == {}", OUTAGES.len())).await.pop();
    until("traffic of all pipelines", LIMIT, seen).await;
    let began = prometheus.now().await;
    weather.turn(true);
    let expected = expected();
    let lacks = |fired: Fired| expected.difference(&fired).cloned().collect();
    wait("all alerts", async || lacks(prometheus.firing().await)).await;
    weather.turn(false);
    wait("the end of all alerts", async || prometheus.firing().await).await;
    let ended = prometheus.now().await;

    // At any time, not only when somebody looked.
    assert_eq!(prometheus.fired(began - 60.0, began).await, Fired::new(), "in good weather");
    assert_eq!(prometheus.fired(began, ended).await, expected);
    every_panel_shows_something(&prometheus, began, ended).await;
}

/// Until there are none, saying which there are.
async fn wait(what: &str, mut left: impl AsyncFnMut() -> Fired) {
    let mut before = None;
    let none_left = async || {
        let left = left().await;
        let ends = left.is_empty();
        if before.as_ref() != Some(&left) {
            println!("{what}: left are {left:?}");
            before = Some(left);
        }
        ends.then_some(())
    };
    until(what, LIMIT, none_left).await;
}

/// Something else than zero.
async fn every_panel_shows_something(prometheus: &Server, began: f64, ended: f64) {
    let mut empty = Vec::new();
    for query in queries(&dashboard()) {
        let expr = substituted(&query.expr, "2s", "1m");
        let series = prometheus.query_range(&expr, began - 2.0, ended, 0.5).await;
        let values = series.iter().flat_map(|series| &series.values);
        if !values.into_iter().any(|value| value.is_finite() && *value != 0.0) {
            empty.push(format!("{}: {expr}", query.of));
        }
    }
    assert!(empty.is_empty(), "nothing to show in {} queries:\n{}", empty.len(), empty.join("\n"));
}
