//! What calls cost in allocations: nothing, whatever the policies decide.
//!
//! The counts are those of the whole process, so this binary has one test only.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    alloc::System,
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use resilience_core::{
    AdaptiveLimit, Backoff, Call, CircuitBreaker, Error, ErrorsAreFailures, Quota, Rejected, RetryBudget,
    RetryPolicy, Throttle,
    adaptive::{self, Priority},
    bulkhead,
    circuit_breaker::Config,
    idempotency::memory,
    throttle,
};
use resilience_metrics::{FallbackMetrics, Telemetry};
use resilience_tower::{
    AdaptiveLayer, BulkheadLayer, CircuitBreakerLayer, DrainLayer, FallbackLayer, LoadShedLayer, PerKey,
    PerKeyLayer, RateLimitLayer, RetryLayer, ThrottleLayer, TimeoutLayer,
    bulkhead::{BulkheadByRequestLayer, ByKey},
    call::{HandOnLayer, InheritLayer},
    fallback::{Substitute, Value},
    http::{RespondBody, RespondLayer},
    idempotency::{
        Guard, IdempotencyLayer,
        http::{Http, IdempotentBody},
        memory_store,
    },
    per_key,
    rate_limit::KeyedRateLimitLayer,
    retry::KeyedBudgets,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tests::time;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: u64 = 1000;
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Answers on the poll after `pending` others, or never, and fails every so many calls.
#[derive(Clone, Copy, Debug, Default)]
struct Upstream {
    pending: u32,
    hangs: bool,
    fails_each: Option<u64>,
    is_never_ready: bool,
}

type Answer = Result<u64, Error<&'static str>>;

impl Service<Call<u64>> for Upstream {
    type Response = u64;
    type Error = Error<&'static str>;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.is_never_ready { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn call(&mut self, call: Call<u64>) -> Answering {
        let n = *call.request();
        let fails = self.fails_each.is_some_and(|each| n % each == 0);
        Answering { upstream: *self, answer: if fails { Err(Error::inner("failed")) } else { Ok(n) } }
    }
}

struct Answering {
    upstream: Upstream,
    answer: Answer,
}

impl Future for Answering {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        if self.upstream.hangs {
            return Poll::Pending;
        }
        if self.upstream.pending > 0 {
            self.upstream.pending -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.answer)
    }
}

/// Allocations and reallocations of `CALLS` calls, after as many to warm up. Time passes before each call.
///
/// The fewest of three times: the test harness has a thread of its own, which allocates when it has started this one.
async fn allocations<L, S>(layers: L, upstream: Upstream, expected: fn(Answer) -> bool) -> usize
where
    L: Layer<Upstream, Service = S>,
    S: Service<Call<u64>, Response = u64, Error = Error<&'static str>>,
{
    let mut service = layers.layer(upstream);
    let mut call = async |n| {
        tokio::time::advance(7 * MS).await;
        let answer = service.ready().await.unwrap().call(Call::new(n)).await;
        assert!(expected(answer), "{answer:?}");
    };
    for n in 1..=CALLS {
        call(n).await;
    }
    let mut fewest = usize::MAX;
    for _ in 0..3 {
        let region = Region::new(GLOBAL);
        for n in 1..=CALLS {
            call(n).await;
        }
        let change = region.change();
        fewest = fewest.min(change.allocations + change.reallocations);
    }
    fewest
}

/// A layer that boxes, as a check on the count.
#[derive(Clone, Copy, Debug)]
struct Boxing(Upstream);

impl Service<Call<u64>> for Boxing {
    type Response = u64;
    type Error = Error<&'static str>;
    type Future = Pin<Box<Answering>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<u64>) -> Self::Future {
        Box::pin(self.0.call(call))
    }
}

const READY: Upstream = Upstream { pending: 0, hangs: false, fails_each: None, is_never_ready: false };
const PENDING: Upstream = Upstream { pending: 1, ..READY };
const HANGING: Upstream = Upstream { hangs: true, ..READY };
const NEVER_READY: Upstream = Upstream { is_never_ready: true, ..READY };
const DOWN: Upstream = Upstream { fails_each: Some(1), ..READY };
/// Rarely enough for a breaker to stay closed, whatever is retried.
const FAILING: Upstream = Upstream { fails_each: Some(7), ..READY };

fn breaker(config: Config) -> CircuitBreakerLayer {
    CircuitBreakerLayer::new(config)
}

fn retry() -> RetryLayer {
    RetryLayer::new(RetryPolicy::new().backoff(Backoff::constant(MS)))
}

fn forced_open() -> CircuitBreakerLayer {
    let layer = breaker(Config::new());
    layer.breaker().force_open(time::now());
    layer
}

/// Opened by its first failure, for longer than the test lasts.
fn open() -> CircuitBreakerLayer {
    let hour = Duration::from_secs(3600);
    let handle = CircuitBreaker::new(Config::new().consecutive_failures(1).open_for(hour, hour), time::now());
    let (admitted, _) = handle.try_acquire(time::now);
    let failure = Rejected::AttemptTimeout { limit: MS, elapsed: MS }.verdict();
    admitted.unwrap().finish(failure, None, time::now).unwrap();
    CircuitBreakerLayer::with_breaker(handle)
}

fn throttled() -> ThrottleLayer {
    ThrottleLayer::new(throttle::Config::new())
}

/// Of its calls one in a million passes.
fn throttle_in_force() -> ThrottleLayer {
    let config = throttle::Config::new().max_requests(1_000_000).probe_one_in(1_000_000);
    let handle = Throttle::with_seed(config, time::now(), 7);
    let permits = [(); 100].map(|()| handle.try_acquire(time::now).unwrap());
    for permit in permits {
        permit.abandon(true, time::now);
    }
    while handle.snapshot(time::now()).requests < 100_000 {
        let _ = handle.try_acquire(time::now);
    }
    handle.reconfigure(config.window(Duration::from_secs(3600)), time::now());
    ThrottleLayer::with_throttle(handle)
}

type KeyOf = fn(&Call<u64>) -> u64;

/// All policies at once, for each of ten keys that take turns, or for one.
fn per_key(keys: KeyOf) -> PerKeyLayer<per_key::ByKey<u64, KeyOf>> {
    PerKeyLayer::new(per_key_settings(), keys)
}

fn per_key_settings() -> per_key::Settings {
    per_key::Settings::new()
        .throttle(throttle::Config::new())
        .circuit_breaker(Config::new())
        .adaptive(adaptive::Config::default)
}

/// A key that has to be copied to be kept.
#[derive(Clone, Copy, Debug)]
struct ByName;

impl per_key::Key<Call<u64>> for ByName {
    type Key = str;

    fn look<R>(&self, _: &Call<u64>, look: impl FnOnce(&str) -> R) -> R {
        look("a name")
    }
}

/// Calls a clone each time.
#[derive(Clone, Debug)]
struct ByClone<S>(S);

impl<S: Service<Call<u64>> + Clone> Service<Call<u64>> for ByClone<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<u64>) -> Self::Future {
        let mut clone = self.0.clone();
        assert!(clone.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
        clone.call(call)
    }
}

/// All policies at once, for a name, by a clone for each call.
fn per_name_by_clone()
-> impl Layer<Upstream, Service = ByClone<PerKey<Upstream, per_key::ByKey<String, ByName>>>> {
    let layer = PerKeyLayer::new(per_key_settings(), ByName);
    tower::layer::layer_fn(move |upstream| ByClone(layer.layer(upstream)))
}

/// The same under an observer, with all breakers forced open or none.
fn per_key_observed(
    is_open: bool,
) -> impl Layer<Upstream, Service: Service<Call<u64>, Response = u64, Error = Error<&'static str>>> {
    let layer = per_key(|call| *call.request() % 10);
    if is_open {
        for key in 0..10 {
            layer.policies(&key).unwrap().circuit_breaker().unwrap().force_open(time::now());
        }
    }
    let shown = layer.clone();
    layer.with_observer(Telemetry::new("allocations").per_key("per_key", move || shown.snapshot()))
}

/// Under observers for which no recorder is installed.
fn observed() -> impl Layer<Upstream, Service: Service<Call<u64>, Response = u64, Error = Error<&'static str>>>
{
    let telemetry = Telemetry::new("allocations");
    let breaker = breaker(Config::new());
    let observer = telemetry.circuit_breaker("circuit_breaker", breaker.breaker());
    let retry = retry();
    let retries = telemetry.retry("retry", retry.budget());
    ServiceBuilder::new()
        .layer(telemetry.operation_layer(ErrorsAreFailures))
        .layer(TimeoutLayer::total(SECOND).with_observer(telemetry.timeout("total")))
        .layer(retry.with_observer(retries))
        .layer(breaker.with_observer(observer))
        .layer(telemetry.attempt_layer(ErrorsAreFailures))
        .layer(TimeoutLayer::attempt(SECOND / 2).with_observer(telemetry.timeout("attempt")))
}

/// Spans that nobody takes, though somebody listens.
fn untraced() -> impl Layer<Upstream, Service: Service<Call<u64>, Response = u64, Error = Error<&'static str>>>
{
    // Leaked, so that it is the one of this thread until the end.
    let subscriber = tracing_subscriber::registry().with(LevelFilter::WARN);
    std::mem::forget(tracing::subscriber::set_default(subscriber));
    let (operation, attempt) = Telemetry::new("allocations").spans(ErrorsAreFailures).layers();
    ServiceBuilder::new().layer(operation).layer(retry()).layer(attempt)
}

fn stack() -> impl Layer<Upstream, Service: Service<Call<u64>, Response = u64, Error = Error<&'static str>>> {
    ServiceBuilder::new()
        .layer(TimeoutLayer::total(SECOND))
        .layer(retry())
        .layer(breaker(Config::new()))
        .layer(TimeoutLayer::attempt(SECOND / 2))
}

/// A deadline that is handed on, and on the way back a response and nothing of it.
fn responding()
-> impl Layer<Upstream, Service: Service<Call<u64>, Response = u64, Error = Error<&'static str>>> {
    ServiceBuilder::new()
        .map_err(Error::inner)
        .map_response(|response: Response<RespondBody<u64>>| response.into_body().into_inner().unwrap())
        .layer(RespondLayer::new())
        .map_response(Response::new)
        .layer(InheritLayer::new())
        .layer(TimeoutLayer::total(SECOND))
        .layer(HandOnLayer::new())
}

/// A body that is a number.
#[derive(Debug)]
struct Number(u64);

impl http_body::Body for Number {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

/// Requests that have no key and need none.
fn idempotency()
-> impl Layer<Upstream, Service: Service<Call<u64>, Response = u64, Error = Error<&'static str>>> {
    let number = |body: IdempotentBody<Number>| body.into_inner().unwrap().0;
    ServiceBuilder::new()
        .map_request(|call: Call<u64>| {
            let mut request = Request::new(Number(*call.request()));
            *request.method_mut() = Method::POST;
            request
        })
        .map_response(move |response: Response<IdempotentBody<Number>>| number(response.into_body()))
        .layer(IdempotencyLayer::new(Guard::new(memory_store(memory::Config::new())), Http::single_tenant()))
        .map_request(move |request: Request<IdempotentBody<Number>>| Call::new(number(request.into_body())))
        .map_response(|number: u64| Response::new(Number(number)))
}

fn bulkhead(max_concurrent: u32) -> BulkheadLayer {
    BulkheadLayer::new(bulkhead::Config::new(max_concurrent))
}

fn queueing() -> BulkheadLayer {
    BulkheadLayer::new(bulkhead::Config::new(9).max_wait(SECOND))
}

fn full() -> BulkheadLayer {
    let layer = bulkhead(1);
    std::mem::forget(layer.bulkhead().try_acquire(1));
    layer
}

type Tens = ByKey<u64, fn(&Call<u64>) -> u64>;

fn bulkhead_by_key() -> BulkheadByRequestLayer<Tens> {
    BulkheadByRequestLayer::keyed(bulkhead::Config::new(9), |call| *call.request() % 10)
}

fn adaptive() -> AdaptiveLayer {
    AdaptiveLayer::new(adaptive::Config::default())
}

fn adaptive_full() -> AdaptiveLayer {
    let limit = AdaptiveLimit::new(adaptive::Config::default().initial(2), time::now());
    for _ in 0..2 {
        std::mem::forget(limit.try_acquire(Priority::Critical, time::now));
    }
    AdaptiveLayer::with_limit(limit)
}

fn draining() -> DrainLayer {
    let layer = DrainLayer::new();
    let _ = layer.drain().begin();
    layer
}

const fn drained(answer: Answer) -> bool {
    matches!(answer, Err(Error::Rejected { rejected: Rejected::Draining { .. }, .. }))
}

const fn seven(_: Answer) -> Answer {
    Ok(7)
}

fn full_fallback() -> FallbackLayer<Substitute<Upstream>> {
    let layer = FallbackLayer::service(READY).max_concurrent(1);
    std::mem::forget(layer.bulkhead().try_acquire(1));
    layer
}

fn observed_fallback() -> FallbackLayer<Value<u64>, ErrorsAreFailures, FallbackMetrics> {
    FallbackLayer::value(7).with_observer(Telemetry::new("allocations").fallback("fallback"))
}

const fn overloaded(answer: Answer) -> bool {
    matches!(answer, Err(Error::Rejected { rejected: Rejected::Overloaded { .. }, .. }))
}

const fn too_many(answer: Answer) -> bool {
    matches!(answer, Err(Error::Rejected { rejected: Rejected::BulkheadFull { .. }, .. }))
}

fn by_key() -> KeyedBudgets<u64, fn(&Call<u64>) -> u64> {
    KeyedBudgets::new(RetryBudget::new, |call| *call.request() % 10)
}

/// Lets every call through, or none that comes 7 ms after the last.
fn rate_limit(is_ample: bool) -> RateLimitLayer {
    let layer = RateLimitLayer::new(if is_ample { Quota::per_second(1000) } else { Quota::per_hour(1) });
    let _ = layer.limiter().check(1, time::now());
    layer
}

/// A call for each 10 ms, where one comes each 7 ms.
fn slow_rate_limit() -> RateLimitLayer {
    RateLimitLayer::new(Quota::per_second(100))
}

fn rate_limit_by_key(quota: Quota) -> KeyedRateLimitLayer<u64, fn(&Call<u64>) -> u64> {
    let layer: KeyedRateLimitLayer<_, fn(&Call<u64>) -> u64> =
        KeyedRateLimitLayer::new(|call| *call.request() % 10, quota);
    for key in 0..10 {
        let _ = layer.limiter_of(&key).unwrap().check(1, time::now());
    }
    layer
}

const fn answered(answer: Answer) -> bool {
    answer.is_ok()
}

const fn refused(answer: Answer) -> bool {
    matches!(answer, Err(Error::Rejected { rejected: Rejected::CircuitOpen { .. }, .. }))
}

const fn throttled_away(answer: Answer) -> bool {
    matches!(answer, Err(Error::Rejected { rejected: Rejected::Throttled { .. }, .. }))
}

const fn shed(answer: Answer) -> bool {
    matches!(answer, Err(Error::Rejected { rejected: Rejected::NotReady { .. }, .. }))
}

const fn failed(answer: Answer) -> bool {
    answer.is_err()
}

const fn limited(answer: Answer) -> bool {
    matches!(answer, Err(Error::Rejected { rejected: Rejected::RateLimited { .. }, .. }))
}

const fn cut(answer: Answer) -> bool {
    matches!(answer, Err(Error::Rejected { rejected: Rejected::AttemptTimeout { .. }, .. }))
}

const fn no_refusal(answer: Answer) -> bool {
    !matches!(answer, Err(Error::Rejected { .. }))
}

#[tokio::test(start_paused = true)]
async fn trap_31_no_call_allocates_whatever_the_policies_decide() {
    let by_time = || Config::new().time_window(SECOND).count_window(None);
    let by_count = || Config::new().time_window(None).count_window(100);
    let attempt = || TimeoutLayer::attempt(SECOND);
    let total = || TimeoutLayer::total(SECOND);

    let counts = [
        ("breaker, time window", allocations(breaker(by_time()), READY, answered).await),
        ("breaker, count window", allocations(breaker(by_count()), READY, answered).await),
        (
            "breaker, both and failures",
            allocations(breaker(by_time().count_window(100)), FAILING, no_refusal).await,
        ),
        ("breaker, slow calls", allocations(breaker(by_time().slow_calls(MS, 1.0)), READY, answered).await),
        ("breaker, pending", allocations(breaker(by_time()), PENDING, answered).await),
        ("breaker, open", allocations(open(), READY, refused).await),
        ("breaker, forced open", allocations(forced_open(), READY, refused).await),
        ("throttle, admitted", allocations(throttled(), READY, answered).await),
        ("throttle, pending", allocations(throttled(), PENDING, answered).await),
        ("throttle, failures", allocations(throttled(), FAILING, no_refusal).await),
        ("throttle, an outage", allocations(throttled(), DOWN, failed).await),
        ("throttle, refused", allocations(throttle_in_force(), READY, throttled_away).await),
        ("per key, ten keys", allocations(per_key(|call| *call.request() % 10), READY, answered).await),
        ("per key, one key", allocations(per_key(|_| 0), READY, answered).await),
        ("per key, observed", allocations(per_key_observed(false), READY, answered).await),
        ("per key, observed, refused", allocations(per_key_observed(true), READY, refused).await),
        ("per key, a clone for each call", allocations(per_name_by_clone(), READY, answered).await),
        ("load shed, ready", allocations(LoadShedLayer::new(), READY, answered).await),
        ("load shed, refused", allocations(LoadShedLayer::new(), NEVER_READY, shed).await),
        (
            "load shed, refused after a grace",
            allocations(LoadShedLayer::new().grace(MS), NEVER_READY, shed).await,
        ),
        ("attempt timeout, ready", allocations(attempt(), READY, answered).await),
        ("attempt timeout, pending", allocations(attempt(), PENDING, answered).await),
        ("attempt timeout, cut", allocations(attempt(), HANGING, cut).await),
        ("total timeout, ready", allocations(total(), READY, answered).await),
        ("total timeout, pending", allocations(total(), PENDING, answered).await),
        ("retry, ready", allocations(retry(), READY, answered).await),
        ("retry, pending", allocations(retry(), PENDING, answered).await),
        ("retry, no budget", allocations(retry().without_budget(), READY, answered).await),
        ("retry, ratio", allocations(retry().with_budget(RetryBudget::ratio(0.1)), READY, answered).await),
        (
            "retry, in flight",
            allocations(retry().with_budget(RetryBudget::in_flight(20, 3)), READY, answered).await,
        ),
        ("retry, by key", allocations(retry().with_keyed_budgets(by_key()), READY, answered).await),
        ("retry, failures and pauses", allocations(retry(), FAILING, no_refusal).await),
        ("bulkhead, admitted", allocations(bulkhead(9), READY, answered).await),
        ("bulkhead, pending", allocations(bulkhead(9), PENDING, answered).await),
        ("bulkhead, refused", allocations(full(), READY, too_many).await),
        ("bulkhead, free queue", allocations(queueing(), READY, answered).await),
        ("bulkhead by known key", allocations(bulkhead_by_key(), READY, answered).await),
        ("rate limit, admitted", allocations(rate_limit(true), READY, answered).await),
        ("rate limit, refused", allocations(rate_limit(false), READY, limited).await),
        ("rate limit, waits", allocations(slow_rate_limit().max_wait(SECOND), READY, answered).await),
        ("rate limit, refused a wait", allocations(rate_limit(false).max_wait(MS), READY, limited).await),
        (
            "rate limit, by key, admitted",
            allocations(rate_limit_by_key(Quota::per_second(1000)), READY, answered).await,
        ),
        (
            "rate limit, by key, refused",
            allocations(rate_limit_by_key(Quota::per_hour(1)), READY, limited).await,
        ),
        (
            "rate limit, by key, waits",
            allocations(rate_limit_by_key(Quota::per_second(10)).max_wait(SECOND), READY, answered).await,
        ),
        ("adaptive, admitted", allocations(adaptive(), READY, answered).await),
        ("adaptive, pending", allocations(adaptive(), PENDING, answered).await),
        ("adaptive, failures", allocations(adaptive(), FAILING, no_refusal).await),
        ("adaptive, refused", allocations(adaptive_full(), READY, overloaded).await),
        (
            "adaptive, fair share",
            allocations(adaptive().fair_share(|call: &Call<u64>| *call.request() % 10), READY, answered)
                .await,
        ),
        ("deadline handed on, ready", allocations(responding(), READY, answered).await),
        ("deadline handed on, pending", allocations(responding(), PENDING, answered).await),
        ("drain, admitted", allocations(DrainLayer::new(), READY, answered).await),
        ("drain, pending", allocations(DrainLayer::new(), PENDING, answered).await),
        ("drain, refused", allocations(draining(), READY, drained).await),
        ("fallback, value, ready", allocations(FallbackLayer::value(7), READY, answered).await),
        ("fallback, value, pending", allocations(FallbackLayer::value(7), PENDING, answered).await),
        ("fallback, value, needed", allocations(FallbackLayer::value(7), DOWN, answered).await),
        ("fallback, function, ready", allocations(FallbackLayer::function(seven), READY, answered).await),
        ("fallback, function, needed", allocations(FallbackLayer::function(seven), DOWN, answered).await),
        (
            "fallback, by request, needed",
            allocations(
                FallbackLayer::by_request(|call: &Call<u64>| *call.request(), |n: u64, _: Answer| Ok(n)),
                DOWN,
                answered,
            )
            .await,
        ),
        ("fallback, service, ready", allocations(FallbackLayer::service(PENDING), READY, answered).await),
        ("fallback, service, needed", allocations(FallbackLayer::service(PENDING), DOWN, answered).await),
        ("fallback, service, fails", allocations(FallbackLayer::service(DOWN), DOWN, failed).await),
        ("fallback, service, full", allocations(full_fallback(), DOWN, failed).await),
        ("fallback, observed, needed", allocations(observed_fallback(), DOWN, answered).await),
        ("idempotency, without a key", allocations(idempotency(), READY, answered).await),
        ("idempotency, without a key, pending", allocations(idempotency(), PENDING, answered).await),
        ("spans that nobody takes, ready", allocations(untraced(), READY, answered).await),
        ("spans that nobody takes, pending", allocations(untraced(), PENDING, answered).await),
        ("spans that nobody takes, failures", allocations(untraced(), FAILING, no_refusal).await),
        ("stack, ready", allocations(stack(), READY, answered).await),
        ("stack, pending", allocations(stack(), PENDING, answered).await),
        ("stack, failures", allocations(stack(), FAILING, no_refusal).await),
        ("observed stack, ready", allocations(observed(), READY, answered).await),
        ("observed stack, pending", allocations(observed(), PENDING, answered).await),
        ("observed stack, failures", allocations(observed(), FAILING, no_refusal).await),
    ];
    let allocating: Vec<_> = counts.into_iter().filter(|&(_, count)| count > 0).collect();
    assert!(allocating.is_empty(), "in {CALLS} calls each: {allocating:?}");
    let counts_at_all = allocations(tower::layer::layer_fn(Boxing), READY, answered).await;
    assert!(counts_at_all >= usize::try_from(CALLS).unwrap(), "the allocator counts");
}
