//! The phases of a call under a rate limit.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use resilience_core::{Refusal, Rejected};

pub use super::by_request::ResponseFuture as ByRequestFuture;

pin_project! {
    /// The response of [`RateLimit`](super::RateLimit): it is admitted, or refused, before it is made.
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the inner future. The token is used.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        phase: Phase<F>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F> {
        Running { #[pin] inner: F },
        /// The inner service was not called. Nanoseconds, one word where a running call holds words: a larger refusal costs every
        /// call more to move.
        Refused { retry_after: u64 },
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) const fn call(inner: F) -> Self {
        Self { phase: Phase::Running { inner } }
    }

    #[inline]
    pub(super) fn refused(rejected: Rejected) -> Self {
        // A call that costs one token is never refused for ever, and no wait is longer than 584 years.
        let wait = rejected.retry_after().unwrap_or_default();
        Self { phase: Phase::Refused { retry_after: u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX) } }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Refusal,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().phase.project() {
            PhaseProj::Running { inner } => inner.poll(cx),
            PhaseProj::Refused { retry_after } => {
                let retry_after = Duration::from_nanos(*retry_after);
                Poll::Ready(Err(Rejected::RateLimited { retry_after }.into()))
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Running { .. } => "Running",
            Phase::Refused { .. } => "Refused",
        };
        f.debug_struct("rate_limit::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
