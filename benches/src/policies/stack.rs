//! Whole stacks over a healthy upstream: five policies as layers, and the client's preset.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use resilience_core::circuit_breaker::Config;
use resilience_core::{RetryPolicy, bulkhead};
use resilience_tower::stack::{self, ClientLayer, ClientSettings};
use resilience_tower::{
    BulkheadLayer, CallLayer, CircuitBreakerLayer, RateLimitLayer, RetryLayer, TimeoutLayer, TransportLayer,
};
use tower::{Layer as _, ServiceBuilder};

use super::rate_limit::AMPLE;
use super::{Case, Policy};
use crate::subject::Subject;
use crate::upstream::Upstream;

/// The stacks.
pub const POLICY: Policy = Policy {
    name: "stack",
    cases: &[Case { name: "five", subjects: five }, Case { name: "client", subjects: client }],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
const UPSTREAM: Upstream = Upstream::new(&HEALTHY);
const SECOND: Duration = Duration::from_secs(1);

/// Timeout, bulkhead, rate limit, retry with a budget, breaker.
fn five() -> Vec<Subject> {
    vec![bare(), resilience_five()]
}

fn client() -> Vec<Subject> {
    let everything = ClientSettings::new()
        .bulkhead(bulkhead::Config::new(10_000))
        .rate_limit(AMPLE)
        .rate_limit_wait(Duration::ZERO);
    let all = ClientLayer::new("benches", &everything).expect("they fit together");
    vec![
        bare(),
        Subject::service("client, defaults", stack::client("benches").layer(UPSTREAM)),
        Subject::service("client, everything on", all.layer(UPSTREAM)),
    ]
}

fn bare() -> Subject {
    Subject::service("bare", UPSTREAM)
}

fn resilience_five() -> Subject {
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(TimeoutLayer::total(5 * SECOND))
        .layer(BulkheadLayer::new(bulkhead::Config::new(10_000)))
        .layer(RateLimitLayer::new(AMPLE))
        .layer(RetryLayer::new(RetryPolicy::new()))
        .layer(CircuitBreakerLayer::new(Config::new()))
        .layer(TransportLayer::new());
    Subject::service("resilience", stack.service(UPSTREAM))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread::runtime;

    const CALLS: u64 = 1_000;

    #[test]
    fn every_call_is_answered() {
        let runtime = runtime();
        let _inside = runtime.enter();
        for subject in five().into_iter().chain(client()) {
            assert_eq!(subject.caller()(&runtime, CALLS), CALLS, "{}", subject.name);
        }
    }
}
