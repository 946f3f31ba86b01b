//! The phases of a call under an adaptive limit.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use resilience_core::{
    Classify, Refusal, Rejected, Verdict,
    adaptive::Ticket,
    on_unwind,
    striped::{Lease, StripedArc},
};

use super::shared::Shared;
use crate::{cut::Cut, time};

pin_project! {
    /// The response of [`Adaptive`](super::Adaptive).
    ///
    /// # Cancellation
    ///
    /// Dropping it gives the room back. What the call counts as is said in the [module](super).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, C, O, K, P> {
        #[pin]
        phase: Phase<F, C, O, K, P>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F, C, O, K, P> {
        /// The inner future runs. Dropped before what it was admitted under.
        Running {
            #[pin]
            inner: F,
            admitted: Admitted<C, O, K, P>,
        },
        /// The inner service was not called.
        Refused { rejected: Rejected },
    }
}

impl<F, C, O, K, P> ResponseFuture<F, C, O, K, P> {
    /// Calls the inner service with what it was admitted under.
    #[inline]
    pub(super) fn call(
        mut ticket: Ticket,
        cut: Cut,
        shared: &StripedArc<Shared<C, O, K, P>>,
        inner: impl FnOnce() -> F,
    ) -> Self {
        let inner = on_unwind(inner, || shared.limit.finish(&mut ticket, Verdict::Ignored, time::now));
        Self { phase: Phase::Running { inner, admitted: Admitted { shared: shared.lease(), ticket, cut } } }
    }

    #[inline]
    pub(super) const fn refused(rejected: Rejected) -> Self {
        Self { phase: Phase::Refused { rejected } }
    }
}

impl<F, C, O, K, P, T, E> Future for ResponseFuture<F, C, O, K, P>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
    E: Refusal,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().phase.project() {
            PhaseProj::Running { inner, admitted } => {
                let polled = on_unwind(|| inner.poll(cx), || admitted.panicked());
                match &polled {
                    Poll::Ready(result) => admitted.shared.report(&mut admitted.ticket, result.as_ref()),
                    Poll::Pending => admitted.cut.pending(),
                }
                polled
            }
            PhaseProj::Refused { rejected } => Poll::Ready(Err((*rejected).into())),
        }
    }
}

/// A call in progress: it reports exactly once, at the latest when it is dropped.
struct Admitted<C, O, K, P> {
    shared: Lease<Shared<C, O, K, P>>,
    ticket: Ticket,
    cut: Cut,
}

impl<C, O, K, P> Admitted<C, O, K, P> {
    /// A panic further in says nothing about how much the other side can bear.
    #[cold]
    fn panicked(&mut self) {
        self.shared.limit.finish(&mut self.ticket, Verdict::Ignored, time::now);
    }
}

impl<C, O, K, P> Drop for Admitted<C, O, K, P> {
    #[inline]
    fn drop(&mut self) {
        if self.ticket.is_spent() {
            return;
        }
        let now = time::now();
        let is_cut = matches!(self.cut, Cut::At(at) if now >= at);
        self.shared.limit.abandon(&mut self.ticket, is_cut, || now);
    }
}

impl<F, C, O, K, P> fmt::Debug for ResponseFuture<F, C, O, K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Running { .. } => "Running",
            Phase::Refused { .. } => "Refused",
        };
        f.debug_struct("adaptive::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
