//! A recorder that is installed after the handles were made.

use std::thread;

use metrics::NoopRecorder;
use metrics_util::debugging::DebuggingRecorder;
use resilience_core::{CircuitBreaker, Event, Observer, circuit_breaker::Config};
use resilience_metrics::Telemetry;
use tests::{
    recorded::{Recorded, read},
    time,
};
use tower::Layer;

use super::{Do, MS, SECOND, call, classify, inner};

const OPERATIONS: &str = "resilience_operations_total";
const DURATION: &str = "resilience_operation_duration_seconds{outcome=success,pipeline=pay}";
const SUCCESS: &str = "outcome=success,pipeline=pay";
const TIMED_OUT: Event = Event::AttemptTimedOut { limit: SECOND, elapsed: SECOND };

#[tokio::test(start_paused = true)]
async fn trap_39_what_was_counted_before_is_told_and_nothing_is_lost() {
    let telemetry = Telemetry::new("pay");
    let breaker = CircuitBreaker::new(Config::new(), time::now());
    let _observer = telemetry.circuit_breaker("breaker", &breaker);
    let timeout = telemetry.timeout("timeout");
    let service = telemetry.operation_layer(classify).layer(inner());
    breaker.force_open(time::now());
    for _ in 0..1000 {
        call(&service, Do::Answer).await.unwrap();
        timeout.observe(&TIMED_OUT);
    }

    let recorded = Recorded::start();
    call(&service, Do::AnswerAfter(MS)).await.unwrap();
    let readings = recorded.take();
    assert_eq!(readings.counted(OPERATIONS), [(SUCCESS, 1001)].into());
    assert_eq!(readings.labelled(OPERATIONS).len(), 12, "the others are there too, at zero");
    let timeouts = readings.counted("resilience_timeouts_total");
    assert_eq!(timeouts, [("pipeline=pay,policy=timeout,scope=attempt", 1000)].into());
    assert_eq!(readings.gauge("resilience_circuit_breaker_state{pipeline=pay,policy=breaker}"), Some(2.0));
    assert_eq!(readings.gauge("resilience_operations_in_flight{pipeline=pay}"), Some(0.0));
    assert!(readings.samples.is_empty(), "nobody had looked at the clock");

    call(&service, Do::AnswerAfter(MS)).await.unwrap();
    let readings = recorded.take();
    assert_eq!((readings.counted(OPERATIONS), readings.samples[DURATION]), ([(SUCCESS, 1)].into(), 1));
}

#[test]
fn trap_39_a_counter_finds_it_by_itself_and_publishing_finds_it_for_all() {
    let telemetry = Telemetry::new("pay");
    let (timeout, load_shed) = (telemetry.timeout("timeout"), telemetry.load_shed("load_shed"));
    let shed = Event::LoadShed { waited: SECOND };
    timeout.observe(&TIMED_OUT);
    load_shed.observe(&shed);
    let recorded = Recorded::start();
    timeout.observe(&TIMED_OUT);
    let readings = recorded.take();
    assert_eq!(readings.counters["resilience_timeouts_total{pipeline=pay,policy=timeout,scope=attempt}"], 2);
    assert!(readings.labelled("resilience_load_shed_rejected_total").is_empty());

    telemetry.publish();
    let readings = recorded.take();
    assert_eq!(readings.counters["resilience_load_shed_rejected_total{pipeline=pay,policy=load_shed}"], 1);
    let build = readings.gauges.keys().find(|key| key.starts_with("resilience_build_info{version="));
    assert!(build.is_some_and(|key| readings.gauges[key] == 1.0));
}

/// Some threads count without an end while one of them comes to see a recorder.
#[test]
fn trap_39_no_count_is_lost_or_doubled_while_it_is_found() {
    const COUNTS: u64 = 2_000;
    for _ in 0..20 {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let timeout = Telemetry::new("pay").timeout("timeout");
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..COUNTS).for_each(|_| timeout.observe(&TIMED_OUT)));
            }
            scope.spawn(|| {
                metrics::with_local_recorder(&recorder, || {
                    (0..COUNTS).for_each(|_| timeout.observe(&TIMED_OUT));
                });
            });
        });
        let cut = read(&snapshotter).counters["resilience_timeouts_total{pipeline=pay,policy=timeout,scope=attempt}"];
        assert_eq!(cut, 3 * COUNTS);
    }
}

#[test]
fn a_recorder_that_looks_like_none_has_to_be_pointed_out() {
    static NONE: NoopRecorder = NoopRecorder;
    let telemetry = Telemetry::new("pay");
    let timeout = telemetry.timeout("timeout");
    timeout.observe(&TIMED_OUT);
    metrics::with_local_recorder(&NONE, || telemetry.publish());
    let recorded = Recorded::start();
    let cut = || recorded.take().counted("resilience_timeouts_total").into_values().sum::<u64>();
    telemetry.publish();
    assert_eq!(cut(), 1, "it was kept");

    timeout.observe(&TIMED_OUT);
    assert_eq!(cut(), 1);
    let other = Telemetry::new("ship");
    let timeout = other.timeout("timeout");
    timeout.observe(&TIMED_OUT);
    assert_eq!(cut(), 1);
    drop(recorded);

    let believing = Telemetry::new("pay");
    let timeout = believing.timeout("timeout");
    timeout.observe(&TIMED_OUT);
    metrics::with_local_recorder(&NONE, || believing.rebind());
    let recorded = Recorded::start();
    believing.publish();
    assert!(recorded.take().labelled("resilience_timeouts_total").is_empty(), "it is bound to that one");
    drop(timeout);
}
