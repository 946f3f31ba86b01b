//! A fallback that is not needed, and one that is.

use std::sync::atomic::AtomicBool;

use resilience_core::Error;
use resilience_tower::fallback::StandIn;
use resilience_tower::{ErrorLayer, FallbackLayer};
use tower::ServiceBuilder;

use super::{Case, Policy};
use crate::subject::Subject;
use crate::upstream::{Fault, Upstream};

/// The fallback.
pub const POLICY: Policy = Policy {
    name: "fallback",
    cases: &[Case { name: "ready", subjects: ready }, Case { name: "needed", subjects: needed }],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
static DOWN: AtomicBool = AtomicBool::new(true);

fn ready() -> Vec<Subject> {
    let mut subjects = vec![Subject::service("bare", Upstream::new(&HEALTHY))];
    subjects.extend(fallbacks(Upstream::new(&HEALTHY)));
    subjects
}

/// There is no bare call to compare with: it fails.
fn needed() -> Vec<Subject> {
    fallbacks(Upstream::new(&DOWN))
}

fn fallbacks(upstream: Upstream) -> Vec<Subject> {
    let seven = |_: Result<u64, Error<Fault>>| Ok(7);
    vec![
        with("resilience, function", upstream, FallbackLayer::function(seven)),
        with("resilience, value", upstream, FallbackLayer::value(7)),
        with("resilience, service", upstream, FallbackLayer::service(Upstream::new(&HEALTHY))),
    ]
}

fn with<A>(name: &'static str, upstream: Upstream, layer: FallbackLayer<A>) -> Subject
where
    A: StandIn<u64, u64, Error<Fault>> + Clone + Send + 'static,
{
    Subject::service(name, ServiceBuilder::new().layer(layer).layer(ErrorLayer::new()).service(upstream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread::runtime;

    const CALLS: u64 = 1_000;

    #[test]
    fn every_call_is_answered() {
        let runtime = runtime();
        for subject in ready().into_iter().chain(needed()) {
            assert_eq!(subject.caller()(&runtime, CALLS), CALLS, "{}", subject.name);
        }
    }
}
