//! Rate, errors and duration of calls: the part that operations and attempts share.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll, ready},
    time::Instant,
};

use metrics::{Counter, Histogram, Label, counter, histogram};
use pin_project_lite::pin_project;
use resilience_core::{
    Classify, Outcome, Refusal, on_unwind,
    striped::{Lease, StripedArc},
};

use crate::time;

/// The counters and durations of a layer, one of each for each place, and the classifier.
pub(crate) struct Red<C> {
    classify: C,
    duration: &'static str,
    /// Which series an outcome belongs to, counted from the first of its kind.
    place: fn(Outcome) -> usize,
    series: Box<[Series]>,
}

struct Series {
    labels: Vec<Label>,
    /// There from the start, at zero: a counter that appears with its first error hides it from `increase()`.
    count: Counter,
    /// Made with its first sample: a histogram is many lines of a scrape.
    duration: OnceLock<Histogram>,
}

impl<C> Red<C> {
    pub(crate) fn new(
        classify: C,
        count: &'static str,
        duration: &'static str,
        place: fn(Outcome) -> usize,
        labels: impl Iterator<Item = Vec<Label>>,
    ) -> Self {
        let series = labels.map(|labels| Series {
            count: counter!(count, labels.clone()),
            duration: OnceLock::new(),
            labels,
        });
        Self { classify, duration, place, series: series.collect() }
    }

    fn count(&self, first: usize, outcome: Outcome, started: Instant) {
        let took = time::now().saturating_duration_since(started);
        let series = &self.series[first + (self.place)(outcome)];
        series.count.increment(1);
        let duration = series.duration.get_or_init(|| histogram!(self.duration, series.labels.clone()));
        duration.record(took.as_secs_f64());
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
        let mut running = Running { red: red.lease(), first, started: Some(time::now()) };
        let inner = on_unwind(inner, || running.end(Outcome::Failure));
        Self { inner, running }
    }
}

/// A call in progress: it is counted exactly once, at the latest when it is dropped.
struct Running<C> {
    red: Lease<Red<C>>,
    first: usize,
    started: Option<Instant>,
}

impl<C> Running<C> {
    fn end(&mut self, outcome: Outcome) {
        if let Some(started) = self.started.take() {
            self.red.count(self.first, outcome, started);
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

impl<F, C> fmt::Debug for ResponseFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.running.started.is_some();
        f.debug_struct("red::ResponseFuture").field("running", &running).finish_non_exhaustive()
    }
}
