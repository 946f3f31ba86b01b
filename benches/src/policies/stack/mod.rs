//! Whole stacks over a healthy upstream: five policies as layers, and the client's and the server's preset.

mod five;
mod server;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use resilience_core::{ErrorsAreFailures, bulkhead};
use resilience_metrics::Telemetry;
use resilience_tower::stack::{self, ClientLayer, ClientSettings};
use tower::Layer as _;

use super::rate_limit::AMPLE;
use super::{Case, Policy};
use crate::recorder;
use crate::subject::Subject;
use crate::upstream::Upstream;

/// The stacks.
pub const POLICY: Policy = Policy {
    name: "stack",
    cases: &[
        Case { name: "five", subjects: five::subjects },
        Case { name: "client", subjects: client },
        Case { name: "server", subjects: server::subjects },
    ],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
const UPSTREAM: Upstream = Upstream::new(&HEALTHY);
/// Permits of a bulkhead that is never full.
const ROOM: u32 = 10_000;

fn client() -> Vec<Subject> {
    let everything = ClientSettings::new()
        .bulkhead(bulkhead::Config::new(ROOM))
        .rate_limit(AMPLE)
        .rate_limit_wait(Duration::ZERO);
    let all = ClientLayer::new("benches", &everything).expect("they fit together");
    vec![
        bare(),
        Subject::service("client, defaults", stack::client("benches").layer(UPSTREAM)),
        Subject::service("client, everything on", all.clone().layer(UPSTREAM)),
        with_metrics(all),
    ]
}

/// Every decision, operation and attempt counted and timed by a Prometheus recorder.
fn with_metrics(layer: ClientLayer) -> Subject {
    recorder::install();
    // A name of its own each time: a pipeline shows each policy once.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let telemetry = Telemetry::new(format!("benches_{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let handle = layer.handle().clone();
    let read = handle.clone();
    let observer = telemetry.client(move || read.snapshot(), handle.bulkhead(), handle.rate_limiter());
    let layer = layer
        .with_observer(observer)
        .operation(telemetry.operation_layer(ErrorsAreFailures))
        .attempt(telemetry.attempt_layer(ErrorsAreFailures));
    Subject::service("client, everything on, metrics", layer.layer(UPSTREAM))
}

fn bare() -> Subject {
    Subject::service("bare", UPSTREAM)
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
        for subject in POLICY.cases.iter().flat_map(|case| (case.subjects)()) {
            assert_eq!(subject.caller()(&runtime, CALLS), CALLS, "{}", subject.name);
        }
    }
}
