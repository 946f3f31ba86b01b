//! The phases of a call under the policies of its key.

use std::{
    cell::OnceCell,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;
use resilience_core::{
    Classify, FailureKind, Hint, Observer, Refusal, Rejected, Verdict,
    adaptive::{self, Priority},
    circuit_breaker::{self, State, Transition},
    on_unwind,
    striped::Lease,
    throttle,
};

use super::{policies::Bundle, service::tell};
use crate::{cut::Cut, time};

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

/// What a call was admitted under by the policies there are; spent from the beginning where there is none.
pub(super) struct Tickets {
    throttle: throttle::Ticket,
    circuit_breaker: circuit_breaker::Ticket,
    adaptive: adaptive::Ticket,
    is_spent: bool,
}

impl Tickets {
    /// Asks the policies, outermost first. One that refuses counts for those further out as what is refused further in.
    #[inline]
    pub(super) fn admit(
        bundle: &Bundle,
        observer: Option<&impl Observer>,
        now: Instant,
    ) -> Result<Self, Rejected> {
        let mut tickets = Self {
            throttle: throttle::Ticket::spent(),
            circuit_breaker: circuit_breaker::Ticket::spent(),
            adaptive: adaptive::Ticket::spent(),
            is_spent: false,
        };
        if let Some(throttle) = &bundle.throttle {
            tickets.throttle = throttle.admit(|| now)?;
        }
        if let Some(breaker) = &bundle.circuit_breaker {
            tickets.circuit_breaker = match breaker.admit_closed(|| now) {
                Some(ticket) => ticket,
                None => {
                    let (admitted, transition) = breaker.admit(|| now);
                    follow(bundle, observer, transition);
                    admitted?
                }
            };
        }
        if let Some(limit) = &bundle.adaptive {
            match limit.admit(Priority::Default, || now) {
                Ok(ticket) => tickets.adaptive = ticket,
                Err(rejected) => {
                    tickets.finish(bundle, observer, rejected.verdict(), None);
                    return Err(rejected);
                }
            }
        }
        Ok(tickets)
    }

    /// An error that is no sign of overload is the breaker's to judge, if there is one; the throttle then counts nothing.
    ///
    /// Fewer calls do not make such errors fewer. A throttle that counts them brings the calls down to its probes as soon as more than
    /// half of them fail, and takes away the retries: of callers whom half of the calls failed, 39 % were served with it, 65 % are
    /// without (`tests/tests/outcomes`, S1c).
    fn leave_errors(&mut self, bundle: &Bundle, verdict: Verdict) {
        let is_error = matches!(verdict, Verdict::Failure(FailureKind::Transient | FailureKind::Fault));
        if let (true, Some(throttle), Some(_)) = (is_error, &bundle.throttle, &bundle.circuit_breaker) {
            throttle.finish(&mut self.throttle, Verdict::Ignored, time::now);
        }
    }

    /// Reports an answer to all of them, at one time.
    #[inline]
    fn finish(
        &mut self,
        bundle: &Bundle,
        observer: Option<&impl Observer>,
        verdict: Verdict,
        hint: Option<Duration>,
    ) {
        self.is_spent = true;
        let clock = OnceCell::new();
        let now = || *clock.get_or_init(time::now);
        if let Some(limit) = &bundle.adaptive {
            limit.finish(&mut self.adaptive, verdict, now);
        }
        if let Some(breaker) = &bundle.circuit_breaker {
            follow(bundle, observer, breaker.finish(&mut self.circuit_breaker, verdict, hint, now));
        }
        if let Some(throttle) = &bundle.throttle {
            throttle.finish(&mut self.throttle, verdict, now);
        }
    }
}

/// Tells of a transition; the throttle of a breaker that opens begins anew.
///
/// What it knew is the outage that the breaker answers for from now on. With it, it would refuse most of the probes that the breaker
/// waits for, and then most calls of a dependency that is well again: callers of 20 calls per second were back 6 s after a stall
/// instead of 2 s (`tests/tests/outcomes`, S2).
#[inline]
fn follow(bundle: &Bundle, observer: Option<&impl Observer>, transition: Option<Transition>) {
    if transition.is_some_and(|transition| transition.to == State::Open) {
        if let Some(throttle) = &bundle.throttle {
            throttle.reset();
        }
    }
    tell(observer, transition);
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
        if let Some(limit) = &bundle.adaptive {
            limit.finish(&mut tickets.adaptive, Verdict::Ignored, time::now);
        }
        tickets.finish(bundle, observer.as_deref(), Verdict::Failure(FailureKind::Fault), None);
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
        let clock = OnceCell::new();
        let now = || *clock.get_or_init(time::now);
        // Not even pending yet, a limit counted from then cannot be over.
        let is_cut = matches!(cut, Cut::At(at) if now() >= *at);
        if let Some(limit) = &bundle.adaptive {
            limit.abandon(&mut tickets.adaptive, is_cut, now);
        }
        if let Some(breaker) = &bundle.circuit_breaker {
            follow(bundle, observer.as_deref(), breaker.abandon(&mut tickets.circuit_breaker, is_cut, now));
        }
        if let Some(throttle) = &bundle.throttle {
            throttle.abandon(&mut tickets.throttle, is_cut, now);
        }
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
