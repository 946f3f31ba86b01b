//! Rate, errors and duration of operations, and the timeouts.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Waker},
};

use resilience_core::{Call, Error, circuit_breaker::Config};
use resilience_metrics::Telemetry;
use resilience_tower::{CircuitBreakerLayer, TimeoutLayer};
use tests::{
    recorded::{Readings, Recorded},
    time,
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

use super::{Do, MS, SECOND, call, classify, inner};

const OUTCOMES: [&str; 12] = [
    "bulkhead_full",
    "cancelled",
    "circuit_open",
    "client_error",
    "draining",
    "failure",
    "fallback",
    "overloaded",
    "rate_limited",
    "success",
    "throttled",
    "timeout",
];
const OPERATIONS: &str = "resilience_operations_total";
const DURATIONS: &str = "resilience_operation_duration_seconds";
const TIMEOUTS: &str = "resilience_timeouts_total";

/// Asserts that so many operations ended with each outcome, each with a sample of its duration.
#[track_caller]
fn assert_outcomes(readings: &Readings, expected: &[(&str, u64)]) {
    let labels = |outcome: &str| format!("outcome={outcome},pipeline=pay");
    let counted: Vec<(String, u64)> =
        expected.iter().map(|&(outcome, count)| (labels(outcome), count)).collect();
    assert!(
        readings
            .counted(OPERATIONS)
            .into_iter()
            .eq(counted.iter().map(|(labels, count)| (&**labels, *count))),
        "{readings:#?}, expected {expected:?}"
    );
    for outcome in OUTCOMES {
        let key = format!("{DURATIONS}{{{}}}", labels(outcome));
        let count = expected.iter().find(|(name, _)| *name == outcome).map_or(0, |&(_, count)| count);
        let samples = readings.samples.get(&key).copied().unwrap_or_default();
        assert_eq!(samples as u64, count, "samples of {key}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_outcomes_are_there_at_zero() {
    let recorded = Recorded::start();
    let _layer = Telemetry::new("pay").operation_layer(classify);
    let readings = recorded.take();
    let operations = readings.labelled(OPERATIONS);
    let expected = OUTCOMES.map(|outcome| format!("outcome={outcome},pipeline=pay"));
    assert!(operations.into_iter().eq(expected.iter().map(|labels| (&**labels, 0))));
    assert!(readings.samples.is_empty(), "but no histogram: those are many lines each");
}

#[tokio::test(start_paused = true)]
async fn an_operation_counts_once_by_its_outcome() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let breaker = CircuitBreakerLayer::new(Config::new()).classify(classify);
    let handle = breaker.breaker().clone();
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(classify))
        .layer(breaker)
        .layer(TimeoutLayer::attempt(SECOND))
        .service(inner());

    call(&service, Do::Answer).await.unwrap();
    call(&service, Do::AnswerAfter(SECOND / 2)).await.unwrap();
    assert_outcomes(&recorded.take(), &[("success", 2)]);
    call(&service, Do::Fail).await.unwrap_err();
    assert_outcomes(&recorded.take(), &[("failure", 1)]);
    call(&service, Do::Permanent).await.unwrap_err();
    assert_outcomes(&recorded.take(), &[("client_error", 1)]);
    call(&service, Do::Hang).await.unwrap_err();
    assert_outcomes(&recorded.take(), &[("timeout", 1)]);

    assert!(tokio::time::timeout(MS, call(&service, Do::Hang)).await.is_err());
    drop(service.clone().call(Call::new(Do::Answer)));
    assert_outcomes(&recorded.take(), &[("cancelled", 2)]);

    handle.force_open(time::now());
    call(&service, Do::Answer).await.unwrap_err();
    assert_outcomes(&recorded.take(), &[("circuit_open", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_duration_is_in_seconds_from_the_call_to_the_end() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let service = telemetry.operation_layer(classify).layer(telemetry.attempt_layer(classify).layer(inner()));
    for ms in [0, 1, 250, 1000] {
        call(&service, Do::AnswerAfter(ms * MS)).await.unwrap();
    }
    let values = recorded.values();
    assert_eq!(
        values["resilience_operation_duration_seconds{outcome=success,pipeline=pay}"],
        [0.0, 0.001, 0.25, 1.0]
    );
    let attempts = &values["resilience_attempt_duration_seconds{kind=first,outcome=success,pipeline=pay}"];
    assert_eq!(attempts, &[0.0, 0.001, 0.25, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_counts_as_a_failure() {
    let recorded = Recorded::start();
    let service = Telemetry::new("pay").operation_layer(classify).layer(inner());
    let panicked = tokio::spawn(service.oneshot(Call::new(Do::Panic))).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_outcomes(&recorded.take(), &[("failure", 1)]);
}

/// What `CatchUnwind` of `futures` does, and with it `CatchPanicLayer` of `tower-http`.
#[tokio::test(start_paused = true)]
async fn a_panic_that_is_caught_around_the_poll_counts_as_a_failure() {
    let recorded = Recorded::start();
    let service = Telemetry::new("pay").operation_layer(classify).layer(inner());
    {
        let mut future = pin!(service.oneshot(Call::new(Do::Panic)));
        let mut poll = || future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(catch_unwind(AssertUnwindSafe(|| poll().is_ready())).is_err());
    }
    assert_outcomes(&recorded.take(), &[("failure", 1)]);
}

/// One of two calls panics and takes the task with it; the other was only dropped.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_by_the_panic_of_another_counts_as_cancelled() {
    let recorded = Recorded::start();
    let service = Telemetry::new("pay").operation_layer(classify).layer(inner());
    let both = async move { tokio::join!(call(&service, Do::Hang), call(&service, Do::Panic)) };
    assert!(tokio::spawn(both).await.unwrap_err().is_panic());
    assert_outcomes(&recorded.take(), &[("cancelled", 1), ("failure", 1)]);
}

#[tokio::test(start_paused = true)]
async fn timeouts_count_by_scope() {
    let recorded = Recorded::start();
    let observer = Telemetry::new("pay").timeout("timeout");
    let scope = |scope: &str| format!("pipeline=pay,policy=timeout,scope={scope}");
    let (attempt, operation) = (scope("attempt"), scope("operation"));
    assert!(recorded.take().labelled(TIMEOUTS).into_iter().eq([(&*attempt, 0), (&*operation, 0)]));

    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::total(2 * SECOND).with_observer(observer.clone()))
        .layer(TimeoutLayer::attempt(SECOND).with_observer(observer.clone()))
        .service(inner());
    call(&service, Do::AnswerAfter(SECOND / 2)).await.unwrap();
    assert!(recorded.take().counted(TIMEOUTS).is_empty());
    for _ in 0..2 {
        call(&service, Do::Hang).await.unwrap_err();
    }
    assert!(recorded.take().counted(TIMEOUTS).into_iter().eq([(&*attempt, 2)]));

    let total = TimeoutLayer::total(SECOND).with_observer(observer).layer(inner());
    let cut = call(&total, Do::Hang).await.unwrap_err();
    assert!(matches!(cut, Error::Rejected { .. }));
    assert!(recorded.take().counted(TIMEOUTS).into_iter().eq([(&*operation, 1)]));
}
