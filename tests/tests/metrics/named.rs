//! The label `operation`: what was declared, and one more.

use resilience_core::Call;
use resilience_metrics::Telemetry;
use tests::recorded::Recorded;
use tower::{Layer, ServiceExt};

use super::{Do, call, classify, inner};

const OPERATIONS: &str = "resilience_operations_total";
const OVERFLOW: &str = "resilience_telemetry_overflow_total{}";

fn name(call: &Call<Do>) -> &str {
    match call.request() {
        Do::Answer => "charge",
        Do::Fail => "refund",
        _ => "what a request says",
    }
}

#[tokio::test(start_paused = true)]
async fn trap_42_a_name_that_was_not_declared_is_counted_as_other_and_nowhere_else() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay").operations(["refund", "charge", "charge"]);
    let layer = telemetry.operation_layer(classify).named(name);
    let readings = recorded.take();
    assert_eq!(readings.labelled(OPERATIONS).len(), 3 * 12);
    assert_eq!(readings.counters[OVERFLOW], 0);

    let service = layer.layer(inner());
    let calls = [Do::Answer, Do::Fail, Do::Permanent, Do::Answer, Do::Permanent];
    for what in calls {
        let _ = call(&service, what).await;
    }
    let readings = recorded.take();
    let expected = [
        ("operation=_other,outcome=client_error,pipeline=pay", 2),
        ("operation=charge,outcome=success,pipeline=pay", 2),
        ("operation=refund,outcome=failure,pipeline=pay", 1),
    ];
    assert!(readings.counted(OPERATIONS).into_iter().eq(expected));
    let samples =
        expected.map(|(labels, count)| (format!("resilience_operation_duration_seconds{{{labels}}}"), count));
    let there = readings.samples.into_iter().map(|(labels, samples)| (labels, samples as u64));
    assert!(there.eq(samples));
    assert_eq!(readings.counters[OVERFLOW], 2);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_name_is_other_and_no_overflow() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay").operations(["charge"]);
    let service = telemetry.operation_layer(classify).layer(inner());
    call(&service, Do::Answer).await.unwrap();
    let readings = recorded.take();
    let other = "operation=_other,outcome=success,pipeline=pay";
    assert!(readings.counted(OPERATIONS).into_iter().eq([(other, 1)]));
    assert_eq!(readings.counters[OVERFLOW], 0);
}

#[tokio::test(start_paused = true)]
async fn without_declared_names_there_is_no_label() {
    let recorded = Recorded::start();
    let layer = Telemetry::new("pay").operation_layer(classify).named(name);
    layer.layer(inner()).oneshot(Call::new(Do::Answer)).await.unwrap();
    let readings = recorded.take();
    assert!(readings.counted(OPERATIONS).into_iter().eq([("outcome=success,pipeline=pay", 1)]));
    assert!(!readings.counters.contains_key(OVERFLOW));
}
