//! The counter and the gauge of a throttle.

use std::panic::{AssertUnwindSafe, catch_unwind};

use resilience_core::{Error, Rejected, Throttle, throttle::Config};
use resilience_metrics::Telemetry;
use resilience_tower::ThrottleLayer;
use tests::{recorded::Recorded, time};
use tower::{Layer, ServiceBuilder};

use super::{Do, SECOND, call, classify, inner};

const RATIO: &str = "resilience_throttle_refusal_ratio{pipeline=pay,policy=throttle}";
const REJECTED: &str = "resilience_throttle_rejected_total";
const LABELS: &str = "pipeline=pay,policy=throttle";

#[tokio::test(start_paused = true)]
async fn trap_05_both_are_there_before_the_first_call() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let throttle = Throttle::new(Config::new(), time::now());
    let _observer = telemetry.throttle("throttle", &throttle);
    let readings = recorded.take();
    assert_eq!(readings.gauge(RATIO), Some(0.0));
    assert!(readings.labelled(REJECTED).into_iter().eq([(LABELS, 0)]));
    assert_eq!((readings.gauges.len(), readings.counters.len()), (1, 1));

    let permits = [(); 19].map(|()| throttle.try_acquire(time::now).unwrap());
    for permit in permits {
        permit.abandon(true, time::now);
    }
    let _observer = Telemetry::new("ship").throttle("throttle", &throttle);
    let refusing = "resilience_throttle_refusal_ratio{pipeline=ship,policy=throttle}";
    assert_eq!(recorded.take().gauge(refusing), Some(0.95), "nobody has published");
}

#[tokio::test(start_paused = true)]
async fn every_refusal_is_counted_and_the_ratio_is_the_throttles() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let throttle = Throttle::with_seed(Config::new(), time::now(), 7);
    let layer = ThrottleLayer::with_throttle(throttle.clone())
        .classify(classify)
        .with_observer(telemetry.throttle("throttle", &throttle));
    let service =
        ServiceBuilder::new().layer(telemetry.operation_layer(classify)).service(layer.layer(inner()));
    let mut refused = 0;
    for _ in 0..100 {
        let error = call(&service, Do::Fail).await.unwrap_err();
        refused += u64::from(matches!(error, Error::Rejected { rejected: Rejected::Throttled { .. }, .. }));
    }
    assert!(refused > 50);
    telemetry.publish();
    let readings = recorded.take();
    assert!(readings.counted(REJECTED).into_iter().eq([(LABELS, refused)]));
    assert_eq!(
        readings.counted("resilience_operations_total").get("outcome=throttled,pipeline=pay"),
        Some(&refused)
    );
    let ratio = readings.gauge(RATIO).unwrap();
    assert!(ratio > 0.9 && ratio < 1.0, "{ratio}");
    assert_eq!(ratio, throttle.snapshot(time::now()).probability);

    // Nobody calls, and time passes.
    tokio::time::advance(11 * SECOND).await;
    telemetry.publish();
    assert_eq!(recorded.take().gauge(RATIO), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn two_throttles_cannot_have_one_name_in_a_pipeline() {
    let _recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let [one, other] = [(); 2].map(|()| Throttle::new(Config::new(), time::now()));
    let _ = telemetry.throttle("throttle", &one);
    let _ = telemetry.throttle("throttle", &one);
    let _ = telemetry.throttle("other", &other);
    let _ = Telemetry::new("ship").throttle("throttle", &other);
    let clash = catch_unwind(AssertUnwindSafe(|| telemetry.throttle("throttle", &other))).unwrap_err();
    let message = clash.downcast_ref::<String>().unwrap();
    assert!(message.contains("`pay`") && message.contains("`throttle`"), "{message}");
}
