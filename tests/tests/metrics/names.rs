//! Two policies of one kind cannot have one name in a pipeline.

use std::panic::{AssertUnwindSafe, catch_unwind};

use resilience_core::{
    AdaptiveLimit, Bulkhead, CircuitBreaker, Quota, RateLimiter, RetryBudget, Throttle, adaptive, bulkhead,
    circuit_breaker, throttle,
};
use resilience_metrics::Telemetry;
use tests::time::now;

/// What registers a new policy each time, by what the clash calls it.
const KINDS: [(&str, fn(&Telemetry)); 6] = [
    ("circuit breaker", |telemetry| {
        telemetry.circuit_breaker("x", &CircuitBreaker::new(circuit_breaker::Config::new(), now()));
    }),
    ("retry budget", |telemetry| {
        telemetry.retry("x", Some(&RetryBudget::new()));
    }),
    ("bulkhead", |telemetry| {
        telemetry.bulkhead("x", &Bulkhead::new(bulkhead::Config::new(1)));
    }),
    ("adaptive limit", |telemetry| {
        telemetry.adaptive("x", &AdaptiveLimit::new(adaptive::Config::default(), now()));
    }),
    ("rate limit", |telemetry| {
        telemetry.rate_limit("x", &RateLimiter::new(Quota::per_second(1), now()));
    }),
    ("throttle", |telemetry| {
        telemetry.throttle("x", &Throttle::new(throttle::Config::new(), now()));
    }),
];

#[tokio::test(start_paused = true)]
async fn each_kind_has_names_of_its_own_and_says_which_is_taken() {
    let telemetry = Telemetry::new("pay");
    for (_, register) in KINDS {
        register(&telemetry);
    }
    for (kind, register) in KINDS {
        let clash = catch_unwind(AssertUnwindSafe(|| register(&telemetry))).unwrap_err();
        let expected =
            format!("pipeline `pay` has another {kind} named `x`: give this one a name of its own");
        assert_eq!(clash.downcast_ref::<String>(), Some(&expected));
        register(&Telemetry::new("ship"));
    }
}
