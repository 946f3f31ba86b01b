//! Who brings gauges up to date, and when.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use resilience_core::{Call, CircuitBreaker, circuit_breaker::Config, keyed::Snapshot};
use resilience_metrics::Telemetry;
use tests::{recorded::Recorded, time};
use tower::{Layer, Service};

use super::{Do, MS, SECOND, call, classify, inner};

const STATE: &str = "resilience_circuit_breaker_state{pipeline=pay,policy=breaker}";

/// The gauge, if it was set since the last look: it had been 0, and the breaker is open.
fn is_published(recorded: &Recorded) -> bool {
    recorded.take().gauge(STATE) == Some(2.0)
}

fn watched(telemetry: &Telemetry) -> CircuitBreaker {
    let breaker = CircuitBreaker::new(Config::new(), time::now());
    let _observer = telemetry.circuit_breaker("breaker", &breaker);
    breaker.force_open(time::now());
    breaker
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_ends_publishes_what_was_not_published_for_a_second() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let _breaker = watched(&telemetry);
    let service = telemetry.operation_layer(classify).layer(inner());
    drop(telemetry);
    assert!(!recorded.take().counters.is_empty());
    call(&service, Do::AnswerAfter(999 * MS)).await.unwrap();
    assert!(!is_published(&recorded));
    for _ in 0..3 {
        call(&service, Do::AnswerAfter(SECOND)).await.unwrap();
        assert!(is_published(&recorded));
        call(&service, Do::Answer).await.unwrap();
        assert!(!is_published(&recorded));
    }
    tokio::time::timeout(SECOND, call(&service, Do::Hang)).await.unwrap_err();
    assert!(is_published(&recorded), "a call that is dropped has ended too");
}

/// What publishes runs code of the user's, which may panic; a second panic would end the process.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_by_a_panic_publishes_nothing() {
    let _recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let is_broken = Arc::new(AtomicBool::new(false));
    let broken = Arc::clone(&is_broken);
    telemetry.keyed("keys", move || {
        assert!(!broken.load(Ordering::Relaxed), "a table that cannot be read");
        Snapshot::default()
    });
    let running = telemetry.operation_layer(classify).layer(inner()).call(Call::new(Do::Hang));
    tokio::time::advance(2 * SECOND).await;
    is_broken.store(true, Ordering::Relaxed);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _running = running;
        resume_unwind(Box::new("of somebody else"))
    }));
    assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"of somebody else"));
}

#[tokio::test(start_paused = true)]
async fn operations_leave_it_to_others_if_told_so() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay").publish_on_calls(false);
    let _breaker = watched(&telemetry);
    let service = telemetry.operation_layer(classify).layer(inner());
    let _ = recorded.take();
    call(&service, Do::AnswerAfter(5 * SECOND)).await.unwrap();
    assert!(!is_published(&recorded));
    telemetry.publish();
    assert!(is_published(&recorded));
}

#[tokio::test(start_paused = true)]
async fn a_publisher_publishes_each_period_until_it_is_dropped() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let _breaker = watched(&telemetry);
    let publisher = telemetry.spawn_publisher(5 * SECOND);
    assert!(!is_published(&recorded));
    tokio::time::sleep(MS).await;
    assert!(is_published(&recorded), "at once");
    for _ in 0..3 {
        tokio::time::sleep(4998 * MS).await;
        assert!(!is_published(&recorded));
        tokio::time::sleep(2 * MS).await;
        assert!(is_published(&recorded));
    }
    drop(publisher);
    tokio::time::sleep(60 * SECOND).await;
    assert!(!is_published(&recorded));
    let zero = catch_unwind(AssertUnwindSafe(|| telemetry.spawn_publisher(std::time::Duration::ZERO)));
    let message = zero.unwrap_err();
    let expected = "the period of a publisher is zero, it must be longer";
    assert_eq!(message.downcast_ref::<&str>(), Some(&expected));
}
