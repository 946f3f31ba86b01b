//! Two policies of one kind cannot have one name in a pipeline.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use metrics_util::debugging::DebuggingRecorder;
use resilience_core::{
    AdaptiveLimit, Bulkhead, CircuitBreaker, Quota, RateLimiter, RetryBudget, Throttle, adaptive, bulkhead,
    circuit_breaker, idempotency::memory, keyed::Snapshot, throttle,
};
use resilience_metrics::Telemetry;
use tests::{recorded::Recorded, time::now};

type Register = fn(&Telemetry);

/// What registers a new policy each time, by what the clash calls it.
const KINDS: [(&str, Register); 6] = [
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

const ADVICE: &str = "give this one a name of its own";

#[tokio::test(start_paused = true)]
async fn each_kind_has_names_of_its_own_and_says_which_is_taken() {
    let telemetry = Telemetry::new("pay");
    for (_, register) in KINDS {
        register(&telemetry);
    }
    for (kind, register) in KINDS {
        let clash = catch_unwind(AssertUnwindSafe(|| register(&telemetry))).unwrap_err();
        let expected = format!("pipeline `pay` has another {kind} named `x`: {ADVICE}");
        assert_eq!(clash.downcast_ref::<String>(), Some(&expected));
        register(&Telemetry::new("ship"));
    }
}

#[tokio::test(start_paused = true)]
async fn two_telemetries_of_one_name_are_one_pipeline_to_a_recorder() {
    let recorded = Recorded::start();
    let first = Telemetry::new("pay");
    for (_, register) in KINDS {
        register(&first);
    }
    let second = Telemetry::new("pay");
    for (kind, register) in KINDS {
        let clash = catch_unwind(AssertUnwindSafe(|| register(&second))).unwrap_err();
        let expected = format!("pipeline `pay` has another {kind} named `x`: {ADVICE}");
        assert_eq!(clash.downcast_ref::<String>(), Some(&expected));
        register(&Telemetry::new("pay").with_recorder(Arc::new(DebuggingRecorder::new())));
    }
    drop(first);
    for (_, register) in KINDS {
        register(&second);
    }

    let nothing: Box<dyn metrics::Recorder> = Box::new(metrics::NoopRecorder);
    let two = [Telemetry::new("pay"), Telemetry::new("pay")];
    metrics::with_local_recorder(&*nothing, || two.iter().for_each(|telemetry| KINDS[0].1(telemetry)));

    let handle = RetryBudget::new();
    let two = [Telemetry::new("ship"), Telemetry::new("ship")];
    for telemetry in &two {
        let _ = telemetry.retry("retry", Some(&handle));
    }
    drop(recorded);
}

/// Of one kind or not: what is said when `second` comes after `first`.
fn clash(first: Register, second: Register) -> Option<String> {
    let telemetry = Telemetry::new("pay");
    first(&telemetry);
    let panic = catch_unwind(AssertUnwindSafe(|| second(&telemetry))).err()?;
    panic.downcast_ref::<String>().cloned()
}

#[tokio::test(start_paused = true)]
async fn a_table_has_a_name_of_its_own_and_one_with_breakers_takes_theirs_too() {
    let keyed = |telemetry: &Telemetry| telemetry.keyed("x", Snapshot::default);
    let per_key = |telemetry: &Telemetry| drop(telemetry.per_key("x", Snapshot::default));
    let (_, breaker) = KINDS[0];
    let another = |kind: &str| Some(format!("pipeline `pay` has another {kind} named `x`: {ADVICE}"));
    for (first, second) in
        [(keyed as Register, keyed as Register), (keyed, per_key), (per_key, keyed), (per_key, per_key)]
    {
        assert_eq!(clash(first, second), another("keyed table"));
    }
    for (first, second) in [(per_key as Register, breaker), (breaker, per_key)] {
        assert_eq!(clash(first, second), another("circuit breaker"));
    }
    assert_eq!(clash(breaker, keyed), None);
    let store = |telemetry: &Telemetry| telemetry.idempotency_store("x", memory::Snapshot::default);
    assert_eq!(clash(store, store), another("idempotency store"));
    assert_eq!(clash(keyed, store), None);
}
