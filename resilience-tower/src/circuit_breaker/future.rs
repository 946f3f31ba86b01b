//! The phases of a call through a breaker, and what it holds meanwhile.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;
use resilience_core::{Classify, FailureKind, Refusal, Rejected, Verdict, circuit_breaker::Ticket};

pub use super::shared::{Held, HeldByKey, Hold};
use crate::time;

pin_project! {
    /// The response of [`CircuitBreaker`](super::CircuitBreaker) and [`KeyedCircuitBreaker`](super::KeyedCircuitBreaker).
    ///
    /// # Cancellation
    ///
    /// Dropping it gives back the slot of a probe. The call counts as nothing, unless the time that its context gave
    /// it was over, or it was slow: see the [module](super).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, H: Hold> {
        #[pin]
        phase: Phase<F, H>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F, H>
    where
        H: Hold,
    {
        /// The inner future runs. Dropped before what it was admitted under.
        Running {
            #[pin]
            inner: F,
            admitted: Admitted<H>,
        },
        /// The inner service was not called.
        Refused { rejected: Rejected },
        /// The response has been returned.
        Done,
    }
}

impl<F, H: Hold> ResponseFuture<F, H> {
    pub(super) const fn refused(rejected: Rejected) -> Self {
        Self { phase: Phase::Refused { rejected } }
    }
}

impl<F, H, T, E> Future for ResponseFuture<F, H>
where
    F: Future<Output = Result<T, E>>,
    H: Hold,
    H::Classify: Classify<T, E>,
    E: Refusal,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut phase = self.project().phase;
        let result = match phase.as_mut().project() {
            PhaseProj::Running { inner, admitted } => match admitted.guard(|| inner.poll(cx)) {
                Poll::Ready(result) => {
                    admitted.answered(result.as_ref());
                    result
                }
                Poll::Pending => {
                    admitted.pending();
                    return Poll::Pending;
                }
            },
            PhaseProj::Refused { rejected } => Err((*rejected).into()),
            PhaseProj::Done => panic!("`CircuitBreaker`'s future was polled after it had completed"),
        };
        phase.set(Phase::Done);
        Poll::Ready(result)
    }
}

/// A call in progress: it reports exactly once, at the latest when it is dropped.
pub(super) struct Admitted<H: Hold> {
    held: H,
    ticket: Option<Ticket>,
    cut: Cut,
}

/// When a layer further out cuts the call.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Never,
    At(Instant),
    /// So long after the call is first found pending, or at the deadline.
    AfterPending(Duration, Option<Instant>),
}

impl Cut {
    fn of(context: Option<&resilience_core::Context>) -> Self {
        let Some(context) = context else {
            return Self::Never;
        };
        let deadline = context.deadline().map(|deadline| deadline.at());
        match (context.attempt_limit(), deadline) {
            (Some(limit), deadline) => Self::AfterPending(limit, deadline),
            (None, Some(at)) => Self::At(at),
            (None, None) => Self::Never,
        }
    }
}

impl<H: Hold> Admitted<H> {
    #[inline]
    pub(super) fn new(held: H, ticket: Ticket, context: Option<&resilience_core::Context>) -> Self {
        Self { held, ticket: Some(ticket), cut: Cut::of(context) }
    }

    /// Calls the inner service.
    #[inline]
    pub(super) fn call<F>(mut self, call: impl FnOnce() -> F) -> ResponseFuture<F, H> {
        let inner = self.guard(call);
        ResponseFuture { phase: Phase::Running { inner, admitted: self } }
    }

    /// Runs code of the inner service; if that panics, the call has failed.
    #[inline]
    fn guard<T>(&mut self, inner: impl FnOnce() -> T) -> T {
        struct Panicked<'a, H: Hold>(&'a mut Admitted<H>);

        impl<H: Hold> Drop for Panicked<'_, H> {
            fn drop(&mut self) {
                self.0.failed(FailureKind::Fault);
            }
        }

        let panicked = Panicked(self);
        let result = inner();
        std::mem::forget(panicked);
        result
    }

    #[inline]
    fn answered<T, E>(&mut self, result: Result<&T, &E>)
    where
        H::Classify: Classify<T, E>,
        E: Refusal,
    {
        if let Some(ticket) = self.ticket.take() {
            self.held.report(ticket, result);
        }
    }

    #[cold]
    fn failed(&mut self, kind: FailureKind) {
        if let Some(ticket) = self.ticket.take() {
            let verdict = Verdict::Failure(kind);
            self.held.tell(self.held.breaker().finish(ticket, verdict, None, time::now));
        }
    }

    /// A limit that counts from here begins.
    #[inline]
    fn pending(&mut self) {
        if let Cut::AfterPending(limit, deadline) = self.cut {
            let own = time::now().checked_add(limit);
            self.cut = own.into_iter().chain(deadline).min().map_or(Cut::Never, Cut::At);
        }
    }
}

impl<H: Hold> Drop for Admitted<H> {
    #[inline]
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let transition = match self.cut {
            Cut::At(at) => {
                let now = time::now();
                self.held.breaker().abandon(ticket, now >= at, || now)
            }
            // Not even pending yet, a limit counted from then cannot be over.
            Cut::Never | Cut::AfterPending(..) => self.held.breaker().abandon(ticket, false, time::now),
        };
        self.held.tell(transition);
    }
}

impl<F, H: Hold> fmt::Debug for ResponseFuture<F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Running { .. } => "Running",
            Phase::Refused { .. } => "Refused",
            Phase::Done => "Done",
        };
        f.debug_struct("circuit_breaker::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
