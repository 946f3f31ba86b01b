//! The phases of a call with a fallback.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use resilience_core::{
    Classify, Event, Observer, Refusal,
    fallback::{Cause, Ending},
    on_unwind,
    striped::Lease,
};
use tower_service::Service;

use super::{StandIn, rules::Rules, stand_in::Prepared};

type PreparedOf<S, Req, A> =
    <A as StandIn<Req, <S as Service<Req>>::Response, <S as Service<Req>>::Error>>::Prepared;

type AnswerOf<S, Req, A> =
    <PreparedOf<S, Req, A> as Prepared<<S as Service<Req>>::Response, <S as Service<Req>>::Error>>::Answer;

pin_project! {
    /// The response of [`Fallback`](super::Fallback).
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the call or the fallback service's answer, whichever is under way, and gives back the permit of the
    /// latter. No observer is told.
    ///
    /// # Panics
    ///
    /// If the value's `clone`, the function or the fallback service does: the panic passes through, and counts as a failure of the
    /// fallback. And when it is polled again after the fallback was wanted; before, it polls the inner future again.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, Req, A, C, O>
    where
        S: Service<Req>,
        A: StandIn<Req, S::Response, S::Error>,
    {
        #[pin]
        phase: Phase<S::Future, PreparedOf<S, Req, A>, AnswerOf<S, Req, A>>,
        rules: Rules<C>,
        observer: Option<Lease<O>>,
    }
}

pin_project! {
    #[project = PhaseProj]
    #[project_replace = PhaseOwned]
    enum Phase<F, P, A> {
        /// The inner future runs.
        Calling {
            #[pin]
            inner: F,
            prepared: P,
        },
        /// The inner future has failed and is dropped; the fallback runs.
        StandingIn {
            #[pin]
            answer: A,
            cause: Cause,
        },
        Done,
    }
}

impl<S, Req, A, C, O> ResponseFuture<S, Req, A, C, O>
where
    S: Service<Req>,
    A: StandIn<Req, S::Response, S::Error>,
{
    #[inline]
    pub(super) const fn new(
        inner: S::Future,
        prepared: PreparedOf<S, Req, A>,
        rules: Rules<C>,
        observer: Option<Lease<O>>,
    ) -> Self {
        Self { phase: Phase::Calling { inner, prepared }, rules, observer }
    }
}

impl<S, Req, A, C, O> Future for ResponseFuture<S, Req, A, C, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    A: StandIn<Req, S::Response, S::Error>,
    C: Classify<S::Response, S::Error>,
    O: Observer,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let PhaseProj::Calling { inner, prepared } = this.phase.project() else {
            return self.poll_fallback(Poll::Pending, None, cx);
        };
        let polled = inner.poll(cx);
        let cause = match &polled {
            Poll::Ready(result) => this.rules.cause(result.as_ref()),
            Poll::Pending => {
                prepared.pending();
                None
            }
        };
        // Returned as it was written: to move it first costs more than to judge it.
        if cause.is_none() { polled } else { self.poll_fallback(polled, cause, cx) }
    }
}

impl<S, Req, A, C, O> ResponseFuture<S, Req, A, C, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    A: StandIn<Req, S::Response, S::Error>,
    C: Classify<S::Response, S::Error>,
    O: Observer,
{
    /// All that comes after a failure; out of line, so that a success has little to carry.
    #[inline(never)]
    fn poll_fallback(
        self: Pin<&mut Self>,
        failed: Poll<Result<S::Response, S::Error>>,
        cause: Option<Cause>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<S::Response, S::Error>> {
        let mut this = self.project();
        let observer = this.observer.as_deref();
        if let (Poll::Ready(original), Some(cause)) = (failed, cause) {
            if let PhaseOwned::Calling { prepared, .. } = this.phase.as_mut().project_replace(Phase::Done) {
                let was_sent = this.rules.was_sent(original.as_ref());
                let begin = || prepared.begin(original, was_sent);
                let answer = on_unwind(begin, || tell(observer, cause, Ending::Panicked));
                this.phase.set(Phase::StandingIn { answer, cause });
            }
        }
        let PhaseProj::StandingIn { answer, cause } = this.phase.as_mut().project() else {
            panic!("`Fallback`'s future was polled after it had completed");
        };
        let cause = *cause;
        let offer = ready!(on_unwind(|| answer.poll(cx), || tell(observer, cause, Ending::Panicked)));
        // The permit is free before anybody is told.
        this.phase.set(Phase::Done);
        let (result, ending) = this.rules.decide(offer, cause, |rejected| {
            if let Some(observer) = observer {
                observer.observe(&Event::BulkheadRejected(rejected));
            }
        });
        tell(observer, cause, ending);
        Poll::Ready(result)
    }
}

fn tell<O: Observer>(observer: Option<&O>, cause: Cause, ending: Ending) {
    if let Some(observer) = observer {
        observer.observe(&Event::Fallback { cause, ending });
    }
}

impl<S, Req, A, C, O> fmt::Debug for ResponseFuture<S, Req, A, C, O>
where
    S: Service<Req>,
    A: StandIn<Req, S::Response, S::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Calling { .. } => "Calling",
            Phase::StandingIn { .. } => "StandingIn",
            Phase::Done => "Done",
        };
        f.debug_struct("fallback::ResponseFuture").field("phase", &phase).finish_non_exhaustive()
    }
}
