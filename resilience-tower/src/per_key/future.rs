//! The phases of a call under the policies of its key.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use resilience_core::{Classify, Hint, Observer, Refusal, Rejected, Verdict, on_unwind, striped::Lease};

use super::{policies::Bundle, tickets::Tickets};
use crate::cut::Cut;

pin_project! {
    /// The response of [`PerKey`](super::PerKey).
    ///
    /// # Cancellation
    ///
    /// Dropping it gives back what the call holds. What it counts as, each policy's own module says.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, C, O: Observer> {
        #[pin]
        phase: Phase<F, C, O>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F, C, O>
    where
        O: Observer,
    {
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

impl<F, C, O: Observer> ResponseFuture<F, C, O> {
    /// Calls the inner service with what it was admitted under.
    #[inline]
    pub(super) fn call(mut admitted: Admitted<C, O>, inner: impl FnOnce() -> F) -> Self {
        let inner = on_unwind(inner, || admitted.failed());
        Self { phase: Phase::Running { inner, admitted } }
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
    O: Observer,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().phase.project() {
            PhaseProj::Running { inner, admitted } => {
                let polled = on_unwind(|| inner.poll(cx), || admitted.failed());
                match &polled {
                    Poll::Ready(result) => admitted.report(result.as_ref()),
                    Poll::Pending => admitted.cut.pending(),
                }
                polled
            }
            PhaseProj::Refused { rejected } => Poll::Ready(Err((*rejected).into())),
        }
    }
}

/// A call in progress: it reports exactly once, at the latest when it is dropped.
pub(super) struct Admitted<C, O: Observer> {
    bundle: Lease<Bundle>,
    tickets: Tickets,
    cut: Cut,
    classify: C,
    /// If it listens.
    observer: Option<Lease<O>>,
}

impl<C, O: Observer> Admitted<C, O> {
    #[inline]
    pub(super) const fn new(
        bundle: Lease<Bundle>,
        tickets: Tickets,
        cut: Cut,
        classify: C,
        observer: Option<Lease<O>>,
    ) -> Self {
        Self { bundle, tickets, cut, classify, observer }
    }

    /// A refusal from further in speaks for itself; the classifier is not asked.
    #[inline]
    fn report<T, E>(&mut self, result: Result<&T, &E>)
    where
        C: Classify<T, E>,
        E: Refusal,
    {
        let Self { bundle, tickets, classify, observer, .. } = self;
        let (verdict, hint) = match result.err().and_then(Refusal::rejected) {
            Some(rejected) => (rejected.verdict(), None),
            None => match classify.classify(result) {
                Verdict::Success => (Verdict::Success, None),
                bad => {
                    tickets.leave_errors(bundle, bad);
                    (bad, classify.hint(result).and_then(Hint::wait))
                }
            },
        };
        tickets.finish(bundle, observer.as_deref(), verdict, hint);
    }

    /// A panic further in is a failure of the call, and says nothing about how much the other side can bear.
    #[cold]
    fn failed(&mut self) {
        let Self { bundle, tickets, observer, .. } = self;
        tickets.panicked(bundle, observer.as_deref());
    }
}

impl<C, O: Observer> Drop for Admitted<C, O> {
    #[inline]
    fn drop(&mut self) {
        if !self.tickets.is_spent {
            self.abandon();
        }
    }
}

impl<C, O: Observer> Admitted<C, O> {
    #[inline(never)]
    fn abandon(&mut self) {
        let Self { bundle, tickets, cut, observer, .. } = self;
        tickets.abandon(bundle, observer.as_deref(), *cut);
    }
}

impl<F, C, O: Observer> fmt::Debug for ResponseFuture<F, C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Running { .. } => "Running",
            Phase::Refused { .. } => "Refused",
        };
        f.debug_struct("per_key::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
