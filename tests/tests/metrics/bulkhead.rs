//! How full a bulkhead is, and whom it refuses.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
};

use resilience_core::{Bulkhead, Call, bulkhead::Config};
use resilience_metrics::Telemetry;
use resilience_tower::BulkheadLayer;
use tests::recorded::Recorded;
use tower::{Layer, Service, ServiceExt};

use super::{Do, MS, call, inner};

const REJECTED: &str = "resilience_bulkhead_rejected_total";
const WAIT: &str = "resilience_bulkhead_wait_seconds{pipeline=pay,policy=bulkhead}";

fn gauge(name: &str) -> String {
    format!("resilience_bulkhead_{name}{{pipeline=pay,policy=bulkhead}}")
}

#[tokio::test(start_paused = true)]
async fn trap_41_the_gauges_are_true_after_cancellation() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let layer = BulkheadLayer::new(Config::new(2).max_wait(50 * MS).max_queue(7));
    let metrics = telemetry.bulkhead("bulkhead", layer.bulkhead());
    let service = layer.with_observer(metrics).layer(inner());
    let gauges = |recorded: &Recorded| {
        telemetry.publish();
        let gauges = recorded.take().gauges;
        ["in_flight", "limit", "queue_depth", "queue_limit"].map(|name| gauges[&gauge(name)])
    };
    {
        let mut busy = [service.clone(), service.clone()];
        let [one, other] = &mut busy;
        let mut one = pin!(one.ready().await.unwrap().call(Call::new(Do::Hang)));
        let mut other = pin!(other.ready().await.unwrap().call(Call::new(Do::Hang)));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(one.as_mut().poll(cx).is_pending() && other.as_mut().poll(cx).is_pending());
        let mut waiting = service.clone();
        assert!(Service::<Call<Do>>::poll_ready(&mut waiting, cx).is_pending());
        assert_eq!(gauges(&recorded), [2.0, 2.0, 1.0, 7.0]);
    }
    assert_eq!(gauges(&recorded), [0.0, 2.0, 0.0, 7.0]);
}

#[tokio::test(start_paused = true)]
async fn refusals_are_counted_by_reason_and_waits_are_measured() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let layer = BulkheadLayer::new(Config::new(1).max_wait(50 * MS).max_queue(1));
    let handle = layer.bulkhead().clone();
    let metrics = telemetry.bulkhead("bulkhead", &handle);
    let service = layer.with_observer(metrics).layer(inner());
    let readings = recorded.take();
    assert_eq!(readings.labelled(REJECTED).len(), 4, "all there at zero");
    assert!(readings.counted(REJECTED).is_empty());

    let held = handle.try_acquire(1).unwrap();
    let (waiting, refused) = tokio::join!(call(&service, Do::Answer), call(&service, Do::Answer));
    assert!(waiting.is_err() && refused.is_err());
    let readings = recorded.take();
    let reason = |reason: &str| format!("pipeline=pay,policy=bulkhead,reason={reason}");
    let (full, timeout) = (reason("queue_full"), reason("queue_timeout"));
    assert_eq!(readings.counted(REJECTED), [(&*full, 1), (&*timeout, 1)].into());
    assert_eq!(readings.samples.get(WAIT).copied().unwrap_or(0), 0, "nobody has waited and got a permit");

    let (waited, ()) = tokio::join!(call(&service, Do::Answer), async {
        tokio::time::sleep(MS).await;
        drop(held);
    });
    assert!(waited.is_ok());
    assert_eq!(recorded.take().samples[WAIT], 1);

    let impatient = BulkheadLayer::with_bulkhead(Bulkhead::new(Config::new(1)));
    let _held = impatient.bulkhead().try_acquire(1).unwrap();
    let metrics = telemetry.bulkhead("impatient", impatient.bulkhead());
    assert!(call(&impatient.with_observer(metrics).layer(inner()), Do::Answer).await.is_err());
    assert_eq!(recorded.take().counted(REJECTED), [("pipeline=pay,policy=impatient,reason=full", 1)].into());
}

#[test]
#[should_panic(expected = "pipeline `pay` has another bulkhead named `bulkhead`")]
fn two_bulkheads_of_one_name_are_an_error() {
    let telemetry = Telemetry::new("pay");
    let (one, other) = (Bulkhead::new(Config::new(1)), Bulkhead::new(Config::new(1)));
    let _ = (telemetry.bulkhead("bulkhead", &one), telemetry.bulkhead("bulkhead", &one.clone()));
    let _ = telemetry.bulkhead("bulkhead", &other);
}
