//! Which recorder is told what, whenever it comes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use metrics_util::debugging::DebuggingRecorder;
use resilience_core::{Bulkhead, Call, Event, Observer, bulkhead};
use resilience_metrics::Telemetry;
use tests::recorded::{Readings, Recorded, read};
use tower::{Layer, Service};

use super::{Do, SECOND, call, classify, inner};

const TIMED_OUT: Event = Event::AttemptTimedOut { limit: SECOND, elapsed: SECOND };
const TIMEOUTS: &str = "resilience_timeouts_total";

/// How many attempts were cut, if anything is known of it.
fn cut(readings: &Readings) -> Option<u64> {
    readings.labelled(TIMEOUTS).get("pipeline=pay,policy=timeout,scope=attempt").copied()
}

#[tokio::test(start_paused = true)]
async fn each_recorder_is_told_everything_and_the_installed_one_only_if_it_is_to_be() {
    let (one, other) = (DebuggingRecorder::new(), DebuggingRecorder::new());
    let (read_one, read_other) = (one.snapshotter(), other.snapshotter());
    let installed = Recorded::start();
    let both = Telemetry::new("pay").with_recorder(Arc::new(one)).with_recorder(Arc::new(other));
    both.timeout("timeout").observe(&TIMED_OUT);
    let service = both.operation_layer(classify).layer(both.attempt_layer(classify).layer(inner()));
    for _ in 0..3 {
        call(&service, Do::Answer).await.unwrap();
    }
    both.publish();
    let readings = read(&read_one);
    assert_eq!(cut(&readings), Some(1));
    let success = "outcome=success,pipeline=pay";
    assert_eq!(readings.counted("resilience_operations_total"), [(success, 3)].into());
    assert_eq!(readings.samples[&format!("resilience_operation_duration_seconds{{{success}}}")], 3);
    assert_eq!(readings.gauge("resilience_operations_in_flight{pipeline=pay}"), Some(0.0));
    assert_eq!(read(&read_other), readings);
    assert_eq!(installed.take(), Readings::default());

    let one = DebuggingRecorder::new();
    let read_one = one.snapshotter();
    let and_installed = Telemetry::new("pay").with_recorder(Arc::new(one)).with_installed_recorder();
    and_installed.timeout("timeout").observe(&TIMED_OUT);
    assert_eq!((cut(&read(&read_one)), cut(&installed.take())), (Some(1), Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_is_there_is_told_all_while_another_may_yet_come() {
    let one = DebuggingRecorder::new();
    let read_one = one.snapshotter();
    let telemetry = Telemetry::new("pay").with_recorder(Arc::new(one)).with_installed_recorder();
    let service = telemetry.operation_layer(classify).layer(inner());
    let success = "outcome=success,pipeline=pay";
    let told = |readings: &Readings| {
        let key = format!("resilience_operation_duration_seconds{{{success}}}");
        (readings.counted("resilience_operations_total"), readings.samples.get(&key).copied())
            == ([(success, 1)].into(), Some(1))
    };
    call(&service, Do::Answer).await.unwrap();
    assert!(told(&read(&read_one)));
    let installed = Recorded::start();
    call(&service, Do::Answer).await.unwrap();
    assert!(told(&read(&read_one)));
    assert_eq!(installed.take().counted("resilience_operations_total"), [(success, 2)].into());
    call(&service, Do::Answer).await.unwrap();
    assert!(told(&read(&read_one)) && told(&installed.take()));
}

#[test]
fn two_telemetries_of_a_process_can_have_a_recorder_each() {
    let [pay, ship] = ["pay", "ship"].map(|name| {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        Telemetry::new(name).with_recorder(Arc::new(recorder)).timeout("timeout").observe(&TIMED_OUT);
        read(&snapshotter)
    });
    assert_eq!((cut(&pay), cut(&ship)), (Some(1), None));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_telemetry_stays_once_its_layers_and_calls_have_gone() {
    let recorder = Arc::new(DebuggingRecorder::new());
    let telemetry = Telemetry::new("pay").with_recorder(recorder.clone());
    let layer = telemetry.operation_layer(classify);
    let _ = telemetry.bulkhead("bulkhead", &Bulkhead::new(bulkhead::Config::new(1)));
    let service = layer.layer(telemetry.attempt_layer(classify).layer(inner()));
    call(&service, Do::Answer).await.unwrap();
    let running = service.clone().call(Call::new(Do::Hang));
    drop((telemetry, layer, service));
    assert!(Arc::strong_count(&recorder) > 1);
    drop(running);
    assert_eq!(Arc::strong_count(&recorder), 1);
}

#[test]
fn two_handles_of_one_name_count_together() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    for _ in 0..2 {
        telemetry.timeout("timeout").observe(&TIMED_OUT);
    }
    assert_eq!(cut(&recorded.take()), Some(2));
}

#[test]
fn a_setting_that_comes_too_late_panics() {
    type Setting = fn(Telemetry) -> Telemetry;
    let settings: [Setting; 6] = [
        |telemetry| telemetry.with_recorder(Arc::new(DebuggingRecorder::new())),
        Telemetry::with_installed_recorder,
        |telemetry| telemetry.verbose(true),
        |telemetry| telemetry.one_hot(true),
        |telemetry| telemetry.operations(["charge"]),
        |telemetry| telemetry.with_wall_clock(|| std::time::SystemTime::UNIX_EPOCH),
    ];
    for setting in settings {
        let cloned = Telemetry::new("pay");
        let _clone = cloned.clone();
        let used = Telemetry::new("pay");
        let _layer = used.attempt_layer(classify);
        let counted = Telemetry::new("pay");
        let _observer = counted.timeout("timeout");
        for telemetry in [cloned, used, counted] {
            let panic = catch_unwind(AssertUnwindSafe(|| setting(telemetry))).unwrap_err();
            let expected = "the telemetry is in use already: its settings come before its clones and before what is taken from it";
            assert_eq!(panic.downcast_ref::<&str>(), Some(&expected));
        }
        let _ = setting(Telemetry::new("pay"));
    }
}
