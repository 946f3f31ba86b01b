//! Counting and timing what succeeds: the layers around operations and attempts, without a recorder and with one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use resilience_core::ErrorsAreFailures;
use resilience_metrics::Telemetry;
use resilience_tower::{CallLayer, ErrorLayer, TransportLayer};
use tower::{Layer as _, ServiceBuilder};

use super::{Case, Policy};
use crate::recorder;
use crate::subject::Subject;
use crate::time::now;
use crate::upstream::Upstream;

/// The layers of telemetry.
///
/// First of all policies, because a recorder that is installed stays: `no_recorder` has to come before any other.
pub const POLICY: Policy = Policy {
    name: "telemetry",
    cases: &[
        Case { name: "no_recorder", subjects: resilience },
        Case { name: "prometheus", subjects: prometheus },
    ],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
const UPSTREAM: Upstream = Upstream::new(&HEALTHY);

fn resilience() -> Vec<Subject> {
    let telemetry = telemetry();
    let operation = || telemetry.operation_layer(ErrorsAreFailures);
    let attempt = || telemetry.attempt_layer(ErrorsAreFailures);
    let both = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(operation())
        .layer(attempt())
        .layer(TransportLayer::new());
    let call = ServiceBuilder::new().layer(CallLayer::new()).layer(TransportLayer::new());
    vec![
        Subject::service("bare", UPSTREAM),
        Subject::service("operation", operation().layer(ErrorLayer::new().layer(UPSTREAM))),
        Subject::service("call", call.service(UPSTREAM)),
        Subject::service("call, operation, attempt", both.service(UPSTREAM)),
    ]
}

fn prometheus() -> Vec<Subject> {
    recorder::install();
    let mut subjects = resilience();
    subjects.push(by_hand());
    subjects
}

/// The least that a recorder can cost: two looks at the clock, one counter, one histogram. What it allocates is the recorder's.
fn by_hand() -> Subject {
    let (count, duration) = recorder::handles();
    Subject::function("by hand", move |n| {
        let start = now();
        let answer = UPSTREAM.answer(n);
        count.increment(1);
        duration.record((now() - start).as_secs_f64());
        answer
    })
}

fn telemetry() -> Telemetry {
    // A name of its own each time: a pipeline shows each policy once.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Telemetry::new(format!("telemetry_{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}
