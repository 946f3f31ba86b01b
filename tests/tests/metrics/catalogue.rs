//! The table in the documentation of the crate: it has what is emitted, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use metrics_util::{
    MetricKind,
    debugging::{DebugValue, DebuggingRecorder},
};
use resilience_core::{
    AdaptiveLimit, Bulkhead, CircuitBreaker, Drain, Event, Observer, Quota, RateLimiter, RetryBudget,
    Throttle, adaptive, bulkhead, circuit_breaker, keyed::Snapshot, throttle,
};
use resilience_metrics::Telemetry;
use tests::time::now;
use tower::Layer;

use super::{Do, call, classify, inner};

/// By its name: which kind it is, and the names of its labels.
type Catalogue = BTreeMap<String, (String, BTreeSet<String>)>;

fn documented() -> Catalogue {
    let source = include_str!("../../../resilience-metrics/src/lib.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | `resilience_"));
    let row = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let kind = cells[1].split([':', ',', ' ']).next().unwrap();
        let labels = cells[2].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        (format!("resilience_{}", cells[0].trim_end_matches('`')), (kind.to_owned(), labels.collect()))
    };
    rows.map(row).collect()
}

/// All that there is, of every policy, so that each series has been made.
async fn everything(telemetry: &Telemetry) {
    let breaker = CircuitBreaker::new(circuit_breaker::Config::new(), now());
    let breakers = || {
        let mut snapshot = Snapshot::default();
        snapshot.breakers = Some(circuit_breaker::States::default());
        snapshot
    };
    let _ = telemetry.circuit_breaker("circuit_breaker", &breaker);
    let _ = telemetry.retry("retry", Some(&RetryBudget::new()));
    let _ = telemetry.bulkhead("bulkhead", &Bulkhead::new(bulkhead::Config::new(1)));
    let _ = telemetry.adaptive("adaptive", &AdaptiveLimit::new(adaptive::Config::default(), now()));
    let _ = telemetry.throttle("throttle", &Throttle::new(throttle::Config::new(), now()));
    let _ = (telemetry.timeout("timeout"), telemetry.load_shed("load_shed"));
    let _ = (telemetry.drain("drain", &Drain::new()), telemetry.fallback("fallback"));
    let _ = telemetry.per_key("per_key", breakers);
    telemetry.keyed("keyed", Snapshot::default);
    let rate_limit = telemetry.rate_limit("rate_limit", &RateLimiter::new(Quota::per_second(1), now()));
    rate_limit.observe(&Event::RateLimitDelayed { wait: Duration::ZERO });
    let service = telemetry.operation_layer(classify).layer(telemetry.attempt_layer(classify).layer(inner()));
    call(&service, Do::Answer).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn trap_45_what_is_documented_is_what_is_emitted_and_described() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let recorder = Box::leak(Box::new(recorder));
    let _installed = metrics::set_default_local_recorder(recorder);
    everything(&Telemetry::new("pay")).await;

    let mut emitted = Catalogue::new();
    for (key, unit, description, value) in snapshotter.snapshot().into_vec() {
        let name = key.key().name().to_owned();
        let kind = match key.kind() {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        assert_eq!(matches!(value, DebugValue::Histogram(_)), name.ends_with("_seconds"), "{name}");
        assert_eq!(unit.is_some(), name.ends_with("_seconds"), "{name}");
        assert!(description.is_some(), "{name} is not described");
        let labels: BTreeSet<String> = key.key().labels().map(|label| label.key().to_owned()).collect();
        let before = emitted.insert(name.clone(), (kind.to_owned(), labels.clone()));
        assert!(before.is_none_or(|(_, before)| before == labels), "{name} has other labels elsewhere");
    }
    assert_eq!(documented(), emitted);
}
