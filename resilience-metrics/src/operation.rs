//! Rate, errors and duration of whole operations.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll, ready},
    time::Instant,
};

use metrics::{Counter, Histogram, SharedString, counter, histogram};
use pin_project_lite::pin_project;
use resilience_core::{
    Classify, Outcome, Refusal, on_unwind,
    striped::{Lease, StripedArc},
};
use tower_layer::Layer;
use tower_service::Service;

use crate::{names, time};

const OUTCOMES: usize = Outcome::ALL.len();

/// Counts and times operations by outcome: see [`Telemetry::operation_layer`](crate::Telemetry::operation_layer).
///
/// # Clone
///
/// A clone writes the same metrics.
#[derive(Clone)]
pub struct OperationLayer<C> {
    red: StripedArc<Red<C>>,
}

struct Red<C> {
    classify: C,
    pipeline: SharedString,
    /// All there from the start, at zero: a counter that appears with its first error hides it from `increase()`.
    operations: [Counter; OUTCOMES],
    /// Made with the first operation of the outcome: a histogram is many lines of a scrape.
    durations: [OnceLock<Histogram>; OUTCOMES],
}

impl<C> OperationLayer<C> {
    pub(crate) fn new(pipeline: &SharedString, classify: C) -> Self {
        let operations = Outcome::ALL.map(|outcome| {
            counter!(names::OPERATIONS, "pipeline" => pipeline.clone(), "outcome" => outcome.as_str())
        });
        let durations = std::array::from_fn(|_| OnceLock::new());
        Self { red: StripedArc::new(Red { classify, pipeline: pipeline.clone(), operations, durations }) }
    }
}

impl<C> Red<C> {
    fn count(&self, outcome: Outcome, started: Instant) {
        let took = time::now().saturating_duration_since(started);
        let index = outcome as usize;
        self.operations[index].increment(1);
        let duration = self.durations[index].get_or_init(|| {
            histogram!(
                names::OPERATION_DURATION,
                "pipeline" => self.pipeline.clone(),
                "outcome" => outcome.as_str(),
            )
        });
        duration.record(took.as_secs_f64());
    }
}

impl<S, C> Layer<S> for OperationLayer<C> {
    type Service = Operation<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Operation { inner, red: self.red.clone() }
    }
}

/// The service of [`OperationLayer`].
pub struct Operation<S, C> {
    inner: S,
    red: StripedArc<Red<C>>,
}

impl<S: Clone, C> Clone for Operation<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), red: self.red.clone() }
    }
}

impl<S, C, Req> Service<Req> for Operation<S, C>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let mut running = Running { red: self.red.lease(), started: Some(time::now()) };
        let inner = on_unwind(|| self.inner.call(request), || running.end(Outcome::Failure));
        ResponseFuture { inner, running }
    }
}

pin_project! {
    /// The response of [`Operation`].
    ///
    /// # Cancellation
    ///
    /// Dropped before its end, the operation counts as cancelled. A panic further in counts as a failure.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, C> {
        #[pin]
        inner: F,
        running: Running<C>,
    }
}

/// An operation in progress: it is counted exactly once, at the latest when it is dropped.
struct Running<C> {
    red: Lease<Red<C>>,
    started: Option<Instant>,
}

impl<C> Running<C> {
    fn end(&mut self, outcome: Outcome) {
        if let Some(started) = self.started.take() {
            self.red.count(outcome, started);
        }
    }
}

impl<C> Drop for Running<C> {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled);
    }
}

impl<F, C, T, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
    E: Refusal,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let panicked = || this.running.end(Outcome::Failure);
        let result = ready!(on_unwind(|| this.inner.poll(cx), panicked));
        this.running.end(Outcome::of(&this.running.red.classify, result.as_ref()));
        Poll::Ready(result)
    }
}

impl<C> fmt::Debug for OperationLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationLayer").field("pipeline", &self.red.pipeline).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, C> fmt::Debug for Operation<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<F, C> fmt::Debug for ResponseFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.running.started.is_some();
        f.debug_struct("operation::ResponseFuture").field("running", &running).finish_non_exhaustive()
    }
}
