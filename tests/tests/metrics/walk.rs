//! A random walk: what was counted is what the caller saw. `METRICS_SEED` chooses it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use resilience_core::{Call, Error, Event, Observer, Rejected, circuit_breaker::Config};
use resilience_metrics::Telemetry;
use resilience_tower::{CircuitBreakerLayer, TimeoutLayer};
use tests::{recorded::Recorded, seed::seed};
use tower::{ServiceBuilder, ServiceExt};

use super::{Answer, Do, MS, SECOND, classify, inner};

const CALLS: u64 = 3000;

/// Counts transitions by their labels, beside the metrics.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, u64>>>);

impl Observer for Seen {
    fn observe(&self, event: &Event) {
        if let Event::CircuitBreakerTransition(t) = event {
            let labels = format!("from={},pipeline=pay,policy=breaker,to={}", t.from.as_str(), t.to.as_str());
            *self.0.lock().unwrap().entry(labels).or_default() += 1;
        }
    }
}

fn something(rng: &mut SmallRng) -> Do {
    match rng.random_range(0..100) {
        0..50 => Do::Answer,
        50..65 => Do::AnswerAfter(rng.random_range(0..1500) * MS),
        65..85 => Do::Fail,
        85..90 => Do::Permanent,
        90..97 => Do::Hang,
        _ => Do::Panic,
    }
}

/// The outcome as whoever makes the call sees it.
fn outcome(
    ended: &Result<Result<Answer, tokio::time::error::Elapsed>, tokio::task::JoinError>,
) -> &'static str {
    match ended {
        Err(panic) if panic.is_panic() => "failure",
        Err(_) => panic!("nobody aborts"),
        Ok(Err(_)) => "cancelled",
        Ok(Ok(Ok(()))) => "success",
        Ok(Ok(Err(Error::Inner { error: Do::Permanent, .. }))) => "client_error",
        Ok(Ok(Err(Error::Inner { .. }))) => "failure",
        Ok(Ok(Err(Error::Rejected { rejected: Rejected::CircuitOpen { .. }, .. }))) => "circuit_open",
        Ok(Ok(Err(Error::Rejected { rejected: Rejected::AttemptTimeout { .. }, .. }))) => "attempt",
        Ok(Ok(Err(Error::Rejected { .. }))) => "operation",
    }
}

#[tokio::test(start_paused = true)]
async fn counters_equal_what_the_callers_saw() {
    let mut rng = SmallRng::seed_from_u64(seed("METRICS_SEED"));
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let breaker = CircuitBreakerLayer::new(Config::new().consecutive_failures(4).probes(2));
    let observer = telemetry.circuit_breaker("breaker", breaker.breaker());
    let seen = Seen::default();
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(classify))
        .layer(TimeoutLayer::total(900 * MS).with_observer(telemetry.timeout("timeout")))
        .layer(breaker.classify(classify).with_observer((observer, seen.clone())))
        .layer(TimeoutLayer::attempt(800 * MS).with_observer(telemetry.timeout("timeout")))
        .service(inner());

    let mut saw = BTreeMap::<&str, u64>::new();
    for _ in 0..CALLS {
        let patience = if rng.random_bool(0.1) { rng.random_range(1..900) * MS } else { 2 * SECOND };
        let mut call = Call::new(something(&mut rng));
        if rng.random_bool(0.2) {
            call = limited(call, rng.random_range(1..900) * MS);
        }
        let call = tokio::time::timeout(patience, service.clone().oneshot(call));
        *saw.entry(outcome(&tokio::spawn(call).await)).or_default() += 1;
        tokio::time::advance(rng.random_range(0..100) * MS).await;
    }
    println!("{saw:?}");

    let readings = recorded.take();
    let timeouts = readings.counted("resilience_timeouts_total");
    for scope in ["attempt", "operation"] {
        let labels = format!("pipeline=pay,policy=timeout,scope={scope}");
        assert_eq!(timeouts.get(&*labels), saw.get(scope), "{scope}");
    }
    let cut = saw.remove("attempt").unwrap() + saw.remove("operation").unwrap();
    saw.insert("timeout", cut);

    let rejected = readings.counted("resilience_circuit_breaker_rejected_total");
    assert_eq!(rejected.values().sum::<u64>(), saw["circuit_open"]);
    let transitions = readings.counted("resilience_circuit_breaker_transitions_total");
    let seen = seen.0.lock().unwrap();
    assert!(seen.len() >= 4, "a walk through all states: {seen:?}");
    assert!(transitions.into_iter().eq(seen.iter().map(|(labels, &count)| (&**labels, count))));

    let labelled = |(outcome, &count): (&&str, &u64)| (format!("outcome={outcome},pipeline=pay"), count);
    let expected: BTreeMap<String, u64> = saw.iter().map(labelled).collect();
    let counted = readings.counted("resilience_operations_total");
    assert!(counted.iter().map(|(&labels, &count)| (labels.to_owned(), count)).eq(expected.clone()));
    assert_eq!(counted.values().sum::<u64>(), CALLS);
    for (labels, count) in expected {
        let samples = readings.samples[&format!("resilience_operation_duration_seconds{{{labels}}}")];
        assert_eq!(samples as u64, count, "{labels}");
    }
}

fn limited(call: Call<Do>, limit: Duration) -> Call<Do> {
    let (request, context) = call.into_parts();
    Call::with_context(request, context.with_total_timeout(limit))
}
