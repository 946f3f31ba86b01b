//! Rate, errors and duration of calls: the part that operations and attempts share.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
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
    telemetry::Telemetry,
    time,
};

/// The counters and durations of a layer, one of each for each place, and the classifier.
pub(crate) struct Red<C> {
    /// Counter and duration of each place, once there is a recorder.
    bound: Box<[OnceLock<(metrics::Counter, metrics::Histogram)>]>,
    /// Which place an outcome has, counted from the first of its kind.
    places: Places,
    /// Whether there is a recorder: without one nobody looks at the clock. Relaxed: it guards nothing.
    is_timed: AtomicBool,
    classify: C,
    telemetry: Telemetry,
    series: Box<[Series]>,
}

/// By outcome.
pub(crate) type Places = [u8; Outcome::ALL.len()];

pub(crate) struct Series {
    /// There from the start, at zero: a counter that appears with its first error hides it from `increase()`.
    pub(crate) count: Counter,
    /// Made with its first sample: a histogram is many lines of a scrape.
    pub(crate) duration: Histogram,
}

impl<C> Red<C> {
    pub(crate) fn new(
        classify: C,
        places: Places,
        series: impl Iterator<Item = Series>,
        telemetry: &Telemetry,
    ) -> StripedArc<Self> {
        let series: Box<[Series]> = series.collect();
        let bound = series.iter().map(|_| OnceLock::new()).collect();
        let is_timed = AtomicBool::new(series[0].count.is_bound());
        StripedArc::new(Self { bound, places, is_timed, classify, telemetry: telemetry.clone(), series })
    }

    /// The time, if anybody wants to know it.
    #[inline]
    fn start(&self, now: impl FnOnce() -> Instant) -> u64 {
        if self.is_timed.load(Ordering::Relaxed) { self.telemetry.nanos(now()) } else { UNTIMED }
    }

    /// Whether the gauges are to be published.
    #[inline]
    fn count(&self, first: usize, outcome: Outcome, started: u64) -> bool {
        let place = first + usize::from(self.places[outcome as usize]);
        if started == UNTIMED {
            return self.count_untimed(place);
        }
        let now = self.telemetry.nanos(time::now());
        // Exact up to 104 days, and correctly rounded.
        #[expect(clippy::cast_precision_loss, reason = "as exact as seconds in a float can be")]
        let seconds = now.saturating_sub(started) as f64 / 1e9;
        if let Some((count, duration)) = self.bound[place].get() {
            count.increment(1);
            duration.record(seconds);
        } else {
            self.count_unbound(place, seconds);
        }
        self.telemetry.is_due(now)
    }

    /// The first of its place.
    #[cold]
    fn count_unbound(&self, place: usize, seconds: f64) {
        let Series { count, duration } = &self.series[place];
        count.increment(1);
        duration.record(seconds);
        // Of two threads both have found the same ones.
        let _ = count.bound().zip(duration.bind()).map(|both| self.bound[place].set(both));
    }

    /// Before there was a recorder. If there is one now it is to have all there is.
    #[cold]
    fn count_untimed(&self, place: usize) -> bool {
        let count = &self.series[place].count;
        count.increment(1);
        count.is_bound() && !self.is_timed.swap(true, Ordering::Relaxed)
    }
}

/// No time: later than any.
const UNTIMED: u64 = u64::MAX;

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
    pub(crate) fn call(
        red: &StripedArc<Red<C>>,
        first: usize,
        now: impl FnOnce() -> Instant,
        inner: impl FnOnce() -> F,
    ) -> Self {
        let red = red.lease();
        let started = red.start(now);
        let mut running = Running { red: Some(red), first, started };
        let inner = on_unwind(inner, || running.end(|_| Outcome::Failure));
        Self { inner, running }
    }
}

/// A call in progress: it is counted exactly once, at the latest when it is dropped.
struct Running<C> {
    /// Until it is counted: leases say how many calls are in flight.
    red: Option<Lease<Red<C>>>,
    first: usize,
    /// In nanoseconds of the telemetry.
    started: u64,
}

impl<C> Running<C> {
    #[inline]
    fn end(&mut self, outcome: impl FnOnce(&C) -> Outcome) {
        if let Some(red) = self.red.take() {
            if red.count(self.first, outcome(&red.classify), self.started) {
                publish(red);
            }
        }
    }
}

/// The call is in flight no more when the gauges are published. That runs foreign code, which must not panic twice.
#[cold]
fn publish<C>(red: Lease<Red<C>>) {
    let telemetry = red.telemetry.clone();
    drop(red);
    if !std::thread::panicking() {
        telemetry.publish();
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

#[cfg(test)]
mod tests {
    use std::{
        future::{Ready, ready},
        sync::Arc,
        task::Waker,
    };

    use metrics_util::debugging::DebuggingRecorder;
    use resilience_core::{Call, Error, ErrorsAreFailures};
    use tower_layer::Layer;
    use tower_service::Service;

    use super::*;
    use crate::time::READINGS;

    #[derive(Clone)]
    struct Inner;

    impl Service<Call<()>> for Inner {
        type Response = ();
        type Error = Error<()>;
        type Future = Ready<Result<(), Error<()>>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error<()>>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Call<()>) -> Self::Future {
            ready(Ok(()))
        }
    }

    /// How often one call looks at the clock, once all has been bound.
    fn readings<S: Service<Call<()>, Error = Error<()>>>(
        mut service: S,
        context: &resilience_core::Context,
    ) -> u32 {
        let mut call = || {
            let call = Call::with_context((), context.clone());
            let mut future = std::pin::pin!(service.call(call));
            assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        };
        call();
        let before = READINGS.get();
        call();
        READINGS.get() - before
    }

    #[test]
    fn a_call_looks_at_the_clock_twice_less_if_somebody_has_and_never_without_a_recorder() {
        let recorder = Arc::new(DebuggingRecorder::new());
        let telemetry = Telemetry::new("pay").with_recorder(recorder);
        let fresh = resilience_core::Context::new();
        let operation = telemetry.operation_layer(ErrorsAreFailures);
        let attempt = telemetry.attempt_layer(ErrorsAreFailures);
        assert_eq!(readings(operation.layer(Inner), &fresh), 2);
        assert_eq!(readings(attempt.layer(Inner), &fresh), 2);
        let mut known = resilience_core::Context::new();
        known.set_now(Some(time::now()));
        assert_eq!(readings(attempt.layer(Inner), &known), 1);
        assert_eq!(readings(operation.layer(attempt.layer(Inner)), &known), 3);

        let silent = Telemetry::new("pay");
        let both = silent
            .operation_layer(ErrorsAreFailures)
            .layer(silent.attempt_layer(ErrorsAreFailures).layer(Inner));
        assert_eq!(readings(both, &fresh), 0);
    }
}
