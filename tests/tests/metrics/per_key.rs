//! Throttle, breaker and adaptive limit of each key, in sums.

use std::{
    collections::BTreeMap,
    future::Future,
    num::NonZeroUsize,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
    time::SystemTime,
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use resilience_core::{
    Call, Error, Event, FailureKind, Observer, Rejected, Verdict, adaptive,
    circuit_breaker::{self, Permit},
    throttle,
};
use resilience_metrics::Telemetry;
use resilience_tower::{
    PerKeyLayer, TimeoutLayer,
    per_key::{ByKey, Settings},
};
use tests::{
    recorded::{Readings, Recorded},
    seed::seed,
    time,
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use super::{Do, MS, SECOND};

const STATE: &str = "resilience_circuit_breaker_state{pipeline=pay,policy=hosts}";
const LAST: &str = "resilience_circuit_breaker_last_transition_timestamp_seconds{pipeline=pay,policy=hosts}";
const ENTRIES: &str = "resilience_keyed_entries{pipeline=pay,policy=hosts}";
const TRANSITIONS: &str = "resilience_circuit_breaker_transitions_total";
const OPEN: &str = "resilience_circuit_breaker_rejected_total";
const THROTTLED: &str = "resilience_throttle_rejected_total";
const OVERLOADED: &str = "resilience_adaptive_rejected_total";

type Request = Call<(u32, Do)>;
type Hosts<O = ()> = PerKeyLayer<ByKey<u32, fn(&Request) -> u32>, resilience_core::ErrorsAreFailures, O>;

fn hosts(settings: Settings) -> Hosts {
    let capacity = NonZeroUsize::new(64).unwrap();
    PerKeyLayer::with_capacity(settings, |call| call.request().0, capacity, 600 * SECOND)
}

/// Opens at the second failure in a row, for a second or so.
fn breaker() -> circuit_breaker::Config {
    circuit_breaker::Config::new()
        .time_window(None)
        .consecutive_failures(2)
        .probes(1)
        .open_for(SECOND, SECOND)
}

fn inner() -> impl Service<Request, Response = (), Error = Error<Do>, Future: Send> + Clone + Send {
    let inner = super::inner();
    service_fn(move |call: Request| {
        let ((_, what), context) = call.into_parts();
        inner.clone().oneshot(Call::with_context(what, context))
    })
}

/// The worst state, and the breakers that are closed, half-open and open.
fn states(readings: &Readings) -> Option<(f64, [f64; 3])> {
    let instances = |state: &str| {
        readings.gauge(&format!(
            "resilience_circuit_breaker_instances{{pipeline=pay,policy=hosts,state={state}}}"
        ))
    };
    let instances = ["closed", "half_open", "open"].map(instances);
    let [Some(closed), Some(half_open), Some(open)] = instances else {
        assert_eq!((instances, readings.gauge(STATE)), ([None; 3], None));
        return None;
    };
    Some((readings.gauge(STATE).unwrap(), [closed, half_open, open]))
}

fn published(telemetry: &Telemetry, recorded: &Recorded) -> Option<(f64, [f64; 3])> {
    telemetry.publish();
    states(&recorded.take())
}

#[tokio::test(start_paused = true)]
async fn trap_05_everything_is_there_before_the_first_call() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let layer = hosts(Settings::new().circuit_breaker(breaker()));
    let _observer = telemetry.per_key("hosts", move || layer.snapshot());
    let readings = recorded.take();
    let counters = [TRANSITIONS, OPEN, THROTTLED, OVERLOADED, "resilience_keyed_evictions_total"];
    assert_eq!(counters.map(|name| readings.labelled(name).len()), [6, 1, 1, 3, 2]);
    assert!(readings.counters.values().all(|&count| count == 0));
    assert_eq!((readings.gauge(ENTRIES), states(&readings)), (Some(0.0), Some((0.0, [0.0; 3]))));
    assert_eq!(readings.gauge(LAST), Some(0.0));
    assert_eq!((readings.counters.len(), readings.gauges.len()), (13, 6));
}

#[tokio::test(start_paused = true)]
async fn the_state_is_the_worst_of_all_keys_and_goes_with_time() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let layer = hosts(Settings::new().circuit_breaker(breaker()));
    let shown = layer.clone();
    let _observer = telemetry.per_key("hosts", move || shown.snapshot());
    let breakers: Vec<_> =
        (0..5).map(|key| layer.policies(&key).unwrap().circuit_breaker().unwrap().clone()).collect();
    assert_eq!(published(&telemetry, &recorded), Some((0.0, [5.0, 0.0, 0.0])));
    let trip = |key: usize| {
        let permits: Vec<Permit> = (0..2).map(|_| breakers[key].try_acquire(time::now).0.unwrap()).collect();
        for permit in permits {
            permit.finish(Verdict::Failure(resilience_core::FailureKind::Fault), None, time::now);
        }
    };
    trip(0);
    assert_eq!(published(&telemetry, &recorded), Some((2.0, [4.0, 0.0, 1.0])));
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(published(&telemetry, &recorded), Some((1.0, [4.0, 1.0, 0.0])), "nobody calls");
    trip(1);
    breakers[2].force_open(time::now());
    assert_eq!(published(&telemetry, &recorded), Some((2.0, [2.0, 1.0, 2.0])));
    for breaker in &breakers {
        let _ = breaker.reset();
    }
    assert_eq!(published(&telemetry, &recorded), Some((0.0, [5.0, 0.0, 0.0])));
}

#[tokio::test(start_paused = true)]
async fn without_breakers_there_is_no_state_and_none_stays_behind() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let layer = hosts(Settings::new().throttle(throttle::Config::new()));
    let shown = layer.clone();
    let _observer = telemetry.per_key("hosts", move || shown.snapshot());
    assert!(layer.policies(&0).is_some());
    assert_eq!(published(&telemetry, &recorded), None);
    layer.reconfigure(Settings::new().circuit_breaker(breaker()));
    layer.policies(&0).unwrap().circuit_breaker().unwrap().force_open(time::now());
    assert_eq!(published(&telemetry, &recorded), Some((2.0, [0.0, 0.0, 1.0])));
    // The recorder forgets gauges when it is read.
    telemetry.publish();
    layer.reconfigure(Settings::new());
    assert_eq!(published(&telemetry, &recorded), Some((0.0, [0.0; 3])));
}

#[tokio::test(start_paused = true)]
async fn trap_41_the_gauges_are_true_after_cancellation() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay");
    let layer = hosts(Settings::new().circuit_breaker(breaker()));
    let shown = layer.clone();
    let observer = telemetry.per_key("hosts", move || shown.snapshot());
    let mut service = ServiceBuilder::new()
        .layer(TimeoutLayer::total(100 * MS))
        .layer(layer.clone().with_observer(observer))
        .service(inner());
    let mut hang = async |for_ms: u32| {
        let mut response = pin!(service.ready().await.unwrap().call(Call::new((0, Do::Hang))));
        assert!(response.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        tokio::time::advance(for_ms * MS).await;
        published(&telemetry, &recorded)
    };
    // The caller goes away: that says nothing.
    assert_eq!(hang(10).await, Some((0.0, [1.0, 0.0, 0.0])));
    assert_eq!(published(&telemetry, &recorded), Some((0.0, [1.0, 0.0, 0.0])));
    // Its time is over: that is a failure, and the second trips.
    hang(200).await;
    hang(200).await;
    telemetry.publish();
    let readings = recorded.take();
    assert_eq!(states(&readings), Some((2.0, [0.0, 0.0, 1.0])));
    assert_eq!(readings.counted(TRANSITIONS), [("from=closed,pipeline=pay,policy=hosts,to=open", 1)].into());
    tokio::time::advance(2 * SECOND).await;
    // A probe whose caller goes away gives back its slot.
    assert_eq!(hang(10).await, Some((1.0, [0.0, 1.0, 0.0])));
    assert_eq!(published(&telemetry, &recorded), Some((1.0, [0.0, 1.0, 0.0])));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_last_transition_is_there_though_nobody_publishes() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay").with_wall_clock(|| SystemTime::UNIX_EPOCH + 7 * SECOND);
    let layer = hosts(Settings::new().circuit_breaker(breaker()));
    let shown = layer.clone();
    let observer = telemetry.per_key("hosts", move || shown.snapshot());
    let mut service = layer.with_observer(observer).layer(inner());
    for expected in [0.0, 7.0] {
        service.ready().await.unwrap().call(Call::new((0, Do::Fail))).await.unwrap_err();
        assert_eq!(recorded.take().gauge(LAST), Some(expected));
    }
}

/// Counts transitions, beside the metrics.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<u64>>);

impl Observer for Seen {
    fn observe(&self, event: &Event) {
        if let Event::CircuitBreakerTransition(_) = event {
            *self.0.lock().unwrap() += 1;
        }
    }
}

/// What a throttle counts, beside a breaker too.
const fn failures_are_overload(result: Result<&(), &Error<Do>>) -> Verdict {
    if result.is_ok() { Verdict::Success } else { Verdict::Failure(FailureKind::PeerOverloaded) }
}

/// A random walk over some keys: what was counted is what the callers saw. `METRICS_SEED` chooses it.
#[tokio::test(start_paused = true)]
async fn the_counters_are_the_sums_over_all_keys() {
    let mut rng = SmallRng::seed_from_u64(seed("METRICS_SEED"));
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay").with_wall_clock(|| SystemTime::UNIX_EPOCH + 7 * SECOND);
    let settings = Settings::new()
        // Quick to refuse, because each opening of the breaker makes it forget.
        .throttle(throttle::Config::new().multiplier(1.1).min_requests(2))
        .circuit_breaker(breaker())
        .adaptive(|| adaptive::Config::default().bounds(1, 1).initial(1));
    let layer = hosts(settings).classify(failures_are_overload);
    let (shown, seen) = (layer.clone(), Seen::default());
    let observer = telemetry.per_key("hosts", move || shown.snapshot());
    let mut service = layer.clone().with_observer((observer, seen.clone())).layer(inner());
    let mut saw = BTreeMap::<&str, u64>::new();
    for _ in 0..3000 {
        let key = rng.random_range(0..5);
        service.ready().await.unwrap();
        let hanging = rng.random_bool(0.2).then(|| {
            let mut response = Box::pin(service.call(Call::new((key, Do::Hang))));
            let _ = response.as_mut().poll(&mut Context::from_waker(Waker::noop())).map(|answer| {
                *saw.entry(name(&answer)).or_default() += 1;
            });
            response
        });
        let what = if rng.random_bool(0.5) { Do::Fail } else { Do::Answer };
        let answer = service.ready().await.unwrap().call(Call::new((key, what))).await;
        *saw.entry(name(&answer)).or_default() += 1;
        drop(hanging);
        tokio::time::advance(rng.random_range(0..200) * MS).await;
    }
    telemetry.publish();
    let readings = recorded.take();
    let sum = |name: &str| readings.labelled(name).values().sum::<u64>();
    for (refusal, counter) in [("open", OPEN), ("throttled", THROTTLED), ("overloaded", OVERLOADED)] {
        assert!(saw[refusal] > 0, "{saw:?}");
        assert_eq!(sum(counter), saw[refusal], "{refusal}");
    }
    assert_eq!(sum(TRANSITIONS), *seen.0.lock().unwrap());
    assert_eq!(readings.gauge(LAST), Some(7.0), "the time on the clock at the last of them");
    assert_eq!(readings.gauge(ENTRIES), Some(5.0));
    let of = readings.counted(OVERLOADED).into_keys().collect::<Vec<_>>();
    assert_eq!(of, ["pipeline=pay,policy=hosts,priority=default"]);
    let (worst, instances) = states(&readings).unwrap();
    let real = (0..5).map(|key| {
        let policies = layer.policies(&key).unwrap();
        policies.circuit_breaker().unwrap().snapshot(time::now()).state as usize
    });
    let mut expected = [0.0; 3];
    let worst_of = real.inspect(|&state| expected[state] += 1.0).max();
    assert_eq!((worst, instances), ([0.0, 1.0, 2.0][worst_of.unwrap()], expected));
}

fn name(answer: &super::Answer) -> &'static str {
    match answer {
        Err(Error::Rejected { rejected: Rejected::CircuitOpen { .. }, .. }) => "open",
        Err(Error::Rejected { rejected: Rejected::Throttled { .. }, .. }) => "throttled",
        Err(Error::Rejected { rejected: Rejected::Overloaded { .. }, .. }) => "overloaded",
        _ => "called",
    }
}
