//! The attempts of one operation.

mod operation;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use resilience_core::{
    CarryContext, Classify, Observer, Refusal, RetryPolicy, on_unwind,
    retry::{Retries, Trail},
};
use tower_service::Service;

use self::operation::Next;
use super::{Budgets, Replay, account::Account};
use crate::time::{self, Sleep};

pin_project! {
    /// The response of [`Retry`](super::Retry).
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the attempt under way, or the pause, and there is no further attempt. What a budget was charged stays
    /// charged; what it counts as in flight is released.
    ///
    /// # Panics
    ///
    /// When it pauses outside of a Tokio runtime with a time driver, and when it is polled again after a failure. Polled again
    /// after a success of the first attempt, it polls that again.
    #[project = Operation]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, Req, C, B, O>
    where
        S: Service<Req>,
        B: Budgets<Req>,
    {
        #[pin]
        phase: Phase<S::Future>,
        // What is needed for another attempt: both, or neither.
        service: Option<S>,
        request: Option<Req>,
        // Of a request that is not kept.
        trail: Option<Trail>,
        policy: RetryPolicy,
        classify: C,
        // Nothing before the first attempt has failed.
        retries: Option<Retries>,
        has_been_pending: bool,
        account: Account<B, O, Req>,
    }
}

pin_project! {
    #[project = PhaseProj]
    enum Phase<F> {
        /// An attempt is under way.
        Calling { #[pin] attempt: F },
        /// The pause before the next one.
        Pausing { #[pin] timer: Sleep },
        /// Waiting for the inner service to be ready for it.
        Readying,
        Done,
    }
}

#[inline]
pub(super) fn trail<Req: CarryContext>(request: &Req) -> Option<&Trail> {
    request.context().and_then(resilience_core::Context::trail)
}

impl<S, Req, C, B, O> ResponseFuture<S, Req, C, B, O>
where
    S: Service<Req>,
    B: Budgets<Req>,
{
    #[inline]
    pub(super) fn new(
        attempt: S::Future,
        (service, request): (Option<S>, Option<Req>),
        trail: Option<Trail>,
        policy: RetryPolicy,
        classify: C,
        account: Account<B, O, Req>,
    ) -> Self {
        let phase = Phase::Calling { attempt };
        Self {
            phase,
            service,
            request,
            trail,
            policy,
            classify,
            retries: None,
            has_been_pending: false,
            account,
        }
    }
}

impl<S, Req, C, B, O> Future for ResponseFuture<S, Req, C, B, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
    B: Budgets<Req>,
    O: Observer,
    Req: Replay + CarryContext,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut operation = self.as_mut().project();
        let PhaseProj::Calling { attempt } = operation.phase.as_mut().project() else {
            return self.poll_further(Poll::Pending, cx);
        };
        let polled = on_unwind(|| attempt.poll(cx), || operation.account.close());
        let is_all = match &polled {
            Poll::Ready(result) => operation.is_first_success(result),
            Poll::Pending => operation.is_pending(),
        };
        // Returned as it was written: to move it first costs more than to judge it.
        if is_all { polled } else { self.poll_further(polled, cx) }
    }
}

impl<S, Req, C, B, O> ResponseFuture<S, Req, C, B, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
    B: Budgets<Req>,
    O: Observer,
    Req: Replay + CarryContext,
{
    /// All but the success of a first attempt; out of line, so that it has little to carry.
    #[inline(never)]
    fn poll_further(
        self: Pin<&mut Self>,
        mut answer: Poll<Result<S::Response, S::Error>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<S::Response, S::Error>> {
        let mut operation = self.project();
        loop {
            if let Poll::Ready(result) = std::mem::replace(&mut answer, Poll::Pending) {
                // Whatever the attempt and its answer hold is free before the pause begins.
                operation.phase.set(Phase::Done);
                match operation.judge(result) {
                    Next::Return(result) => return Poll::Ready(result),
                    Next::AtOnce => operation.phase.set(Phase::Readying),
                    Next::At(at) => operation.phase.set(Phase::Pausing { timer: time::sleep_until(at) }),
                }
            }
            match operation.phase.as_mut().project() {
                PhaseProj::Calling { attempt } => {
                    let polled = on_unwind(|| attempt.poll(cx), || operation.account.close());
                    answer = Poll::Ready(ready!(polled));
                }
                PhaseProj::Pausing { timer } => {
                    ready!(time::poll_timer(timer, cx));
                    operation.phase.set(Phase::Readying);
                }
                PhaseProj::Readying => {
                    let attempt = ready!(operation.poll_again(cx));
                    match attempt {
                        Ok(attempt) => operation.phase.set(Phase::Calling { attempt }),
                        Err(error) => {
                            operation.phase.set(Phase::Done);
                            operation.let_go();
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                PhaseProj::Done => panic!("`Retry`'s future was polled after it had completed"),
            }
        }
    }
}

impl<S, Req, C, B, O> fmt::Debug for ResponseFuture<S, Req, C, B, O>
where
    S: Service<Req>,
    B: Budgets<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Calling { .. } => "Calling",
            Phase::Pausing { .. } => "Pausing",
            Phase::Readying => "Readying",
            Phase::Done => "Done",
        };
        let attempt = self.retries.unwrap_or_default().attempts();
        f.debug_struct("retry::ResponseFuture")
            .field("phase", &phase)
            .field("attempt", &attempt)
            .finish_non_exhaustive()
    }
}
