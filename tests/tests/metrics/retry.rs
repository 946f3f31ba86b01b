//! Retries by reason, denials, recoveries, the budget, and attempts by kind.

use resilience_core::{Backoff, Refusal, Rejected, RetryBudget, RetryPolicy, Throttle, throttle};
use resilience_metrics::Telemetry;
use resilience_tower::{RetryLayer, ThrottleLayer, TimeoutLayer};
use tests::{
    recorded::{Readings, Recorded},
    time,
};
use tower::{Layer, ServiceBuilder};

use super::{Do, MS, SECOND, call, classify, inner};

const RETRIES: &str = "resilience_retries_total";
const DENIED: &str = "resilience_retry_denied_total";
const RECOVERED: &str = "resilience_retry_recovered_total";
const TOKENS: &str = "resilience_retry_budget_tokens{pipeline=pay,policy=retry}";
const MAX_TOKENS: &str = "resilience_retry_budget_max_tokens{pipeline=pay,policy=retry}";
const ATTEMPTS: &str = "resilience_attempts_total";

fn at_once() -> RetryPolicy {
    RetryPolicy::new().backoff(Backoff::none())
}

/// The counters of this name that are not zero, by their reason.
fn by_reason(readings: &Readings, name: &str) -> Vec<(String, u64)> {
    let reason = |labels: &str| labels.rsplit_once("reason=").map(|(_, reason)| reason.to_owned());
    let counted = readings.counted(name).into_iter();
    counted.map(|(labels, count)| (reason(labels).unwrap(), count)).collect()
}

fn counts<const N: usize>(expected: [(&str, u64); N]) -> Vec<(String, u64)> {
    expected.map(|(reason, count)| (reason.to_owned(), count)).to_vec()
}

#[tokio::test(start_paused = true)]
async fn trap_45_everything_is_there_at_zero_but_the_budget_is_full() {
    let recorded = Recorded::start();
    let layer = RetryLayer::new(at_once());
    let _metrics = Telemetry::new("pay").retry("retry", layer.budget());
    let readings = recorded.take();
    for (name, reasons) in [(RETRIES, 6), (DENIED, 7), (RECOVERED, 1)] {
        let labelled = readings.labelled(name);
        assert_eq!(labelled.len(), reasons, "{name}");
        assert!(labelled.values().all(|&count| count == 0), "{name}");
    }
    assert_eq!((readings.gauges[TOKENS], readings.gauges[MAX_TOKENS]), (300.0, 300.0));
}

#[tokio::test(start_paused = true)]
async fn retries_denials_and_recoveries_are_counted_by_reason() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let budget = RetryBudget::from(RetryBudget::success_paid().capacity(7));
    let metrics = telemetry.retry("retry", Some(&budget));
    let layer = RetryLayer::new(at_once()).classify(classify).with_budget(budget).with_observer(metrics);
    let service = layer.layer(inner());

    call(&service, Do::Answer).await.unwrap();
    call(&service, Do::Permanent).await.unwrap_err();
    let readings = recorded.take();
    assert_eq!((by_reason(&readings, RETRIES), by_reason(&readings, DENIED)), (vec![], vec![]));

    call(&service, Do::Fail).await.unwrap_err();
    let readings = recorded.take();
    assert_eq!(by_reason(&readings, RETRIES), counts([("transient", 2)]));
    assert_eq!(by_reason(&readings, DENIED), counts([("max_attempts", 1)]));

    telemetry.publish();
    assert_eq!(recorded.take().gauges[TOKENS], 1.0);
    call(&service, Do::Fail).await.unwrap_err();
    let readings = recorded.take();
    assert_eq!(by_reason(&readings, RETRIES), vec![]);
    assert_eq!(by_reason(&readings, DENIED), counts([("budget_exhausted", 1)]));
    assert!(readings.counted(RECOVERED).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_recovery_is_counted_and_each_attempt_by_its_kind() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let metrics = telemetry.retry("retry", None);
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(at_once()).classify(classify).without_budget().with_observer(metrics))
        .layer(telemetry.attempt_layer(classify))
        .layer(TimeoutLayer::attempt(SECOND))
        .service(inner());
    let attempts = |readings: &Readings| -> Vec<String> {
        let name = |labels: &str| labels.strip_suffix(",pipeline=pay").unwrap().to_owned();
        let counted = readings.counted(ATTEMPTS).into_iter();
        counted.map(|(labels, count)| format!("{count} {}", name(labels))).collect()
    };

    call(&service, Do::FailOnce).await.unwrap();
    let readings = recorded.take();
    assert_eq!(readings.counted(RECOVERED), [("pipeline=pay,policy=retry", 1)].into());
    assert_eq!(attempts(&readings), ["1 kind=first,outcome=failure", "1 kind=retry,outcome=success"]);
    let samples: Vec<&str> = readings.samples.keys().map(String::as_str).collect();
    assert_eq!(
        samples,
        [
            "resilience_attempt_duration_seconds{kind=first,outcome=failure,pipeline=pay}",
            "resilience_attempt_duration_seconds{kind=retry,outcome=success,pipeline=pay}",
        ]
    );

    call(&service, Do::Hang).await.unwrap_err();
    let expected = ["1 kind=first,outcome=timeout", "2 kind=retry,outcome=timeout"];
    assert_eq!(attempts(&recorded.take()), expected);

    call(&service, Do::Permanent).await.unwrap_err();
    assert_eq!(attempts(&recorded.take()), ["1 kind=first,outcome=failure"]);

    assert!(tokio::time::timeout(MS, call(&service, Do::Hang)).await.is_err());
    assert_eq!(attempts(&recorded.take()), ["1 kind=first,outcome=cancelled"]);
    assert!(!recorded.take().gauges.contains_key(TOKENS), "there is no budget");
}

/// It was scheduled, and so it counts as a retry; it was not sent, and so it counts as denied.
#[tokio::test(start_paused = true)]
async fn a_retry_that_a_throttle_refuses_is_denied_and_a_first_attempt_is_not() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let throttle = Throttle::with_seed(throttle::Config::new(), time::now(), 7);
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(classify))
        .layer(
            RetryLayer::new(at_once())
                .classify(classify)
                .without_budget()
                .with_observer(telemetry.retry("retry", None)),
        )
        .layer(
            ThrottleLayer::with_throttle(throttle.clone())
                .classify(classify)
                .with_observer(telemetry.throttle("throttle", &throttle)),
        )
        .layer(telemetry.attempt_layer(classify))
        .service(inner());
    for permit in [(); 12].map(|()| throttle.try_acquire(time::now)).into_iter().flatten() {
        permit.abandon(true, time::now);
    }
    let (mut first, mut later) = (0, 0);
    for _ in 0..300 {
        let error = call(&service, Do::Fail).await.unwrap_err();
        if let Some(Rejected::Throttled { .. }) = error.rejected() {
            *(if error.gave_up().is_none() { &mut first } else { &mut later }) += 1;
        }
    }
    assert!(first > 0 && later > 0, "{first} {later}");
    let readings = recorded.take();
    let denied = by_reason(&readings, DENIED);
    assert!(denied.contains(&("throttle".to_owned(), later)), "{denied:?} {later}");
    assert_eq!(
        readings.counters["resilience_throttle_rejected_total{pipeline=pay,policy=throttle}"],
        first + later
    );
    let scheduled: u64 = by_reason(&readings, RETRIES).into_iter().map(|(_, count)| count).sum();
    let attempts = readings.counted(ATTEMPTS);
    let sent = attempts.iter().filter(|(labels, _)| labels.contains("kind=retry")).map(|(_, count)| count);
    assert_eq!(sent.sum::<u64>() + later, scheduled);
}

#[test]
#[should_panic(expected = "pipeline `pay` has another retry budget named `retry`")]
fn two_budgets_of_one_name_are_an_error() {
    let telemetry = Telemetry::new("pay");
    let (one, other) = (RetryBudget::new(), RetryBudget::new());
    let _ = (telemetry.retry("retry", Some(&one)), telemetry.retry("retry", Some(&one.clone())));
    let _ = telemetry.retry("retry", Some(&other));
}
