//! The phases of a call that holds a permit.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use resilience_core::{Refusal, Rejected, on_unwind};

use super::Hold;

pin_project! {
    /// The response of a service that gives each call a permit, or refuses it.
    ///
    /// # Cancellation
    ///
    /// Dropping it gives the permit back.
    #[must_use = "futures do nothing unless polled"]
    pub struct HeldFuture<F, P, H> {
        #[pin]
        phase: Phase<F, P>,
        hold: PhantomData<fn() -> H>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F, P> {
        /// The inner future runs; dropped before the permit goes back.
        Running { #[pin] inner: F, permit: Option<P> },
        /// The inner service was not called.
        Refused { rejected: Rejected },
    }
}

impl<F, P, H> HeldFuture<F, P, H> {
    #[inline]
    pub(crate) const fn new(inner: F, permit: P) -> Self {
        Self { phase: Phase::Running { inner, permit: Some(permit) }, hold: PhantomData }
    }

    #[inline]
    pub(crate) const fn refused(rejected: Rejected) -> Self {
        Self { phase: Phase::Refused { rejected }, hold: PhantomData }
    }
}

impl<F, P, H, T, E> Future for HeldFuture<F, P, H>
where
    F: Future<Output = Result<T, E>>,
    E: Refusal,
    H: Hold<T, P>,
{
    type Output = Result<H::Response, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().phase.project() {
            PhaseProj::Running { inner, permit } => {
                let polled = on_unwind(|| inner.poll(cx), || drop(permit.take()));
                H::hold(polled, permit)
            }
            PhaseProj::Refused { rejected } => Poll::Ready(Err((*rejected).into())),
        }
    }
}

impl<F, P, H> fmt::Debug for HeldFuture<F, P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Running { .. } => "Running",
            Phase::Refused { .. } => "Refused",
        };
        f.debug_struct("HeldFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
