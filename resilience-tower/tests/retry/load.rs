//! How much load retries add when much fails, with and without a budget.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use resilience_core::{
    Backoff, Call, Error, ErrorsAreFailures, FailureKind, Refusal, RetryPolicy, Rng, Verdict,
    retry::RetryBudget,
};
use resilience_tower::{Retry, RetryLayer};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::script::{Timeout, Transient};

const CALLS: u32 = 20_000;

fn at_once() -> RetryPolicy {
    RetryPolicy::new().backoff(Backoff::none())
}

/// The attempts per call of a service that fails in so many of a hundred cases.
async fn load(percent: u32, kind: FailureKind, budget: Option<RetryBudget>) -> f64 {
    let mut rng = Rng::from_seed(u64::from(percent));
    let attempts = Arc::new(AtomicU32::new(0));
    let random = {
        let attempts = Arc::clone(&attempts);
        let fails = Arc::new(std::sync::Mutex::new(move || rng.unit() * 100.0 < f64::from(percent)));
        service_fn(move |_: Call<u32>| {
            attempts.fetch_add(1, Ordering::Relaxed);
            let fails = (fails.lock().unwrap())();
            async move { if fails { Err(Error::inner("down")) } else { Ok(()) } }
        })
    };
    let classify = move |result: Result<&(), &Error<&str>>| match result {
        Ok(()) => Verdict::Success,
        Err(_) => Verdict::Failure(kind),
    };
    let layer = RetryLayer::new(at_once()).classify(classify);
    let layer = match budget {
        Some(budget) => layer.with_budget(budget),
        None => layer.without_budget(),
    };
    let mut service = layer.layer(random);
    for _ in 0..CALLS {
        let _ = service.ready().await.unwrap().call(Call::new(7)).await;
    }
    f64::from(attempts.load(Ordering::Relaxed)) / f64::from(CALLS)
}

#[tokio::test(start_paused = true)]
async fn trap_11_a_budget_bounds_the_load_where_attempts_alone_multiply_it() {
    for (percent, unbudgeted) in [(10, 1.11), (30, 1.39), (50, 1.75), (75, 2.31), (100, 3.00)] {
        let bare = load(percent, Transient, None).await;
        assert!((bare - unbudgeted).abs() < 0.015, "{percent} %: {bare}");

        let ratio = RetryBudget::ratio(0.1).reserve_per_second(0).into();
        let strict = load(percent, Transient, Some(ratio)).await;
        assert!(strict <= 1.10, "{percent} %, a strict tenth: {strict}");

        let fast = load(percent, Transient, Some(RetryBudget::new())).await;
        assert!(fast <= 1.35, "{percent} %, the default, fast failures: {fast}");

        let slow = load(percent, Timeout, Some(RetryBudget::new())).await;
        assert!(slow <= 1.12, "{percent} %, the default, timeouts: {slow}");
    }
    let helped = load(10, Transient, Some(RetryBudget::new())).await;
    assert!(helped > 1.10, "and at 10 % it is in nobody's way: {helped}");
}

/// A hop of a chain of services: the default retry around the next one.
fn hop<S>(next: S) -> Retry<S>
where
    S: Service<Call<u32>, Response = (), Error = Error<&'static str>> + Clone,
    ErrorsAreFailures: resilience_core::Classify<S::Response, S::Error>,
    S::Error: Refusal,
{
    RetryLayer::new(at_once()).layer(next)
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_services_does_not_multiply_an_outage_at_its_end() {
    let attempts = Arc::new(AtomicU32::new(0));
    let d = {
        let attempts = Arc::clone(&attempts);
        service_fn(move |_: Call<u32>| {
            attempts.fetch_add(1, Ordering::Relaxed);
            async { Err::<(), Error<&'static str>>(Error::inner("down")) }
        })
    };
    let mut a = hop(hop(hop(d)));
    let mut call = async |calls: u32| {
        let before = attempts.load(Ordering::Relaxed);
        for _ in 0..calls {
            assert!(a.ready().await.unwrap().call(Call::new(7)).await.is_err());
        }
        f64::from(attempts.load(Ordering::Relaxed) - before) / f64::from(calls)
    };
    let burst = call(400).await;
    assert!(burst > 1.5, "the bursts are spent: {burst}");
    let load = call(2000).await;
    assert!(load <= 1.05, "{load}");
}
