//! What an operation makes of its attempts.

use std::{
    cell::OnceCell,
    task::{Context, Poll, ready},
    time::Instant,
};

use resilience_core::{
    CarryContext, Classify, Deadline, Event, Observer, Refusal, Rejected, Verdict,
    retry::{Decision, Failed, GaveUp, Reason, Safety},
};
use tower_service::Service;

use super::{Operation, trail};
use crate::{
    call::settle,
    retry::{Budgets, Replay},
    time,
};

/// What follows an answer.
pub(super) enum Next<T> {
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
    pub(super) fn is_first_success(&mut self, result: &Result<S::Response, S::Error>) -> bool {
        let is_success = self.retries.is_none() && self.verdict(result) == Verdict::Success;
        if is_success {
            self.account.deposit();
        }
        is_success
    }

    /// Always.
    #[inline]
    pub(super) fn is_pending(&mut self) -> bool {
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
    pub(super) fn judge(
        &mut self,
        result: Result<S::Response, S::Error>,
    ) -> Next<Result<S::Response, S::Error>> {
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
    pub(super) fn let_go(&mut self) {
        (*self.service, *self.request) = (None, None);
        self.account.close();
    }

    /// Makes the next attempt once the inner service is ready for it.
    pub(super) fn poll_again(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Future, S::Error>> {
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
