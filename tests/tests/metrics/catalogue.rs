//! The catalogue has what is emitted, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use metrics_util::{
    MetricKind,
    debugging::{DebugValue, DebuggingRecorder, Snapshotter},
};
use resilience_core::{
    AdaptiveLimit, Bulkhead, CircuitBreaker, Drain, Event, Observer, Quota, RateLimiter, RetryBudget,
    Throttle, adaptive, bulkhead, circuit_breaker, idempotency::memory, keyed::Snapshot, throttle,
};
use resilience_metrics::{
    CATALOGUE, Telemetry,
    catalogue::{Kind, LabelDef, MetricDef, Shown, Values},
};
use tests::time::now;
use tower::Layer;

use super::{Do, SECOND, call, classify, inner};

/// All that there is, of every policy, so that each series has been made.
pub(super) async fn everything(telemetry: &Telemetry) {
    let breaker = CircuitBreaker::new(circuit_breaker::Config::new(), now());
    let breakers = || {
        let mut snapshot = Snapshot::default();
        snapshot.breakers = Some(circuit_breaker::States::default());
        snapshot
    };
    let _ = telemetry.circuit_breaker("circuit_breaker", &breaker);
    let retry = telemetry.retry("retry", Some(&RetryBudget::new()));
    let kind = resilience_core::FailureKind::Transient;
    retry.observe(&Event::RetryScheduled { attempt: 2, kind, after: SECOND });
    retry.observe(&Event::RetryRecovered { attempts: 2 });
    let _ = telemetry.bulkhead("bulkhead", &Bulkhead::new(bulkhead::Config::new(1)));
    let bulkhead = telemetry.bulkhead("waiting", &Bulkhead::new(bulkhead::Config::new(1)));
    bulkhead.observe(&Event::BulkheadWaited { waited: SECOND });
    let _ = telemetry.adaptive("adaptive", &AdaptiveLimit::new(adaptive::Config::default(), now()));
    let _ = telemetry.throttle("throttle", &Throttle::new(throttle::Config::new(), now()));
    let (limit, elapsed) = (2 * SECOND, SECOND);
    let timeout = telemetry.timeout("timeout");
    timeout.observe(&Event::AttemptInTime { limit, elapsed });
    timeout.observe(&Event::OperationInTime { limit, elapsed });
    let _ = telemetry.load_shed("load_shed");
    let _ = (telemetry.drain("drain", &Drain::new()), telemetry.fallback("fallback"));
    let _ = telemetry.per_key("per_key", breakers);
    telemetry.keyed("keyed", Snapshot::default);
    let _ = telemetry.idempotency("idempotency");
    telemetry.idempotency_store("idempotency", memory::Snapshot::default);
    let rate_limit = telemetry.rate_limit("rate_limit", &RateLimiter::new(Quota::per_second(1), now()));
    rate_limit.observe(&Event::RateLimitDelayed { wait: Duration::ZERO });
    let service = telemetry.operation_layer(classify).layer(telemetry.attempt_layer(classify).layer(inner()));
    call(&service, Do::Answer).await.unwrap();
}

/// By the name of a metric: the names of its labels, and the values of each.
type Emitted = BTreeMap<&'static str, BTreeMap<String, BTreeSet<String>>>;

/// What was emitted; each by its definition.
fn emitted(snapshotter: &Snapshotter) -> Emitted {
    let mut emitted = Emitted::new();
    for (key, unit, description, value) in snapshotter.snapshot().into_vec() {
        let name = key.key().name();
        let metric = CATALOGUE.iter().find(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("`{name}` is not in the catalogue"));
        let kind = match key.kind() {
            MetricKind::Counter => Kind::Counter,
            MetricKind::Gauge => Kind::Gauge,
            MetricKind::Histogram => Kind::Histogram,
        };
        assert_eq!(kind, metric.kind, "{name}");
        assert_eq!((unit, description.as_deref()), (metric.unit, Some(metric.help)), "{name}");
        assert_eq!(matches!(value, DebugValue::Histogram(_)), kind == Kind::Histogram, "{name}");
        let is_first = !emitted.contains_key(metric.name);
        let labels = emitted.entry(metric.name).or_default();
        let names: BTreeSet<&str> = key.key().labels().map(|label| label.key()).collect();
        assert!(is_first || labels.keys().map(String::as_str).eq(names), "{name} has other labels elsewhere");
        for label in key.key().labels() {
            let values = labels.entry(label.key().to_owned()).or_default();
            values.insert(label.value().to_owned());
        }
    }
    emitted
}

fn check(emitted: &Emitted, metric: &MetricDef, is_shown: impl Fn(Shown) -> bool) {
    let name = metric.name;
    if !is_shown(metric.shown) {
        assert!(!emitted.contains_key(name), "{name} was not asked for");
        return;
    }
    let there = emitted.get(name).unwrap_or_else(|| panic!("{name} was not emitted"));
    let labels = || metric.labels.iter().filter(|label| is_shown(label.shown));
    let names: BTreeSet<&str> = labels().map(|label| label.name).collect();
    assert!(there.keys().map(String::as_str).eq(names), "{name}: {there:?}");
    for LabelDef { name: label, values, .. } in labels() {
        let there: BTreeSet<&str> = there[*label].iter().map(String::as_str).collect();
        if let Values::OneOf(values) = values {
            let values: BTreeSet<&str> = values.iter().copied().collect();
            assert!(there.is_subset(&values), "{name}: `{label}` of {there:?}");
            // Histograms come with their first sample.
            assert!(metric.kind == Kind::Histogram || there == values, "{name}: `{label}` of {there:?}");
        }
    }
}

fn recorded() -> (Snapshotter, Telemetry) {
    let recorder = DebuggingRecorder::new();
    (recorder.snapshotter(), Telemetry::new("pay").with_recorder(Arc::new(recorder)))
}

#[tokio::test(start_paused = true)]
async fn trap_45_what_is_in_the_catalogue_is_what_is_emitted_and_described() {
    let (snapshotter, telemetry) = recorded();
    everything(&telemetry).await;
    let emitted = emitted(&snapshotter);
    CATALOGUE.iter().for_each(|metric| check(&emitted, metric, |shown| shown == Shown::Always));
}

type Choose = fn(Telemetry) -> Telemetry;

#[tokio::test(start_paused = true)]
async fn trap_45_each_option_adds_what_the_catalogue_says_it_does() {
    let options: [(Shown, Choose); 3] = [
        (Shown::Verbose, |telemetry| telemetry.verbose(true)),
        (Shown::OneHot, |telemetry| telemetry.one_hot(true)),
        (Shown::Operations, |telemetry| telemetry.operations(["charge"])),
    ];
    for (option, choose) in options {
        let (snapshotter, telemetry) = recorded();
        everything(&choose(telemetry)).await;
        let emitted = emitted(&snapshotter);
        let is_shown = |shown| shown == Shown::Always || shown == option;
        CATALOGUE.iter().for_each(|metric| check(&emitted, metric, is_shown));
    }
}
