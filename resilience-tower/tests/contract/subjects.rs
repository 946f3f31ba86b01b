//! The layers under test, each in a state worth testing.

use std::time::{Duration, Instant};

use resilience_core::{
    AdaptiveLimit, Bulkhead, Call, CircuitBreaker, Context, Deadline, ErrorsAreFailures, Quota, RateLimiter,
    Rejected, RetryBudget, RetryPolicy, Throttle, Verdict,
    adaptive::{self, Priority},
    bulkhead,
    circuit_breaker::Config,
    throttle,
};
use resilience_metrics::{
    OperationLayer, Spans, Telemetry,
    span::{AttemptSpanLayer, OperationSpanLayer},
};
use resilience_tower::{
    AdaptiveLayer, BulkheadLayer, CircuitBreakerLayer, DrainLayer, FallbackLayer, LoadShedLayer, PerKeyLayer,
    RateLimitLayer, RetryLayer, ThrottleLayer, TimeoutLayer, adaptive as adaptive_layer,
    bulkhead::{BulkheadByRequestLayer, ByKey},
    fallback::{Function, Substitute},
    per_key,
    rate_limit::KeyedRateLimitLayer,
    retry::KeyedBudgets,
};
use tower::{Layer, Service, limit::ConcurrencyLimit};

use crate::inner::{Clonable, Does, InnerError, Readiness, Strict};

/// Tower's own limit: it reserves a permit in `poll_ready`, and panics when called without.
pub(crate) type Limited = ConcurrencyLimit<Clonable>;

/// A service that the cases can drive.
pub(crate) trait Driven: Service<Call<u32>, Response = u32, Error = InnerError> {}
impl<S: Service<Call<u32>, Response = u32, Error = InnerError>> Driven for S {}

/// A layer under test.
pub(crate) trait Subject: Sized {
    type Layer: Clone + Send + Sync + 'static;
    /// Around an inner service that cannot be cloned.
    type Plain: Driven;
    /// Around one that can, and that reserves.
    type Cloned: Driven<Future: Send> + Clone + Send + Sync + 'static;

    /// A layer that admits the next call.
    fn layer() -> Self::Layer;
    fn around(layer: &Self::Layer, inner: Strict) -> Self::Plain;
    fn around_clonable(layer: &Self::Layer, inner: Limited) -> Self::Cloned;

    /// A layer and a request that it refuses, if it ever refuses one.
    fn refusing() -> Option<(Self::Layer, Call<u32>)> {
        None
    }
    /// Whether it leaves the inner service's readiness alone while it refuses.
    const REFUSES_UNASKED: bool = false;

    /// Whether it readies the inner service only after the call, on an instance of its own.
    const READIES_LATER: bool = false;
    /// How ready the inner service is that it refuses to call.
    const REFUSES_WHEN: Readiness = Readiness::Ready;
    /// Whether it waits for an inner service that is not ready.
    const WAITS: bool = true;

    /// Whether the layer holds nothing for any call.
    fn holds_nothing(_: &Self::Layer) -> bool {
        true
    }
    /// Whether the layer's state tells of a failed call, if it has a state.
    fn has_seen_failures(_: &Self::Layer) -> Option<bool> {
        None
    }
}

const LONG: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The types of a subject whose layer is of this type.
macro_rules! around {
    ($layer:ty) => {
        type Layer = $layer;
        type Plain = <$layer as Layer<Strict>>::Service;
        type Cloned = <$layer as Layer<Limited>>::Service;

        fn around(layer: &Self::Layer, inner: Strict) -> Self::Plain {
            layer.layer(inner)
        }

        fn around_clonable(layer: &Self::Layer, inner: Limited) -> Self::Cloned {
            layer.layer(inner)
        }
    };
}

pub(crate) use around;

pub(crate) struct AttemptTimeout;

impl Subject for AttemptTimeout {
    around!(TimeoutLayer);

    fn layer() -> TimeoutLayer {
        TimeoutLayer::attempt(LONG)
    }
}

pub(crate) struct TotalTimeout;

impl Subject for TotalTimeout {
    around!(TimeoutLayer);

    fn layer() -> TimeoutLayer {
        TimeoutLayer::total(LONG)
    }

    fn refusing() -> Option<(TimeoutLayer, Call<u32>)> {
        let over = Context::new().with_deadline(Deadline::after(now(), Duration::ZERO));
        Some((Self::layer(), Call::with_context(7, over)))
    }
}

fn config() -> Config {
    Config::new().time_window(None).consecutive_failures(1).probes(1)
}

fn open(layer: &CircuitBreakerLayer) {
    let _ = layer.breaker().force_open(now());
}

/// The one slot of a half-open breaker is free, or a closed one has no slots.
fn admits(breaker: &CircuitBreaker) -> bool {
    let permit = breaker.try_acquire(now).0;
    permit.map(drop).is_ok()
}

pub(crate) struct ClosedBreaker;

impl Subject for ClosedBreaker {
    around!(CircuitBreakerLayer);
    const REFUSES_UNASKED: bool = true;

    fn layer() -> CircuitBreakerLayer {
        // A panic or an error must not open it: the cases go on with the same layer.
        CircuitBreakerLayer::new(config().consecutive_failures(100))
    }

    fn refusing() -> Option<(CircuitBreakerLayer, Call<u32>)> {
        let layer = Self::layer();
        open(&layer);
        Some((layer, Call::new(7)))
    }

    fn holds_nothing(layer: &CircuitBreakerLayer) -> bool {
        admits(layer.breaker())
    }

    fn has_seen_failures(layer: &CircuitBreakerLayer) -> Option<bool> {
        Some(layer.breaker().snapshot(now()).consecutive_failures > 0)
    }
}

pub(crate) struct SlowCallBreaker;

impl Subject for SlowCallBreaker {
    around!(CircuitBreakerLayer);
    const REFUSES_UNASKED: bool = true;

    fn layer() -> CircuitBreakerLayer {
        CircuitBreakerLayer::new(config().consecutive_failures(100).slow_calls(LONG, 1.0))
    }

    fn refusing() -> Option<(CircuitBreakerLayer, Call<u32>)> {
        ClosedBreaker::refusing()
    }

    fn holds_nothing(layer: &CircuitBreakerLayer) -> bool {
        admits(layer.breaker())
    }

    fn has_seen_failures(layer: &CircuitBreakerLayer) -> Option<bool> {
        ClosedBreaker::has_seen_failures(layer)
    }
}

/// Every call is a probe, and there is one slot.
pub(crate) struct HalfOpenBreaker;

impl Subject for HalfOpenBreaker {
    around!(CircuitBreakerLayer);
    const REFUSES_UNASKED: bool = true;

    fn layer() -> CircuitBreakerLayer {
        let long_ago = now() - 2 * LONG;
        let breaker = CircuitBreaker::new(config(), long_ago);
        let failed = Verdict::Failure(resilience_core::FailureKind::Fault);
        breaker.try_acquire(|| long_ago).0.unwrap().finish(failed, None, || long_ago);
        CircuitBreakerLayer::with_breaker(breaker)
    }

    fn refusing() -> Option<(CircuitBreakerLayer, Call<u32>)> {
        let layer = Self::layer();
        // Its one probe is out, and never comes back.
        std::mem::forget(layer.breaker().try_acquire(now));
        Some((layer, Call::new(7)))
    }

    /// A failed probe opens it; the slot must be free when the wait is over.
    fn holds_nothing(layer: &CircuitBreakerLayer) -> bool {
        let breaker = layer.breaker();
        match breaker.try_acquire(now).0 {
            Ok(_) => true,
            Err(Rejected::CircuitOpen { retry_after: Some(wait) }) => {
                breaker.try_acquire(|| now() + wait).0.is_ok()
            }
            Err(_) => false,
        }
    }

    fn has_seen_failures(layer: &CircuitBreakerLayer) -> Option<bool> {
        Some(layer.breaker().snapshot(now()).openings > 1)
    }
}

/// All policies at once, for each key.
pub(crate) struct PerKey;

type Key = fn(&Call<u32>) -> u32;

impl Subject for PerKey {
    around!(PerKeyLayer<per_key::ByKey<u32, Key>>);

    fn layer() -> Self::Layer {
        let settings = per_key::Settings::new()
            .circuit_breaker(config().consecutive_failures(100))
            .throttle(throttle_config())
            .adaptive(adaptive::Config::default);
        PerKeyLayer::new(settings, (|_| 0) as Key)
    }

    fn refusing() -> Option<(Self::Layer, Call<u32>)> {
        let layer = Self::layer();
        let _ = layer.policies(&0).unwrap().circuit_breaker().unwrap().force_open(now());
        Some((layer, Call::new(7)))
    }

    fn holds_nothing(layer: &Self::Layer) -> bool {
        layer.policies(&0).unwrap().adaptive().unwrap().snapshot().in_flight == 0
    }

    fn has_seen_failures(layer: &Self::Layer) -> Option<bool> {
        let policies = layer.policies(&0).unwrap();
        Some(policies.circuit_breaker().unwrap().snapshot(now()).consecutive_failures > 0)
    }
}

/// An inner service that cannot be cloned is none for a retry layer.
macro_rules! around_clones {
    ($layer:ty) => {
        type Layer = $layer;
        type Plain = <$layer as Layer<Clonable>>::Service;
        type Cloned = <$layer as Layer<Limited>>::Service;

        fn around(layer: &Self::Layer, inner: Strict) -> Self::Plain {
            layer.layer(Clonable(inner))
        }

        fn around_clonable(layer: &Self::Layer, inner: Limited) -> Self::Cloned {
            layer.layer(inner)
        }
    };
}

#[cfg(feature = "idempotency")]
pub(crate) use around_clones;

pub(crate) struct Retrying;

impl Subject for Retrying {
    around_clones!(RetryLayer);

    fn layer() -> RetryLayer {
        RetryLayer::new(RetryPolicy::new())
    }

    fn has_seen_failures(layer: &RetryLayer) -> Option<bool> {
        layer.budget().map(|budget| budget.tokens(now()) < budget.max_tokens())
    }
}

/// Its budget counts every call while it is in flight.
pub(crate) struct RetryingInFlight;

impl Subject for RetryingInFlight {
    around_clones!(RetryLayer);

    fn layer() -> RetryLayer {
        Retrying::layer().with_budget(RetryBudget::in_flight(100, 0))
    }

    fn holds_nothing(layer: &RetryLayer) -> bool {
        layer.budget().unwrap().max_tokens() == 0.0
    }
}

pub(crate) struct RetryingByKey;

impl Subject for RetryingByKey {
    around_clones!(RetryLayer<ErrorsAreFailures, KeyedBudgets<u32, Key>>);

    fn layer() -> Self::Layer {
        let first: Key = |_| 0;
        Retrying::layer().with_keyed_budgets(KeyedBudgets::new(RetryBudget::new, first))
    }

    fn has_seen_failures(layer: &Self::Layer) -> Option<bool> {
        let budget = layer.keyed_budgets().budget_of(0);
        Some(budget.tokens(now()) < budget.max_tokens())
    }
}

pub(crate) struct RetryingWithoutBudget;

impl Subject for RetryingWithoutBudget {
    around_clones!(RetryLayer);

    fn layer() -> RetryLayer {
        Retrying::layer().without_budget()
    }
}

fn is_empty(bulkhead: &Bulkhead) -> bool {
    (bulkhead.snapshot().in_flight, bulkhead.snapshot().waiting) == (0, 0)
}

pub(crate) struct Bulkheaded;

impl Subject for Bulkheaded {
    around!(BulkheadLayer);

    fn layer() -> BulkheadLayer {
        BulkheadLayer::new(bulkhead::Config::new(9))
    }

    fn refusing() -> Option<(BulkheadLayer, Call<u32>)> {
        let layer = BulkheadLayer::new(bulkhead::Config::new(1));
        std::mem::forget(layer.bulkhead().try_acquire(1));
        Some((layer, Call::new(7)))
    }

    fn holds_nothing(layer: &BulkheadLayer) -> bool {
        is_empty(layer.bulkhead())
    }
}

/// Calls wait for a permit.
pub(crate) struct QueueingBulkhead;

impl Subject for QueueingBulkhead {
    around!(BulkheadLayer);

    fn layer() -> BulkheadLayer {
        BulkheadLayer::new(bulkhead::Config::new(9).max_wait(LONG))
    }

    /// Its queue is full.
    fn refusing() -> Option<(BulkheadLayer, Call<u32>)> {
        let layer = BulkheadLayer::new(bulkhead::Config::new(1).max_wait(LONG).max_queue(1));
        std::mem::forget(layer.bulkhead().try_acquire(1));
        std::mem::forget(layer.bulkhead().acquire(1, now));
        Some((layer, Call::new(7)))
    }

    const REFUSES_UNASKED: bool = true;

    fn holds_nothing(layer: &BulkheadLayer) -> bool {
        is_empty(layer.bulkhead())
    }
}

/// Waits in the future of the call.
pub(crate) struct BulkheadByKey;

impl Subject for BulkheadByKey {
    around_clones!(BulkheadByRequestLayer<ByKey<u32, Key>>);
    const READIES_LATER: bool = true;
    const REFUSES_UNASKED: bool = true;

    fn layer() -> Self::Layer {
        let first: Key = |_| 0;
        BulkheadByRequestLayer::keyed(bulkhead::Config::new(9).max_wait(LONG), first)
    }

    fn refusing() -> Option<(Self::Layer, Call<u32>)> {
        let first: Key = |_| 0;
        let layer = BulkheadByRequestLayer::keyed(bulkhead::Config::new(1), first);
        std::mem::forget(layer.bulkhead_of(0).try_acquire(1));
        Some((layer, Call::new(7)))
    }

    fn holds_nothing(layer: &Self::Layer) -> bool {
        is_empty(&layer.bulkhead_of(0))
    }
}

pub(crate) struct AdaptiveAdmitting;

fn admits_nobody(limit: &AdaptiveLimit) {
    for _ in 0..2 {
        std::mem::forget(limit.try_acquire(Priority::Critical, now));
    }
}

impl Subject for AdaptiveAdmitting {
    around!(AdaptiveLayer);

    fn layer() -> AdaptiveLayer {
        AdaptiveLayer::new(adaptive::Config::default())
    }

    fn refusing() -> Option<(AdaptiveLayer, Call<u32>)> {
        let layer = AdaptiveLayer::new(adaptive::Config::default().initial(2));
        admits_nobody(layer.limit());
        Some((layer, Call::new(7)))
    }

    fn holds_nothing(layer: &AdaptiveLayer) -> bool {
        layer.limit().snapshot().in_flight == 0
    }
}

/// Asks each request for its priority and its key.
pub(crate) struct AdaptiveByKey;

impl Subject for AdaptiveByKey {
    around!(AdaptiveLayer<ErrorsAreFailures, (), adaptive_layer::ByKey<Key>, fn(&Call<u32>) -> Priority>);

    fn layer() -> Self::Layer {
        let key: Key = |call| *call.request();
        AdaptiveAdmitting::layer().priority(|_| Priority::Critical).fair_share(key)
    }

    fn refusing() -> Option<(Self::Layer, Call<u32>)> {
        let layer = Self::layer();
        layer.limit().reconfigure(adaptive::Config::default().bounds(2, 2));
        admits_nobody(layer.limit());
        Some((layer, Call::new(7)))
    }

    fn holds_nothing(layer: &Self::Layer) -> bool {
        layer.limit().snapshot().in_flight == 0
    }
}

/// Healthy so far.
pub(crate) struct CalmThrottle;

/// So many failures that all but a millionth of the calls are refused.
fn saturate(throttle: &Throttle) {
    let permits = [(); 100].map(|()| throttle.try_acquire(now).unwrap());
    for permit in permits {
        permit.finish(Verdict::Failure(resilience_core::FailureKind::PeerOverloaded), now);
    }
    // What passes by chance is one in a hundred, and then no longer.
    throttle.reconfigure(throttle_config().probe_one_in(1_000_000), now());
    for _ in 0..100_000 {
        let _ = throttle.try_acquire(now);
    }
}

fn throttle_config() -> throttle::Config {
    throttle::Config::new().max_requests(1_000_000)
}

fn has_failures(throttle: &Throttle) -> Option<bool> {
    let seen = throttle.snapshot(now());
    Some(seen.accepts < seen.requests)
}

impl Subject for CalmThrottle {
    around!(ThrottleLayer);

    fn layer() -> ThrottleLayer {
        ThrottleLayer::with_throttle(Throttle::with_seed(throttle_config(), now(), 7))
    }

    fn refusing() -> Option<(ThrottleLayer, Call<u32>)> {
        let layer = Self::layer();
        saturate(layer.throttle());
        Some((layer, Call::new(7)))
    }

    fn has_seen_failures(layer: &ThrottleLayer) -> Option<bool> {
        has_failures(layer.throttle())
    }
}

/// It has refused calls, and the next one is its probe: every case goes by the locked way.
pub(crate) struct RefusingThrottle;

impl Subject for RefusingThrottle {
    around!(ThrottleLayer);

    fn layer() -> ThrottleLayer {
        let layer = CalmThrottle::layer();
        let throttle = layer.throttle();
        saturate(throttle);
        throttle.reconfigure(throttle_config().probe_one_in(1), now());
        layer
    }

    fn refusing() -> Option<(ThrottleLayer, Call<u32>)> {
        CalmThrottle::refusing()
    }
}

/// At once.
pub(crate) struct LoadShedding;

impl Subject for LoadShedding {
    around!(LoadShedLayer);
    const REFUSES_WHEN: Readiness = Readiness::Pending;
    const WAITS: bool = false;

    fn layer() -> LoadShedLayer {
        LoadShedLayer::new()
    }

    fn refusing() -> Option<(LoadShedLayer, Call<u32>)> {
        Some((Self::layer(), Call::new(7)))
    }
}

/// After a while.
pub(crate) struct PatientLoadShedding;

impl Subject for PatientLoadShedding {
    around!(LoadShedLayer);

    fn layer() -> LoadShedLayer {
        LoadShedLayer::new().grace(LONG)
    }
}

/// Ten tokens, and none comes back while a test lasts.
const QUOTA: Quota = Quota::per(10, Duration::from_secs(36_000));

fn spend(limiter: &RateLimiter) {
    limiter.check(10, now()).unwrap();
}

fn has_spent(limiter: &RateLimiter) -> Option<bool> {
    Some(limiter.tokens(now()) < 10)
}

pub(crate) struct RateLimiting;

impl Subject for RateLimiting {
    around!(RateLimitLayer);

    fn layer() -> RateLimitLayer {
        RateLimitLayer::new(QUOTA)
    }

    fn refusing() -> Option<(RateLimitLayer, Call<u32>)> {
        let layer = Self::layer();
        spend(layer.limiter());
        Some((layer, Call::new(7)))
    }

    fn has_seen_failures(layer: &RateLimitLayer) -> Option<bool> {
        has_spent(layer.limiter())
    }
}

/// Takes its place in `poll_ready`.
pub(crate) struct RateLimitWaiting;

impl Subject for RateLimitWaiting {
    around!(RateLimitLayer);
    const REFUSES_UNASKED: bool = true;

    fn layer() -> RateLimitLayer {
        RateLimiting::layer().max_wait(LONG)
    }

    fn refusing() -> Option<(RateLimitLayer, Call<u32>)> {
        let layer = Self::layer();
        spend(layer.limiter());
        Some((layer, Call::new(7)))
    }

    fn has_seen_failures(layer: &RateLimitLayer) -> Option<bool> {
        has_spent(layer.limiter())
    }
}

pub(crate) struct RateLimitByKey;

impl Subject for RateLimitByKey {
    around_clones!(KeyedRateLimitLayer<u32, Key>);

    fn layer() -> Self::Layer {
        KeyedRateLimitLayer::new((|_| 0) as Key, QUOTA)
    }

    fn refusing() -> Option<(Self::Layer, Call<u32>)> {
        let layer = Self::layer();
        spend(&layer.limiter_of(&0).unwrap());
        Some((layer, Call::new(7)))
    }

    fn has_seen_failures(layer: &Self::Layer) -> Option<bool> {
        has_spent(&layer.limiter_of(&0).unwrap())
    }
}

/// Takes its place in `call`, and readies the inner service then.
pub(crate) struct RateLimitByKeyWaiting;

impl Subject for RateLimitByKeyWaiting {
    around_clones!(KeyedRateLimitLayer<u32, Key>);
    const REFUSES_UNASKED: bool = true;
    const READIES_LATER: bool = true;

    fn layer() -> Self::Layer {
        RateLimitByKey::layer().max_wait(LONG)
    }

    fn refusing() -> Option<(Self::Layer, Call<u32>)> {
        RateLimitByKey::refusing().map(|(layer, call)| (layer.max_wait(LONG), call))
    }

    fn has_seen_failures(layer: &Self::Layer) -> Option<bool> {
        RateLimitByKey::has_seen_failures(layer)
    }
}

/// Its function has nothing better than the failed answer.
pub(crate) struct FallingBackByFunction;

type Answer = Result<u32, InnerError>;

impl Subject for FallingBackByFunction {
    around!(FallbackLayer<Function<fn(Answer) -> Answer>>);

    fn layer() -> Self::Layer {
        FallbackLayer::function(std::convert::identity)
    }
}

/// Its service is always down.
pub(crate) struct FallingBackByService;

impl Subject for FallingBackByService {
    around!(FallbackLayer<Substitute<Limited>>);

    fn layer() -> Self::Layer {
        FallbackLayer::service(Limited::new(Clonable::new(Does::Fail), 1))
    }

    fn holds_nothing(layer: &Self::Layer) -> bool {
        is_empty(layer.bulkhead())
    }
}

/// Admits until it drains.
pub(crate) struct Draining;

impl Subject for Draining {
    around!(DrainLayer);
    const REFUSES_UNASKED: bool = true;

    fn layer() -> DrainLayer {
        DrainLayer::new()
    }

    fn refusing() -> Option<(DrainLayer, Call<u32>)> {
        let layer = Self::layer();
        let _ = layer.drain().begin();
        Some((layer, Call::new(7)))
    }

    fn holds_nothing(layer: &DrainLayer) -> bool {
        layer.drain().snapshot().running == 0
    }
}

/// Somebody takes every span, in this and all other tests of the suite.
fn spans() -> Spans<ErrorsAreFailures> {
    // Another test may have been faster.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    Telemetry::new("test").spans(ErrorsAreFailures)
}

pub(crate) struct TracedOperations;

impl Subject for TracedOperations {
    around!(OperationSpanLayer<ErrorsAreFailures>);

    fn layer() -> Self::Layer {
        spans().operation_layer()
    }
}

pub(crate) struct TracedAttempts;

impl Subject for TracedAttempts {
    around!(AttemptSpanLayer<ErrorsAreFailures>);

    fn layer() -> Self::Layer {
        spans().attempt_layer()
    }
}

pub(crate) struct Operations;

impl Subject for Operations {
    around!(OperationLayer<ErrorsAreFailures>);

    fn layer() -> Self::Layer {
        Telemetry::new("contract").operation_layer(ErrorsAreFailures)
    }
}
