//! The phases of a call whose deadline is read or written.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use pin_project_lite::pin_project;
use resilience_core::{Deadline, Event, Observer, Refusal, Rejected};

use crate::observed::Observed;

pin_project! {
    /// The response of [`ReadDeadline`](super::ReadDeadline) and [`WriteDeadline`](super::WriteDeadline).
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the inner future.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        phase: Phase<F>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F> {
        /// The inner future runs.
        Running { #[pin] inner: F },
        /// The time was over, and the inner service was not called.
        Refused { rejected: Rejected },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn running(inner: F) -> Self {
        Self { phase: Phase::Running { inner } }
    }

    pub(super) fn refused(deadline: Deadline, now: Instant, observer: &Observed<impl Observer>) -> Self {
        let (limit, elapsed) = (deadline.limit(), deadline.elapsed(now));
        observer.tell(&Event::DeadlineExceeded { limit, elapsed });
        Self {
            phase: Phase::Refused { rejected: Rejected::DeadlineExceeded { limit, elapsed, called: false } },
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Refusal,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().phase.project() {
            PhaseProj::Running { inner } => inner.poll(cx),
            PhaseProj::Refused { rejected } => Poll::Ready(Err((*rejected).into())),
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Running { .. } => "Running",
            Phase::Refused { .. } => "Refused",
        };
        f.debug_struct("deadline::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
