//! What the view keeps, and in which form.

use std::{sync::Arc, time::Duration};

use metrics::{counter, gauge, histogram, with_local_recorder};
use metrics_util::debugging::DebuggingRecorder;
use resilience_core::{CircuitBreaker, circuit_breaker::Config};
use resilience_metrics::{
    Telemetry,
    live::{Live, Snapshot},
};
use serde_json::{Value, json};
use tests::recorded::Recorded;

/// The snapshot as JSON.
fn read(live: &Live) -> Value {
    serde_json::to_value(live.snapshot()).unwrap()
}

#[test]
fn the_form_is_the_documented_one() {
    let live = Live::new();
    with_local_recorder(&live.recorder(), || {
        counter!("resilience_operations_total", "pipeline" => "pay", "outcome" => "success").increment(12);
        gauge!("resilience_bulkhead_limit", "pipeline" => "pay", "policy" => "bulkhead").set(50.0);
        gauge!("resilience_bulkhead_limit", "pipeline" => "pay", "policy" => "odd").set(f64::NAN);
        let duration = histogram!("resilience_operation_duration_seconds", "pipeline" => "pay");
        duration.record(0.0075);
        duration.record(0.0076);
        duration.record(0.008);
    });
    let mut read = read(&live);
    assert!(read["instance"].take().as_str().unwrap().len() == 16);
    assert!(read["seconds"].take().as_f64().unwrap() >= 0.0);
    let expected = json!({
        "version": 1,
        "instance": null,
        "seconds": null,
        "complete": true,
        "pipelines": [{
            "name": "pay",
            "counters": [{ "name": "resilience_operations_total", "labels": { "outcome": "success" }, "value": 12 }],
            "gauges": [
                { "name": "resilience_bulkhead_limit", "labels": { "policy": "bulkhead" }, "value": 50.0 },
                { "name": "resilience_bulkhead_limit", "labels": { "policy": "odd" }, "value": null },
            ],
            "histograms": [{
                "name": "resilience_operation_duration_seconds",
                "labels": {},
                "value": [[0.0078125, 2], [0.0087890625, 1]],
            }],
            "transitions": [],
        }],
    });
    assert_eq!(read, expected);
}

#[test]
fn each_view_has_a_name_of_its_own() {
    let name = |live: &Live| live.snapshot().instance;
    let live = Live::new();
    assert_eq!(name(&live), name(&live.clone()));
    assert_ne!(name(&live), name(&Live::new()));
}

#[test]
fn counters_and_gauges_are_what_they_were_told() {
    let live = Live::new();
    with_local_recorder(&live.recorder(), || {
        let counter = || counter!("resilience_x_total", "pipeline" => "pay");
        counter().increment(2);
        counter().absolute(7);
        counter().absolute(5);
        counter().increment(1);
        let gauge = || gauge!("resilience_x", "pipeline" => "pay");
        gauge().set(2.5);
        gauge().increment(1.0);
        gauge().decrement(0.5);
    });
    let snapshot = live.snapshot();
    let [pipeline] = &*snapshot.pipelines else { panic!("{snapshot:?}") };
    assert_eq!((pipeline.counters[0].value, pipeline.gauges[0].value), (8, 3.0));
    assert_eq!((pipeline.counters.len(), pipeline.gauges.len()), (1, 1));
}

#[test]
fn reading_changes_nothing() {
    let live = Live::new();
    with_local_recorder(&live.recorder(), || {
        counter!("resilience_x_total", "pipeline" => "pay").increment(3);
        histogram!("resilience_x_seconds", "pipeline" => "pay").record(1.0);
    });
    let pipelines = |snapshot: Snapshot| snapshot.pipelines;
    assert_eq!(pipelines(live.snapshot()), pipelines(live.snapshot()));
}

#[test]
fn what_is_not_of_a_pipeline_of_ours_is_ignored() {
    let live = Live::new();
    with_local_recorder(&live.recorder(), || {
        counter!("http_requests_total", "pipeline" => "pay").increment(1);
        counter!("resilience_operations_total").increment(1);
        gauge!("go_resilience_x", "pipeline" => "pay").set(1.0);
        histogram!("x_seconds").record(1.0);
    });
    assert_eq!((live.snapshot().pipelines.len(), live.snapshot().complete), (0, true));
}

#[test]
fn memory_is_bounded_and_what_is_missing_is_said() {
    let live = Live::new();
    with_local_recorder(&live.recorder(), || {
        for n in 0..4096 {
            counter!("resilience_x_total", "pipeline" => "pay", "policy" => n.to_string()).increment(1);
        }
        assert!(live.snapshot().complete);
        counter!("resilience_x_total", "pipeline" => "pay", "policy" => "one more").increment(1);
        gauge!("resilience_x", "pipeline" => "another").set(1.0);
        histogram!("resilience_x_seconds", "pipeline" => "pay").record(1.0);
        // Those that are there go on.
        counter!("resilience_x_total", "pipeline" => "pay", "policy" => "7").increment(1);
    });
    let snapshot = live.snapshot();
    assert!(!snapshot.complete);
    let [pipeline] = &*snapshot.pipelines else { panic!("{} pipelines", snapshot.pipelines.len()) };
    assert_eq!((pipeline.counters.len(), pipeline.gauges.len(), pipeline.histograms.len()), (4096, 0, 0));
    assert_eq!(pipeline.counters.iter().map(|sample| sample.value).sum::<u64>(), 4097);
}

#[tokio::test(start_paused = true)]
async fn the_last_transitions_are_kept_with_their_time() {
    let live = Live::new();
    let counter = |pipeline: &'static str, from: &'static str, to: &'static str| {
        with_local_recorder(&live.recorder(), || {
            counter!("resilience_circuit_breaker_transitions_total",
                "pipeline" => pipeline, "policy" => "breaker", "from" => from, "to" => to)
        })
    };
    let (open, close) = (counter("pay", "closed", "open"), counter("pay", "open", "closed"));
    counter("other", "closed", "open").increment(0);
    for _ in 0..20 {
        open.increment(1);
        tokio::time::advance(Duration::from_secs(2)).await;
        close.increment(1);
        tokio::time::advance(Duration::from_secs(3)).await;
    }
    let snapshot = live.snapshot();
    let [other, pay] = &*snapshot.pipelines else { panic!("{snapshot:?}") };
    assert_eq!((other.transitions.len(), snapshot.seconds), (0, 100.0));
    assert_eq!(pay.transitions.len(), 32);
    let of = |n: usize| {
        let transition = &pay.transitions[n];
        (&*transition.policy, &*transition.from, &*transition.to, transition.seconds)
    };
    assert_eq!(of(0), ("breaker", "open", "closed", 97.0));
    assert_eq!(of(1), ("breaker", "closed", "open", 95.0));
    assert_eq!(of(31), ("breaker", "closed", "open", 20.0));
    assert_eq!(pay.counters.iter().map(|sample| sample.value).collect::<Vec<_>>(), [20, 20]);
}

#[tokio::test(start_paused = true)]
async fn gauges_of_what_is_watched_are_up_to_date() {
    let live = Live::new();
    let breaker = CircuitBreaker::new(Config::new(), tests::time::now());
    let telemetry = live.watch(Telemetry::new("pay"));
    let _observer = telemetry.circuit_breaker("breaker", &breaker);
    let state = || {
        let snapshot = live.snapshot();
        let mut gauges = snapshot.pipelines[0].gauges.iter();
        gauges.find(|gauge| gauge.name == "resilience_circuit_breaker_state").unwrap().value
    };
    assert_eq!(state(), 0.0);
    breaker.force_open(tests::time::now());
    assert_eq!(state(), 2.0);
}

/// How many counters a pipeline has in a view.
fn counters(live: &Live) -> usize {
    live.snapshot().pipelines.iter().map(|pipeline| pipeline.counters.len()).sum()
}

#[test]
fn a_view_is_told_beside_the_recorder_that_is_installed() {
    let (live, installed) = (Live::new(), Recorded::start());
    live.watch(Telemetry::new("pay")).timeout("timeout");
    assert_eq!((counters(&live), installed.take().labelled("resilience_timeouts_total").len()), (2, 2));
}

#[test]
fn a_view_is_told_beside_the_recorder_that_was_given() {
    let (live, installed) = (Live::new(), Recorded::start());
    let given = DebuggingRecorder::new();
    let snapshotter = given.snapshotter();
    live.watch(Telemetry::new("pay").with_recorder(Arc::new(given))).timeout("timeout");
    assert_eq!(counters(&live), 2);
    assert!(snapshotter.snapshot().into_vec().len() >= 2);
    assert!(installed.take().counters.is_empty());
}

#[test]
#[should_panic(expected = "in use already")]
fn a_telemetry_that_is_in_use_cannot_be_watched() {
    let telemetry = Telemetry::new("pay");
    telemetry.timeout("timeout");
    let _ = Live::new().watch(telemetry);
}
