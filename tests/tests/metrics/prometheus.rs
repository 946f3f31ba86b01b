//! What the Prometheus exporter makes of it, as a scraper sees it.

use std::{
    collections::BTreeSet,
    io::Write,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use metrics_util::MetricKindMask;
use resilience_core::{CircuitBreaker, circuit_breaker::Config};
use resilience_metrics::{
    CATALOGUE, Telemetry,
    catalogue::{FINE_SECONDS, Kind},
    prometheus::{self, Scrape},
};
use tests::{process, time};
use tower::ServiceExt;

use super::catalogue::everything;

const STATE: &str = "resilience_circuit_breaker_state{pipeline=\"pay\",policy=\"breaker\"}";

/// Everything that there is, behind a route.
async fn routed(builder: PrometheusBuilder) -> Router {
    let recorder = prometheus::configure(builder).build_recorder();
    let handle = recorder.handle();
    let telemetry = Telemetry::new("pay")
        .with_recorder(Arc::new(recorder))
        .verbose(true)
        .one_hot(true)
        .operations(["charge"]);
    everything(&telemetry).await;
    Router::new().route_service("/metrics", Scrape::new(handle, [telemetry]))
}

async fn request(app: &Router, method: Method) -> (StatusCode, Option<String>, String) {
    let request = Request::builder().method(method).uri("/metrics").body(Body::empty()).unwrap();
    let answer = app.clone().oneshot(request).await.unwrap();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn trap_44_every_histogram_has_buckets_and_none_is_a_summary() {
    let app = routed(PrometheusBuilder::new()).await;
    let (status, kind, text) = request(&app, Method::GET).await;
    assert_eq!((status, kind.as_deref()), (StatusCode::OK, Some("text/plain; version=0.0.4; charset=utf-8")));
    let types: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let expected = CATALOGUE.iter().map(|metric| format!("{} {}", metric.name, metric.kind.as_str()));
    let expected: BTreeSet<String> = expected.collect();
    assert!(types.into_iter().eq(expected.iter()), "{text}");
    for metric in CATALOGUE.iter().filter(|metric| metric.kind == Kind::Histogram) {
        let prefix = format!("{}_bucket{{", metric.name);
        let series = text.lines().filter(|line| line.starts_with(&prefix));
        let bounds: BTreeSet<&str> = series.map(|line| line.split("le=\"").nth(1).unwrap()).collect();
        assert!(bounds.len() > metric.buckets.len(), "{}: {bounds:?}", metric.name);
    }
    for metric in CATALOGUE {
        assert!(text.contains(&format!("# HELP {} {}", metric.name, metric.help)), "{}", metric.name);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_set_for_one_metric_afterwards_counts() {
    let duration = || Matcher::Full("resilience_operation_duration_seconds".into());
    let builder = prometheus::configure(PrometheusBuilder::new());
    let recorder = builder.set_buckets_for_metric(duration(), FINE_SECONDS).unwrap().build_recorder();
    let handle = recorder.handle();
    everything(&Telemetry::new("pay").with_recorder(Arc::new(recorder))).await;
    let text = handle.render();
    assert!(text.contains(
        "resilience_operation_duration_seconds_bucket{pipeline=\"pay\",outcome=\"success\",le=\"0.00001\"}"
    ));
    assert!(!text.contains("resilience_attempt_duration_seconds_bucket{pipeline=\"pay\",kind=\"first\",outcome=\"success\",le=\"0.00001\"}"));
}

#[tokio::test(start_paused = true)]
async fn promtool_finds_nothing_to_say() {
    let Some(promtool) = process::tool("promtool") else { return };
    let app = routed(PrometheusBuilder::new()).await;
    let (_, _, text) = request(&app, Method::GET).await;
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = check.wait_with_output().unwrap();
    let lines = [said.stdout, said.stderr].concat();
    assert_eq!((String::from_utf8(lines).unwrap().as_str(), said.status.success()), ("", true));
}

#[tokio::test(start_paused = true)]
async fn a_scrape_is_read_only_and_publishes_first() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let telemetry = Telemetry::new("pay").with_recorder(Arc::new(recorder));
    let breaker = CircuitBreaker::new(Config::new(), time::now());
    let _observer = telemetry.circuit_breaker("breaker", &breaker);
    let app = Router::new().route_service("/metrics", Scrape::new(handle.clone(), [telemetry]));
    breaker.force_open(time::now());
    assert!(handle.render().contains(&format!("{STATE} 0")));
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        assert_eq!(request(&app, method).await, (StatusCode::METHOD_NOT_ALLOWED, None, String::new()));
    }
    assert!(handle.render().contains(&format!("{STATE} 0")));
    assert_eq!(request(&app, Method::HEAD).await.0, StatusCode::OK);
    assert!(request(&app, Method::GET).await.2.contains(&format!("{STATE} 2")));
}

/// The exporter has a clock of its own, so this waits for it to forget.
#[tokio::test]
async fn trap_40_a_gauge_that_was_forgotten_is_there_again_when_it_is_published() {
    let forget = Some(Duration::from_millis(1));
    let recorder = PrometheusBuilder::new().idle_timeout(MetricKindMask::GAUGE, forget).build_recorder();
    let handle = recorder.handle();
    let telemetry = Telemetry::new("pay").with_recorder(Arc::new(recorder));
    let breaker = CircuitBreaker::new(Config::new(), time::now());
    let _observer = telemetry.circuit_breaker("breaker", &breaker);
    breaker.force_open(time::now());
    for _ in 0..2 {
        while handle.render().contains(STATE) {
            tokio::task::yield_now().await;
        }
        telemetry.publish();
        assert!(handle.render().contains(&format!("{STATE} 2")));
    }
}
