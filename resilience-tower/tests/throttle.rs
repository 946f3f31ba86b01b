//! The throttle around a service, on a paused clock.

use std::{
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context as TaskContext, Waker},
    time::{Duration, Instant},
};

use resilience_core::{
    Backoff, Call, Classify, Error, Event, FailureKind, Observer, Rejected, RetryPolicy, Throttle, Verdict,
    circuit_breaker, throttle::Config,
};
use resilience_tower::{CircuitBreakerLayer, RetryLayer, ThrottleLayer, TimeoutLayer, retry::Replay};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

type Outcome = Result<&'static str, Error<&'static str>>;

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A service that does what the request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Do {
    Answer,
    Fail,
    Hang,
    Panic,
    PanicInCall,
    Refuse,
}

impl Replay for Do {
    fn try_clone(&self) -> Option<Self> {
        Some(*self)
    }
}

fn obedient()
-> impl Service<Call<Do>, Response = &'static str, Error = Error<&'static str>, Future: Send> + Clone {
    service_fn(|call: Call<Do>| {
        let what = *call.request();
        assert_ne!(what, Do::PanicInCall, "as told");
        async move {
            match what {
                Do::Answer => Ok("answer"),
                Do::Fail => Err(Error::inner("failed")),
                Do::Hang => pending::<Outcome>().await,
                Do::Panic => panic!("as told"),
                Do::PanicInCall => unreachable!("it panics in call"),
                Do::Refuse => Err(Rejected::CircuitOpen { retry_after: None }.into()),
            }
        }
    })
}

async fn call<S>(service: &mut S, what: Do) -> Outcome
where
    S: Service<Call<Do>, Response = &'static str, Error = Error<&'static str>>,
{
    service.ready().await?.call(Call::new(what)).await
}

fn counts(throttle: &Throttle) -> (u64, u64) {
    let seen = throttle.snapshot(now());
    (seen.requests, seen.accepts)
}

/// A throttle that refuses every call but one in a million.
fn saturated() -> ThrottleLayer {
    let config = Config::new().max_requests(1_000_000).probe_one_in(1_000_000);
    let layer = ThrottleLayer::with_throttle(Throttle::with_seed(config, now(), 7));
    let permits = [(); 100].map(|()| layer.throttle().try_acquire(now).expect("it is calm"));
    for permit in permits {
        permit.finish(Verdict::Failure(FailureKind::PeerOverloaded), now);
    }
    for _ in 0..100_000 {
        let _ = layer.throttle().try_acquire(now);
    }
    layer
}

const fn is_throttled(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Error::Rejected { rejected: Rejected::Throttled { .. }, .. }))
}

#[tokio::test(start_paused = true)]
async fn it_refuses_in_proportion_and_recovers() {
    let layer = ThrottleLayer::with_throttle(Throttle::with_seed(Config::new(), now(), 7));
    let throttle = layer.throttle().clone();
    let mut service = layer_around(&layer);
    for _ in 0..40 {
        assert_eq!(call(&mut service, Do::Answer).await, Ok("answer"));
    }
    let mut refused = 0;
    for _ in 0..1000 {
        tokio::time::advance(10 * MS).await;
        refused += u32::from(is_throttled(&call(&mut service, Do::Fail).await));
    }
    assert!((850..950).contains(&refused), "{refused}");
    assert!(throttle.snapshot(now()).probability > 0.8);
    let mut answered = Vec::new();
    for _ in 0..400 {
        tokio::time::advance(10 * MS).await;
        answered.push(call(&mut service, Do::Answer).await.is_ok());
    }
    assert!(answered[300..].iter().all(|&answered| answered), "{answered:?}");
}

fn layer_around(
    layer: &ThrottleLayer,
) -> impl Service<Call<Do>, Response = &'static str, Error = Error<&'static str>, Future: Send> + Clone + use<>
{
    ServiceBuilder::new().layer(layer.clone()).service(obedient())
}

#[tokio::test(start_paused = true)]
async fn every_call_reports_once() {
    let layer = ThrottleLayer::new(Config::new());
    let throttle = layer.throttle();
    let mut service = layer_around(&layer);
    assert!(call(&mut service, Do::Answer).await.is_ok());
    assert_eq!(counts(throttle), (1, 1));
    assert!(call(&mut service, Do::Fail).await.is_err());
    assert_eq!(counts(throttle), (2, 1));

    // Refused further in: it says nothing about the dependency.
    assert!(call(&mut service, Do::Refuse).await.is_err());
    assert_eq!(counts(throttle), (2, 1));

    // Dropped, before the first poll and after.
    drop(service.ready().await.unwrap().call(Call::new(Do::Hang)));
    {
        let mut hanging = pin!(service.ready().await.unwrap().call(Call::new(Do::Hang)));
        assert!(hanging.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(counts(throttle), (2, 1));

    // A panic, in the future and in `call`.
    {
        let mut panicking = pin!(service.ready().await.unwrap().call(Call::new(Do::Panic)));
        let poll = AssertUnwindSafe(|| {
            let _ = panicking.as_mut().poll(&mut TaskContext::from_waker(Waker::noop()));
        });
        assert!(catch_unwind(poll).is_err());
        assert_eq!(counts(throttle), (3, 1));
    }
    assert_eq!(counts(throttle), (3, 1), "once more is not twice");
    let ready = service.ready().await.unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(ready.call(Call::new(Do::PanicInCall))))).is_err());
    assert_eq!(counts(throttle), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn trap_06_a_call_cut_by_a_timeout_further_out_was_not_accepted() {
    for timeout in [TimeoutLayer::attempt(100 * MS), TimeoutLayer::total(100 * MS)] {
        let layer = ThrottleLayer::new(Config::new());
        let mut service = ServiceBuilder::new().layer(timeout).layer(layer.clone()).service(obedient());
        for cut in 1..=3 {
            assert!(call(&mut service, Do::Hang).await.is_err());
            assert_eq!(counts(layer.throttle()), (cut, 0));
        }
        // A caller that goes away before is not.
        assert!(tokio::time::timeout(99 * MS, call(&mut service, Do::Hang)).await.is_err());
        assert_eq!(counts(layer.throttle()), (3, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_classifier_decides() {
    #[derive(Clone)]
    struct Odd;
    impl Classify<&'static str, Error<&'static str>> for Odd {
        fn classify(&self, result: Result<&&'static str, &Error<&'static str>>) -> Verdict {
            match result {
                Ok(_) => Verdict::Failure(FailureKind::PeerOverloaded),
                Err(_) => Verdict::Failure(FailureKind::Permanent),
            }
        }
    }

    let layer = ThrottleLayer::new(Config::new()).classify(Odd);
    let throttle = layer.throttle().clone();
    let mut service = ServiceBuilder::new().layer(layer).service(obedient());
    assert!(call(&mut service, Do::Answer).await.is_ok());
    assert_eq!(counts(&throttle), (1, 0));
    assert!(call(&mut service, Do::Fail).await.is_err());
    assert_eq!(counts(&throttle), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_of_every_refusal_and_of_nothing_else() {
    #[derive(Debug, Default)]
    struct Seen(Mutex<Vec<u16>>);
    impl Observer for Seen {
        fn observe(&self, event: &Event) {
            match *event {
                Event::Throttled { per_mille } => self.0.lock().unwrap().push(per_mille),
                ref other => panic!("{other:?}"),
            }
        }
    }

    let seen = Arc::new(Seen::default());
    let layer = ThrottleLayer::new(Config::new()).with_observer(Arc::clone(&seen));
    let mut service = ServiceBuilder::new().layer(layer).service(obedient());
    let mut refusals = Vec::new();
    for _ in 0..100 {
        match call(&mut service, Do::Fail).await {
            Err(Error::Rejected { rejected: Rejected::Throttled { per_mille }, .. }) => {
                refusals.push(per_mille)
            }
            other => assert_eq!(other, Err(Error::inner("failed"))),
        }
    }
    assert!(refusals.len() > 50);
    assert_eq!(*seen.0.lock().unwrap(), refusals);
}

/// A refusal is not worth a retry: while the throttle refuses, there are none.
#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_retried() {
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = tower::util::MapRequestLayer::new({
        let attempts = Arc::clone(&attempts);
        move |call: Call<Do>| {
            attempts.fetch_add(1, Ordering::Relaxed);
            call
        }
    });
    let retry = RetryLayer::new(RetryPolicy::new().backoff(Backoff::constant(MS))).without_budget();
    let around = |throttle: ThrottleLayer| {
        ServiceBuilder::new().layer(retry.clone()).layer(counted.clone()).layer(throttle).service(obedient())
    };

    let mut healthy = around(ThrottleLayer::new(Config::new()));
    assert_eq!(call(&mut healthy, Do::Fail).await.unwrap_err().gave_up().map(|g| g.attempts), Some(3));
    assert_eq!(attempts.swap(0, Ordering::Relaxed), 3, "a failure is");

    let refused = call(&mut around(saturated()), Do::Answer).await;
    assert!(is_throttled(&refused), "{refused:?}");
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}

/// Neither mistakes the refusals of the other for the dependency's doing.
#[tokio::test(start_paused = true)]
async fn a_breaker_outside_does_not_count_refusals() {
    let breaker =
        CircuitBreakerLayer::new(circuit_breaker::Config::new().time_window(None).consecutive_failures(1));
    let mut service = ServiceBuilder::new().layer(breaker.clone()).layer(saturated()).service(obedient());
    for _ in 0..10 {
        assert!(is_throttled(&call(&mut service, Do::Fail).await));
    }
    assert_eq!(breaker.breaker().snapshot(now()).state, circuit_breaker::State::Closed);
}

#[tokio::test(start_paused = true)]
async fn trap_09_the_inner_service_is_not_called_before_the_throttle_is_asked() {
    let called = Arc::new(AtomicU32::new(0));
    let inner = service_fn({
        let called = Arc::clone(&called);
        move |_: Call<()>| {
            // In `call`, not in the future: a layer that calls first and asks later is caught.
            called.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, Error<&'static str>>(()) }
        }
    });
    let mut service = ServiceBuilder::new().layer(saturated()).service(inner);
    for _ in 0..5 {
        assert!(service.ready().await.unwrap().call(Call::new(())).await.is_err());
    }
    assert_eq!(called.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn one_throttle_may_stand_in_several_stacks_and_be_reset() {
    let layer = saturated();
    let mut one = layer_around(&layer);
    let mut other = layer_around(&ThrottleLayer::with_throttle(layer.throttle().clone()));
    assert!(is_throttled(&call(&mut one, Do::Answer).await));
    assert!(is_throttled(&call(&mut other, Do::Answer).await));
    let mut late = pin!(one.ready().await.unwrap().call(Call::new(Do::Answer)));
    layer.throttle().reset();
    assert_eq!(call(&mut other, Do::Answer).await, Ok("answer"));
    assert!(is_throttled(&late.as_mut().await), "it had been refused before");
    assert_eq!(counts(layer.throttle()), (1, 1));
}

#[cfg(feature = "http")]
#[test]
fn over_http_what_is_throttled_or_shed_is_503() {
    for rejected in [Rejected::Throttled { per_mille: 900 }, Rejected::NotReady { waited: MS }] {
        let response = resilience_tower::http::response(&rejected);
        assert_eq!(response.status().as_u16(), 503, "{rejected}");
        assert!(!response.headers().contains_key("retry-after"), "nobody knows when");
    }
}

#[cfg(feature = "grpc")]
#[test]
fn over_grpc_what_is_throttled_or_shed_is_unavailable() {
    for rejected in [Rejected::Throttled { per_mille: 900 }, Rejected::NotReady { waited: MS }] {
        let status = resilience_tower::grpc::status(Error::<std::io::Error>::from(rejected));
        assert_eq!(status.code(), tonic::Code::Unavailable, "{rejected}");
    }
}
