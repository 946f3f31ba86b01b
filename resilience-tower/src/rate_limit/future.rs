//! The phases of a call under a rate limit.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
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
        /// The inner service was not called.
        Refused { rejected: Rejected },
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) const fn call(inner: F) -> Self {
        Self { phase: Phase::Running { inner } }
    }

    #[inline]
    pub(super) const fn refused(rejected: Rejected) -> Self {
        Self { phase: Phase::Refused { rejected } }
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
        f.debug_struct("rate_limit::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
