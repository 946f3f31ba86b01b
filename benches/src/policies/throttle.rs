//! A throttle over a healthy upstream, over one that fails now and then, and one that refuses.
//!
//! None of the other crates measured here has one.

use std::sync::atomic::AtomicBool;

use resilience_core::throttle::Config;
use resilience_core::{Classify as _, ErrorsAreFailures, FailureKind, Throttle, Verdict};
use resilience_metrics::Telemetry;
use resilience_tower::{CallLayer, ThrottleLayer, TransportLayer};
use tower::ServiceBuilder;

use super::{Case, Policy};
use crate::recorder;
use crate::subject::Subject;
use crate::thread::HOUR;
use crate::time::now;
use crate::upstream::{Fault, Upstream};

/// The throttle.
pub const POLICY: Policy = Policy {
    name: "throttle",
    cases: &[
        Case { name: "admitted", subjects: admitted },
        Case { name: "admitted_after_failures", subjects: admitted_after_failures },
        Case { name: "refused", subjects: refused },
        Case { name: "core_admitted", subjects: core_admitted },
    ],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
static FAILING: AtomicBool = AtomicBool::new(true);

const UPSTREAM: Upstream = Upstream::new(&HEALTHY);
/// The few calls that a refusing throttle lets through must not be answered either.
const DOWN: Upstream = Upstream::new(&FAILING);

fn admitted() -> Vec<Subject> {
    let throttle = || Throttle::new(Config::new(), now());
    vec![bare(UPSTREAM), resilience(throttle(), UPSTREAM), with_metrics(throttle(), UPSTREAM)]
}

/// A fifth of the calls in the window has failed: nothing is refused, but the time matters. The window is so large that none
/// of them leaves it.
fn admitted_after_failures() -> Vec<Subject> {
    let throttle = Throttle::new(Config::new().window(HOUR).max_requests(1_000_000), now());
    report(&throttle, 800, Verdict::Success);
    report(&throttle, 200, Verdict::Failure(FailureKind::Timeout));
    vec![bare(UPSTREAM), resilience(throttle, UPSTREAM)]
}

/// All but one in a million, as far as chance has it.
fn refused() -> Vec<Subject> {
    let throttle = || {
        let config = Config::new().window(HOUR).max_requests(1_000_000).probe_one_in(1_000_000);
        let throttle = Throttle::new(config, now());
        report(&throttle, 100_000, Verdict::Failure(FailureKind::Timeout));
        throttle
    };
    vec![
        bare(DOWN).refusing(),
        resilience(throttle(), DOWN).refusing(),
        with_metrics(throttle(), DOWN).refusing(),
    ]
}

/// The algorithm alone, without Tower around it.
fn core_admitted() -> Vec<Subject> {
    let throttle = Throttle::new(Config::new(), now());
    let core = Subject::function("resilience", async move |n| {
        let Ok(mut ticket) = throttle.admit(now) else { return Err(Fault) };
        let answer = UPSTREAM.answer(n).await;
        throttle.finish(&mut ticket, ErrorsAreFailures.classify(answer.as_ref()), now);
        answer
    });
    vec![bare(UPSTREAM), core]
}

/// Reports calls that were all admitted before the first one ended.
fn report(throttle: &Throttle, calls: usize, verdict: Verdict) {
    let admitted: Vec<_> = (0..calls).filter_map(|_| throttle.try_acquire(now).ok()).collect();
    for permit in admitted {
        permit.finish(verdict, now);
    }
}

fn bare(upstream: Upstream) -> Subject {
    Subject::service("bare", upstream)
}

/// The whole stack that a user writes: the call context is put on and taken off as well.
fn resilience(throttle: Throttle, upstream: Upstream) -> Subject {
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(ThrottleLayer::with_throttle(throttle))
        .layer(TransportLayer::new());
    Subject::service("resilience", stack.service(upstream))
}

fn with_metrics(throttle: Throttle, upstream: Upstream) -> Subject {
    recorder::install();
    let observer = Telemetry::new("benches").throttle("throttle", &throttle);
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(ThrottleLayer::with_throttle(throttle).with_observer(observer))
        .layer(TransportLayer::new());
    Subject::service("resilience+metrics", stack.service(upstream))
}
