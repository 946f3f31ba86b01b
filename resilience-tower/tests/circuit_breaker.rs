//! The breaker around a service, on a paused clock.

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
    Call, CircuitBreaker, Classify, Context, Deadline, Error, Event, FailureKind, Hint, Observer, Rejected,
    Verdict,
    circuit_breaker::{Config, State},
};
use resilience_tower::{CircuitBreakerLayer, TimeoutLayer};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Outcome = Result<&'static str, Error<&'static str>>;

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Opens at the first failure and closes after one good probe.
fn touchy() -> Config {
    Config::new().time_window(None).consecutive_failures(1).probes(1)
}

/// A service that does what the request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Do {
    Answer,
    Fail,
    Hang,
    Panic,
    Refuse,
}

fn obedient()
-> impl Service<Call<Do>, Response = &'static str, Error = Error<&'static str>, Future: Send> + Clone {
    service_fn(|call: Call<Do>| async move {
        match call.request() {
            Do::Answer => Ok("answer"),
            Do::Fail => Err(Error::inner("failed")),
            Do::Hang => pending::<Outcome>().await,
            Do::Panic => panic!("as told"),
            Do::Refuse => Err(Rejected::CircuitOpen { retry_after: None }.into()),
        }
    })
}

async fn call<S>(service: &mut S, what: Do) -> Outcome
where
    S: Service<Call<Do>, Response = &'static str, Error = Error<&'static str>>,
{
    service.ready().await?.call(Call::new(what)).await
}

fn state(breaker: &CircuitBreaker) -> State {
    breaker.snapshot(now()).state
}

/// Waits until the breaker would admit a probe.
async fn wait_until_due(breaker: &CircuitBreaker) {
    let wait = breaker.snapshot(now()).retry_after.expect("it is open");
    tokio::time::advance(wait + MS).await;
}

#[tokio::test(start_paused = true)]
async fn it_opens_refuses_probes_and_closes() {
    let layer = CircuitBreakerLayer::new(touchy());
    let mut service = layer_around(&layer);
    assert_eq!(call(&mut service, Do::Answer).await, Ok("answer"));
    assert_eq!(call(&mut service, Do::Fail).await, Err(Error::inner("failed")));

    let refused = call(&mut service, Do::Answer).await.unwrap_err();
    let Error::Rejected { rejected: Rejected::CircuitOpen { retry_after: Some(wait) }, .. } = refused else {
        panic!("{refused:?}");
    };
    assert!((900 * MS..=1100 * MS).contains(&wait));

    tokio::time::advance(wait).await;
    assert_eq!(call(&mut service, Do::Answer).await, Ok("answer"));
    assert_eq!(state(layer.breaker()), State::Closed);
}

fn layer_around(
    layer: &CircuitBreakerLayer,
) -> impl Service<Call<Do>, Response = &'static str, Error = Error<&'static str>, Future: Send> + Clone + use<>
{
    ServiceBuilder::new().layer(layer.clone()).service(obedient())
}

/// Between `poll_ready` and `call` the wait may end: then the inner service is not readied, and not called.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_readied_while_open_is_refused_although_the_wait_is_over() {
    let layer = CircuitBreakerLayer::new(touchy());
    let mut service = layer_around(&layer);
    let _ = call(&mut service, Do::Fail).await;
    let ready = service.ready().await.unwrap();
    wait_until_due(layer.breaker()).await;
    let refused = ready.call(Call::new(Do::Answer)).await.unwrap_err();
    assert!(matches!(
        refused,
        Error::Rejected { rejected: Rejected::CircuitOpen { retry_after: Some(_) }, .. }
    ));
    assert_eq!(call(&mut service, Do::Answer).await, Ok("answer"), "and its slot was not taken");
}

/// A caller that breaks the contract is refused, and the inner service does not have to suffer it.
#[tokio::test(start_paused = true)]
async fn a_service_that_was_not_readied_does_not_call_the_inner_one() {
    let mut service = layer_around(&CircuitBreakerLayer::new(touchy()));
    let at_once = Err(Rejected::CircuitOpen { retry_after: Some(Duration::ZERO) }.into());
    let mut clone = service.ready().await.unwrap().clone();
    assert_eq!(clone.call(Call::new(Do::Answer)).await, at_once, "a clone of a readied service is not ready");
    assert_eq!(service.call(Call::new(Do::Answer)).await, Ok("answer"));
    assert_eq!(service.call(Call::new(Do::Answer)).await, at_once, "readiness is used up by a call");

    let busy = tower::limit::ConcurrencyLimit::new(obedient(), 0);
    let mut service = ServiceBuilder::new().layer(CircuitBreakerLayer::new(touchy())).service(busy);
    assert!(service.poll_ready(&mut TaskContext::from_waker(Waker::noop())).is_pending());
    assert_eq!(service.call(Call::new(Do::Answer)).await, at_once, "it was still pending");
}

#[tokio::test(start_paused = true)]
async fn the_classifier_decides_and_its_hint_lengthens_the_wait() {
    #[derive(Clone)]
    struct Odd;
    impl Classify<&'static str, Error<&'static str>> for Odd {
        fn classify(&self, result: Result<&&'static str, &Error<&'static str>>) -> Verdict {
            match result {
                Ok(_) => Verdict::Failure(FailureKind::PeerOverloaded),
                Err(_) => Verdict::Success,
            }
        }
        fn hint(&self, _: Result<&&'static str, &Error<&'static str>>) -> Option<Hint> {
            Some(Hint::AtLeast(9 * SECOND))
        }
    }

    let layer = CircuitBreakerLayer::new(touchy()).classify(Odd);
    let breaker = layer.breaker().clone();
    let mut service = ServiceBuilder::new().layer(layer).service(obedient());
    let _ = call(&mut service, Do::Fail).await;
    assert_eq!(state(&breaker), State::Closed);
    let _ = call(&mut service, Do::Answer).await;
    assert_eq!(breaker.snapshot(now()).retry_after, Some(9 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_panic_further_in_is_a_failure() {
    let layer = CircuitBreakerLayer::new(touchy());
    let service = layer_around(&layer);
    let panicked = tokio::spawn(service.oneshot(Call::new(Do::Panic))).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_eq!(state(layer.breaker()), State::Open);
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_every_transition_and_refusal() {
    #[derive(Debug, Default)]
    struct Seen(Mutex<Vec<String>>);
    impl Observer for Seen {
        fn observe(&self, event: &Event) {
            let text = match event {
                Event::CircuitBreakerTransition(t) => format!("{} to {}", t.from.as_str(), t.to.as_str()),
                Event::CircuitBreakerRejected { .. } => "rejected".to_owned(),
                other => panic!("{other:?}"),
            };
            self.0.lock().unwrap().push(text);
        }
    }

    let seen = Arc::new(Seen::default());
    let layer = CircuitBreakerLayer::new(touchy()).with_observer(Arc::clone(&seen));
    let breaker = layer.breaker().clone();
    let mut service = ServiceBuilder::new().layer(layer).service(obedient());
    let _ = call(&mut service, Do::Answer).await;
    let _ = call(&mut service, Do::Fail).await;
    let _ = call(&mut service, Do::Answer).await;
    wait_until_due(&breaker).await;
    let _ = call(&mut service, Do::Answer).await;
    let seen = seen.0.lock().unwrap();
    assert_eq!(
        *seen,
        ["closed to open", "rejected", "open to half_open", "half_open to closed"].map(str::to_owned)
    );
}

#[tokio::test(start_paused = true)]
async fn a_foreign_timeout_outside_leaves_no_trace_unless_slow_calls_are_watched() {
    let cut = |config: Config| async move {
        let layer = CircuitBreakerLayer::new(config.consecutive_failures(1));
        let call = layer_around(&layer).oneshot(Call::new(Do::Hang));
        assert!(tokio::time::timeout(SECOND, call).await.is_err());
        layer.breaker().snapshot(now()).slow_calls
    };
    assert_eq!(cut(Config::new()).await, 0);
    assert_eq!(cut(Config::new().slow_calls(SECOND / 2, 1.0)).await, 1);
    assert_eq!(cut(Config::new().slow_calls(2 * SECOND, 1.0)).await, 0, "a caller that went away");
}

#[tokio::test(start_paused = true)]
async fn trap_06_calls_cut_by_a_timeout_further_out_are_failures() {
    for timeout in [TimeoutLayer::attempt(100 * MS), TimeoutLayer::total(100 * MS)] {
        let layer = CircuitBreakerLayer::new(touchy().consecutive_failures(3));
        let mut service = ServiceBuilder::new().layer(timeout).layer(layer.clone()).service(obedient());
        for failures in 1..=2 {
            assert!(call(&mut service, Do::Hang).await.is_err());
            assert_eq!(layer.breaker().snapshot(now()).consecutive_failures, failures);
        }
        assert!(call(&mut service, Do::Hang).await.is_err());
        assert_eq!(state(layer.breaker()), State::Open);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_before_the_limit_is_no_failure() {
    for timeout in [TimeoutLayer::attempt(100 * MS), TimeoutLayer::total(100 * MS)] {
        let layer = CircuitBreakerLayer::new(touchy());
        let service = ServiceBuilder::new().layer(timeout).layer(layer.clone()).service(obedient());
        let call = service.oneshot(Call::new(Do::Hang));
        assert!(tokio::time::timeout(99 * MS, call).await.is_err());
        assert_eq!(state(layer.breaker()), State::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_07_probe_slots_come_back_from_cancellation_panics_and_refusals_further_in() {
    let layer = CircuitBreakerLayer::new(touchy());
    let mut service = layer_around(&layer);
    let breaker = layer.breaker();
    let _ = call(&mut service, Do::Fail).await;
    wait_until_due(breaker).await;

    for _ in 0..10 {
        // Cancelled, at every phase.
        drop(service.ready().await.unwrap().call(Call::new(Do::Hang)));
        {
            let mut hanging = pin!(service.ready().await.unwrap().call(Call::new(Do::Hang)));
            let cx = &mut TaskContext::from_waker(Waker::noop());
            assert!(hanging.as_mut().poll(cx).is_pending());
        }
        // Refused further in: it says nothing about the dependency.
        let refused = call(&mut service, Do::Refuse).await;
        assert_eq!(refused, Err(Rejected::CircuitOpen { retry_after: None }.into()));
        assert_eq!(state(breaker), State::HalfOpen);
    }
    // A panic fails the probe, and the next one goes after the wait.
    {
        let mut panicking = pin!(service.ready().await.unwrap().call(Call::new(Do::Panic)));
        let poll = AssertUnwindSafe(|| {
            let _ = panicking.as_mut().poll(&mut TaskContext::from_waker(Waker::noop()));
        });
        assert!(catch_unwind(poll).is_err());
        assert_eq!(state(breaker), State::Open);
    }
    wait_until_due(breaker).await;
    assert_eq!(call(&mut service, Do::Answer).await, Ok("answer"));
    assert_eq!(state(breaker), State::Closed);
}

/// The probe holds the only permit of what is inside, so readiness would never come.
#[tokio::test(start_paused = true)]
async fn a_hung_probe_that_keeps_the_inner_service_busy_is_found_by_poll_ready() {
    let layer = CircuitBreakerLayer::new(touchy().half_open_timeout(SECOND));
    let breaker = layer.breaker().clone();
    let mut service = ServiceBuilder::new().layer(layer).concurrency_limit(1).service(obedient());
    let _ = call(&mut service, Do::Fail).await;
    wait_until_due(&breaker).await;
    let _hanging = tokio::spawn(service.ready().await.unwrap().call(Call::new(Do::Hang)));
    tokio::time::advance(SECOND + MS).await;
    let refused = tokio::time::timeout(SECOND, call(&mut service, Do::Answer)).await;
    assert!(matches!(refused, Ok(Err(Error::Rejected { .. }))));
    assert_eq!(breaker.snapshot(now()).openings, 2);
}

#[tokio::test(start_paused = true)]
async fn trap_09_the_inner_service_is_not_called_before_the_breaker_is_asked() {
    let called = Arc::new(AtomicU32::new(0));
    let inner = service_fn({
        let called = Arc::clone(&called);
        move |_: Call<()>| {
            // In `call`, not in the future: a layer that calls first and asks later is caught.
            called.fetch_add(1, Ordering::Relaxed);
            async { Err::<(), _>(Error::inner("failed")) }
        }
    });
    let mut service = ServiceBuilder::new().layer(CircuitBreakerLayer::new(touchy())).service(inner);
    for _ in 0..5 {
        let _ = service.ready().await.unwrap().call(Call::new(())).await;
    }
    assert_eq!(called.load(Ordering::Relaxed), 1);

    // Nor if it was readied while the breaker was closed.
    let layer = CircuitBreakerLayer::new(touchy());
    let inner = service_fn({
        let called = Arc::clone(&called);
        move |call: Call<Do>| {
            called.fetch_add(1, Ordering::Relaxed);
            obedient().oneshot(call)
        }
    });
    let mut one = ServiceBuilder::new().layer(layer).service(inner);
    let mut other = one.clone();
    let readied = other.ready().await.unwrap();
    assert!(call(&mut one, Do::Fail).await.is_err());
    assert!(matches!(readied.call(Call::new(Do::Answer)).await, Err(Error::Rejected { .. })));
    assert_eq!(called.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn trap_08_a_crowd_at_a_half_open_breaker_gets_its_probes_and_no_more() {
    let layer = CircuitBreakerLayer::new(touchy().probes(3));
    let mut service = layer_around(&layer);
    let _ = call(&mut service, Do::Fail).await;
    wait_until_due(layer.breaker()).await;
    let mut inside = Vec::new();
    let mut refused = 0;
    for _ in 0..100 {
        let mut response = Box::pin(service.ready().await.unwrap().call(Call::new(Do::Hang)));
        match response.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) {
            std::task::Poll::Pending => inside.push(response),
            std::task::Poll::Ready(_) => refused += 1,
        }
    }
    assert_eq!((inside.len(), refused), (3, 97));
}

/// Requests that come too late say nothing about a dependency that they never reach.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_over_before_the_call_does_not_open_a_breaker_outside_of_it() {
    let layer = CircuitBreakerLayer::new(touchy());
    let service =
        ServiceBuilder::new().layer(layer.clone()).layer(TimeoutLayer::total(SECOND)).service(obedient());
    let over = Context::new().with_deadline(Deadline::after(now(), Duration::ZERO));
    let late = service.clone().oneshot(Call::with_context(Do::Answer, over)).await;
    assert!(matches!(
        late,
        Err(Error::Rejected { rejected: Rejected::DeadlineExceeded { called: false, .. }, .. })
    ));
    assert_eq!(state(layer.breaker()), State::Closed);
    let hanging = service.oneshot(Call::new(Do::Hang)).await;
    assert!(matches!(
        hanging,
        Err(Error::Rejected { rejected: Rejected::DeadlineExceeded { called: true, .. }, .. })
    ));
    assert_eq!(state(layer.breaker()), State::Open);
}

#[tokio::test(start_paused = true)]
async fn one_breaker_may_stand_in_several_stacks() {
    let breaker = CircuitBreaker::new(touchy(), now());
    let mut one = layer_around(&CircuitBreakerLayer::with_breaker(breaker.clone()));
    let mut other = layer_around(&CircuitBreakerLayer::with_breaker(breaker.clone()));
    let _ = call(&mut one, Do::Fail).await;
    assert!(matches!(call(&mut other, Do::Answer).await, Err(Error::Rejected { .. })));
    breaker.reset();
    assert_eq!(call(&mut other, Do::Answer).await, Ok("answer"));
}
