//! A time limit that does not expire: over an upstream that is ready at once, and one that is not.

use std::future::Future;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Waker};
use std::time::Duration;

use layered::{Execute, Service as _, Stack as _};
use resilience_core::Observer;
use resilience_metrics::Telemetry;
use resilience_tower::{CallLayer, ErrorLayer, TimeoutLayer, TransportLayer};
use seatbelt::ResilienceContext;
use tick::Clock;
use tower::{Layer as _, Service, ServiceBuilder};
use tower_resilience_timelimiter::TimeLimiterLayer;

use super::{Case, Policy};
use crate::recorder;
use crate::subject::Subject;
use crate::thread::{HOUR, runtime};
use crate::upstream::{Answer, Fault, Upstream, Waiting};

/// The timeout.
///
/// A total timeout differs from that of an attempt in that it has to know when the operation began.
pub const POLICY: Policy = Policy {
    name: "timeout",
    cases: &[
        Case { name: "ready", subjects: || group(Upstream::new(&HEALTHY)) },
        Case { name: "pending", subjects: || group(Waiting) },
        Case { name: "ready_in_call", subjects: || in_call(Upstream::new(&HEALTHY)) },
        Case { name: "ready_total", subjects: || total(Upstream::new(&HEALTHY)) },
        Case { name: "pending_total", subjects: || total(Waiting) },
    ],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);

/// Due after the timer that every runtime here waits for anyway; see [`runtime`].
pub(super) const LIMIT: Duration = HOUR.saturating_mul(2);

fn group<S>(upstream: S) -> Vec<Subject>
where
    S: Service<u64, Response = u64, Error = Fault> + Copy + Send + Sync + 'static,
    S::Future: Send,
{
    vec![
        Subject::service("bare", upstream),
        resilience("resilience", upstream, TimeoutLayer::attempt(LIMIT)),
        with_metrics(upstream, TimeoutLayer::attempt(LIMIT)),
        Subject::service("tower", tower::timeout::TimeoutLayer::new(LIMIT).layer(upstream)),
        tokio(upstream),
        tower_resilience(upstream),
        seatbelt(upstream),
    ]
}

fn total<S>(upstream: S) -> Vec<Subject>
where
    S: Service<u64, Response = u64, Error = Fault> + Copy + Send + 'static,
{
    vec![
        Subject::service("bare", upstream),
        resilience("resilience", upstream, TimeoutLayer::total(LIMIT)),
        with_metrics(upstream, TimeoutLayer::total(LIMIT)),
    ]
}

/// The layer alone, over requests that carry no context.
fn resilience<S, O>(name: &'static str, upstream: S, layer: TimeoutLayer<O>) -> Subject
where
    S: Service<u64, Response = u64, Error = Fault> + Copy + Send + 'static,
    O: Observer + Send + Sync + 'static,
{
    Subject::service(name, ServiceBuilder::new().layer(layer).layer(ErrorLayer::new()).service(upstream))
}

/// The whole stack that a user writes: the call context is put on and taken off as well.
fn in_call<S>(upstream: S) -> Vec<Subject>
where
    S: Service<u64, Response = u64, Error = Fault> + Copy + Send + 'static,
{
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(TimeoutLayer::attempt(LIMIT))
        .layer(TransportLayer::new());
    vec![Subject::service("bare", upstream), Subject::service("resilience", stack.service(upstream))]
}

fn with_metrics<S>(upstream: S, layer: TimeoutLayer) -> Subject
where
    S: Service<u64, Response = u64, Error = Fault> + Copy + Send + 'static,
{
    recorder::install();
    let timeouts = Telemetry::new("benches").timeout("timeout");
    resilience("resilience+metrics", upstream, layer.with_observer(timeouts))
}

fn tokio<S>(upstream: S) -> Subject
where
    S: Service<u64, Response = u64, Error = Fault> + Copy + Send + 'static,
{
    Subject::function("tokio", move |n| {
        let mut upstream = upstream;
        let response = tokio::time::timeout(LIMIT, upstream.call(n));
        async { response.await.unwrap_or(Err(Fault)) }
    })
}

fn tower_resilience<S>(upstream: S) -> Subject
where
    S: Service<u64, Response = u64, Error = Fault> + Copy + Send + 'static,
    S::Future: Send,
{
    let layer = TimeLimiterLayer::builder().timeout_duration(LIMIT).build();
    Subject::service("tower-resilience", layer.layer(upstream))
}

fn seatbelt<S>(upstream: S) -> Subject
where
    S: Service<u64, Response = u64, Error = Fault> + Copy + Send + Sync + 'static,
    S::Future: Send,
{
    let context = ResilienceContext::new(seatbelt_clock()).name("benches");
    let stack = (
        seatbelt::timeout::Timeout::layer("timeout", &context).timeout_error(|_| Fault).timeout(LIMIT),
        Execute::new(move |n: u64| {
            let mut upstream = upstream;
            upstream.call(n)
        }),
    );
    let service = stack.into_service();
    Subject::function("seatbelt", async move |n| -> Answer { service.execute(n).await })
}

/// A clock of seatbelt's that, like the runtimes here, already waits for an earlier timer.
///
/// Its timers are not Tokio's: they lie in a map of their own, and a task on the runtime it was
/// made in waits for the first of them.
pub(super) fn seatbelt_clock() -> Clock {
    // The runtime is never run again and never dropped: nothing may expire.
    let runtime = Box::leak(Box::new(runtime()));
    let _inside = runtime.enter();
    let clock = Clock::new_tokio();
    let earlier = Box::leak(Box::new(Box::pin(clock.delay(HOUR))));
    assert!(earlier.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    clock
}
