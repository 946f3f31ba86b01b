//! The phases of a call through a breaker, and what it holds meanwhile.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use resilience_core::{Classify, FailureKind, Refusal, Verdict, circuit_breaker::Ticket, on_unwind};

use super::shared::Refused;
pub use super::shared::{Held, HeldByKey, Hold};
use crate::{cut::Cut, time};

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
        Refused { refused: Refused },
    }
}

impl<F, H: Hold> ResponseFuture<F, H> {
    /// Calls the inner service with what it was admitted under.
    ///
    /// The parts come one by one and the future is put together last, in its place: to move a future that has just
    /// been written costs more than to count the call.
    #[inline]
    pub(super) fn call(
        mut ticket: Ticket,
        cut: Cut,
        hold: impl Fn() -> H,
        inner: impl FnOnce() -> F,
    ) -> Self {
        let inner = on_unwind(inner, || failed(&hold(), &mut ticket));
        Self { phase: Phase::Running { inner, admitted: Admitted { held: hold(), ticket, cut } } }
    }

    #[inline]
    pub(super) const fn refused(refused: Refused) -> Self {
        Self { phase: Phase::Refused { refused } }
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
        match self.project().phase.project() {
            PhaseProj::Running { inner, admitted } => {
                let panicked = || failed(&admitted.held, &mut admitted.ticket);
                let polled = on_unwind(|| inner.poll(cx), panicked);
                match &polled {
                    Poll::Ready(result) => admitted.held.report(&mut admitted.ticket, result.as_ref()),
                    Poll::Pending => admitted.cut.pending(),
                }
                polled
            }
            PhaseProj::Refused { refused } => Poll::Ready(Err(refused.rejected().into())),
        }
    }
}

/// A call in progress: it reports exactly once, at the latest when it is dropped.
struct Admitted<H: Hold> {
    held: H,
    ticket: Ticket,
    cut: Cut,
}

impl<H: Hold> Drop for Admitted<H> {
    #[inline]
    fn drop(&mut self) {
        if self.ticket.is_spent() {
            return;
        }
        let transition = match self.cut {
            Cut::At(at) => {
                let now = time::now();
                self.held.breaker().abandon(&mut self.ticket, now >= at, || now)
            }
            // Not even pending yet, a limit counted from then cannot be over.
            Cut::Never | Cut::AfterPending(..) => {
                self.held.breaker().abandon(&mut self.ticket, false, time::now)
            }
        };
        self.held.tell(transition);
    }
}

/// A panic further in is a failure of the call.
#[cold]
fn failed<H: Hold>(held: &H, ticket: &mut Ticket) {
    let fault = Verdict::Failure(FailureKind::Fault);
    held.tell(held.breaker().finish(ticket, fault, None, time::now));
}

impl<F, H: Hold> fmt::Debug for ResponseFuture<F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Running { .. } => "Running",
            Phase::Refused { .. } => "Refused",
        };
        f.debug_struct("circuit_breaker::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
