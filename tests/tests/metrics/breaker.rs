//! The gauges and counters of a circuit breaker.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use resilience_core::{Call, CircuitBreaker, Error, circuit_breaker::Config};
use resilience_metrics::{CircuitBreakerMetrics, Telemetry};
use resilience_tower::CircuitBreakerLayer;
use tests::{
    recorded::{Readings, Recorded},
    time,
};
use tower::{Layer, Service};

use super::{Do, MS, SECOND, call, classify, inner};

const STATE: &str = "resilience_circuit_breaker_state{pipeline=pay,policy=breaker}";
const OVERRIDE: &str = "resilience_circuit_breaker_manual_override{pipeline=pay,policy=breaker}";
const TRANSITIONS: &str = "resilience_circuit_breaker_transitions_total";
const REJECTED: &str = "resilience_circuit_breaker_rejected_total";

struct Watched {
    recorded: Recorded,
    telemetry: Telemetry,
    breaker: CircuitBreaker,
    observer: CircuitBreakerMetrics,
}

impl Watched {
    /// Closed, opens after one failure, and closes after one good probe.
    fn new() -> Self {
        Self::by(Telemetry::new("pay"))
    }

    fn by(telemetry: Telemetry) -> Self {
        let recorded = Recorded::start();
        let config = Config::new().consecutive_failures(1).probes(1).slow_calls(100 * MS, 1.0);
        let breaker = CircuitBreaker::new(config, time::now());
        let observer = telemetry.circuit_breaker("breaker", &breaker);
        Self { recorded, telemetry, breaker, observer }
    }

    fn service(&self) -> impl Service<Call<Do>, Response = (), Error = Error<Do>> + Clone + use<> {
        CircuitBreakerLayer::with_breaker(self.breaker.clone())
            .classify(classify)
            .with_observer(self.observer.clone())
            .layer(inner())
    }

    fn published(&self) -> Readings {
        self.telemetry.publish();
        self.recorded.take()
    }

    fn state_and_override(&self) -> (Option<f64>, Option<f64>) {
        let readings = self.published();
        (readings.gauge(STATE), readings.gauge(OVERRIDE))
    }
}

fn transition(from: &str, to: &str) -> String {
    format!("from={from},pipeline=pay,policy=breaker,to={to}")
}

#[tokio::test(start_paused = true)]
async fn trap_05_everything_is_there_before_the_first_call() {
    let readings = Watched::new().recorded.take();
    assert_eq!(readings.gauge(STATE), Some(0.0));
    assert_eq!(readings.gauge(OVERRIDE), Some(0.0));

    let transitions = readings.labelled(TRANSITIONS);
    let expected: BTreeSet<String> = [
        transition("closed", "half_open"),
        transition("closed", "open"),
        transition("half_open", "closed"),
        transition("half_open", "open"),
        transition("open", "closed"),
        transition("open", "half_open"),
    ]
    .into();
    assert!(transitions.keys().copied().eq(expected.iter()), "{transitions:?}");
    assert!(transitions.values().all(|&count| count == 0));
    assert!(readings.labelled(REJECTED).into_iter().eq([("pipeline=pay,policy=breaker", 0)]));

    let gauges: Vec<&str> = readings.gauges.keys().map(|key| key.split('{').next().unwrap()).collect();
    assert_eq!(
        gauges,
        [
            "resilience_circuit_breaker_failure_ratio",
            "resilience_circuit_breaker_last_transition_timestamp_seconds",
            "resilience_circuit_breaker_manual_override",
            "resilience_circuit_breaker_slow_ratio",
            "resilience_circuit_breaker_state",
            "resilience_circuit_breaker_window_calls",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn trap_05_the_state_gauge_follows_the_breaker_even_when_it_is_idle() {
    let watched = Watched::new();
    let service = watched.service();
    call(&service, Do::Fail).await.unwrap_err();
    let readings = watched.recorded.take();
    assert_eq!(readings.gauge(STATE), Some(2.0), "set by the transition, nobody has published");
    assert!(readings.counted(TRANSITIONS).into_iter().eq([(&*transition("closed", "open"), 1)]));

    for _ in 0..3 {
        assert!(matches!(call(&service, Do::Answer).await, Err(Error::Rejected { .. })));
    }
    assert_eq!(watched.published().counted(REJECTED).values().sum::<u64>(), 3);

    tokio::time::advance(2 * SECOND).await;
    assert_eq!(watched.published().gauge(STATE), Some(1.0), "the next call would be a probe");

    watched.telemetry.publish();
    call(&service, Do::Answer).await.unwrap();
    let readings = watched.recorded.take();
    assert_eq!(readings.gauge(STATE), Some(0.0), "back from 1");
    let expected = [transition("half_open", "closed"), transition("open", "half_open")];
    assert!(readings.counted(TRANSITIONS).into_iter().eq(expected.iter().map(|labels| (&**labels, 1))));
    assert!(readings.counted(REJECTED).is_empty());
}

#[tokio::test(start_paused = true)]
async fn trap_05_manual_overrides_show() {
    let watched = Watched::new();
    let now = time::now();
    watched.breaker.force_open(now);
    assert_eq!(watched.state_and_override(), (Some(2.0), Some(1.0)));
    assert!(call(&watched.service(), Do::Answer).await.is_err());
    assert_eq!(watched.published().counted(REJECTED).values().sum::<u64>(), 1);

    watched.breaker.force_closed(now);
    assert_eq!(watched.state_and_override(), (Some(0.0), Some(1.0)));
    watched.breaker.disable(now);
    assert_eq!(watched.state_and_override(), (Some(0.0), Some(1.0)));
    watched.breaker.release(now);
    assert_eq!(watched.state_and_override(), (Some(0.0), Some(0.0)));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_last_transition_is_the_wall_clocks() {
    const LAST: &str =
        "resilience_circuit_breaker_last_transition_timestamp_seconds{pipeline=pay,policy=breaker}";
    let clock = Arc::new(AtomicU64::new(1_800_000_000));
    let wall = Arc::clone(&clock);
    let wall = move || SystemTime::UNIX_EPOCH + Duration::from_secs(wall.load(Ordering::Relaxed));
    let watched = Watched::by(Telemetry::new("pay").with_wall_clock(wall));
    let service = watched.service();
    call(&service, Do::Answer).await.unwrap();
    assert_eq!(watched.published().gauge(LAST), Some(0.0), "none so far");

    call(&service, Do::Fail).await.unwrap_err();
    assert_eq!(watched.recorded.take().gauge(LAST), Some(1_800_000_000.0), "nobody has published");
    clock.fetch_add(60, Ordering::Relaxed);
    call(&service, Do::Answer).await.unwrap_err();
    assert_eq!(watched.published().gauge(LAST), Some(1_800_000_000.0), "a refusal is no transition");

    tokio::time::advance(2 * SECOND).await;
    call(&service, Do::Answer).await.unwrap();
    assert_eq!(watched.published().gauge(LAST), Some(1_800_000_060.0));
}

#[tokio::test(start_paused = true)]
async fn trap_05_one_hot_is_one_state_at_a_time() {
    let watched = Watched::by(Telemetry::new("pay").one_hot(true));
    let states = |readings: &Readings| {
        ["closed", "half_open", "open"].map(|state| {
            let key =
                format!("resilience_circuit_breaker_in_state{{pipeline=pay,policy=breaker,state={state}}}");
            readings.gauge(&key)
        })
    };
    assert_eq!(states(&watched.recorded.take()), [Some(1.0), Some(0.0), Some(0.0)]);
    call(&watched.service(), Do::Fail).await.unwrap_err();
    assert_eq!(states(&watched.recorded.take()), [Some(0.0), Some(0.0), Some(1.0)]);
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(states(&watched.published()), [Some(0.0), Some(1.0), Some(0.0)]);
}

#[tokio::test(start_paused = true)]
async fn the_window_shows_in_ratios() {
    let watched = Watched::new();
    let service = watched.service();
    call(&service, Do::AnswerAfter(SECOND)).await.unwrap();
    for _ in 0..2 {
        call(&service, Do::Answer).await.unwrap();
    }
    let gauge = |readings: &Readings, name: &str| {
        let key = format!("resilience_circuit_breaker_{name}{{pipeline=pay,policy=breaker}}");
        readings.gauge(&key).unwrap()
    };
    let closed = watched.published();
    assert_eq!(gauge(&closed, "window_calls"), 3.0);
    assert_eq!(gauge(&closed, "slow_ratio"), 1.0 / 3.0);
    assert_eq!(gauge(&closed, "failure_ratio"), 0.0);

    call(&service, Do::Fail).await.unwrap_err();
    let open = watched.published();
    assert_eq!(gauge(&open, "window_calls"), 4.0, "what it tripped on");
    assert_eq!(gauge(&open, "failure_ratio"), 0.25);
}

#[tokio::test(start_paused = true)]
async fn two_breakers_cannot_have_one_name_in_a_pipeline() {
    let watched = Watched::new();
    let other = CircuitBreaker::new(Config::new(), time::now());
    let _ = watched.telemetry.circuit_breaker("other", &other);
    let _ = watched.telemetry.circuit_breaker("breaker", &watched.breaker);
    let _ = Telemetry::new("ship").circuit_breaker("breaker", &other);

    let clash =
        catch_unwind(AssertUnwindSafe(|| watched.telemetry.circuit_breaker("breaker", &other))).unwrap_err();
    let message = clash.downcast_ref::<String>().unwrap();
    assert!(message.contains("`pay`") && message.contains("`breaker`"), "{message}");

    watched.breaker.force_open(time::now());
    assert_eq!(watched.state_and_override(), (Some(2.0), Some(1.0)), "the first one still has its gauge");
}
