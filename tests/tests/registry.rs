//! The policies of a whole stack by name: seen and steered while it serves.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use resilience_core::{
    AdaptiveLimit, Bulkhead, Call, CircuitBreaker, Drain, Error, FailureKind, Quota, RateLimiter, Registry,
    Rejected, RetryBudget, RetryPolicy, Throttle, Verdict, adaptive, bulkhead, circuit_breaker,
    keyed::Keyed,
    registry::{Figure, Policy, PolicySnapshot, Registration},
    throttle,
};
use resilience_tower::{
    AdaptiveLayer, BulkheadLayer, CircuitBreakerLayer, DrainLayer, PerKeyLayer, RateLimitLayer, RetryLayer,
    ThrottleLayer,
    per_key::{self, Policies},
    stack,
};
use tests::{
    inner::{Do, Outage, Strict},
    time::now,
};
use tower::{Service, ServiceBuilder, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

type Failure = Error<Outage>;

/// A stack with a policy of each kind, and their registrations.
fn stack(
    registry: &Registry,
) -> (impl Service<Call<Do>, Response = u32, Error = Failure> + Clone, Vec<Registration>) {
    let drain = DrainLayer::new();
    let bulkhead = BulkheadLayer::new(bulkhead::Config::new(9));
    let rate_limit = RateLimitLayer::new(Quota::per_second(100));
    let retry = RetryLayer::new(RetryPolicy::new());
    let throttle = ThrottleLayer::new(throttle::Config::new());
    let breaker = CircuitBreakerLayer::new(circuit_breaker::Config::new());
    let adaptive = AdaptiveLayer::new(adaptive::Config::default());
    let registered = vec![
        registry.register("pay", "drain", drain.drain().clone()).unwrap(),
        registry.register("pay", "bulkhead", bulkhead.bulkhead().clone()).unwrap(),
        registry.register("pay", "rate_limit", rate_limit.limiter().clone()).unwrap(),
        registry.register("pay", "retry", retry.budget().unwrap().clone()).unwrap(),
        registry.register("pay", "throttle", throttle.throttle().clone()).unwrap(),
        registry.register("pay", "circuit_breaker", breaker.breaker().clone()).unwrap(),
        registry.register("pay", "adaptive", adaptive.limit().clone()).unwrap(),
    ];
    let service = ServiceBuilder::new()
        .layer(drain)
        .layer(bulkhead)
        .layer(rate_limit)
        .layer(retry)
        .layer(throttle)
        .layer(breaker)
        .layer(adaptive)
        .service(Strict::new(|| Error::inner(Outage)));
    (service, registered)
}

fn refusal(result: Result<u32, Failure>) -> Rejected {
    match result {
        Err(Error::Rejected { rejected, .. }) => rejected,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_policy_of_a_stack_is_seen_and_steered_by_name() {
    let registry = Registry::new();
    let (service, registered) = stack(&registry);
    let call = async || service.clone().oneshot(Call::new(Do::Answer)).await;
    assert_eq!(call().await, Ok(1));
    let rows = registry.snapshot(now());
    assert!(
        rows.iter().all(|row| row.pipeline == "pay" && row.kind == row.policy && !row.limiting),
        "{rows:?}"
    );

    let breaker: CircuitBreaker = registry.get("pay", "circuit_breaker").unwrap();
    let _ = breaker.force_open(now());
    assert_eq!(refusal(call().await), Rejected::CircuitOpen { retry_after: None });
    let _ = breaker.reset();
    assert_eq!(call().await, Ok(1));

    let bulkhead: Bulkhead = registry.get("pay", "bulkhead").unwrap();
    bulkhead.resize(1);
    let held = bulkhead.try_acquire(1).unwrap();
    assert_eq!(refusal(call().await), Rejected::BulkheadFull { limit: 1, in_flight: 1 });
    drop(held);

    let limiter: RateLimiter = registry.get("pay", "rate_limit").unwrap();
    limiter.reconfigure(Quota::per_hour(1), now());
    assert!(matches!(refusal(call().await), Rejected::RateLimited { .. }));
    limiter.reconfigure(Quota::per_second(100), now());
    tokio::time::advance(SECOND).await;

    let limit: AdaptiveLimit = registry.get("pay", "adaptive").unwrap();
    limit.reconfigure(adaptive::Config::default().bounds(2, 2));
    assert_eq!(limit.snapshot().limit, 2);
    registry.get::<Throttle>("pay", "throttle").unwrap().reset();
    assert!(registry.get::<RetryBudget>("pay", "retry").unwrap().tokens(now()) > 0.0);
    assert_eq!(call().await, Ok(1));

    let drain: Drain = registry.get("pay", "drain").unwrap();
    drop(drain.begin());
    assert_eq!(refusal(call().await), Rejected::Draining { retry_after: SECOND });
    let limiting = |row: &resilience_core::registry::Row| row.limiting.then_some(row.kind);
    assert!(registry.snapshot(now()).iter().filter_map(limiting).eq(["drain"]));

    drop(registered);
    assert!(registry.list().is_empty());
    let (_, again) = stack(&registry);
    assert_eq!(again.len(), 7, "the names are free");
}

#[tokio::test(start_paused = true)]
async fn the_table_of_a_keyed_layer_is_counted_and_steered_by_key() {
    let registry = Registry::new();
    let host = |call: &Call<Do>| if *call.request() == Do::Fail { "bad" } else { "good" };
    let breaker = circuit_breaker::Config::new().consecutive_failures(1);
    let layer = PerKeyLayer::new(per_key::Settings::new().circuit_breaker(breaker), host);
    registry.register("pay", "per_host", layer.table().clone()).unwrap().keep();
    let service = ServiceBuilder::new().layer(layer.clone()).service(Strict::new(|| Error::inner(Outage)));
    for what in [Do::Answer, Do::Fail] {
        let _ = service.clone().oneshot(Call::new(what)).await;
    }
    let row = registry.snapshot(now()).remove(0);
    assert_eq!((row.kind, row.state), ("per_key", "limiting"));
    assert_eq!((row.figures["keys"], row.figures["limiting"]), (Figure::Count(2), Figure::Count(1)));

    let table: Keyed<&str, Policies> = registry.get("pay", "per_host").unwrap();
    let good = table.get(&"good", now()).unwrap();
    let seen = |policies: &Policies| {
        let PolicySnapshot { state, figures, .. } = policies.snapshot(now());
        (state, figures.into_iter().collect::<Vec<_>>())
    };
    assert_eq!(seen(&good), ("admitting", vec![("circuit_breaker", Figure::Count(0))]));
    let _ = good.circuit_breaker().unwrap().force_open(now());
    assert_eq!(seen(&good), ("limiting", vec![("circuit_breaker", Figure::Count(1))]));
    let refused = service.oneshot(Call::new(Do::Answer)).await;
    assert_eq!(refusal(refused), Rejected::CircuitOpen { retry_after: None });
}

#[tokio::test(start_paused = true)]
async fn a_destination_limits_if_any_of_its_policies_does() {
    let layer = stack::client("pay");
    let policies = layer.handle().policies(&());
    let registry = Registry::new();
    registry.register("pay", "destinations", layer.handle().destinations().clone()).unwrap().keep();
    let limiting = || {
        let snapshot = policies.snapshot(now());
        assert_eq!((snapshot.limiting, snapshot.figures.len()), (policies.is_limiting(now()), 4));
        assert_eq!(registry.snapshot(now())[0].limiting, snapshot.limiting);
        let ones = snapshot.figures.into_iter().filter(|&(_, figure)| figure == Figure::Count(1));
        ones.map(|(kind, _)| kind).collect::<Vec<_>>()
    };
    assert_eq!(limiting(), [""; 0]);
    let acquire = || policies.adaptive().unwrap().try_acquire(adaptive::Priority::Critical, now);
    let permits: Vec<_> = std::iter::from_fn(|| acquire().ok()).collect();
    assert_eq!(limiting(), ["adaptive"]);
    let budget = policies.retry_budget().unwrap();
    let mut tab = budget.open(now);
    while budget.withdraw(&mut tab, FailureKind::Timeout, now) {}
    while budget.withdraw(&mut tab, FailureKind::Transient, now) {}
    assert_eq!(limiting(), ["adaptive", "retry"]);
    drop(permits);
    assert_eq!(limiting(), ["retry"]);
    for _ in 0..40 {
        if let Ok(permit) = policies.throttle().unwrap().try_acquire(now) {
            permit.finish(Verdict::Failure(FailureKind::Fault), now);
        }
    }
    assert_eq!(limiting(), ["retry", "throttle"]);
}
