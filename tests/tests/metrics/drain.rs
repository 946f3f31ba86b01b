//! Whether a server drains, what it still waits for, and whom it refuses.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
};

use resilience_core::{Call, Drain, Error, Rejected};
use resilience_metrics::Telemetry;
use resilience_tower::DrainLayer;
use tests::recorded::Recorded;
use tower::{Service, ServiceBuilder, ServiceExt};

use super::{Do, SECOND, call, classify, inner};

const REJECTED: &str = "resilience_drain_rejected_total";
const LABELS: &str = "pipeline=pay,policy=drain";

fn gauge(name: &str) -> String {
    format!("resilience_drain_{name}{{{LABELS}}}")
}

#[tokio::test(start_paused = true)]
async fn trap_41_the_gauges_of_a_drain_are_true_after_cancellation() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let layer = DrainLayer::new();
    let metrics = telemetry.drain("drain", layer.drain());
    let handle = layer.handle();
    assert_eq!(recorded.take().gauges.len(), 2, "there from the start");
    let mut service = ServiceBuilder::new().layer(layer.with_observer(metrics)).service(inner());
    let gauges = |recorded: &Recorded| {
        telemetry.publish();
        let gauges = recorded.take().gauges;
        ["active", "in_flight"].map(|name| gauges[&gauge(name)])
    };
    {
        let mut hanging = pin!(service.ready().await.unwrap().call(Call::new(Do::Hang)));
        assert!(hanging.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(gauges(&recorded), [0.0, 1.0]);
        drop(handle.drain(SECOND));
        assert_eq!(gauges(&recorded), [1.0, 1.0]);
    }
    assert_eq!(gauges(&recorded), [1.0, 0.0]);
    handle.resume();
    assert_eq!(gauges(&recorded), [0.0, 0.0]);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_a_drain_are_counted_and_have_an_outcome() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let layer = DrainLayer::new();
    let metrics = telemetry.drain("drain", layer.drain());
    assert!(recorded.take().labelled(REJECTED).into_iter().eq([(LABELS, 0)]), "there from the start");
    drop(layer.handle().drain(SECOND));
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(classify))
        .layer(layer.with_observer(metrics))
        .service(inner());
    for _ in 0..2 {
        let refused = call(&service, Do::Answer).await;
        assert!(matches!(refused, Err(Error::Rejected { rejected: Rejected::Draining { .. }, .. })));
    }
    let readings = recorded.take();
    assert!(readings.counted(REJECTED).into_iter().eq([(LABELS, 2)]));
    assert_eq!(readings.counted("resilience_operations_total")["outcome=draining,pipeline=pay"], 2);
}

#[test]
#[should_panic(expected = "pipeline `pay` has another drain named `drain`")]
fn two_drains_of_one_name_are_an_error() {
    let telemetry = Telemetry::new("pay");
    let [one, other] = [Drain::new(), Drain::new()];
    let _ = (telemetry.drain("drain", &one), telemetry.drain("drain", &one.clone()));
    let _ = telemetry.drain("drain", &other);
}
