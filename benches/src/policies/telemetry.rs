//! Counting and timing what succeeds: the layers around operations and attempts, without a recorder and with one.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum_prometheus::BaseMetricLayer;
use http::{Request, Response};
use resilience_core::ErrorsAreFailures;
use resilience_metrics::Telemetry;
use resilience_tower::http::ClassifyStatus;
use resilience_tower::{CallLayer, CircuitBreakerLayer, ErrorLayer, TransportLayer};
use tower::{Layer as _, Service, ServiceBuilder};
use tower_resilience_circuitbreaker_metrics::CircuitBreakerConfigBuilder as Peer;

use super::circuit_breaker::{COUNT_WINDOW, FAILURE_RATE, MIN_CALLS, config};
use super::{Case, Policy, spans};
use crate::recorder;
use crate::subject::Subject;
use crate::thread::HOUR;
use crate::time::now;
use crate::upstream::Upstream;

/// The layers of telemetry.
///
/// First of all policies, because a recorder that is installed stays: `no_recorder` has to come before any other.
pub const POLICY: Policy = Policy {
    name: "telemetry",
    cases: &[
        Case { name: "no_recorder", subjects: layers },
        Case { name: "prometheus", subjects: prometheus },
        Case { name: "prometheus_breaker", subjects: breaker },
        Case { name: "prometheus_http", subjects: http },
        Case { name: "span_taken", subjects: spans::taken },
        // Last, so that the subscriber takes nothing of what comes after.
        Case { name: "span_filtered", subjects: spans::filtered },
    ],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
const UPSTREAM: Upstream = Upstream::new(&HEALTHY);

fn layers() -> Vec<Subject> {
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
    let mut subjects = layers();
    subjects.push(by_hand());
    subjects
}

/// The least that a recorder can cost: two looks at the clock, one counter, one histogram. What it allocates is the recorder's.
fn by_hand() -> Subject {
    let (count, duration) = recorder::handles();
    Subject::function("by hand", async move |n| {
        let start = now();
        let answer = UPSTREAM.answer(n).await;
        count.increment(1);
        duration.record((now() - start).as_secs_f64());
        answer
    })
}

/// A closed breaker, each call counted and timed: the peer's breaker counts and times what passes it.
fn breaker() -> Vec<Subject> {
    recorder::install();
    let telemetry = telemetry();
    let layer = CircuitBreakerLayer::new(config());
    let observer = telemetry.circuit_breaker("circuit_breaker", layer.breaker());
    let ours = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ErrorsAreFailures))
        .layer(CallLayer::new())
        .layer(layer.with_observer(observer))
        .layer(TransportLayer::new());
    let peer = Peer::new()
        .sliding_window_size(COUNT_WINDOW as usize)
        .minimum_number_of_calls(MIN_CALLS as usize)
        .failure_rate_threshold(FAILURE_RATE)
        .wait_duration_in_open(HOUR)
        .build()
        .expect("a valid configuration");
    vec![
        Subject::service("bare", UPSTREAM),
        Subject::service("resilience", ours.service(UPSTREAM)),
        Subject::service("tower-resilience", peer.layer(UPSTREAM)),
    ]
}

/// Over HTTP requests, as a server has them.
fn http() -> Vec<Subject> {
    recorder::install();
    let ours =
        ServiceBuilder::new().layer(telemetry().operation_layer(ClassifyStatus)).layer(ErrorLayer::new());
    vec![
        requests("bare", Server),
        requests("resilience", ours.service(Server)),
        requests("axum-prometheus", BaseMetricLayer::new().layer(Server)),
    ]
}

/// Makes a request for each number.
fn requests<S, B>(name: &'static str, service: S) -> Subject
where
    S: Service<Request<()>, Response = Response<B>, Error: Send> + Clone + Send + Sync + 'static,
{
    Subject::function(name, async move |n| {
        let answered = service.clone().call(Request::new(())).await;
        answered.map(|_| n)
    })
}

/// Answers every request with nothing.
#[derive(Clone, Copy, Debug)]
struct Server;

impl Service<Request<()>> for Server {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(String::new())))
    }
}

fn telemetry() -> Telemetry {
    // A name of its own each time: a pipeline shows each policy once.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Telemetry::new(format!("telemetry_{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}
