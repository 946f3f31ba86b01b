//! The phases of a call that load shedding has let through or refused.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use resilience_core::{Refusal, Rejected};

pin_project! {
    /// The response of [`LoadShed`](super::LoadShed).
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
        /// The inner service was not called.
        Refused { waited: Duration },
    }
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) const fn running(inner: F) -> Self {
        Self { phase: Phase::Running { inner } }
    }

    #[inline]
    pub(super) const fn refused(waited: Duration) -> Self {
        Self { phase: Phase::Refused { waited } }
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
            PhaseProj::Refused { waited } => Poll::Ready(Err(Rejected::NotReady { waited: *waited }.into())),
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Running { .. } => "Running",
            Phase::Refused { .. } => "Refused",
        };
        f.debug_struct("load_shed::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
