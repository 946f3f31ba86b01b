//! The figures that the page makes of snapshots.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body::Frame;
use metrics::{counter, gauge, histogram, with_local_recorder};
use resilience_metrics::live::Live;
use serde_json::{Value, json};
use tests::browser::{Browser, Page, Result};
use tower::ServiceExt as _;

use super::server::Server;

/// Events that are all there at once, and none after them.
struct Script(Option<Bytes>);

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes)))))
    }
}

/// Serves the page with these snapshots: each after a step, and with other figures in some of its fields.
async fn scripted(steps: &[(&dyn Fn(), Value)]) -> Server {
    let live = Live::new();
    let recorder = live.recorder();
    let mut events = String::new();
    for (step, fields) in steps {
        with_local_recorder(&recorder, step);
        let mut snapshot = serde_json::to_value(live.snapshot()).unwrap();
        snapshot.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        events += &format!("data: {snapshot}\n\n");
    }
    let page = move || live.router().oneshot(Request::get("/").body(Body::empty()).unwrap());
    let events = move || {
        let response = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
        let body = Body::new(Script(Some(events.clone().into())));
        std::future::ready(response.body(body).unwrap())
    };
    Server::start(Router::new().route("/", get(page)).route("/events", get(events))).await
}

/// The text of each element.
async fn texts(browser: &mut Browser, page: &Page, selector: &str) -> Result<Vec<String>> {
    let all = format!(
        "[...document.querySelectorAll('{selector}')].map(node => node.innerText.replace(/\\s+/g, ' '))"
    );
    Ok(serde_json::from_value(browser.value(page, &all).await?)?)
}

fn operations(outcome: &'static str, n: u64) {
    counter!("resilience_operations_total", "pipeline" => "pay", "outcome" => outcome).increment(n);
}

fn durations(outcome: &'static str, seconds: f64, n: usize) {
    let of = histogram!("resilience_operation_duration_seconds", "pipeline" => "pay", "outcome" => outcome);
    of.record_many(seconds, n);
}

#[tokio::test]
async fn rates_errors_and_quantiles_are_of_what_came_between() -> Result<()> {
    let Some(mut browser) = Browser::start()? else { return Ok(()) };
    let before = || {
        operations("success", 1_000_000);
        operations("failure", 5000);
        durations("success", 5.0, 1_000_000);
    };
    let between = || {
        operations("success", 1940);
        operations("failure", 30);
        operations("circuit_open", 20);
        operations("client_error", 10);
        operations("cancelled", 500);
        durations("success", 0.0077, 100);
        durations("success", 0.5, 48);
        durations("success", 0.9, 2);
        durations("circuit_open", 0.000_001, 5000);
        gauge!("resilience_operations_in_flight", "pipeline" => "pay").set(17.0);
        counter!("resilience_attempts_total", "pipeline" => "pay", "kind" => "first", "outcome" => "success")
            .increment(1970);
        counter!("resilience_attempts_total", "pipeline" => "pay", "kind" => "retry", "outcome" => "success")
            .increment(30);
    };
    let server = scripted(&[
        (&|| {}, json!({ "seconds": 4.0 })),
        (&before, json!({ "seconds": 5.0 })),
        (&between, json!({ "seconds": 15.0 })),
    ])
    .await;
    let page = browser.open(&format!("http://{}/", server.address)).await?;
    browser.until(&page, "document.querySelectorAll('.outcomes li').length").await?;
    assert_eq!(
        texts(&mut browser, &page, ".outcomes + .facts li").await?,
        ["200/s attempts, 0.80 per operation", "17 in flight"]
    );
    let lines = browser
        .value(&page, "[...document.querySelectorAll('.tiles svg')].map(node => node.ariaLabel)")
        .await?;
    assert_eq!(lines[0], "operations over the last minute, at most 1.0M");
    assert_eq!(lines[3], "p99 over the last minute, at most 5.5 s");
    // 50 of the 2000 that were not cancelled.
    assert_eq!(texts(&mut browser, &page, ".tiles dd").await?, ["250 /s", "2.5 %", "7.8 ms", "938 ms"]);
    assert_eq!(
        texts(&mut browser, &page, ".outcomes li").await?,
        ["194/s success", "50/s cancelled", "3.0/s failure", "2.0/s circuit_open", "1.0/s client_error"]
    );
    assert_eq!(browser.complaints(), [""; 0]);
    Ok(())
}

#[tokio::test]
async fn every_policy_says_what_it_does() -> Result<()> {
    let Some(mut browser) = Browser::start()? else { return Ok(()) };
    let count = |policy: &'static str, name: &'static str, label: &'static str, value: &'static str, n| {
        counter!(format!("resilience_{name}"), "pipeline" => "pay", "policy" => policy, label => value)
            .increment(n);
    };
    let set = |policy: &'static str, name: &'static str, value: f64| {
        gauge!(format!("resilience_{name}"), "pipeline" => "pay", "policy" => policy).set(value);
    };
    let policies = || {
        for (name, value) in
            [("state", 1.0), ("failure_ratio", 0.52), ("slow_ratio", 0.0), ("window_calls", 120.0)]
        {
            set("hosts", &*Box::leak(format!("circuit_breaker_{name}").into_boxed_str()), value);
        }
        count("hosts", "circuit_breaker_rejected_total", "x", "", 800);
        gauge!("resilience_circuit_breaker_instances", "pipeline" => "pay", "policy" => "hosts", "state" => "half_open").set(2.0);
        count("hosts", "throttle_rejected_total", "x", "", 10);
        count("hosts", "adaptive_rejected_total", "priority", "sheddable", 30);
        set("hosts", "keyed_entries", 12.0);
        count("hosts", "keyed_evictions_total", "reason", "idle", 0);
        set("throttle", "throttle_refusal_ratio", 0.25);
        count("throttle", "throttle_rejected_total", "x", "", 1);
        set("adaptive", "adaptive_limit", 20.0);
        set("adaptive", "adaptive_in_flight", 19.0);
        count("adaptive", "adaptive_rejected_total", "priority", "default", 0);
        set("bulkhead", "bulkhead_in_flight", 7.0);
        set("bulkhead", "bulkhead_limit", 50.0);
        set("bulkhead", "bulkhead_queue_depth", 3.0);
        set("bulkhead", "bulkhead_queue_limit", 100.0);
        count("bulkhead", "bulkhead_rejected_total", "reason", "queue_full", 4);
        set("retry", "retry_budget_tokens", 4.0);
        set("retry", "retry_budget_max_tokens", 100.0);
        count("retry", "retries_total", "reason", "transient", 120);
        count("retry", "retry_recovered_total", "x", "", 90);
        count("retry", "retry_denied_total", "reason", "budget_exhausted", 30);
        set("rate_limit", "rate_limit_available_tokens", 50.0);
        set("rate_limit", "rate_limit_limit", 50.0);
        count("rate_limit", "rate_limit_rejected_total", "enforced", "true", 7);
        count("rate_limit", "rate_limit_rejected_total", "enforced", "false", 5);
        count("rate_limit", "rate_limit_delayed_total", "x", "", 20);
        count("timeout", "timeouts_total", "scope", "attempt", 11);
        count("load_shed", "load_shed_rejected_total", "x", "", 0);
        count("fallback", "fallbacks_total", "result", "success", 60);
        count("fallback", "fallbacks_total", "result", "failure", 1);
        count("idempotency", "idempotency_requests_total", "result", "replayed", 20);
        count("idempotency", "idempotency_requests_total", "result", "store_error", 5);
        set("idempotency", "idempotency_entries", 9.0);
        count("idempotency", "idempotency_evictions_total", "reason", "capacity", 10);
        set("drain", "drain_active", 0.0);
        set("drain", "drain_in_flight", 4.0);
        count("drain", "drain_rejected_total", "x", "", 0);
    };
    let server = scripted(&[
        (&|| operations("success", 1), json!({ "seconds": 5.0 })),
        (&policies, json!({ "seconds": 15.0 })),
    ])
    .await;
    let page = browser.open(&format!("http://{}/", server.address)).await?;
    browser.until(&page, "document.querySelectorAll('.policies > li').length").await?;
    assert_eq!(
        texts(&mut browser, &page, ".policies > li").await?,
        [
            "hosts circuit breaker HALF-OPEN 80/s refused 52 % failed 0 % slow 120 calls in window 2 half-open",
            "hosts throttle 1.0/s refused",
            "hosts adaptive limit 3.0/s refused: sheddable",
            "hosts table by key 12 keys 0/s given up",
            "throttle 0.1/s refused 25 % of calls to be refused",
            "adaptive adaptive limit 19 / 20 in flight 0/s refused",
            "bulkhead 7 / 50 permits out 0.4/s refused: queue_full 3 / 100 queued",
            "retry 4 / 100 budget left 12/s retries 9.0/s recovered 3.0/s denied: budget_exhausted",
            "rate_limit 50 / 50 tokens left 0.7/s refused 2.0/s delayed 0.5/s over, let through",
            "timeout 1.1/s cut: attempt",
            "load_shed 0/s refused",
            "fallback 6.0/s answered 0.1/s failed too",
            "idempotency 2.5/s requests 2.0/s replayed 0.5/s store_error",
            "idempotency idempotency store 9 records 1.0/s given up: capacity",
            "drain ADMITS 4 in flight 0/s refused",
        ]
    );
    let meters = "[...document.querySelectorAll('[role=meter]')].map(node => [node.ariaLabel, node.ariaValueNow, node.className.includes('warn')])";
    assert_eq!(
        browser.value(&page, meters).await?,
        json!([
            ["in flight", "19", true],
            ["permits out", "7", false],
            ["budget left", "4", true],
            ["tokens left", "50", false]
        ])
    );
    assert_eq!(texts(&mut browser, &page, "article .state .badge").await?, ["HALF-OPEN"]);
    let bad = texts(&mut browser, &page, ".policies .facts .bad").await?;
    assert!(
        bad.iter().any(|fact| fact == "0.5/s store_error")
            && !bad.iter().any(|fact| fact.contains("replayed"))
    );
    assert_eq!(browser.complaints(), [""; 0]);
    Ok(())
}

#[tokio::test]
async fn another_process_begins_anew() -> Result<()> {
    let Some(mut browser) = Browser::start()? else { return Ok(()) };
    let count = || operations("success", 100);
    let server = scripted(&[
        (&count, json!({ "seconds": 5.0, "instance": "one" })),
        (&count, json!({ "seconds": 6.0, "instance": "one" })),
        (&count, json!({ "seconds": 7.0, "instance": "other", "complete": false })),
    ])
    .await;
    let page = browser.open(&format!("http://{}/", server.address)).await?;
    browser.until(&page, "!document.getElementById('incomplete').hidden").await?;
    assert_eq!(texts(&mut browser, &page, ".tiles .value").await?, ["\u{2013}"; 4]);
    let line = "document.querySelector('svg path').getAttribute('d')";
    assert_eq!(browser.value(&page, line).await?, "");
    Ok(())
}
