//! The attempts of one operation.

use std::{
    cell::OnceCell,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use pin_project_lite::pin_project;
use resilience_core::{
    CarryContext, Classify, Deadline, Event, Observer, Refusal, Rejected, RetryPolicy, Verdict, on_unwind,
    retry::{Decision, Failed, GaveUp, Reason, Retries, Safety, Trail},
};
use tower_service::Service;

use super::{Budgets, Replay, account::Account};
use crate::{
    call::settle,
    time::{self, Sleep},
};

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

/// What follows an answer.
enum Next<T> {
    Return(T),
    AtOnce,
    At(Instant),
}

impl<S, Req, C, B, O> Operation<'_, S, Req, C, B, O>
where
    S: Service<Req>,
    S::Error: Refusal,
    C: Classify<S::Response, S::Error>,
    B: Budgets<Req>,
    O: Observer,
    Req: Replay + CarryContext,
{
    /// Whether the first attempt has succeeded, and so all is done.
    #[inline]
    fn is_first_success(&mut self, result: &Result<S::Response, S::Error>) -> bool {
        let is_success = self.retries.is_none() && self.verdict(result) == Verdict::Success;
        if is_success {
            self.account.deposit();
        }
        is_success
    }

    /// Always.
    #[inline]
    fn is_pending(&mut self) -> bool {
        if !*self.has_been_pending {
            self.wait_begins();
        }
        true
    }

    /// A refusal from further in speaks for itself; the classifier is not asked.
    #[inline]
    fn verdict(&self, result: &Result<S::Response, S::Error>) -> Verdict {
        match result.as_ref().err().and_then(Refusal::rejected) {
            Some(rejected) => rejected.verdict(),
            None => self.classify.classify(result.as_ref()),
        }
    }

    /// An attempt limit from further out counts from here, also for attempts to come.
    #[cold]
    fn wait_begins(&mut self) {
        *self.has_been_pending = true;
        if let Some(request) = self.request {
            settle(request);
        }
    }

    /// Decides what follows the answer of an attempt.
    fn judge(&mut self, result: Result<S::Response, S::Error>) -> Next<Result<S::Response, S::Error>> {
        let verdict = self.verdict(&result);
        let mut retries = self.retries.unwrap_or_default();
        if verdict == Verdict::Success {
            self.account.deposit();
            self.account.tell(&Event::RetryRecovered { attempts: retries.attempts() });
            return Next::Return(result);
        }
        // A limit that counts from now may leave no room for a pause.
        self.wait_begins();
        let failed = self.failed(verdict, &result);
        let clock = OnceCell::new();
        let now = || *clock.get_or_init(time::now);
        // The timer ends a pause up to its resolution late.
        let latest = || now() + time::RESOLUTION;
        let decision = self.account.decide(self.policy, &mut retries, &failed, &latest);
        *self.retries = Some(retries);
        match decision {
            Decision::Again { after, kind } => {
                let attempt = retries.attempts();
                self.account.tell(&Event::RetryScheduled { attempt, kind, after });
                if after.is_zero() { Next::AtOnce } else { Next::At(Deadline::after(now(), after).at()) }
            }
            // Nobody would retry it, or anything, and it is the first.
            Decision::Stop { kind, .. }
                if retries.attempts() == 1 && (kind.is_none() || !self.policy.retries()) =>
            {
                Next::Return(result)
            }
            Decision::Stop { reason, .. } => {
                Next::Return(self.give_up(result, GaveUp { attempts: retries.attempts(), reason }))
            }
        }
    }

    fn failed(&self, verdict: Verdict, result: &Result<S::Response, S::Error>) -> Failed {
        let mut failed = match result.as_ref().err().and_then(Refusal::rejected) {
            Some(rejected) => Failed::refused(*rejected),
            None => Failed {
                hint: self.classify.hint(result.as_ref()),
                was_sent: self.classify.was_sent(result.as_ref()),
                ..Failed::new(verdict)
            },
        };
        match &*self.request {
            Some(request) => {
                let context = request.context();
                let is_safe = context.is_some_and(resilience_core::Context::is_idempotent);
                failed.safety = if is_safe { Safety::Idempotent } else { request.safety() };
                failed.is_replayable = request.is_complete();
                failed.deadline = context.and_then(resilience_core::Context::deadline);
            }
            None => failed.is_replayable = false,
        }
        failed
    }

    /// Notes on the answer why it is the last one.
    fn give_up(
        &mut self,
        mut result: Result<S::Response, S::Error>,
        gave_up: GaveUp,
    ) -> Result<S::Response, S::Error> {
        match &mut result {
            Ok(response) => self.classify.annotate(response, gave_up),
            Err(error) => error.set_gave_up(gave_up),
        }
        self.tell_gave_up(gave_up);
        result
    }

    fn tell_gave_up(&self, gave_up: GaveUp) {
        if let Some(trail) = self.request.as_ref().map_or(self.trail.as_ref(), trail) {
            trail.set_gave_up(gave_up);
        }
        self.account.tell(&Event::RetryGaveUp(gave_up));
    }

    /// The operation is over: what was readied for another attempt may hold a permit.
    fn let_go(&mut self) {
        (*self.service, *self.request) = (None, None);
        self.account.close();
    }

    /// Makes the next attempt once the inner service is ready for it.
    fn poll_again(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Future, S::Error>> {
        let (Some(service), Some(request)) = (&mut *self.service, &mut *self.request) else {
            unreachable!("there is no other attempt without a request for it");
        };
        // With a backoff of nothing and a service that answers at once, only the task's budget ends a poll.
        ready!(time::poll_proceed(cx));
        let readied = ready!(service.poll_ready(cx));
        let attempt = self.retries.unwrap_or_default().attempts();
        let over = match (readied, too_late(request)) {
            (Err(error), _) => Some((error, Reason::NotRetryable)),
            (Ok(()), Some(rejected)) => Some((S::Error::from(rejected), Reason::Deadline)),
            (Ok(()), None) => None,
        };
        if let Some((mut error, reason)) = over {
            let gave_up = GaveUp { attempts: attempt - 1, reason };
            error.set_gave_up(gave_up);
            self.tell_gave_up(gave_up);
            return Poll::Ready(Err(error));
        }
        if let Some(context) = request.context_mut() {
            context.set_attempt(attempt);
            context.set_now(None);
        }
        if let Some(trail) = trail(request) {
            trail.set_attempt(attempt);
        }
        let copy = if self.policy.is_last(attempt) { None } else { request.try_clone() };
        if let Some(copy) = copy {
            return Poll::Ready(Ok(service.call(copy)));
        }
        *self.trail = trail(request).cloned();
        match self.request.take() {
            Some(request) => Poll::Ready(Ok(service.call(request))),
            None => unreachable!("it was there above"),
        }
    }
}

/// The refusal of a request whose deadline has passed while it waited.
fn too_late<Req: CarryContext>(request: &Req) -> Option<Rejected> {
    let deadline = request.context()?.deadline()?;
    let now = time::now();
    let (limit, elapsed) = (deadline.limit(), deadline.elapsed(now));
    deadline.is_over(now).then_some(Rejected::DeadlineExceeded { limit, elapsed, called: true })
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
