//! Whole stacks under one observer: every decision is counted once, under the policy that made it.

use std::convert::Infallible;

use http::{Request, Response};
use resilience_core::{Backoff, Quota, RetryPolicy, bulkhead, circuit_breaker};
use resilience_metrics::Telemetry;
use resilience_tower::stack::{ClientLayer, ClientSettings, ServerLayer, ServerSettings};
use tests::recorded::{Readings, Recorded};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::SECOND;

/// The sum of the counters of this name that have all of these labels.
fn count(readings: &Readings, name: &str, labels: &[&str]) -> u64 {
    let name = format!("resilience_{name}");
    let all = readings.labelled(&name);
    let has_all = |of: &str| labels.iter().all(|label| of.split(',').any(|there| there == *label));
    all.into_iter().filter(|(of, _)| has_all(of)).map(|(_, count)| count).sum()
}

#[tokio::test(start_paused = true)]
async fn a_client_stack_counts_each_decision_once() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let settings = ClientSettings::new()
        .retry(RetryPolicy::new().backoff(Backoff::none()))
        .circuit_breaker(circuit_breaker::Config::new().time_window(None).consecutive_failures(4))
        .bulkhead(bulkhead::Config::new(1))
        .rate_limit(Quota::per_hour(5))
        .rate_limit_wait(std::time::Duration::ZERO);
    let layer = ClientLayer::new("pay", &settings).unwrap();
    let handle = layer.handle().clone();
    let read = handle.clone();
    let observer = telemetry.client(move || read.snapshot(), handle.bulkhead(), handle.rate_limiter());
    let mut client = layer
        .with_observer(observer)
        .operation(telemetry.operation_layer(resilience_core::ErrorsAreFailures))
        .attempt(telemetry.attempt_layer(resilience_core::ErrorsAreFailures))
        .layer(service_fn(|_: u32| std::future::ready(Err::<(), _>("down"))));
    let mut call = async || client.ready().await.unwrap().call(7_u32).await.unwrap_err();

    // Three attempts, and one more that opens the breaker; the retry after it is refused.
    call().await;
    call().await;
    call().await;
    let permit = handle.bulkhead().unwrap().try_acquire(1).unwrap();
    call().await;
    drop(permit);
    call().await;
    call().await;
    call().await;

    telemetry.publish();
    let readings = recorded.take();
    let count = |name, labels: &[&str]| count(&readings, name, labels);
    assert_eq!(count("attempts_total", &["kind=first", "outcome=failure"]), 2);
    assert_eq!(count("attempts_total", &["kind=retry", "outcome=failure"]), 2);
    assert_eq!(count("retries_total", &["policy=retry", "reason=transient"]), 3);
    let opened = ["policy=destinations", "from=closed", "to=open"];
    assert_eq!(count("circuit_breaker_transitions_total", &opened), 1);
    assert_eq!(count("circuit_breaker_rejected_total", &["policy=destinations"]), 4);
    assert_eq!(count("bulkhead_rejected_total", &["policy=bulkhead", "reason=full"]), 1);
    assert_eq!(count("rate_limit_rejected_total", &["policy=rate_limit", "enforced=true"]), 1);
    let gauge =
        |name: &str| readings.gauge(&format!("resilience_{name}{{pipeline=pay,policy=destinations}}"));
    assert_eq!((gauge("keyed_entries"), gauge("circuit_breaker_state")), (Some(1.0), Some(2.0)));
}

#[tokio::test(start_paused = true)]
async fn a_server_stack_counts_each_decision_once() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("api");
    let settings = ServerSettings::new().total_timeout(SECOND).rate_limit(Quota::per_hour(2));
    let layer = ServerLayer::new("api", &settings).unwrap();
    let handle = layer.handle().clone();
    let observer = telemetry.server(handle.drains(), handle.adaptive(), handle.bulkhead());
    let server = layer.with_observer(observer).layer(service_fn(|request: Request<()>| async move {
        if request.uri() == "/hang" {
            std::future::pending().await
        }
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let call = async |path| {
        server.clone().oneshot(Request::get(path).body(()).unwrap()).await.unwrap().status().as_u16()
    };
    assert_eq!([call("/").await, call("/hang").await, call("/").await], [200, 504, 429]);
    let _ = tokio::time::timeout(SECOND, handle.drain().drain(SECOND)).await;
    assert_eq!(call("/").await, 503);

    telemetry.publish();
    let readings = recorded.take();
    let count = |name, labels: &[&str]| count(&readings, name, labels);
    assert_eq!(count("timeouts_total", &["policy=timeout", "scope=operation"]), 1);
    assert_eq!(count("rate_limit_rejected_total", &["policy=rate_limit", "enforced=true"]), 1);
    assert_eq!(count("drain_rejected_total", &["policy=drain"]), 1);
    let in_flight = readings.gauge("resilience_adaptive_in_flight{pipeline=api,policy=adaptive}");
    assert_eq!(in_flight, Some(0.0));
}
