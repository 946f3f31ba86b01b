//! How many operations run, whatever becomes of them.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Waker},
};

use resilience_core::Call;
use resilience_metrics::Telemetry;
use tests::recorded::Recorded;
use tower::{Layer, Service};

use super::{Do, MS, classify, inner};

const IN_FLIGHT: &str = "resilience_operations_in_flight{pipeline=pay}";

fn published(telemetry: &Telemetry, recorded: &Recorded) -> Option<f64> {
    telemetry.publish();
    recorded.take().gauge(IN_FLIGHT)
}

fn poll<F: Future>(future: &mut Pin<Box<F>>) -> bool {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[tokio::test(start_paused = true)]
async fn trap_41_it_is_there_at_zero_and_goes_back_to_zero_however_calls_end() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    assert_eq!(published(&telemetry, &recorded), None, "nobody counts operations");
    let layer = telemetry.operation_layer(classify);
    assert_eq!(recorded.take().gauge(IN_FLIGHT), Some(0.0));
    let mut service = layer.layer(inner());
    let mut call = |what| Box::pin(service.call(Call::new(what)));

    let mut slow = call(Do::AnswerAfter(MS));
    let mut hanging = call(Do::Hang);
    let panicking = call(Do::Panic);
    assert_eq!(published(&telemetry, &recorded), Some(3.0), "called, not polled");
    assert!(!poll(&mut slow) && !poll(&mut hanging));
    assert_eq!(published(&telemetry, &recorded), Some(3.0));

    tokio::time::advance(MS).await;
    assert!(poll(&mut slow));
    assert_eq!(published(&telemetry, &recorded), Some(2.0), "it has ended, though it was not dropped");
    drop(hanging);
    assert_eq!(published(&telemetry, &recorded), Some(1.0));
    let mut panicking = panicking;
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut panicking))).is_err());
    assert_eq!(published(&telemetry, &recorded), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn all_layers_of_a_pipeline_count_together_and_those_that_have_gone_while_their_calls_run() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let (first, second) = (telemetry.operation_layer(classify), telemetry.operation_layer(classify));
    let calls = [&first, &second, &first].map(|layer| layer.layer(inner()).call(Call::new(Do::Hang)));
    assert_eq!(published(&telemetry, &recorded), Some(3.0));
    drop((first, second));
    let third = telemetry.operation_layer(classify);
    assert_eq!(published(&telemetry, &recorded), Some(3.0));
    drop(calls);
    assert_eq!(published(&telemetry, &recorded), Some(0.0));
    drop(third);
    let _fourth = telemetry.operation_layer(classify);
    assert_eq!(published(&telemetry, &recorded), Some(0.0));
}
