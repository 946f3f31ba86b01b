//! What all services of a layer share.

use std::time::Duration;

use resilience_core::{
    CircuitBreaker, Classify, Event, Hint, Observer, Refusal, Rejected, Verdict,
    circuit_breaker::{Ticket, Transition},
};

use crate::time;

/// The breaker of a layer, how answers are judged, and who is told, in one block.
#[derive(Debug)]
pub(super) struct Shared<C, O> {
    pub(super) breaker: CircuitBreaker,
    pub(super) classify: C,
    pub(super) observer: O,
}

impl<C, O: Observer> Shared<C, O> {
    pub(super) fn tell(&self, transition: Option<Transition>) {
        if let Some(transition) = transition {
            self.observer.observe(&Event::CircuitBreakerTransition(transition));
        }
    }

    #[inline]
    pub(super) fn tell_rejected(&self, refused: Refused) {
        if self.observer.listens() {
            self.observer.observe(&Event::CircuitBreakerRejected { retry_after: refused.retry_after() });
        }
    }
}

/// The `retry_after` of a refusal in one word of nanoseconds, the largest for none.
///
/// A future holds it where a running call holds words: a `Duration` in that place would have every move of the future
/// split into pieces, at a cost that shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused(u64);

impl Refused {
    pub(super) const AT_ONCE: Self = Self(0);

    pub(super) fn new(rejected: Rejected) -> Self {
        let nanos = rejected.retry_after().and_then(|wait| u64::try_from(wait.as_nanos()).ok());
        Self(nanos.unwrap_or(u64::MAX))
    }

    pub(super) fn rejected(self) -> Rejected {
        Rejected::CircuitOpen { retry_after: self.retry_after() }
    }

    fn retry_after(self) -> Option<Duration> {
        (self.0 != u64::MAX).then(|| Duration::from_nanos(self.0))
    }
}

impl<C, O: Observer> Shared<C, O> {
    /// Reports an answer to the breaker. A refusal from further in speaks for itself; the classifier is not asked.
    #[inline]
    pub(super) fn report<T, E>(&self, ticket: &mut Ticket, result: Result<&T, &E>)
    where
        C: Classify<T, E>,
        E: Refusal,
    {
        let (verdict, hint) = match result.err().and_then(Refusal::rejected) {
            Some(rejected) => (rejected.verdict(), None),
            None => match self.classify.classify(result) {
                Verdict::Success => (Verdict::Success, None),
                bad => (bad, self.classify.hint(result).and_then(Hint::wait)),
            },
        };
        self.tell(self.breaker.finish(ticket, verdict, hint, time::now));
    }
}
