//! Calls over a rate limit, waits, and the tokens that are left.

use resilience_core::{ErrorsAreFailures, Quota};
use resilience_metrics::Telemetry;
use resilience_tower::{RateLimitLayer, rate_limit::KeyedRateLimitLayer};
use tests::{
    recorded::{Readings, Recorded},
    time,
};
use tower::{Layer, ServiceBuilder};

use super::{Do, MS, SECOND, call, inner};

const REJECTED: &str = "resilience_rate_limit_rejected_total";
const DELAYED: &str = "resilience_rate_limit_delayed_total";
const WAIT: &str = "resilience_rate_limit_wait_seconds{pipeline=pay,policy=rate_limit}";
const TOKENS: &str = "resilience_rate_limit_available_tokens{pipeline=pay,policy=rate_limit}";
const LIMIT: &str = "resilience_rate_limit_limit{pipeline=pay,policy=rate_limit}";
const LABELS: &str = "pipeline=pay,policy=rate_limit";

fn rejected(enforced: bool) -> String {
    format!("enforced={enforced},{LABELS}")
}

fn gauges(readings: &Readings) -> (Option<f64>, Option<f64>) {
    (readings.gauge(TOKENS), readings.gauge(LIMIT))
}

#[tokio::test(start_paused = true)]
async fn trap_45_everything_is_there_at_zero_but_the_bucket_is_full() {
    let recorded = Recorded::start();
    let layer = RateLimitLayer::new(Quota::per_second(100).burst(20));
    let _metrics = Telemetry::new("pay").rate_limit("rate_limit", layer.limiter());
    let readings = recorded.take();
    let expected = [rejected(false), rejected(true)];
    assert!(readings.labelled(REJECTED).into_iter().eq(expected.iter().map(|labels| (&**labels, 0))));
    assert!(readings.labelled(DELAYED).into_iter().eq([(LABELS, 0)]));
    assert_eq!(gauges(&readings), (Some(20.0), Some(20.0)));
    assert!(readings.samples.is_empty(), "no histogram before its first sample");
}

#[tokio::test(start_paused = true)]
async fn refusals_count_and_the_tokens_show() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let layer = RateLimitLayer::new(Quota::per_second(100).burst(2));
    let limiter = layer.limiter().clone();
    let metrics = telemetry.rate_limit("rate_limit", &limiter);
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ErrorsAreFailures))
        .layer(layer.with_observer(metrics))
        .service(inner());
    let answers = [(); 5].map(|()| call(&service, Do::Answer));
    let mut refused = 0;
    for answer in answers {
        refused += u32::from(answer.await.is_err());
    }
    assert_eq!(refused, 3);
    let readings = recorded.take();
    assert!(readings.counted(REJECTED).into_iter().eq([(&*rejected(true), 3)]));
    assert_eq!(readings.counted("resilience_operations_total")["outcome=rate_limited,pipeline=pay"], 3);

    tokio::time::advance(10 * MS).await;
    telemetry.publish();
    assert_eq!(gauges(&recorded.take()), (Some(1.0), Some(2.0)));
    limiter.reconfigure(Quota::per_second(100).burst(50), time::now());
    telemetry.publish();
    assert_eq!(gauges(&recorded.take()), (Some(49.0), Some(50.0)));
}

#[tokio::test(start_paused = true)]
async fn a_shadow_limit_counts_apart() {
    let recorded = Recorded::start();
    let layer = RateLimitLayer::new(Quota::per_second(100).burst(1)).shadow();
    let metrics = Telemetry::new("pay").rate_limit("rate_limit", layer.limiter());
    let service = layer.with_observer(metrics).layer(inner());
    for _ in 0..3 {
        call(&service, Do::Answer).await.unwrap();
    }
    assert!(recorded.take().counted(REJECTED).into_iter().eq([(&*rejected(false), 2)]));
}

#[tokio::test(start_paused = true)]
async fn waits_count_for_delayed_calls_only() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let all = RateLimitLayer::new(Quota::per_second(100).burst(1)).max_wait(SECOND);
    let all_metrics = telemetry.rate_limit("rate_limit", all.limiter());
    let all = all.with_observer(all_metrics).layer(inner());
    for _ in 0..3 {
        call(&all, Do::Answer).await.unwrap();
    }
    let readings = recorded.take();
    assert!(readings.counted(DELAYED).into_iter().eq([(LABELS, 2)]));
    assert_eq!(readings.samples[WAIT], 2);
    assert!(readings.counted(REJECTED).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_layer_by_key_has_counters_and_no_gauges() {
    let recorded = Recorded::start();
    let metrics = Telemetry::new("pay").rate_limit("rate_limit", None);
    let by_key = KeyedRateLimitLayer::new(|_: &resilience_core::Call<Do>| 0, Quota::per_second(1));
    let service = by_key.with_observer(metrics).layer(inner());
    call(&service, Do::Answer).await.unwrap();
    call(&service, Do::Answer).await.unwrap_err();
    let readings = recorded.take();
    assert!(readings.counted(REJECTED).into_iter().eq([(&*rejected(true), 1)]));
    assert!(readings.gauges.is_empty());
}

#[test]
#[should_panic(expected = "pipeline `pay` has another rate limit named `rate_limit`")]
fn two_limiters_of_one_name_are_an_error() {
    let telemetry = Telemetry::new("pay");
    let [one, other] = [(); 2].map(|()| RateLimitLayer::new(Quota::per_second(1)));
    let _ = (
        telemetry.rate_limit("rate_limit", one.limiter()),
        telemetry.rate_limit("rate_limit", one.limiter()),
    );
    let _ = telemetry.rate_limit("rate_limit", other.limiter());
}
