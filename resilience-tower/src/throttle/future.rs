//! The phases of a call through a throttle, and what it holds meanwhile.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use resilience_core::{
    Classify, FailureKind, Refusal, Rejected, Verdict, on_unwind,
    striped::{Lease, StripedArc},
    throttle::Ticket,
};

use super::shared::Shared;
use crate::{cut::Cut, time};

pin_project! {
    /// The response of [`Throttle`](super::Throttle).
    ///
    /// # Cancellation
    ///
    /// A call that is dropped counts as nothing, unless the time that its context gave it was over: see the
    /// [module](super).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, C, O> {
        #[pin]
        phase: Phase<F, C, O>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F, C, O> {
        /// The inner future runs. Dropped before what it was admitted under.
        Running {
            #[pin]
            inner: F,
            admitted: Admitted<C, O>,
        },
        /// The inner service was not called.
        Refused { rejected: Rejected },
    }
}

impl<F, C, O> ResponseFuture<F, C, O> {
    /// Calls the inner service with what it was admitted under.
    ///
    /// The parts come one by one and the future is put together last, in its place: to move a future that has just
    /// been written costs more than to count the call.
    #[inline]
    pub(super) fn call(
        mut ticket: Ticket,
        cut: Cut,
        shared: &StripedArc<Shared<C, O>>,
        inner: impl FnOnce() -> F,
    ) -> Self {
        let inner = on_unwind(inner, || failed(shared, &mut ticket));
        Self { phase: Phase::Running { inner, admitted: Admitted { shared: shared.lease(), ticket, cut } } }
    }

    #[inline]
    pub(super) const fn refused(rejected: Rejected) -> Self {
        Self { phase: Phase::Refused { rejected } }
    }
}

impl<F, C, O, T, E> Future for ResponseFuture<F, C, O>
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
                let panicked = || failed(&admitted.shared, &mut admitted.ticket);
                let polled = on_unwind(|| inner.poll(cx), panicked);
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
struct Admitted<C, O> {
    shared: Lease<Shared<C, O>>,
    ticket: Ticket,
    cut: Cut,
}

impl<C, O> Drop for Admitted<C, O> {
    #[inline]
    fn drop(&mut self) {
        if self.ticket.is_spent() {
            return;
        }
        // Not even pending yet, a limit counted from then cannot be over.
        if let Cut::At(at) = self.cut {
            let now = time::now();
            self.shared.throttle.abandon(&mut self.ticket, now >= at, || now);
        }
    }
}

/// A panic further in is a call that was not accepted.
#[cold]
fn failed<C, O>(shared: &Shared<C, O>, ticket: &mut Ticket) {
    shared.throttle.finish(ticket, Verdict::Failure(FailureKind::Fault), time::now);
}

impl<F, C, O> fmt::Debug for ResponseFuture<F, C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Running { .. } => "Running",
            Phase::Refused { .. } => "Refused",
        };
        f.debug_struct("throttle::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
