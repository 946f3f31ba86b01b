//! A rate limit that lets every call through, and one that refuses them.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use resilience_core::{Quota, RateLimiter};
use resilience_metrics::Telemetry;
use resilience_tower::http::RespondLayer;
use resilience_tower::{CallLayer, ErrorLayer, RateLimitLayer, TransportLayer};
use tower::{Layer as _, ServiceBuilder};
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::{GlobalKeyExtractor, KeyExtractor};
use tower_resilience_ratelimiter::RateLimiterLayer;

use super::{Case, Policy};
use crate::recorder;
use crate::server::{self, Server};
use crate::subject::Subject;
use crate::thread::HOUR;
use crate::time::now;
use crate::upstream::{Fault, Upstream};

/// The rate limit.
pub const POLICY: Policy = Policy {
    name: "rate_limit",
    cases: &[
        Case { name: "admitted", subjects: admitted },
        Case { name: "refused", subjects: refused },
        Case { name: "core_admitted", subjects: core_admitted },
        Case { name: "http_admitted", subjects: http_admitted },
        Case { name: "http_refused", subjects: http_refused },
    ],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
const UPSTREAM: Upstream = Upstream::new(&HEALTHY);

/// More than a benchmark can use up: a token each nanosecond.
pub(crate) const AMPLE: Quota = Quota::per_second(1_000_000_000);

/// The same for the peer.
pub(super) fn ample() -> governor::Quota {
    governor::Quota::per_second(NonZeroU32::new(1_000_000_000).expect("not zero"))
}

fn admitted() -> Vec<Subject> {
    vec![
        bare(),
        resilience(AMPLE),
        with_metrics(AMPLE),
        tower_resilience(RateLimiterLayer::builder().limit_for_period(usize::MAX / 2)),
        governor("governor std", ample(), MonotonicClock),
        governor("governor quanta", ample(), governor::clock::DefaultClock::default()),
    ]
}

/// One call an hour, and that has been made.
fn refused() -> Vec<Subject> {
    let hourly = Quota::per_hour(1);
    let peer = || governor::Quota::per_hour(NonZeroU32::MIN);
    let tower_resilience = tower_resilience(
        RateLimiterLayer::builder().limit_for_period(1).refresh_period(HOUR).timeout_duration(Duration::ZERO),
    );
    let rest = [
        resilience(hourly),
        with_metrics(hourly),
        tower_resilience,
        governor("governor std", peer(), MonotonicClock),
        governor("governor quanta", peer(), governor::clock::DefaultClock::default()),
    ];
    let mut subjects = vec![bare()];
    subjects.extend(rest.into_iter().map(|subject| spend(subject, 1)));
    subjects
}

/// Over HTTP, with refusals as responses: one limit for all clients.
fn http_admitted() -> Vec<Subject> {
    vec![http_bare(), http_resilience(AMPLE), tower_governor(GlobalKeyExtractor, ample(), |_| 1)]
}

fn http_refused() -> Vec<Subject> {
    let peer = tower_governor(GlobalKeyExtractor, governor::Quota::per_hour(NonZeroU32::MIN), |_| 1);
    vec![http_bare(), spend(http_resilience(Quota::per_hour(1)), 1), spend(peer, 1), new_clock()]
}

/// What `tower_governor` does for each call that it refuses, beside the rest: it makes a clock of `quanta`, which asks the
/// processor by `CPUID` what counters it has. In a virtual machine that traps, and takes microseconds.
pub(super) fn new_clock() -> Subject {
    let new_clock = Subject::function("quanta's clock, made anew", async |_| {
        black_box(governor::clock::DefaultClock::default());
        Err(Fault)
    });
    new_clock.refusing()
}

/// The check alone, without Tower around it.
fn core_admitted() -> Vec<Subject> {
    let limiter = RateLimiter::new(AMPLE, now());
    let core = Subject::function("resilience", async move |n| match limiter.check(1, now()) {
        Ok(_) => UPSTREAM.answer(n).await,
        Err(_) => Err(Fault),
    });
    vec![bare(), core, governor("governor std", ample(), MonotonicClock)]
}

/// Makes calls until the `tokens` are used up, of which each client has one: so many calls leave none of a thousand out.
pub(super) fn spend(subject: Subject, tokens: u64) -> Subject {
    let runtime = crate::thread::runtime();
    let _inside = runtime.enter();
    assert_eq!(subject.caller()(&runtime, 30 * tokens), tokens, "{}", subject.name);
    subject.refusing()
}

fn bare() -> Subject {
    Subject::service("bare", UPSTREAM)
}

/// The whole stack that a user writes: the call context is put on and taken off as well.
fn resilience(quota: Quota) -> Subject {
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(RateLimitLayer::new(quota))
        .layer(TransportLayer::new());
    Subject::service("resilience", stack.service(UPSTREAM))
}

fn with_metrics(quota: Quota) -> Subject {
    recorder::install();
    let layer = RateLimitLayer::new(quota);
    let observer = Telemetry::new("benches").rate_limit("rate_limit", layer.limiter());
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(layer.with_observer(observer))
        .layer(TransportLayer::new());
    Subject::service("resilience+metrics", stack.service(UPSTREAM))
}

/// Its default window is fixed: a count for each period.
fn tower_resilience(builder: tower_resilience_ratelimiter::RateLimiterConfigBuilder) -> Subject {
    let layer = builder.build().expect("a valid configuration");
    Subject::service("tower-resilience", layer.layer(UPSTREAM))
}

/// No Tower layer: the check, and then the upstream.
fn governor<C>(name: &'static str, quota: governor::Quota, clock: C) -> Subject
where
    C: Clock + Send + Sync + 'static,
{
    let limiter = std::sync::Arc::new(governor::RateLimiter::direct_with_clock(quota, clock));
    Subject::function(name, async move |n| match limiter.check() {
        Ok(()) => UPSTREAM.answer(n).await,
        Err(_) => Err(Fault),
    })
}

fn http_bare() -> Subject {
    server::subject("bare", Server, |_| 1)
}

fn http_resilience(quota: Quota) -> Subject {
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(RateLimitLayer::new(quota))
        .layer(ErrorLayer::new());
    server::subject("resilience", stack.service(Server), |_| 1)
}

/// `governor` on its `quanta` clock, as a layer.
pub(super) fn tower_governor<K>(
    key: K,
    quota: governor::Quota,
    client: impl Fn(u64) -> u32 + Clone + Send + 'static,
) -> Subject
where
    K: KeyExtractor<Key: Send + Sync + 'static> + Send + 'static,
{
    let mut builder = GovernorConfigBuilder::default().key_extractor(key);
    builder.period(quota.replenish_interval()).burst_size(quota.burst_size().get());
    let layer = GovernorLayer::new(builder.finish().expect("a valid configuration"));
    server::subject("tower_governor", layer.layer(Server), client)
}
