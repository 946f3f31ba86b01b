//! The client's.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context as TaskContext, Poll},
};

use resilience_core::{
    Backoff, Call, Context, Deadline, Error, Event, Observer, Quota, Registry, Rejected, RetryBudget,
    RetryPolicy,
    backoff::Jitter,
    bulkhead,
    circuit_breaker::{self, State},
    keyed::Keyed,
    retry::Reason,
};
use resilience_tower::{
    call::with_deadline,
    per_key::Policies,
    stack::{self, ClientHandle, ClientLayer, ClientSettings},
};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{MS, SECOND, now};

type Outcome = Result<&'static str, Error<&'static str>>;

/// What a request asks the transport to do.
const ANSWER: &str = "answer";
const FAIL: &str = "fail";
const HANG: &str = "hang";

/// Does what the request says, after its host, and counts.
#[derive(Clone, Default)]
struct Transport(Arc<AtomicU32>);

impl Transport {
    fn calls(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Service<&'static str> for Transport {
    type Response = &'static str;
    type Error = &'static str;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<&'static str, &'static str>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: &'static str) -> Self::Future {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            match request.rsplit('/').next() {
                Some(FAIL) => Err("failed"),
                Some(HANG) => pending().await,
                _ => Ok("answer"),
            }
        })
    }
}

/// Opens at the first failure.
fn touchy() -> circuit_breaker::Config {
    circuit_breaker::Config::new().time_window(None).consecutive_failures(1).probes(1)
}

/// Three attempts without pauses.
fn hasty() -> RetryPolicy {
    RetryPolicy::new().backoff(Backoff::none())
}

fn host(call: &Call<&'static str>) -> &'static str {
    call.request().split('/').next().unwrap()
}

const fn is_open(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Error::Rejected { rejected: Rejected::CircuitOpen { .. }, .. }))
}

#[tokio::test(start_paused = true)]
async fn an_answer_passes_and_a_failure_is_repeated() {
    let transport = Transport::default();
    let settings = ClientSettings::new().retry(hasty());
    let mut client = ClientLayer::new("test", &settings).unwrap().layer(transport.clone());
    assert_eq!(client.ready().await.unwrap().call(ANSWER).await, Ok("answer"));
    assert_eq!(transport.calls(), 1);
    let error = client.ready().await.unwrap().call(FAIL).await.unwrap_err();
    assert_eq!(error.gave_up().map(|gave_up| gave_up.reason), Some(Reason::MaxAttempts));
    assert_eq!((error.into_inner(), transport.calls()), (Some("failed"), 4));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_cut_and_repeated_until_the_total_is_over() {
    let transport = Transport::default();
    let settings = ClientSettings::new().retry(hasty().max_attempts(9));
    let mut client = ClientLayer::new("test", &settings).unwrap().layer(transport.clone());
    let start = now();
    let error = client.ready().await.unwrap().call(HANG).await.unwrap_err();
    assert!(matches!(error, Error::Rejected { rejected: Rejected::DeadlineExceeded { .. }, .. }), "{error}");
    assert_eq!(transport.calls(), 3, "of two seconds, of two, and of what was left");
    assert!((5 * SECOND..5 * SECOND + 10 * MS).contains(&(now() - start)));
}

#[tokio::test(start_paused = true)]
async fn a_call_may_bring_limits_of_its_own() {
    let mut client = stack::client("test").calls().layer(Transport::default());
    let quick = Context::new().with_total_timeout(30 * MS).with_attempt_timeout(20 * MS);
    let start = now();
    let outcome = client.ready().await.unwrap().call(Call::with_context(HANG, quick)).await;
    assert!(matches!(outcome, Err(Error::Rejected { .. })));
    assert!(now() - start <= 40 * MS, "{:?}", now() - start);
}

#[tokio::test(start_paused = true)]
async fn a_call_inherits_the_deadline_of_the_request_that_its_handler_works_on() {
    let mut client = stack::client("test").layer(Transport::default());
    let start = now();
    let deadline = Deadline::after(start, 100 * MS);
    let outcome = with_deadline(Some(deadline), client.ready().await.unwrap().call(HANG));
    assert!(outcome.await.is_err());
    // The future was made outside: `call` is what inherits.
    assert!(now() - start >= 5 * SECOND);

    let start = now();
    let deadline = Deadline::after(start, 100 * MS);
    let outcome = with_deadline(Some(deadline), async { client.ready().await.unwrap().call(HANG).await });
    let error = outcome.await.unwrap_err();
    assert!(matches!(error, Error::Rejected { rejected: Rejected::DeadlineExceeded { .. }, .. }));
    assert!(now() - start <= 110 * MS);
}

#[tokio::test(start_paused = true)]
async fn each_destination_has_a_breaker_of_its_own() {
    let settings = ClientSettings::new().retry(None).circuit_breaker(touchy());
    let layer = ClientLayer::new("test", &settings).unwrap().per(host);
    let mut client = layer.layer(Transport::default());
    assert_eq!(client.ready().await.unwrap().call("a/fail").await, Err(Error::inner("failed")));
    assert!(is_open(&client.ready().await.unwrap().call("a/answer").await));
    assert_eq!(client.ready().await.unwrap().call("b/answer").await, Ok("answer"));

    let handle = layer.handle();
    assert_eq!(handle.destinations().len(), 2);
    assert!(handle.policies(&"a").circuit_breaker().unwrap().reset().is_some());
    assert_eq!(client.ready().await.unwrap().call("a/answer").await, Ok("answer"));
}

/// An attempt after a pause must not go by the time before it.
#[tokio::test(start_paused = true)]
async fn a_breaker_whose_wait_has_ended_during_the_pause_admits_the_next_attempt() {
    let pause = Backoff::constant(3 * SECOND).jitter(Jitter::None);
    let settings = ClientSettings::new()
        .total_timeout(60 * SECOND)
        .retry(RetryPolicy::new().backoff(pause))
        .circuit_breaker(touchy());
    let calls = AtomicU32::new(0);
    let fails_once = service_fn(|_: &'static str| {
        let is_first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        async move { if is_first { Err("failed") } else { Ok("answer") } }
    });
    let client = ClientLayer::new("test", &settings).unwrap().layer(fails_once);
    assert_eq!(client.oneshot(ANSWER).await, Ok("answer"));
}

#[tokio::test(start_paused = true)]
async fn each_destination_has_a_budget_of_its_own() {
    let budget = RetryBudget::success_paid().capacity(3);
    let settings = ClientSettings::new().retry(hasty().max_attempts(2)).retry_budget(budget);
    let layer = ClientLayer::new("test", &settings).unwrap().per(host);
    let (transport, mut calls) = (Transport::default(), Vec::new());
    let mut client = layer.layer(transport.clone());
    for request in ["a/fail", "a/fail", "b/fail", "b/fail"] {
        let before = transport.calls();
        assert!(client.ready().await.unwrap().call(request).await.is_err());
        calls.push(transport.calls() - before);
    }
    assert_eq!(calls, [2, 1, 2, 1], "each can pay for one retry");
}

#[tokio::test(start_paused = true)]
async fn every_part_can_be_left_out() {
    let settings = ClientSettings::new()
        .total_timeout(None)
        .attempt_timeout(None)
        .retry(None)
        .throttle(None)
        .circuit_breaker(None)
        .adaptive(None);
    let layer = ClientLayer::new("test", &settings).unwrap();
    let transport = Transport::default();
    let mut client = layer.layer(transport.clone());
    for _ in 0..1000 {
        assert_eq!(client.ready().await.unwrap().call(FAIL).await, Err(Error::inner("failed")));
    }
    assert_eq!(transport.calls(), 1000);
    let hour = 3600 * SECOND;
    let hanging = tokio::time::timeout(hour, client.ready().await.unwrap().call(HANG)).await;
    assert!(hanging.is_err(), "nothing cut it");
    let policies = layer.handle().policies(&());
    assert!(policies.circuit_breaker().is_none() && policies.throttle().is_none());
    assert!(policies.adaptive().is_none() && policies.retry_budget().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_off_by_default_can_be_turned_on() {
    let settings = ClientSettings::new()
        .bulkhead(bulkhead::Config::new(1))
        .rate_limit(Quota::per_second(1))
        .rate_limit_wait(3 * SECOND);
    let layer = ClientLayer::new("test", &settings).unwrap();
    let mut client = layer.layer(Transport::default());
    let start = now();
    for _ in 0..3 {
        assert_eq!(client.ready().await.unwrap().call(ANSWER).await, Ok("answer"));
    }
    assert_eq!((now() - start).as_secs(), 2, "the rate limit has it wait");

    let permit = layer.handle().bulkhead().unwrap().try_acquire(1).unwrap();
    let outcome = client.ready().await.unwrap().call(ANSWER).await;
    assert!(matches!(outcome, Err(Error::Rejected { rejected: Rejected::BulkheadFull { .. }, .. })));
    drop(permit);
}

#[tokio::test(start_paused = true)]
async fn settings_change_while_it_runs_and_state_is_kept() {
    let settings = ClientSettings::new().retry(hasty()).circuit_breaker(touchy().consecutive_failures(100));
    let layer = ClientLayer::new("test", &settings).unwrap().per(host);
    let (transport, handle) = (Transport::default(), layer.handle().clone());
    let mut client = layer.layer(transport.clone());
    assert!(client.ready().await.unwrap().call("a/fail").await.is_err());
    assert_eq!(transport.calls(), 3);

    let changed = settings
        .clone()
        .retry(hasty().max_attempts(2))
        .total_timeout(300 * MS)
        .attempt_timeout(200 * MS)
        .circuit_breaker(touchy().consecutive_failures(5));
    handle.reconfigure(&changed).unwrap();
    let start = now();
    assert!(client.ready().await.unwrap().call("a/hang").await.is_err());
    assert_eq!((transport.calls(), (now() - start).as_millis() / 100), (5, 3), "two attempts within 300 ms");
    let breaker = handle.policies(&"a").circuit_breaker().unwrap().clone();
    assert_eq!(breaker.snapshot(now()).state, State::Open, "the failures from before count");

    handle.reconfigure(&changed.circuit_breaker(None).retry(None)).unwrap();
    assert_eq!(
        client.ready().await.unwrap().call("a/answer").await,
        Ok("answer"),
        "it has no breaker any more"
    );
}

#[test]
fn settings_that_do_not_fit_are_refused_with_the_reason() {
    let refused = |settings: ClientSettings| ClientLayer::new("test", &settings).unwrap_err().to_string();
    let text = refused(ClientSettings::new().attempt_timeout(6 * SECOND));
    assert!(text.contains("`attempt_timeout` is 6s") && text.contains("`total_timeout` 5s"), "{text}");
    let short = circuit_breaker::Config::new().time_window(SECOND);
    let text = refused(ClientSettings::new().circuit_breaker(short));
    assert!(text.contains("`time_window`") && text.contains("1s") && text.contains("2s"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_needs_a_new_stack_is_refused_whole() {
    let layer = stack::client("test");
    let handle = layer.handle();
    let text = |settings: ClientSettings| handle.reconfigure(&settings).unwrap_err().to_string();
    let changed = || ClientSettings::new().total_timeout(4 * SECOND);
    assert!(text(changed().bulkhead(bulkhead::Config::new(1))).contains("`bulkhead` is off"));
    assert!(text(changed().rate_limit(Quota::per_second(1))).contains("`rate_limit` is off"));
    assert!(text(changed().attempt_timeout(5 * SECOND)).contains("`attempt_timeout`"));
    let debug = |settings: &ClientSettings| format!("{settings:?}");
    assert_eq!(debug(&handle.settings()), debug(&ClientSettings::new()), "nothing has changed");
}

/// What passes through a slot.
#[derive(Clone)]
struct Counted(Arc<AtomicU32>);

impl<S> Layer<S> for Counted {
    type Service = Counting<S>;
    fn layer(&self, inner: S) -> Counting<S> {
        Counting(inner, self.0.clone())
    }
}

#[derive(Clone)]
struct Counting<S>(S, Arc<AtomicU32>);

impl<S: Service<Req>, Req> Service<Req> for Counting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;
    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }
    fn call(&mut self, request: Req) -> S::Future {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.call(request)
    }
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Observer for Heard {
    fn observe(&self, event: &Event) {
        let text = format!("{event:?}");
        self.0.lock().unwrap().push(text.chars().take_while(|c| c.is_alphanumeric()).collect());
    }
}

#[tokio::test(start_paused = true)]
async fn the_slots_see_operations_and_attempts_and_the_observer_all_decisions() {
    let (operations, attempts) = (Counted(Arc::default()), Counted(Arc::default()));
    let heard = Heard::default();
    let settings = ClientSettings::new().retry(hasty()).circuit_breaker(touchy().consecutive_failures(2));
    let mut client = ClientLayer::new("test", &settings)
        .unwrap()
        .operation(operations.clone())
        .attempt(attempts.clone())
        .with_observer(heard.clone())
        .layer(Transport::default());
    assert!(client.ready().await.unwrap().call(FAIL).await.is_err());
    let seen = (operations.0.load(Ordering::Relaxed), attempts.0.load(Ordering::Relaxed));
    assert_eq!(seen, (1, 2), "the third attempt is refused outside of the slot");
    let expected = [
        "RetryScheduled",
        "CircuitBreakerTransition",
        "RetryScheduled",
        "CircuitBreakerRejected",
        "RetryGaveUp",
    ];
    assert_eq!(*heard.0.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_registered_stack_is_steered_by_name() {
    let registry = Registry::new();
    let layer = stack::client("payments").per(host);
    let registered = layer.handle().register(&registry).unwrap();
    let again = stack::client("payments").handle().register(&registry).unwrap_err();
    assert!(again.to_string().contains("payments"), "{again}");

    let mut client = layer.layer(Transport::default());
    assert_eq!(client.ready().await.unwrap().call("a/answer").await, Ok("answer"));
    let destinations: Keyed<&str, Policies> = registry.get("payments", "destinations").unwrap();
    destinations.get("a", now()).unwrap().circuit_breaker().unwrap().force_open(now());
    assert!(is_open(&client.ready().await.unwrap().call("a/answer").await));
    let handle: ClientHandle<&str> = registry.get("payments", "client").unwrap();
    handle.reconfigure(&ClientSettings::new().circuit_breaker(None)).unwrap();
    assert_eq!(client.ready().await.unwrap().call("a/answer").await, Ok("answer"));
    drop(registered);
    assert!(registry.list().is_empty());
}

/// A future that is moved often must not be large.
#[tokio::test(start_paused = true)]
async fn the_future_stays_under_a_kibibyte() {
    let inner = service_fn(|_: &'static str| std::future::ready(Ok::<_, &str>(())));
    let mut client = stack::client("test").layer(inner);
    let response = client.ready().await.unwrap().call(ANSWER);
    let size = size_of_val(&response);
    assert!(size <= 1024, "{size} bytes");
    fn is_send<T: Send>(_: &T) {}
    is_send(&response);
    fn is_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    drop(response);
    is_shared(&client);
}
