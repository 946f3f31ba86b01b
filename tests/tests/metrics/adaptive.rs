//! The limit in force, how much of it is taken, and whom it refuses.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
};

use resilience_core::{
    AdaptiveLimit, Call,
    adaptive::{Config, Priority},
};
use resilience_metrics::Telemetry;
use resilience_tower::AdaptiveLayer;
use tests::{recorded::Recorded, time};
use tower::{Layer, Service, ServiceExt};

use super::{Do, call, inner};

const REJECTED: &str = "resilience_adaptive_rejected_total";

fn gauge(name: &str) -> String {
    format!("resilience_adaptive_{name}{{pipeline=pay,policy=adaptive}}")
}

#[tokio::test(start_paused = true)]
async fn trap_41_the_gauges_of_an_adaptive_limit_are_true_after_cancellation() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let layer = AdaptiveLayer::new(Config::default());
    let metrics = telemetry.adaptive("adaptive", layer.limit());
    let mut service = layer.clone().with_observer(metrics).layer(inner());
    let gauges = |recorded: &Recorded| {
        telemetry.publish();
        let gauges = recorded.take().gauges;
        ["limit", "in_flight"].map(|name| gauges[&gauge(name)])
    };
    {
        let mut hanging = pin!(service.ready().await.unwrap().call(Call::new(Do::Hang)));
        assert!(hanging.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(gauges(&recorded), [16.0, 1.0]);
    }
    assert_eq!(gauges(&recorded), [16.0, 0.0]);
    layer.limit().reconfigure(Config::default().bounds(2, 9));
    assert_eq!(gauges(&recorded), [9.0, 0.0]);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_an_adaptive_limit_are_counted_by_priority() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let limit = AdaptiveLimit::new(Config::default().initial(10), time::now());
    let metrics = telemetry.adaptive("adaptive", &limit);
    let readings = recorded.take();
    assert_eq!(readings.labelled(REJECTED).len(), 3, "all there at zero");
    assert!(readings.counted(REJECTED).is_empty());

    let layer = AdaptiveLayer::with_limit(limit.clone()).with_observer(metrics).priority(
        |call: &Call<Do>| match call.request() {
            Do::Answer => Priority::Critical,
            Do::Fail => Priority::Default,
            _ => Priority::Sheddable,
        },
    );
    let service = layer.layer(inner());
    let _full: Vec<_> = (0..10).map(|_| limit.try_acquire(Priority::Critical, time::now)).collect();
    for (what, times) in [(Do::Answer, 1), (Do::Fail, 2), (Do::Permanent, 3)] {
        for _ in 0..times {
            assert!(call(&service, what).await.is_err());
        }
    }
    let of = |priority: &str| format!("pipeline=pay,policy=adaptive,priority={priority}");
    let (critical, default, sheddable) = (of("critical"), of("default"), of("sheddable"));
    let counted = [(&*critical, 1), (&*default, 2), (&*sheddable, 3)].into();
    assert_eq!(recorded.take().counted(REJECTED), counted);
}

#[test]
#[should_panic(expected = "pipeline `pay` has another adaptive limit named `adaptive`")]
fn two_adaptive_limits_of_one_name_are_an_error() {
    let telemetry = Telemetry::new("pay");
    let [one, other] = [0, 1].map(|_| AdaptiveLimit::new(Config::default(), time::now()));
    let _ = (telemetry.adaptive("adaptive", &one), telemetry.adaptive("adaptive", &one.clone()));
    let _ = telemetry.adaptive("adaptive", &other);
}
