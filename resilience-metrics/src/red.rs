//! Rate, errors and duration of calls: the part that operations and attempts share.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll, ready},
    time::Instant,
};

use pin_project_lite::pin_project;
use resilience_core::{
    Classify, Outcome, Refusal, on_unwind,
    striped::{Lease, StripedArc},
};

use crate::{
    sink::{Counter, Histogram},
    time,
};

/// The counters and durations of a layer, one of each for each place, and the classifier.
pub(crate) struct Red<C> {
    classify: C,
    /// Which series an outcome belongs to, counted from the first of its kind.
    place: fn(Outcome) -> usize,
    series: Box<[Series]>,
}

pub(crate) struct Series {
    /// There from the start, at zero: a counter that appears with its first error hides it from `increase()`.
    count: Counter,
    /// Made with its first sample: a histogram is many lines of a scrape.
    duration: Histogram,
    /// Both, once there is a recorder, without a detour.
    bound: OnceLock<(metrics::Counter, metrics::Histogram)>,
}

impl Series {
    pub(crate) const fn new(count: Counter, duration: Histogram) -> Self {
        Self { count, duration, bound: OnceLock::new() }
    }

    #[inline]
    fn add(&self, seconds: f64) {
        if let Some((count, duration)) = self.bound.get() {
            count.increment(1);
            duration.record(seconds);
        } else {
            self.add_unbound(seconds);
        }
    }

    #[cold]
    fn add_unbound(&self, seconds: f64) {
        self.count.increment(1);
        self.duration.record(seconds);
        // Of two threads both have found the same ones.
        let found = self.count.bound().zip(self.duration.bind());
        let _ = found.map(|both| self.bound.set(both));
    }
}

impl<C> Red<C> {
    pub(crate) fn new(
        classify: C,
        place: fn(Outcome) -> usize,
        series: impl Iterator<Item = Series>,
    ) -> StripedArc<Self> {
        StripedArc::new(Self { classify, place, series: series.collect() })
    }

    #[inline]
    fn count(&self, first: usize, outcome: Outcome, started: Instant) {
        let took = time::now().saturating_duration_since(started);
        self.series[first + (self.place)(outcome)].add(took.as_secs_f64());
    }
}

pin_project! {
    /// The response of [`Operation`](crate::Operation) and [`Attempt`](crate::Attempt).
    ///
    /// # Cancellation
    ///
    /// Dropped before its end, the call counts as cancelled. A panic further in counts as a failure.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, C> {
        #[pin]
        inner: F,
        running: Running<C>,
    }
}

impl<F, C> ResponseFuture<F, C> {
    /// Calls the inner service; counts into the series from `first` on.
    #[inline]
    pub(crate) fn call(red: &StripedArc<Red<C>>, first: usize, inner: impl FnOnce() -> F) -> Self {
        let mut running = Running { red: Some(red.lease()), first, started: time::now() };
        let inner = on_unwind(inner, || running.end(|_| Outcome::Failure));
        Self { inner, running }
    }
}

/// A call in progress: it is counted exactly once, at the latest when it is dropped.
struct Running<C> {
    /// Until it is counted: leases say how many calls are in flight.
    red: Option<Lease<Red<C>>>,
    first: usize,
    started: Instant,
}

impl<C> Running<C> {
    #[inline]
    fn end(&mut self, outcome: impl FnOnce(&C) -> Outcome) {
        if let Some(red) = self.red.take() {
            red.count(self.first, outcome(&red.classify), self.started);
        }
    }
}

impl<C> Drop for Running<C> {
    #[inline]
    fn drop(&mut self) {
        self.end(|_| Outcome::Cancelled);
    }
}

impl<F, C, T, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
    E: Refusal,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let panicked = || this.running.end(|_| Outcome::Failure);
        let result = ready!(on_unwind(|| this.inner.poll(cx), panicked));
        this.running.end(|classify| Outcome::of(classify, result.as_ref()));
        Poll::Ready(result)
    }
}

impl<F, C> fmt::Debug for ResponseFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.running.red.is_some();
        f.debug_struct("red::ResponseFuture").field("running", &running).finish_non_exhaustive()
    }
}
